"""Similarity of many tasks without holding TxT."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tgsh.analysis import similarity as whole
from tgsh.analysis.similarity import Measure


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The most similar other tasks of each task, best first.

    places: int64 [T, n], rows of the vectors. values: float64 [T, n], their similarities.
    """

    places: np.ndarray
    values: np.ndarray


class Similarities:
    """What `similarity` would answer about vectors [T, H], of which only parts are wanted.

    The vectors may be memory-mapped; about two blocks of BLOCK_BYTES are in memory at a time. Raises
    ValueError where a number is not finite.
    """

    def __init__(self, vectors: np.ndarray, measure: Measure = "cosine") -> None:
        self.measure: Measure = measure
        self._vectors, self._centred = vectors, measure == "correlation"
        self._rows = max(1, whole.BLOCK_BYTES // (8 * max(vectors.shape[1], 1)))

    def block(self, rows: Sequence[int], columns: Sequence[int]) -> np.ndarray:
        """Similarities of these tasks (rows of the vectors) with those, float64 [rows, columns]."""
        values = np.empty((len(rows), len(columns)))
        for top in range(0, len(rows), self._rows):
            own = rows[top : top + self._rows]
            directions = self._directions(own)
            for left in range(0, len(columns), self._rows):
                others = columns[left : left + self._rows]
                product = np.clip(directions @ self._directions(others).T, -1, 1)
                product[np.asarray(own)[:, None] == np.asarray(others)] = 1
                values[top : top + len(own), left : left + len(others)] = product
        return values

    def in_rows(self) -> Iterator[np.ndarray]:
        """All similarities, some rows at a time: float64 [rows, T]."""
        every = range(len(self._vectors))
        for top in range(0, len(self._vectors), self._rows):
            yield self.block(every[top : top + self._rows], every)

    def groups(self, count: int) -> list[int]:
        """Where nearly equal groups of neighbours in the suite begin."""
        return [int(place) for place in np.linspace(0, len(self._vectors), count, endpoint=False)]

    def nearest(self, count: int) -> Neighbours:
        """The `count` most similar other tasks of every task; all others where there are no more."""
        tasks = len(self._vectors)
        count = min(count, max(tasks - 1, 0))
        places = np.zeros((tasks, count), np.int64)
        values = np.full((tasks, count), -np.inf)
        if count:
            for rows, columns, product in self._products():
                _improve(places[rows], values[rows], product, columns)
                if rows != columns:
                    _improve(places[columns], values[columns], product.T, rows)
        best_first = np.argsort(-values, axis=1, kind="stable")
        return Neighbours(
            np.take_along_axis(places, best_first, axis=1), np.take_along_axis(values, best_first, axis=1)
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

    def _products(self) -> Iterator[tuple[slice, slice, np.ndarray]]:
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

    def _directions(self, places: Sequence[int]) -> np.ndarray:
        """Unit vectors, float64; zero where a vector has no direction."""
        chosen = slice(places.start, places.stop) if isinstance(places, range) else list(places)
        rows = whole.in_float64(self._vectors[chosen], self._centred)
        if not np.isfinite(rows).all():
            raise ValueError("vectors hold a number that is not finite")
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        rows /= np.where(lengths == 0, 1, lengths)
        return rows


def _improve(places: np.ndarray, values: np.ndarray, found: np.ndarray, columns: slice) -> None:
    """Keep the best of what is there and what was found, in place: [R, n] and [R, C]."""
    count = values.shape[1]
    all_values = np.hstack([values, found])
    numbers = np.broadcast_to(np.arange(columns.start, columns.stop), found.shape)
    all_places = np.hstack([places, numbers])
    best = np.argpartition(-all_values, count - 1, axis=1)[:, :count]
    values[:] = np.take_along_axis(all_values, best, axis=1)
    places[:] = np.take_along_axis(all_places, best, axis=1)
