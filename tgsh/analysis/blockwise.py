"""Blocks, nearest neighbours and group means of a similarity matrix that is never held whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tgsh.analysis import similarity
from tgsh.analysis.similarity import Measure


@dataclass(frozen=True, eq=False)
class NearestNeighbours:
    """The most similar other tasks of each task, best first.

    Attributes
    ----------
    indices : np.ndarray
        int64 [T, n], rows of the vectors.
    values : np.ndarray
        float64 [T, n], their similarities, −1 to 1.
    """

    indices: np.ndarray
    values: np.ndarray


class Similarities:
    """The values of `similarity.similarity`, computed in blocks.

    The vectors may be memory-mapped; about two blocks of `similarity.BLOCK_BYTES` are in memory at a time.

    Parameters
    ----------
    vectors : np.ndarray
        float [T, H], one context vector a task, or v − v₀ for "update".
    measure : Measure, default="cosine"
        ``"cosine"``, the paper's measure, ``"correlation"`` or ``"update"``.
    """

    def __init__(self, vectors: np.ndarray, measure: Measure = "cosine") -> None:
        self.measure: Measure = measure
        self._vectors, self._centred = vectors, measure == "correlation"
        self._rows = max(1, similarity.BLOCK_BYTES // (8 * max(vectors.shape[1], 1)))

    def block(self, rows: Sequence[int], columns: Sequence[int]) -> np.ndarray:
        """Compute the similarities of some tasks with others.

        Parameters
        ----------
        rows : Sequence[int]
            Tasks of the rows, as rows of the vectors.
        columns : Sequence[int]
            Tasks of the columns, as rows of the vectors.

        Returns
        -------
        np.ndarray
            float64 [rows, columns], −1 to 1; 1 for a task with itself.

        Raises
        ------
        ValueError
            If a number is not finite.
        """
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
        """Compute the whole matrix, some rows at a time.

        Yields
        ------
        np.ndarray
            float64 [rows, T], the next rows.

        Raises
        ------
        ValueError
            If a number is not finite.
        """
        tasks = range(len(self._vectors))
        for top in range(0, len(self._vectors), self._rows):
            yield self.block(tasks[top : top + self._rows], tasks)

    def groups(self, count: int) -> list[int]:
        """Divide the suite into nearly equal groups of consecutive tasks.

        Parameters
        ----------
        count : int
            Number of groups, at most T.

        Returns
        -------
        list[int]
            The first task of each group.
        """
        return [int(place) for place in np.linspace(0, len(self._vectors), count, endpoint=False)]

    def nearest(self, count: int) -> NearestNeighbours:
        """Find the most similar other tasks of every task.

        Parameters
        ----------
        count : int
            Neighbours a task; all others where there are no more.

        Returns
        -------
        NearestNeighbours
            Indices and values [T, min(count, T − 1)], most similar first.

        Raises
        ------
        ValueError
            If a number is not finite.
        """
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
        """Average the similarities of nearly equal groups of consecutive tasks.

        The mean of ⟨u, v⟩ over two groups is the product of their mean unit vectors. A task's similarity with
        itself counts as any other.

        Parameters
        ----------
        groups : int
            Number of groups, as in `groups`.

        Returns
        -------
        np.ndarray
            float64 [groups, groups], −1 to 1.

        Raises
        ------
        ValueError
            If a number is not finite.
        """
        starts = self.groups(groups)
        stops = [*starts[1:], len(self._vectors)]
        means = np.stack(
            [self._directions(range(a, b)).mean(axis=0) for a, b in zip(starts, stops, strict=True)]
        )
        return np.asarray(np.clip(means @ means.T, -1, 1))

    def _block_products(self) -> Iterator[tuple[slice, slice, np.ndarray]]:
        """Yield every pair of blocks once, with their similarities; −∞ for a task with itself."""
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
    """Keep the best of the neighbours [R, n] and a block of similarities [R, C], in place."""
    count = values.shape[1]
    all_values = np.hstack([values, product])
    candidates = np.broadcast_to(np.arange(columns.start, columns.stop), product.shape)
    all_indices = np.hstack([indices, candidates])
    best = np.argpartition(-all_values, count - 1, axis=1)[:, :count]
    values[:] = np.take_along_axis(all_values, best, axis=1)
    indices[:] = np.take_along_axis(all_indices, best, axis=1)
