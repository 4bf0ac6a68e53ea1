"""Arrays in files: .npy in an archive, IDX and MATLAB; nothing is unpickled."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from tgsh.datasets.uploads.arrays import StoredArray
from tgsh.datasets.uploads.containers import MEMBER_DAMAGE, Archive
from tgsh.datasets.uploads.picture_sets import Reading
from tgsh.errors import InvalidSpec

COPY_BYTES = 4 << 20
MAX_LABEL_BYTES = 256 << 20
"""Of an array that is held in memory."""

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}

HEADER_ERRORS = (
    KeyError,
    ValueError,
    TypeError,
    SyntaxError,
    RecursionError,
    MemoryError,
    OverflowError,
    EOFError,
)
"""A header is a Python literal of the caller's choice: what reading it raises has no end."""

IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def npy_array(archive: Archive, place: int, words: str, reading: Reading) -> StoredArray:
    """Describe an array of an archive by its header.

    Parameters
    ----------
    archive : Archive
        The archive.
    place : int
        Place in it.
    words : str
        Name of the array, perhaps after that of its file.
    reading : Reading
        Limits, and the folder into which it is unpacked when it is needed.

    Returns
    -------
    StoredArray
        The array, not read yet.

    Raises
    ------
    InvalidSpec
        If it is no array, or is damaged.
    """
    name = archive.names[place].rpartition("/")[2].removesuffix(".npy")
    try:
        with archive.open(place) as member:
            shape, fortran, dtype = _HEADERS[npy.read_magic(member)](member)
    except HEADER_ERRORS as error:
        raise InvalidSpec(name, "is no array as numpy.savez writes them") from error
    except MEMBER_DAMAGE as error:
        raise InvalidSpec("body", f"is no .npz as numpy.savez writes them, or is damaged: {error}") from error
    if min(shape, default=0) < 0:
        raise InvalidSpec(name, f"has the shape {list(shape)}; images and labels are arrays")
    size = prod(shape) * dtype.itemsize

    def load() -> np.ndarray:
        if size > reading.max_bytes:
            raise InvalidSpec(
                name, f"has {size:,} bytes, over {reading.max_bytes:,} bytes; send fewer or smaller images"
            )
        with archive.open(place) as member:
            _HEADERS[npy.read_magic(member)](member)
            return _spooled(member, reading.scratch / f"array-{place}.raw", name, shape, dtype, fortran)

    return StoredArray(name, words, tuple(shape), dtype, _guarded(load))


def _guarded(load: Callable[[], np.ndarray]) -> Callable[[], np.ndarray]:
    """The same, but that damage is an InvalidSpec; what cannot be written stays an OSError."""

    def guarded() -> np.ndarray:
        try:
            return load()
        except OSError:
            raise
        except MEMBER_DAMAGE as error:
            raise InvalidSpec("body", f"is damaged: {error}") from error

    return guarded


def _spooled(
    member: IO[bytes],
    path: Path,
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    fortran: bool,
) -> np.ndarray:
    """The array, mapped from a file."""
    size, written = prod(shape) * dtype.itemsize, 0
    with path.open("wb") as file:
        while block := _block(member):
            written += len(block)
            if written > size:
                break
            file.write(block)
    if written != size:
        has = "more" if written > size else f"{written:,}"
        raise InvalidSpec(
            name, f"should have {size:,} bytes for its shape {list(shape)}, and has {has}: it is damaged"
        )
    if size == 0:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", shape=shape, order="F" if fortran else "C")


def _block(member: IO[bytes]) -> bytes:
    try:
        return member.read(COPY_BYTES)
    except MEMBER_DAMAGE as error:
        raise InvalidSpec("body", f"is no .npz as numpy.savez writes them, or is damaged: {error}") from error


def idx_array(path: Path, name: str) -> StoredArray:
    """Describe the array of an IDX file.

    Parameters
    ----------
    path : Path
        The file, unpacked.
    name : str
        Its name.

    Returns
    -------
    StoredArray
        Images, where it has three axes or more, or labels.

    Raises
    ------
    InvalidSpec
        If it is damaged.
    """
    with path.open("rb") as file:
        head = file.read(20)
    axes, dtype = head[3], np.dtype(IDX_TYPES[head[2]])
    start = 4 + 4 * axes
    if len(head) < start:
        raise InvalidSpec("body", f"{name} is a damaged IDX file: it ends within its header")
    shape = struct.unpack(f">{axes}I", head[4:start])
    expected, length = start + prod(shape) * dtype.itemsize, path.stat().st_size
    if length != expected or not prod(shape):
        raise InvalidSpec(
            "body", f"{name} is a damaged IDX file: it has {length:,} bytes, and {expected:,} by its header"
        )

    def load() -> np.ndarray:
        array = np.memmap(path, dtype, "r", offset=start, shape=shape)
        if axes >= 3 and "emnist" in name.lower():
            return array.swapaxes(1, 2)  # EMNIST's files hold every image transposed
        return array[:, 0] if axes == 2 else array  # QMNIST's labels: the class is the first of eight

    shown = (shape[0], shape[2], shape[1]) if axes == 3 and "emnist" in name.lower() else shape
    role = "images" if axes >= 3 else "labels"
    return StoredArray(name, name.replace("idx", " "), shown[:1] if axes == 2 else shown, dtype, load, role)


