"""Similarities of tasks: all, some, the best, and how they came about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tgsh import schemas
from tgsh.client.values.labelled import Drawn, Labelled, span, table, when

if TYPE_CHECKING:
    import pandas


class Similarity(Drawn, schemas.Similarity):
    """The T×T matrix; float64, rows and columns are tasks."""

    def to_numpy(self) -> np.ndarray:
        return np.array(self.values, np.float64).reshape(len(self.tasks), len(self.tasks))

    def to_dataframe(self) -> pandas.DataFrame:
        return table(self, {"task": self.labels}, {"task": self.labels})

    def _says(self) -> str:
        missing = "" if self.complete else ", not all tasks yet"
        return f"{self.measure} {when(self.stage)}, {span(self.labels)}{missing}"


class SimilarityBlock(Labelled, schemas.SimilarityBlock):
    """Some rows and columns of the matrix, float64."""

    def to_numpy(self) -> np.ndarray:
        return np.array(self.values, np.float64).reshape(len(self.rows), len(self.columns))

    def to_dataframe(self) -> pandas.DataFrame:
        return table(self, {"task": self.row_labels}, {"task": self.column_labels})

    def _says(self) -> str:
        return f"{self.measure} {when(self.stage)}, {len(self.rows)} × {len(self.columns)} tasks"


class NearestTasks(Labelled, schemas.NearestTasks):
    """Similarities with the most similar other tasks, float64 [T, count], best first."""

    def to_numpy(self) -> np.ndarray:
        return np.array(self.values, np.float64).reshape(len(self.tasks), -1)

    def to_dataframe(self) -> pandas.DataFrame:
        """A row for every task and rank: the other task's label and the similarity."""
        names = dict(zip(self.tasks, self.labels, strict=True))
        count = len(self.nearest[0]) if self.nearest else 0
        tasks = [label for label in self.labels for _ in range(count)]
        ranks = list(range(1, count + 1)) * len(self.tasks)
        found = table(self.to_numpy().reshape(-1, 1), {"task": tasks, "rank": ranks}, {"": ["similarity"]})
        others = [names.get(index, str(index)) for row in self.nearest for index in row]
        found.insert(0, "nearest", others)
        return found

    def _says(self) -> str:
        return f"by {self.measure} {when(self.stage)}, of {span(self.labels)}"


class SimilarityEpochs(Drawn, schemas.SimilarityEpochs):
    """Pairs of tasks over the epochs, float64 [epochs, pairs]; NaN where a value is not there yet."""

    def to_numpy(self) -> np.ndarray:
        columns = [[np.nan if value is None else value for value in pair.values] for pair in self.pairs]
        return np.array(columns, np.float64).reshape(len(self.pairs), len(self.epochs)).T

    def to_dataframe(self) -> pandas.DataFrame:
        names = [" · ".join(pair.labels) for pair in self.pairs]
        return table(self, {"epoch": self.epochs}, {"pair": names})

    def _says(self) -> str:
        return f"{self.measure} of {len(self.pairs)} pairs over {max(len(self.epochs) - 1, 0)} epochs"
