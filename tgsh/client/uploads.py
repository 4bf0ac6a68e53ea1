"""Bodies of uploads: a file, a folder as a tar, or arrays as an .npz; each streamed from where it lies."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tgsh.errors import InvalidSpec

IMAGE_KEYS = ("x", "x_test")
"""Arrays of pixels; all others hold labels, names or groups."""


@dataclass(frozen=True)
class UploadPart:
    """A file and the bytes around it."""

    head: bytes
    path: Path | None
    tail: bytes


@dataclass(frozen=True)
class UploadBody:
    """Body of a request, in parts, and its length.

    Attributes
    ----------
    parts : Sequence[UploadPart]
        In their order.
    size : int
        Bytes of all parts.
    """

    parts: Sequence[UploadPart]
    size: int


def file_body(path: Path) -> UploadBody:
    """Body of a file, as it is.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    UploadBody
        One part.

    Raises
    ------
    InvalidSpec
        If it cannot be read.
    """
    return UploadBody([UploadPart(b"", path, b"")], _readable_size(path))


def folder_body(folder: Path) -> UploadBody:
    """Body of a folder: an uncompressed tar of its files, which the service reads by their paths.

    Links to files are followed, links to folders are not.

    Parameters
    ----------
    folder : Path
        A folder of class folders.

    Returns
    -------
    UploadBody
        A part a file, in the order of their paths.

    Raises
    ------
    InvalidSpec
        If there is no file in it, or one cannot be read.
    """
    parts: list[UploadPart] = []
    size = 0
    for place, folders, files in os.walk(folder, onerror=_refuse_folder):
        folders.sort()
        for name in sorted(files):
            path = Path(place, name)
            if not path.is_file():  # a socket, a pipe, a link to nothing
                continue
            header = tarfile.TarInfo(path.relative_to(folder).as_posix())
            header.size = _readable_size(path)
            head = header.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
            tail = bytes(-header.size % tarfile.BLOCKSIZE)
            parts.append(UploadPart(head, path, tail))
            size += len(head) + header.size + len(tail)
    if not parts:
        raise InvalidSpec("source", f"{folder} is a folder without a file")
    end = bytes(2 * tarfile.BLOCKSIZE)
    return UploadBody([*parts, UploadPart(b"", None, end)], size + len(end))


def npz_body(arrays: Mapping[str, Any]) -> UploadBody:
    """Body of arrays, and of what becomes an array: torch tensors, columns of pandas, lists.

    Parameters
    ----------
    arrays : Mapping[str, Any]
        By name, as the service understands names.

    Returns
    -------
    UploadBody
        An .npz without Python objects.

    Raises
    ------
    InvalidSpec
        If something is neither numbers nor text; with all that is not.
    """
    converted: dict[str, np.ndarray] = {}
    wrong: list[tuple[str, str]] = []
    for name, values in arrays.items():
        try:
            converted[name] = as_array(name, values)
        except InvalidSpec as error:
            wrong += error.fields
    if wrong:
        raise InvalidSpec(*wrong[0], wrong[1:])
    file = io.BytesIO()
    np.savez(file, **converted)  # type: ignore[arg-type]  # its stubs take an array for allow_pickle
    content = file.getvalue()
    return UploadBody([UploadPart(content, None, b"")], len(content))


def as_array(name: str, values: Any) -> np.ndarray:
    """Array of numbers or text of what a program holds.

    Parameters
    ----------
    name : str
        Its name, for the error.
    values : Any
        Array, torch tensor (of any device, with gradients or without), column of pandas, list.

    Returns
    -------
    np.ndarray
        The same without Python objects.

    Raises
    ------
    InvalidSpec
        If it holds neither numbers nor text, or rows of several lengths.
    """
    if hasattr(values, "detach"):  # a torch tensor, which knows no NumPy while it has gradients or a device
        values = values.detach().cpu()
        values = values.float() if str(values.dtype) == "torch.bfloat16" else values
        values = values.numpy()
    try:
        array = np.asarray(values)
    except ValueError as error:  # rows of several lengths
        raise InvalidSpec(name, "has rows of several lengths; all images need one size") from error
    if not array.dtype.hasobject:
        return array
    return _without_objects(name, array)


def _without_objects(name: str, array: np.ndarray) -> np.ndarray:
    """Array of objects as one of numbers or text, where all are of one kind."""
    kinds = {type(value) for value in array.ravel()[:100_000]} | {type(value) for value in array.ravel()[-1:]}
    if all(issubclass(kind, (bool, np.bool_, int, np.integer, float, np.floating)) for kind in kinds):
        return np.asarray(array.tolist())
    if all(issubclass(kind, (str, bytes)) for kind in kinds):
        texts = [value.decode("utf-8") if isinstance(value, bytes) else str(value) for value in array.ravel()]
        return np.asarray(texts, dtype=np.str_).reshape(array.shape)
    if name in IMAGE_KEYS and array.ndim == 1 and all(hasattr(value, "__array__") for value in array):
        shapes = {np.shape(value) for value in array}
        if len(shapes) == 1:
            return np.stack([as_array(name, value) for value in array])
        sizes = ", ".join(str(shape) for shape in sorted(shapes)[:3])
        raise InvalidSpec(name, f"holds images of several sizes ({sizes}, …); bring them to one size")
    named = ", ".join(sorted(kind.__name__ for kind in kinds)[:4])
    missing = " (a missing value?)" if type(None) in kinds or float in kinds else ""
    raise InvalidSpec(name, f"holds Python objects of the types {named}{missing}; send numbers or text")


def _readable_size(path: Path) -> int:
    try:
        path.open("rb").close()
        return path.stat().st_size
    except OSError as error:
        raise InvalidSpec("source", f"{path} cannot be read: {error.strerror}") from error


def _refuse_folder(error: OSError) -> None:
    raise InvalidSpec("source", f"{error.filename} cannot be read: {error.strerror}") from error
