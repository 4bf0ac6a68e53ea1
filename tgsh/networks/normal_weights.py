"""Random matrices of normal numbers, whole or a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

BLOCK_NUMBERS = 2**20


def normal_weights(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Kaiming normal, N(0, 2/columns): float32 [rows, columns], read-only."""
    weights = np.empty(shape, np.float32)
    start = 0
    for block in normal_blocks(rng, shape):
        weights[start : start + len(block)] = block
        start += len(block)
    weights.flags.writeable = False
    return weights


def normal_blocks(rng: np.random.Generator, shape: tuple[int, int]) -> Iterator[np.ndarray]:
    """The rows of the same matrix in order: an id needs no more of it in memory at a time."""
    rows = max(1, BLOCK_NUMBERS // shape[1])
    for start in range(0, shape[0], rows):
        count = min(rows, shape[0] - start)
        yield rng.standard_normal((count, shape[1]), np.float32) * np.float32(np.sqrt(2 / shape[1]))
