"""Parsers of what clients send: images, index lists, weights."""

from __future__ import annotations

import io
import re
from math import prod
from typing import Any

import numpy as np
from numpy.lib import format as npy
from pydantic_core import from_json

from service.errors import UnsupportedMediaType
from service.responses import MEDIA_TYPES
from tgsh.datasets.base import DatasetInfo
from tgsh.errors import InvalidSpec

MAX_IMAGES = 1_000
"""Images in one request."""

ROUNDING = 1e-6
"""Float pixels may be this far outside 0 to 1: transforms round."""

_NPY_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}

_EXAMPLE_IMAGE = [
    [255 if 4 <= row < 24 and 12 <= column < 16 else 0 for column in range(28)] for row in range(28)
]

IMAGES_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": (
            f"At most {MAX_IMAGES:,} images in an array [n, H, W] or [n, D], or one image [H, W] or [D]; "
            "D = H·W. Colour images are [n, H, W, 3] or [n, D], or one without n; D = H·W·3. "
            "Whole numbers are bytes from 0 to 255, floats are pixels from 0 to 1. In JSON the "
            "numbers of all images are taken together: they are bytes where none is written as a float, "
            "so write 0.0 and 1.0 where pixels are nothing but black and white. npy takes a fraction of "
            "JSON's bytes, and what a request may have is limited (TGSH_MAX_BODY_BYTES, 1 MiB)."
        ),
        "content": {
            MEDIA_TYPES["json"]: {
                "schema": {
                    "type": "object",
                    "required": ["images"],
                    "additionalProperties": False,
                    "properties": {
                        "images": {
                            "type": "array",
                            "items": {},
                            "description": "nested lists of numbers, all lists of a level equally long",
                        }
                    },
                },
                "examples": {
                    "bar": {"summary": "one image: an upright bar", "value": {"images": [_EXAMPLE_IMAGE]}}
                },
            },
            MEDIA_TYPES["npy"]: {
                "schema": {
                    "type": "string",
                    "format": "binary",
                    "description": "what numpy.save writes: uint8, float16, float32 or float64; no pickle",
                },
                "examples": {
                    "file": {
                        "summary": "a file that numpy.save(file, images) wrote",
                        "description": "curl --data-binary @images.npy -H 'Content-Type: application/x-npy'",
                        "value": "images.npy",
                    }
                },
            },
        },
    }
}
"""The request body of images, for the OpenAPI document."""

FILE_OR_IMAGES_BODY: dict[str, Any] = {
    "requestBody": {
        **IMAGES_BODY["requestBody"],
        "description": (
            f"{IMAGES_BODY['requestBody']['description']} Or a file, which is what application/octet-stream, "
            "application/zip and multipart/form-data are taken for: a zip or tar of pictures, one picture, "
            "an .npz or .npy, or an IDX file, with options in the query; its limit is TGSH_MAX_UPLOAD_BYTES. "
            "Folders and labels in it are of no meaning."
        ),
        "content": {
            **IMAGES_BODY["requestBody"]["content"],
            "application/octet-stream": {
                "schema": {"type": "string", "format": "binary"},
                "examples": {
                    "file": {
                        "summary": "a file as it is",
                        "description": "curl --data-binary @photos.zip "
                        "-H 'Content-Type: application/octet-stream'",
                        "value": "photos.zip",
                    }
                },
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                },
            },
        },
    }
}
"""The same where a file may come, too."""


def images_in(body: bytes, content_type: str | None, info: DatasetInfo) -> np.ndarray:
    """The images in a request's body, [n, D]: uint8 from 0 to 255, or float32 from 0 to 1.

    Raises UnsupportedMediaType, or InvalidSpec, which names the field `images`, or `body` where the body
    cannot be read at all.
    """
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type == MEDIA_TYPES["npy"]:
        return _pixels(_from_npy(body, info)).reshape(-1, info.pixels)
    if media_type == MEDIA_TYPES["json"]:
        return _pixels(_from_json(body, info)).reshape(-1, info.pixels)
    raise UnsupportedMediaType(
        f"Content-Type: {content_type or 'none'} is no type of images; send an array as "
        'application/x-npy, or {"images": [...]} as application/json'
    )


