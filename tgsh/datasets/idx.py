"""The IDX files in which MNIST and its kin are published: a big-endian header, then bytes."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

UNSIGNED_BYTE = 0x08


def read_idx(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The array in `path`, or in `path`.gz beside it; uint8, read-only.

    Raises FileNotFoundError where there is neither, ValueError (a sentence that names the file) where its
    bytes are not exactly an array of unsigned bytes of that shape.
    """
    data = _content(path)
    header = struct.pack(f">HBB{len(shape)}I", 0, UNSIGNED_BYTE, len(shape), *shape)
    if not data.startswith(header):
        raise ValueError(f"{path.name} does not begin like an IDX file of {_words(shape)} bytes")
    expected = len(header) + int(np.prod(shape))
    if len(data) != expected:
        raise ValueError(f"{path.name} has {len(data)} bytes, not {expected}: truncated or damaged")
    return np.frombuffer(data, np.uint8, offset=len(header)).reshape(shape)


def _content(path: Path) -> bytes:
    packed = path.with_name(path.name + ".gz")
    if path.exists() or not packed.exists():
        return path.read_bytes()
    try:
        return gzip.decompress(packed.read_bytes())
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{packed.name} cannot be unpacked: {error}") from error


def _words(shape: tuple[int, ...]) -> str:
    return " × ".join(f"{size:,}" for size in shape)
