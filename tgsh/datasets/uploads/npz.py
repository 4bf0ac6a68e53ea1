"""Reader of an NPZ of images and labels, which unpickles nothing."""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from tgsh.datasets.uploads.image_folders import (
    MAX_IMAGES,
    LabelledImages,
    check_classes,
    check_size,
    sorted_class_names,
)
from tgsh.errors import InvalidSpec

ALIASES = {"x_train": "x", "y_train": "y"}
NAMES = ("x", "y", "x_test", "y_test")

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
INSPECTED_NUMBERS = 1 << 20
"""Numbers that are looked at to say what is wrong with the others."""

COPY_BYTES = 4 << 20


@dataclass(frozen=True)
class _Header:
    """Header of an array in the archive.

    Attributes
    ----------
    name : str
        Name of the array.
    shape : tuple[int, ...]
        Shape that it declares.
    dtype : np.dtype[Any]
        Type that it declares.
    size : int
        Bytes of an array of that shape and type.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    size: int


def read_npz(archive: zipfile.ZipFile, scratch: Path, max_bytes: int) -> LabelledImages:
    """Read an NPZ as numpy.savez writes it: x, y, and perhaps x_test and y_test.

    Parameters
    ----------
    archive : zipfile.ZipFile
        Images uint8 [N, H, W] or [N, H, W, C] and classes [N], integers or text.
    scratch : Path
        Folder for the unpacked images, which are memory-mapped.
    max_bytes : int
        Most bytes of all images, unpacked.

    Returns
    -------
    LabelledImages
        Images in the order in which they were sent, training images first.

    Raises
    ------
    InvalidSpec
        If it does not hold a dataset; names the array and the remedy.
    """
    members = _members(archive)
    x = _images(archive, members, "x", scratch, max_bytes)
    names = _labels(archive, members, "y", len(x))
    tests = [name for name in ("x_test", "y_test") if name in members]
    if len(tests) == 1:
        raise InvalidSpec(tests[0], "x_test and y_test come together, or not at all")
    parts, is_test = [x], None
    if tests:
        other = _images(archive, members, "x_test", scratch, max_bytes - x.size)
        if other.shape[1:] != x.shape[1:]:
            raise InvalidSpec(
                "x_test",
                f"has images of {_format_shape(other.shape[1:])}, and x of {_format_shape(x.shape[1:])}",
            )
        parts.append(other)
        names = np.concatenate([names, _labels(archive, members, "y_test", len(other))])
        is_test = np.arange(len(names)) >= len(x)
    distinct, places = np.unique(names, return_inverse=True)
    class_names = sorted_class_names(map(str, distinct.tolist()))
    check_classes(class_names, "y")
    order = {name: place for place, name in enumerate(class_names)}
    labels = np.array([order[str(name)] for name in distinct.tolist()])[places]
    return LabelledImages((*x.shape[1:], 1)[:3], class_names, labels, is_test, _reader(parts))


def _reader(parts: list[np.ndarray]) -> Any:
    first = len(parts[0])

    def read(places: np.ndarray) -> np.ndarray:
        images = np.empty((len(places), prod(parts[0].shape[1:])), np.uint8)
        late = places >= first
        images[~late] = parts[0][places[~late]].reshape(-1, images.shape[1])
        if late.any():
            images[late] = parts[1][places[late] - first].reshape(-1, images.shape[1])
        return images

    return read


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The arrays by name."""
    members: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        stem = entry.filename.removesuffix(".npy")
        name = ALIASES.get(stem, stem)
        if name not in NAMES or stem == entry.filename:
            raise InvalidSpec(
                "body",
                f"holds {entry.filename[:100]!r}; an .npz has the arrays x and y, and may have x_test and "
                "y_test: numpy.savez(file, x=images, y=classes). A zip of class folders is sent as "
                "application/zip",
            )
        if name in members:
            raise InvalidSpec(name, "is there twice")
        members[name] = entry
    for name in ("x", "y"):
        if name not in members:
            raise InvalidSpec(name, "is missing: numpy.savez(file, x=images, y=classes)")
    return members


def _images(
    archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], name: str, scratch: Path, max_bytes: int
) -> np.ndarray:
    """uint8 [N, H, W] or [N, H, W, C], mapped from a file in the scratch folder."""
    with archive.open(members[name]) as member:
        header = _header(member, name)
        if header.dtype != np.uint8:
            raise InvalidSpec(name, _conversion_advice(header, member))
        _check_image_shape(header, max_bytes)
        path = scratch / f"{name}.raw"
        with path.open("wb") as file:
            shutil.copyfileobj(member, file, COPY_BYTES)
    _check_length(header, path.stat().st_size)
    return np.memmap(path, np.uint8, "r", shape=header.shape)