def images_of(array: np.ndarray, info: DatasetInfo) -> np.ndarray:
    """The images in an array, as `images_in` has those of a body. Raises InvalidSpec."""
    dtype = array.dtype
    if dtype != np.uint8 and not (dtype.kind == "f" and dtype.itemsize <= 8):
        raise _no_pixels(dtype)
    _check_shape(array.shape, info)
    return _pixels(array).reshape(-1, info.pixels)


def _no_pixels(dtype: np.dtype[Any]) -> InvalidSpec:
    return InvalidSpec(
        "images",
        f"numbers of type {dtype} are no pixels; send uint8 (0 to 255), or float16, float32 or "
        "float64 (0 to 1), such as images.astype(numpy.uint8)",
    )


def _from_npy(body: bytes, info: DatasetInfo) -> np.ndarray:
    """The array in the bytes of a .npy file; a view of them, so that no header can ask for memory."""
    shape, fortran, dtype, start = _npy_header(body)
    if dtype != np.uint8 and not (dtype.kind == "f" and dtype.itemsize <= 8):
        raise _no_pixels(dtype)
    _check_shape(shape, info)
    expected, actual = prod(shape) * dtype.itemsize, len(body) - start
    if expected != actual:
        raise InvalidSpec(
            "body",
            f"an array of shape {list(shape)} and type {dtype} takes {expected:,} bytes, but {actual:,} "
            "follow the header; send all that numpy.save wrote, and nothing else",
        )
    return np.ndarray(shape, dtype, body, start, order="F" if fortran else "C")


