"""Similarity matrix, nearest tasks, similarity over epochs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

Measure = Literal["cosine", "correlation"]

BLOCK_BYTES = 32 * 2**20
"""Rows are converted to float64 in blocks of about this size: T×H may be large, and memory-mapped."""


@dataclass(frozen=True, eq=False)
class SimilarityMatrix:
    """A similarity and what it is of.

    values: float64 [T, T], read-only, exactly symmetric, in [−1, 1], ones on the diagonal.
    labels, tasks: names and indices of the T tasks, in the order of the rows. measure: what a value is.
    """

    values: np.ndarray
    labels: tuple[str, ...]
    tasks: tuple[int, ...]
    measure: Measure

    def __post_init__(self) -> None:
        size = len(self.tasks)
        if self.values.shape != (size, size) or len(self.labels) != size:
            raise ValueError(
                f"{self.values.shape} values, {len(self.labels)} labels, {size} tasks do not fit"
            )
        self.values.flags.writeable = False

    def reordered(self, order: Sequence[int]) -> SimilarityMatrix:
        """The same matrix with rows and columns in that order: a permutation of range(T)."""
        places = list(order)
        if sorted(places) != list(range(len(self.tasks))):
            raise ValueError(f"{places} is not an order of {len(self.tasks)} tasks")
        return SimilarityMatrix(
            self.values[np.ix_(places, places)],
            tuple(self.labels[place] for place in places),
            tuple(self.tasks[place] for place in places),
            self.measure,
        )


def similarity(
    vectors: np.ndarray, labels: Sequence[str], tasks: Sequence[int], measure: Measure = "cosine"
) -> SimilarityMatrix:
    """Similarity of every two rows of vectors [T, H], accumulated in float64.

    cosine: ⟨u, v⟩/(|u| |v|), the paper's measure. correlation: the same after each row's mean is taken off.
    A row of zeros (for correlation: a constant row) has no direction; its similarity to others is 0.
    Raises ValueError where shapes or the measure do not fit, or a number is not finite.
    """
    if measure not in get_args(Measure):
        raise ValueError(f"unknown measure {measure!r}")
    if vectors.ndim != 2 or len(vectors) != len(tasks):
        raise ValueError(f"vectors of shape {vectors.shape} are not those of {len(tasks)} tasks")
    gram = inner_products(vectors, centred=measure == "correlation")
    if not np.isfinite(gram).all():
        raise ValueError("vectors hold a number that is not finite")
    norms = np.sqrt(np.diagonal(gram))
    norms[norms == 0] = np.inf
    for row, norm in zip(gram, norms, strict=True):
        row /= norm * norms  # one division of the product: exactly symmetric
    np.clip(gram, -1, 1, out=gram)
    np.fill_diagonal(gram, 1)
    return SimilarityMatrix(gram, tuple(labels), tuple(tasks), measure)


def inner_products(vectors: np.ndarray, *, centred: bool = False) -> np.ndarray:
    """Inner products of all rows of [T, H], float64 [T, T]; the upper half is computed, the lower its mirror.

    centred: take each row's own mean off first.
    """
    count, width = vectors.shape
    rows = max(1, BLOCK_BYTES // (8 * max(width, 1)))
    gram = np.empty((count, count))
    for top in range(0, count, rows):
        block = in_float64(vectors[top : top + rows], centred)
        for left in range(top, count, rows):
            other = block if left == top else in_float64(vectors[left : left + rows], centred)
            product = block @ other.T
            if left == top:
                product = np.triu(product) + np.triu(product, 1).T
            gram[top : top + rows, left : left + rows] = product
            gram[left : left + rows, top : top + rows] = product.T
    return gram


def in_float64(rows: np.ndarray, centred: bool) -> np.ndarray:
    """A copy of rows [any, H], each less its own mean where `centred`."""
    block = rows.astype(np.float64)
    if centred and block.size:
        constant = block.min(axis=1) == block.max(axis=1)
        block -= block.mean(axis=1, keepdims=True)
        block[constant] = 0  # not what rounding in the mean leaves of them
    return block


def nearest(matrix: SimilarityMatrix) -> list[int]:
    """The place of the most similar other task, for each of T ≥ 2 tasks; the first one of equals."""
    if len(matrix.tasks) < 2:
        raise ValueError("a task has no neighbour where there is no other")
    others = matrix.values.copy()
    np.fill_diagonal(others, -np.inf)
    return [int(place) for place in others.argmax(axis=1)]


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The similarity of two tasks at every epoch, float64 [E + 1], read-only; NaN where a vector is missing.

    The first value is before training.
    """

    tasks: tuple[int, int]
    labels: tuple[str, str]
    values: np.ndarray

    def __post_init__(self) -> None:
        self.values.flags.writeable = False


def similarity_over_epochs(one: np.ndarray, other: np.ndarray, epochs: int, measure: Measure) -> np.ndarray:
    """Similarity of one[e] and other[e] for e = 0 … epochs, float64; NaN from where either ends.

    one, other: the vectors of a task at its epochs so far, [any, H].
    """
    values = np.full(epochs + 1, np.nan)
    for epoch, pair in enumerate(zip(one[: epochs + 1], other[: epochs + 1], strict=False)):
        values[epoch] = similarity(np.stack(pair), ("", ""), (0, 1), measure).values[0, 1]
    return values


def representative_pairs(tasks: int) -> list[tuple[int, int]]:
    """The first task with each other one; where these are many, with those 1, 2, T/4 and T/2 steps away.

    A suite that closes, such as rotation, is farthest from its start in its middle.
    """
    away = range(1, tasks) if tasks <= 8 else (1, 2, tasks // 4, tasks // 2)
    return [(0, other) for other in dict.fromkeys(away)]
