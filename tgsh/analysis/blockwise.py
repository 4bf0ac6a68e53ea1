"""Similarity of many tasks without holding TxT."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tgsh.analysis import similarity
from tgsh.analysis.similarity import Measure


@dataclass(frozen=True, eq=False)
class NearestNeighbours:
    """The most similar other tasks of each task, best first.

    indices: int64 [T, n], rows of the vectors. values: float64 [T, n], their similarities.
    """

    indices: np.ndarray
    values: np.ndarray


class Similarities:
    """What `similarity.similarity` would answer about vectors [T, H], of which only parts are wanted.

    The vectors may be memory-mapped; about two blocks of BLOCK_BYTES are in memory at a time. Raises
    ValueError where a number is not finite.
    """

    def __init__(self, vectors: np.ndarray, measure: Measure = "cosine") -> None:
        self.measure: Measure = measure
        self._vectors, self._centred = vectors, measure == "correlation"
        self._rows = max(1, similarity.BLOCK_BYTES // (8 * max(vectors.shape[1], 1)))

    def block(self, rows: Sequence[int], columns: Sequence[int]) -> np.ndarray:
        """Similarities of these tasks (rows of the vectors) with those, float64 [rows, columns]."""
        values = np.empty((len(rows), len(columns)))
        for top in range(0, len(rows), self._rows):
            row_block = rows[top : top + self._rows]
            directions = self._directions(row_block)
            for left in range(0, len(columns), self._rows):
                column_block = columns[left : left + self._rows]
                product = np.clip(directions @ self._directions(column_block).T, -1, 1)
                product[np.asarray(row_block)[:, None] == np.asarray(column_block)] = 1
                values[top : top + len(row_block), left : left + len(column_block)] = product
        return values

    def in_rows(self) -> Iterator[np.ndarray]:
        """All similarities, some rows at a time: float64 [rows, T]."""
        tasks = range(len(self._vectors))
        for top in range(0, len(self._vectors), self._rows):
            yield self.block(tasks[top : top + self._rows], tasks)

    def groups(self, count: int) -> list[int]:
        """Where nearly equal groups of neighbours in the suite begin."""
        return [int(place) for place in np.linspace(0, len(self._vectors), count, endpoint=False)]

    def nearest(self, count: int) -> NearestNeighbours:
        """The `count` most similar other tasks of every task; all others where there are no more."""
        tasks = len(self._vectors)
        count = min(count, max(tasks - 1, 0))
        indices = np.zeros((tasks, count), np.int64)
        values = np.full((tasks, count), -np.inf)
        if count:
            for rows, columns, product in self._block_products():
                _merge_best(indices[rows], values[rows], product, columns)
                if rows != columns:
                    _merge_best(indices[columns], values[columns], product.T, rows)
        best_first = np.argsort(-values, axis=1, kind="stable")
        return NearestNeighbours(
            np.take_along_axis(indices, best_first, axis=1), np.take_along_axis(values, best_first, axis=1)
        )

    def averaged(self, groups: int) -> np.ndarray:
        """Mean similarities of nearly equal groups of neighbours in the suite, float64 [groups, groups].

        The mean of ⟨u, v⟩ over two groups is the product of their mean unit vectors. A task's similarity
        with itself counts as any other.
        """
        starts = self.groups(groups)
        stops = [*starts[1:], len(self._vectors)]
        means = np.stack(
            [self._directions(range(a, b)).mean(axis=0) for a, b in zip(starts, stops, strict=True)]
        )
        return np.asarray(np.clip(means @ means.T, -1, 1))

    def _block_products(self) -> Iterator[tuple[slice, slice, np.ndarray]]:
        """Every pair of blocks once, with their similarities; of a task with itself −∞."""
        starts = range(0, len(self._vectors), self._rows)
        for top in starts:
            rows = slice(top, min(top + self._rows, len(self._vectors)))
            directions = self._directions(range(rows.start, rows.stop))
            for left in starts[top // self._rows :]:
                columns = slice(left, min(left + self._rows, len(self._vectors)))
                others = directions if left == top else self._directions(range(columns.start, columns.stop))
                product = np.clip(directions @ others.T, -1, 1)
                if left == top:
                    np.fill_diagonal(product, -np.inf)
                yield rows, columns, product

    def _directions(self, tasks: Sequence[int]) -> np.ndarray:
        """Unit vectors, float64; zero where a vector has no direction."""
        selection = slice(tasks.start, tasks.stop) if isinstance(tasks, range) else list(tasks)
        rows = similarity.in_float64(self._vectors[selection], self._centred)
        if not np.isfinite(rows).all():
            raise ValueError("vectors hold a number that is not finite")
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        rows /= np.where(lengths == 0, 1, lengths)
        return rows


def _merge_best(indices: np.ndarray, values: np.ndarray, product: np.ndarray, columns: slice) -> None:
    """Keep the best of what is there and what was found, in place: [R, n] and [R, C]."""
    count = values.shape[1]
    all_values = np.hstack([values, product])
    candidates = np.broadcast_to(np.arange(columns.start, columns.stop), product.shape)
    all_indices = np.hstack([indices, candidates])
    best = np.argpartition(-all_values, count - 1, axis=1)[:, :count]
    values[:] = np.take_along_axis(all_values, best, axis=1)
    indices[:] = np.take_along_axis(all_indices, best, axis=1)
