"""HTTP requests of the client that send images of a task; sends nothing itself."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import httpx
import numpy as np
from pydantic import BaseModel

from tgsh.client._requests import (
    UPLOAD_TIMEOUT,
    ApiRequest,
    Images,
    experiment_path,
    parse_model,
    parse_npy,
    upload_body,
    without_none,
)
from tgsh.client.results import Predictions

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


def post_predictions(experiment: str, task: int, images: Images, **params: Any) -> ApiRequest[Predictions]:
    """POST images to the predictions of a task's network."""
    path = experiment_path(experiment, "tasks", task, "predictions")
    return _post_images(path, images, parse_model(Predictions), params)


def post_representations(experiment: str, task: int, images: Images, **params: Any) -> ApiRequest[np.ndarray]:
    """POST images to the representations of a task's network."""
    path = experiment_path(experiment, "tasks", task, "representations")
    return _post_images(path, images, parse_npy, {**params, "format": "npy"})


def post_images(
    kind: type[M], experiment: str, parts: Sequence[str | int], images: Images, /, **params: Any
) -> ApiRequest[M]:
    """POST images to a resource of an experiment that answers a document."""
    return _post_images(
        experiment_path(experiment, *parts), images, parse_model(kind), without_none(**params)
    )


def post_image_file(
    kind: type[M],
    experiment: str,
    parts: Sequence[str | int],
    source: str | os.PathLike[str],
    /,
    **params: Any,
) -> ApiRequest[M]:
    """POST a file or folder of images, which is streamed, to a resource that answers a document."""
    return ApiRequest(
        "POST",
        experiment_path(experiment, *parts),
        parse_model(kind),
        params=without_none(**params),
        content=upload_body(source, {}),
        headers={"Content-Type": "application/octet-stream"},
        read_timeout=UPLOAD_TIMEOUT,
    )


def post_codes(experiment: str, task: int, images: Images, **params: Any) -> ApiRequest[np.ndarray]:
    """POST images to the hash codes of a task's network."""
    path = experiment_path(experiment, "tasks", task, "codes")
    return _post_images(path, images, parse_npy, {**params, "format": "npy"})


def weights_text(weights: Mapping[int, float] | str) -> str:
    """Weights of contexts as the service reads them, such as ``"8:0.5,10:0.5"``."""
    if isinstance(weights, str):
        return weights
    return ",".join(f"{task}:{float(weight):.12g}" for task, weight in weights.items())


def _post_images(
    path: str, images: Images, parse: Callable[[httpx.Response], T], params: Mapping[str, Any]
) -> ApiRequest[T]:
    headers = {"Content-Type": "application/x-npy"}
    return ApiRequest("POST", path, parse, params=params, content=_npy(images), headers=headers)


def _npy(images: Images) -> bytes:
    """Images as .npy, in uint8 or float32 if possible: of a list, NumPy makes 8 bytes a number."""
    pixels = np.asarray(images)
    if pixels.dtype.kind in "iu" and pixels.size and pixels.min() >= 0 and pixels.max() <= 255:
        pixels = pixels.astype(np.uint8)
    elif pixels.dtype.kind == "f" and pixels.itemsize > 4:
        with np.errstate(over="ignore"):  # the service refuses infinities
            pixels = pixels.astype(np.float32)
    file = io.BytesIO()
    np.save(file, pixels, allow_pickle=False)
    return file.getvalue()
