"""Placements: where new images fall among the tasks of an experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tgsh import schemas
from tgsh.client.results.array_access import Axes
from tgsh.client.results.base import PlottableResult, labelled_table
from tgsh.task_names import told_apart

if TYPE_CHECKING:
    import pandas


class Placement(PlottableResult, schemas.Placement):
    """Similarity of new images with every task and its interval, float64 [T, 3], most alike first."""

    def to_numpy(self) -> np.ndarray:
        """The array without labels.

        Returns
        -------
        np.ndarray
            float64 [T, 3]: similarity, low, high; NaN where there is no interval; [0, 3] until it is
            completed.
        """
        rows = [(row.similarity, row.low, row.high) for row in self.tasks]
        return np.array(rows, np.float64).reshape(-1, 3)

    def to_dataframe(self) -> pandas.DataFrame:
        """The array with its labels.

        Returns
        -------
        pandas.DataFrame
            A row a task, most alike first: similarity, low, high.
        """
        labels = self._names()
        return labelled_table(self, {"task": labels}, {"": ["similarity", "low", "high"]})

    def _names(self) -> list[str]:
        return told_apart([row.label for row in self.tasks], [row.task for row in self.tasks])

    def _axes(self) -> Axes:
        return {"task": self._names(), "number": ["similarity", "low", "high"]}

    def _summary(self) -> str:
        if self.sentence is not None:
            return self.sentence
        return f"{self.status}: {self.reason}" if self.reason else self.status