def matlab_arrays(path: Path, file_name: str, reading: Reading) -> list[StoredArray]:
    """Describe the arrays of a MATLAB file of version 5.

    Parameters
    ----------
    path : Path
        The file.
    file_name : str
        Its name, where it lies in an archive.
    reading : Reading
        Limits; is told where labels are those of SVHN.

    Returns
    -------
    list[StoredArray]
        Numeric and character arrays.

    Raises
    ------
    InvalidSpec
        If it is damaged or too large.
    """
    from scipy.io import loadmat, whosmat
    from scipy.io.matlab import MatReadError

    damage = (MatReadError, *MEMBER_DAMAGE, TypeError, KeyError, IndexError)
    try:
        held = [each for each in whosmat(path) if each[2] not in ("cell", "struct", "object", "function")]
    except damage as error:
        raise InvalidSpec("body", f"{file_name or 'it'} is a damaged MATLAB file: {error}") from error
    if sum(prod(shape) * _MATLAB_BYTES.get(kind, 8) for _, shape, kind in held) > MAX_MATLAB_BYTES:
        raise InvalidSpec(
            "body",
            f"{file_name or 'the MATLAB file'} has arrays of over {MAX_MATLAB_BYTES >> 20} MiB; send an .npz",
        )
    try:
        values = loadmat(path, variable_names=[name for name, _, _ in held])
    except damage as error:
        raise InvalidSpec("body", f"{file_name or 'it'} is a damaged MATLAB file: {error}") from error
    arrays = {name: values[name] for name, _, _ in held if isinstance(values.get(name), np.ndarray)}
    if _is_svhn(arrays):
        labels = arrays["y"].astype(np.int64)
        arrays["y"] = np.where(labels == 10, 0, labels)
        reading.report.do("labels", detail="Label 10 was read as 0, as SVHN means it")
    return [
        StoredArray(name, f"{file_name} {name}", array.shape, array.dtype, _constant(array))
        for name, array in arrays.items()
    ]


MAX_MATLAB_BYTES = 400 << 20
"""Of all arrays: SciPy reads them into memory."""

_MATLAB_BYTES = {
    "uint8": 1,
    "int8": 1,
    "logical": 1,
    "uint16": 2,
    "int16": 2,
    "single": 4,
    "uint32": 4,
    "int32": 4,
}


def _constant(array: np.ndarray) -> Callable[[], np.ndarray]:
    return lambda: array


def _is_svhn(arrays: dict[str, np.ndarray]) -> bool:
    """True where arrays are those of SVHN: 32 × 32 × 3 × N images, and labels from 1 to 10."""
    if "X" not in arrays or "y" not in arrays:
        return False
    labels = arrays["y"]
    return arrays["X"].shape[:3] == (32, 32, 3) and set(np.unique(labels).tolist()) <= set(range(1, 11))


def missing_labels(arrays: Sequence[StoredArray]) -> list[str]:
    """Name the files that IDX files lack, as MNIST calls them.

    Parameters
    ----------
    arrays : Sequence[StoredArray]
        IDX files.

    Returns
    -------
    list[str]
        Names of files that would have to be there.
    """
    names = [each.name.removesuffix(".gz") for each in arrays]
    held = {(re.split("images|labels", name)[0], each.role) for name, each in zip(names, arrays, strict=True)}
    lacking = []
    for name, each in zip(names, arrays, strict=True):
        other = "labels" if each.role == "images" else "images"
        if each.role in name and (re.split("images|labels", name)[0], other) not in held:
            renamed = name.replace(each.role, other)
            lacking.append(
                renamed.replace("idx3", "idx1")
                if other == "labels"
                else renamed.replace("idx1-ubyte", "idx3-ubyte").replace("idx2-int", "idx3-ubyte")
            )
    return lacking