def _labels(
    archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo], name: str, images: int
) -> np.ndarray:
    """A class for every image: integers or text [N]."""
    with archive.open(members[name]) as member:
        header = _header(member, name)
        if len(header.shape) == 2 and header.shape[1] > 1:
            raise InvalidSpec(name, f"has the shape {list(header.shape)}; send one class an image, such as "
                              f"{name}.argmax(axis=1)")  # fmt: skip
        if header.shape != (images,):
            raise InvalidSpec(
                name,
                f"has the shape {list(header.shape)}; for {images:,} images it must be [{images}], such as "
                f"{name}.ravel()",
            )
        if header.dtype.kind not in "iuUS":
            raise InvalidSpec(
                name,
                f"is {header.dtype}; classes are integers or text, such as {name}.astype(int) or "
                f"{name}.astype(str)",
            )
        if header.dtype.itemsize > 1024:
            raise InvalidSpec(name, f"holds text of {header.dtype.itemsize:,} bytes; names are short")
        content = member.read(header.size + 1)
    _check_length(header, len(content))
    classes = np.frombuffer(content, header.dtype)
    if classes.dtype.kind == "S":
        try:
            return np.char.decode(classes, "utf-8")
        except UnicodeDecodeError as error:
            raise InvalidSpec(name, f"holds text that is not UTF-8; send {name}.astype(str)") from error
    return classes


def _header(member: IO[bytes], name: str) -> _Header:
    """The header of an array. Raises InvalidSpec for no array, a pickled one, or one in Fortran order."""
    try:
        shape, fortran, dtype = _HEADERS[npy.read_magic(member)](member)
    # A header is a Python literal of the caller's choice: what reading it raises has no end.
    except (
        KeyError,
        ValueError,
        TypeError,
        SyntaxError,
        RecursionError,
        MemoryError,
        OverflowError,
    ) as error:
        raise InvalidSpec(name, "is no array as numpy.savez writes them") from error
    if dtype.hasobject or dtype.names is not None or dtype.subdtype is not None:
        raise InvalidSpec(
            name, f"is an array of {dtype}, which nobody unpickles here; send numbers, or {name}.astype(str)"
        )
    if fortran and len(shape) > 1:
        raise InvalidSpec(name, f"lies in Fortran's order; send numpy.ascontiguousarray({name})")
    if not shape or min(shape) < 1 or shape[0] > MAX_IMAGES:
        raise InvalidSpec(name, f"has the shape {list(shape)}, and 1 to {MAX_IMAGES:,} images are taken")
    return _Header(name, shape, dtype, prod(shape) * dtype.itemsize)


def _conversion_advice(header: _Header, member: IO[bytes]) -> str:
    """Description of an array of another type than uint8, and how to convert it to pixels."""
    kind, name = header.dtype.kind, header.name
    if kind == "b":
        return f"is bool; send {name}.astype(numpy.uint8) * 255"
    if kind not in "fiu":
        return f"is {header.dtype}; pixels are uint8 from 0 (black) to 255 (white)"
    count = min(INSPECTED_NUMBERS, header.size // header.dtype.itemsize)
    content = member.read(count * header.dtype.itemsize)
    sample = np.frombuffer(
        content[: len(content) // header.dtype.itemsize * header.dtype.itemsize], header.dtype
    )
    if kind == "f" and not np.isfinite(sample).all():
        return f"is {header.dtype} and holds a NaN or an infinity; replace them, then convert to uint8"
    low, high = (sample.min(), sample.max()) if sample.size else (0, 0)
    if kind == "f" and low >= 0 and high <= 1:
        return (
            f"is {header.dtype} in 0..1: multiply by 255 and convert to uint8: "
            f"({name} * 255).round().astype('uint8')"
        )
    if low >= 0 and high <= 255:
        return f"is {header.dtype} in 0..255: convert to uint8: {name}.round().astype('uint8')"
    return (
        f"is {header.dtype} from {low:g} to {high:g}: bring it to 0..255 and convert to uint8, such as "
        f"(255 * ({name} - {name}.min()) / numpy.ptp({name})).round().astype('uint8')"
    )


def _check_image_shape(header: _Header, max_bytes: int) -> None:
    shape, name = header.shape, header.name
    if len(shape) == 2:
        raise InvalidSpec(
            name, f"has the shape {list(shape)}; send N × height × width: {name}.reshape(-1, height, width)"
        )
    if len(shape) not in (3, 4):
        raise InvalidSpec(name, f"has the shape {list(shape)}; send N × height × width, or × channels")
    if len(shape) == 4 and shape[3] not in (1, 3):
        remedy = f"; {name}.transpose(0, 2, 3, 1) puts them last" if shape[1] in (1, 3) else ""
        raise InvalidSpec(name, f"has {shape[3]} channels; images have 1 or 3, in the last place{remedy}")
    check_size((*shape[1:], 1)[:3], shape[0], max_bytes, name)


def _check_length(header: _Header, length: int) -> None:
    if length != header.size:
        raise InvalidSpec(
            header.name,
            f"should have {header.size:,} bytes for its shape {list(header.shape)}, and has "
            f"{'more' if length > header.size else f'{length:,}'}",
        )


def _format_shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
