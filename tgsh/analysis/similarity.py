"""Similarity of context vectors: matrix, nearest tasks, similarity over epochs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

Measure = Literal["cosine", "correlation", "update"]

BLOCK_BYTES = 32 * 2**20
"""Rows are converted to float64 in blocks of about this size: T×H may be large, and memory-mapped."""


@dataclass(frozen=True, eq=False)
class SimilarityMatrix:
    """A similarity matrix with its tasks and measure.

    Attributes
    ----------
    values : np.ndarray
        float64 [T, T], read-only, exactly symmetric, in [−1, 1], ones on the diagonal.
    labels : tuple[str, ...]
        Names of the T tasks, in the order of the rows.
    tasks : tuple[int, ...]
        Indices of the T tasks in their suite, in the order of the rows.
    measure : Measure
        ``"cosine"``, ``"correlation"`` or ``"update"``.

    Raises
    ------
    ValueError
        If values, labels and tasks do not fit, or a value is not finite.
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
        if not np.isfinite(self.values.sum()):  # numbers from −1 to 1 cannot overflow; no mask of T×T
            raise ValueError("similarities hold a number that is not finite")
        self.values.flags.writeable = False

    def reordered(self, order: Sequence[int]) -> SimilarityMatrix:
        """Reorder rows and columns.

        Parameters
        ----------
        order : Sequence[int]
            Permutation of range(T).

        Returns
        -------
        SimilarityMatrix
            The same matrix with rows and columns in that order.

        Raises
        ------
        ValueError
            If the order is no permutation of range(T).
        """
        places = list(order)
        if sorted(places) != list(range(len(self.tasks))):
            raise ValueError(f"{places} is not an order of {len(self.tasks)} tasks")
        return SimilarityMatrix(
            self.values[np.ix_(places, places)],
            tuple(self.labels[place] for place in places),
            tuple(self.tasks[place] for place in places),
            self.measure,
        )


def similarity_range(vectors: np.ndarray, measure: Measure = "cosine") -> tuple[float, float, float]:
    """Summarise the similarities of the tasks of several experiments of the same tasks.

    Parameters
    ----------
    vectors : np.ndarray
        float [N, T, H], context vectors of T tasks, two or more, in N experiments.
    measure : Measure, default="cosine"
        As `similarity` takes it.

    Returns
    -------
    tuple[float, float, float]
        Least, greatest and mean similarity of two tasks of one experiment.
    """
    tasks = range(vectors.shape[1])
    above = np.triu_indices(len(tasks), 1)
    values = np.array(
        [similarity(each, list(map(str, tasks)), tasks, measure).values[above] for each in vectors]
    )
    return float(values.min()), float(values.max()), float(values.mean())


def similarity(
    vectors: np.ndarray, labels: Sequence[str], tasks: Sequence[int], measure: Measure = "cosine"
) -> SimilarityMatrix:
    """Compute the similarity of every two context vectors, accumulated in float64.

    cosine: ⟨u, v⟩/(|u| |v|), the paper's measure. correlation: the same after each row's mean is taken off.
    update: the cosine of what training added, v − v₀; the rows are these differences already.
    A row of zeros (for correlation: a constant row) has no direction; its similarity to others is 0.

    Parameters
    ----------
    vectors : np.ndarray
        v_t, or v_t − v_t₀ for "update", float [T, H]; may be memory-mapped.
    labels : Sequence[str]
        T names.
    tasks : Sequence[int]
        T indices in the suite.
    measure : Measure, default="cosine"
        ``"cosine"``, ``"correlation"`` or ``"update"``.

    Returns
    -------
    SimilarityMatrix
        Values float64 [T, T], −1 to 1.

    Raises
    ------
    ValueError
        If shapes or the measure do not fit, or a number is not finite.
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
    """Compute the inner products of all rows; the upper half is computed, the lower is its mirror.

    Parameters
    ----------
    vectors : np.ndarray
        float [T, H].
    centred : bool, default=False
        Take each row's own mean off first.

    Returns
    -------
    np.ndarray
        float64 [T, T], exactly symmetric.
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
    """Copy rows into float64.

    Parameters
    ----------
    rows : np.ndarray
        float [n, H].
    centred : bool
        Take each row's own mean off.

    Returns
    -------
    np.ndarray
        float64 [n, H]; a constant row becomes exactly 0 where centred.
    """
    block = rows.astype(np.float64)
    if centred and block.size:
        constant = block.min(axis=1) == block.max(axis=1)
        block -= block.mean(axis=1, keepdims=True)
        block[constant] = 0  # not what rounding in the mean leaves of them
    return block


def nearest(matrix: SimilarityMatrix) -> list[int]:
    """Find the most similar other task of each task.

    Parameters
    ----------
    matrix : SimilarityMatrix
        Similarities [T, T], T ≥ 2.

    Returns
    -------
    list[int]
        T places; the first one of equals.

    Raises
    ------
    ValueError
        If there is no other task.
    """
    if len(matrix.tasks) < 2:
        raise ValueError("a task has no neighbour where there is no other")
    others = matrix.values.copy()
    np.fill_diagonal(others, -np.inf)
    return [int(place) for place in others.argmax(axis=1)]


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Similarity of two tasks over epochs.

    Attributes
    ----------
    tasks : tuple[int, int]
        Indices of the two tasks in their suite.
    labels : tuple[str, str]
        Their names.
    values : np.ndarray
        float64 [E + 1], read-only; the first is before training; NaN where a vector is missing.
    """

    tasks: tuple[int, int]
    labels: tuple[str, str]
    values: np.ndarray

    def __post_init__(self) -> None:
        self.values.flags.writeable = False


def similarity_over_epochs(one: np.ndarray, other: np.ndarray, epochs: int, measure: Measure) -> np.ndarray:
    """Compute the similarity of two tasks' vectors at every epoch.

    Parameters
    ----------
    one : np.ndarray
        float [epochs so far + 1, H], the vectors of a task; the first is before training.
    other : np.ndarray
        float [epochs so far + 1, H], those of the other task.
    epochs : int
        E, epochs of the experiment.
    measure : Measure
        ``"cosine"``, ``"correlation"``, or ``"update"``: the cosine of what was added since before training.

    Returns
    -------
    np.ndarray
        float64 [E + 1], −1 to 1; NaN from where either ends, and before training for "update": nothing was
        added yet.
    """
    values = np.full(epochs + 1, np.nan)
    if measure == "update":
        one, other = one - one[:1], other - other[:1]
    for epoch, pair in enumerate(zip(one[: epochs + 1], other[: epochs + 1], strict=False)):
        if epoch or measure != "update":
            values[epoch] = similarity(np.stack(pair), ("", ""), (0, 1), measure).values[0, 1]
    return values


def representative_pairs(tasks: int) -> list[tuple[int, int]]:
    """Choose pairs of tasks that show a suite: the first task with others.

    Parameters
    ----------
    tasks : int
        T, tasks of the suite.

    Returns
    -------
    list[tuple[int, int]]
        The first task with each other one; beyond eight tasks, with those 1, 2, T/4 and T/2 steps away. A
        suite that closes, such as rotation, is farthest from its start in its middle.
    """
    away = range(1, tasks) if tasks <= 8 else (1, 2, tasks // 4, tasks // 2)
    return [(0, other) for other in dict.fromkeys(away)]
