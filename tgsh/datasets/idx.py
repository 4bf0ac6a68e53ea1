"""IDX files, the format of the MNIST family: unsigned bytes mapped from the disk, and integers."""

from __future__ import annotations

import gzip
import mmap
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

UNSIGNED_BYTE, INT = 0x08, 0x0C
"""Codes of the types of elements."""

_TYPES: dict[int, np.dtype[Any]] = {UNSIGNED_BYTE: np.dtype(np.uint8), INT: np.dtype(">i4")}
_NAMES = {UNSIGNED_BYTE: "bytes", INT: "integers"}


def read_idx(path: Path, shape: tuple[int, ...], code: int = UNSIGNED_BYTE) -> np.ndarray:
    """Read an IDX file, plain or gzipped.

    Parameters
    ----------
    path : Path
        The file; without it, the one with ``.gz`` appended is read.
    shape : tuple[int, ...]
        Expected shape.
    code : int, default=UNSIGNED_BYTE
        Expected type: UNSIGNED_BYTE or INT.

    Returns
    -------
    np.ndarray
        uint8 or big-endian int32 of that shape. Of a plain file, its pages in memory, which processes share;
        writing to the array would change neither them nor the file. Of a gzipped one, a copy.

    Raises
    ------
    FileNotFoundError
        If there is neither file.
    ValueError
        If its bytes are not exactly an array of that shape and type; names the file.
    """
    data, dtype = _file_contents(path), _TYPES[code]
    header = struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape)
    if data[: len(header)] != header:
        raise ValueError(
            f"{path.name} does not begin like an IDX file of {_format_shape(shape)} {_NAMES[code]}"
        )
    expected = len(header) + int(np.prod(shape)) * dtype.itemsize
    if len(data) != expected:
        raise ValueError(f"{path.name} has {len(data)} bytes, not {expected}: truncated or damaged")
    return np.frombuffer(data, dtype, offset=len(header)).reshape(shape)


def _file_contents(path: Path) -> bytearray | mmap.mmap:
    packed = path.with_name(path.name + ".gz")
    if path.exists() or not packed.exists():
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                return bytearray()  # there is nothing to map
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    try:
        return bytearray(gzip.decompress(packed.read_bytes()))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{packed.name} cannot be unpacked: {error}") from error


def _format_shape(shape: tuple[int, ...]) -> str:
    return " × ".join(f"{size:,}" for size in shape)
