"""Requests about datasets of one's own, as values; see calls.py."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from tgsh import schemas
from tgsh.client.calls import given, model
from tgsh.client.steps import Call
from tgsh.errors import InvalidSpec

MEDIA_TYPES = {".npz": "application/x-npz", ".zip": "application/zip"}

PATIENCE = 900.0
"""Seconds to wait for the answer to an upload: gigabytes are unpacked meanwhile."""


def path(dataset: str) -> str:
    """The path of a dataset."""
    return "/datasets/" + quote(dataset, safe="")


def upload(source: str | Path | None, arrays: Mapping[str, Any], **params: Any) -> Call[schemas.Dataset]:
    """POST a dataset: a file, which is sent as it is read, or arrays as .npz. Raises InvalidSpec."""
    if (source is None) == (not arrays):
        raise InvalidSpec("source", "upload a file, or arrays x and y")
    content, media_type = (_npz(arrays), MEDIA_TYPES[".npz"]) if source is None else _file(Path(source))
    return Call(
        "POST",
        "/datasets",
        model(schemas.Dataset),
        params=given(**params),
        content=content,
        headers={"Content-Type": media_type},
        repeatable=False,  # gigabytes; sending them again by hand makes no second dataset
        patience=PATIENCE,
    )


def _file(file: Path) -> tuple[Path, str]:
    if file.suffix.lower() not in MEDIA_TYPES:
        raise InvalidSpec("source", f"{file.name} is neither an .npz nor a .zip")
    try:
        file.open("rb").close()
    except OSError as error:
        raise InvalidSpec("source", f"{file} cannot be read: {error.strerror}") from error
    return file, MEDIA_TYPES[file.suffix.lower()]


def _npz(arrays: Mapping[str, Any]) -> bytes:
    file, converted = io.BytesIO(), {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in converted.items():
        if array.dtype.hasobject:
            raise InvalidSpec(name, "holds Python objects; upload numbers, or classes as integers or text")
    np.savez(file, **converted)  # type: ignore[arg-type]  # its stubs take an array for allow_pickle
    return file.getvalue()


def page(cursor: str | None = None, limit: int | None = None) -> Call[schemas.DatasetPage]:
    """One page of datasets, newest first."""
    return Call("GET", "/datasets", model(schemas.DatasetPage), params=given(cursor=cursor, limit=limit))


def get(dataset: str) -> Call[schemas.Dataset]:
    """GET a dataset."""
    return Call("GET", path(dataset), model(schemas.Dataset))


def samples(dataset: str, format: str, **params: Any) -> Call[bytes]:
    """GET what its images look like, as a file's bytes."""
    wanted = given(format=format, **params)
    return Call("GET", f"{path(dataset)}/samples", lambda response: response.content, params=wanted)


def sharing(dataset: str, shared: bool) -> Call[schemas.Dataset]:
    """PATCH who sees a dataset."""
    body = schemas.Sharing(shared=shared).model_dump()
    return Call("PATCH", path(dataset), model(schemas.Dataset), body=body)


def deletion(dataset: str) -> Call[None]:
    """DELETE a dataset."""
    return Call("DELETE", path(dataset), lambda _: None, repeatable=False)