def _npy_header(body: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, Fortran order, dtype, and offset of the data."""
    file = io.BytesIO(body)
    try:
        shape, fortran, dtype = _NPY_HEADERS[npy.read_magic(file)](file)
    # A header is a Python literal of the client's choice, and NumPy raises many types for a bad one.
    except Exception as error:
        raise InvalidSpec("body", "is no .npy file; send the bytes that numpy.save writes") from error
    return shape, fortran, dtype, file.tell()


def _from_json(body: bytes, info: DatasetInfo) -> np.ndarray:
    """The array in {"images": nested lists}: uint8 where every number is whole, else float64."""
    try:
        document = from_json(body)
    except ValueError as error:
        raise InvalidSpec("body", f'is no JSON ({error}); send {{"images": [...]}}') from error
    if not isinstance(document, dict):
        raise InvalidSpec("body", 'is no JSON object; send {"images": [...]}')
    if unknown := [key for key in document if key != "images"]:
        raise InvalidSpec(unknown[0], 'unknown key; send {"images": [...]} and nothing else')
    if "images" not in document:
        raise InvalidSpec("images", 'is missing; send {"images": [...]}')
    numbers = _numbers(document["images"])
    _check_shape(numbers.shape, info)
    return numbers


def _numbers(lists: object) -> np.ndarray:
    refusal = InvalidSpec("images", "must be nested lists of numbers, all lists of a level equally long")
    try:
        numbers = np.array(lists, object)
    except ValueError as error:
        raise refusal from error
    kinds = {type(number) for number in numbers.ravel()}
    if not kinds <= {int, float}:
        raise refusal
    if kinds == {int}:
        if numbers.min() < 0 or numbers.max() > 255:
            raise InvalidSpec("images", "whole numbers are bytes: they must be from 0 to 255")
        return numbers.astype(np.uint8)
    try:
        return numbers.astype(np.float64)
    except OverflowError as error:
        raise _out_of_range() from error


def _check_shape(shape: tuple[int, ...], info: DatasetInfo) -> None:
    """Raises InvalidSpec where an array of this shape is not one image, or 1 to MAX_IMAGES images."""
    single = ((info.pixels,), info.shape)
    if min(shape, default=1) < 1:
        raise InvalidSpec("images", f"an array of shape {list(shape)} is empty; send at least one image")
    if shape in single:
        return
    if shape[1:] not in single:
        raise InvalidSpec(
            "images",
            f"an array of shape {list(shape)} is no images of {info.name}, which have "
            f"{' × '.join(map(str, info.shape))} = {info.pixels} pixels; send "
            f"[n, {', '.join(map(str, info.shape))}] or [n, {info.pixels}], or one image without n",
        )
    if shape[0] > MAX_IMAGES:
        raise InvalidSpec("images", f"{shape[0]:,} are more than {MAX_IMAGES:,}; send them in parts")


def _pixels(images: np.ndarray) -> np.ndarray:
    """Images as uint8 unchanged, or as float32 after checks of finiteness and range."""
    if images.dtype == np.uint8:
        return images
    if not np.isfinite(images).all():
        raise InvalidSpec("images", "hold a NaN or an infinity; every pixel must be a number")
    if images.min() < -ROUNDING or images.max() > 1 + ROUNDING:
        raise _out_of_range()
    return images.astype(np.float32)


def _out_of_range() -> InvalidSpec:
    return InvalidSpec("images", "floats must be from 0 to 1; divide by 255, or send bytes as whole numbers")


_RANGE = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?", re.ASCII)

MAX_RANGES = 200
"""Ranges in one list: each may repeat all tasks."""


def parse_indices(text: str | None, available: tuple[int, ...], field: str) -> list[int]:
    """The numbers in a list such as "0,9,18" or "0-3,9", in its order; all available ones for None.

    Raises InvalidSpec, naming `field`, for text of another form or a number that is not available.
    """
    if text is None:
        return list(available)
    allowed = set(available)
    selected: dict[int, None] = {}  # keeps the order, drops repetitions
    ranges = 0
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            raise InvalidSpec(field, f'{part!r} is no number or range; write "0,9,18" or "0-3,9"')
        first, last = int(match[1]), int(match[2] or match[1])
        ranges += first < last
        if ranges > MAX_RANGES:
            raise InvalidSpec(field, f"more than {MAX_RANGES} ranges are too many; join some")
        for number in range(first, last + 1):
            if number not in allowed:
                raise InvalidSpec(field, f"{number} is not there" + _available_range(available))
            selected[number] = None
    return list(selected)


def _available_range(available: tuple[int, ...]) -> str:
    return f"; there are {available[0]} to {available[-1]}" if available else " yet"


MAX_WEIGHTS = 1_000
"""Contexts in one mix."""

MAX_WEIGHT = 1e6


def parse_weights(text: str, available: tuple[int, ...], field: str = "weights") -> dict[int, float]:
    """Weights of tasks in a list such as "8:0.5,10:0.5", divided by their sum; those of 0 are left out.

    Raises InvalidSpec, naming `field`, with all that is wrong.
    """
    parts = text.split(",")
    if len(parts) > MAX_WEIGHTS:
        raise InvalidSpec(field, f"{len(parts):,} weights are more than {MAX_WEIGHTS:,}")
    allowed, weights, wrong = set(available), dict[int, float](), []
    for part in parts:
        match = _WEIGHT.fullmatch(part.strip())
        if match is None:
            wrong.append(f'{part[:40]!r} is no task and weight; write "8:0.5,10:0.5"')
            continue
        task, weight = int(match[1]), float(match[2])
        if task not in allowed:
            wrong.append(f"task {task} is not there" + _available_range(available))
        elif task in weights:
            wrong.append(f"task {task} has two weights")
        elif weight > MAX_WEIGHT:
            wrong.append(f"the weight of task {task} is more than {MAX_WEIGHT:g}")
        weights[task] = weight
    total = sum(weights.values())
    if not wrong and total <= 0:
        wrong.append("sum to 0, and a mean needs a weight above 0")
    if wrong:
        raise InvalidSpec(field, wrong[0], [(field, message) for message in wrong[1:]])
    return {task: weight / total for task, weight in weights.items() if weight > 0}


_WEIGHT = re.compile(r"(\d{1,6}):(\d{1,12}(?:\.\d{0,12})?(?:e-?\d{1,2})?)", re.ASCII)
