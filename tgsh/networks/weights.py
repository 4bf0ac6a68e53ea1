"""Random matrices and the id of a random base."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

BLOCK_NUMBERS = 2**20


def normal_weights(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """A random matrix, Kaiming normal: N(0, 2/columns).

    Parameters
    ----------
    rng : np.random.Generator
        Its generator.
    shape : tuple[int, int]
        Rows and columns.

    Returns
    -------
    np.ndarray
        float32 [rows, columns], read-only.
    """
    weights = np.empty(shape, np.float32)
    start = 0
    for block in normal_blocks(rng, shape):
        weights[start : start + len(block)] = block
        start += len(block)
    weights.flags.writeable = False
    return weights


def normal_blocks(rng: np.random.Generator, shape: tuple[int, int]) -> Iterator[np.ndarray]:
    """The rows of the same matrix in order, in blocks: an id needs no more of it in memory at a time.

    Parameters
    ----------
    rng : np.random.Generator
        Its generator.
    shape : tuple[int, int]
        Rows and columns.

    Yields
    ------
    np.ndarray
        float32 [some rows, columns].
    """
    rows = max(1, BLOCK_NUMBERS // shape[1])
    for start in range(0, shape[0], rows):
        count = min(rows, shape[0] - start)
        yield rng.standard_normal((count, shape[1]), np.float32) * np.float32(np.sqrt(2 / shape[1]))


def base_id(header: Mapping[str, object], arrays: Iterable[np.ndarray]) -> str:
    """The digest of a base.

    Parameters
    ----------
    header : Mapping[str, object]
        What the arrays are, for JSON.
    arrays : Iterable[np.ndarray]
        Whole or in parts; hashed as little-endian bytes.

    Returns
    -------
    str
        SHA-256 (hex).
    """
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)
    return digest.hexdigest()
