"""Tasks of many experiments on one random base: the nearest of one, and the map of all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tgsh import schemas
from tgsh.client.results.array_access import Axes
from tgsh.client.results.base import LabelledResult, PlottableResult, labelled_table

if TYPE_CHECKING:
    import pandas


class NearestElsewhere(LabelledResult, schemas.NearestElsewhere):
    """Similarities of a task with those most like it across experiments, float64 [n], in falling order."""

    def to_numpy(self) -> np.ndarray:
        """The array without labels.

        Returns
        -------
        np.ndarray
            Similarities, float64 [n], in falling order.
        """
        return np.array([near.similarity for near in self.nearest], np.float64)

    def to_dataframe(self) -> pandas.DataFrame:
        """The array with its labels.

        Returns
        -------
        pandas.DataFrame
            A row per task, the most alike first: experiment, name, task, label, dataset, suite, owner,
            similarity.
        """
        columns = ("experiment", "name", "task", "label", "dataset", "suite", "owner")
        ranks = range(1, len(self.nearest) + 1)
        table = labelled_table(self.to_numpy().reshape(-1, 1), {"rank": ranks}, {"": ["similarity"]})
        for place, column in enumerate(columns):
            table.insert(place, column, [getattr(near, column) for near in self.nearest])
        return table

    def _axes(self) -> Axes:
        return {"rank": range(1, len(self.nearest) + 1)}

    def _summary(self) -> str:
        return f"of {self.label} among {self.compared:,} tasks of {self.experiments:,} experiments"


class AtlasMap(PlottableResult, schemas.AtlasMap):
    """All learned tasks on a random base as points, float64 [N, 2]."""

    def to_numpy(self) -> np.ndarray:
        """The array without labels.

        Returns
        -------
        np.ndarray
            Coordinates, float64 [N, 2].
        """
        return np.array([(point.x, point.y) for point in self.points], np.float64).reshape(-1, 2)

    def to_dataframe(self) -> pandas.DataFrame:
        """The array with its labels.

        Returns
        -------
        pandas.DataFrame
            A row per task: experiment, name, task, label, dataset, suite, owner, x, y.
        """
        places = range(len(self.points))
        table = labelled_table(self.to_numpy(), {"point": places}, {"": ["x", "y"]})
        of_each = [self.experiments[point.experiment] for point in self.points]
        table.insert(0, "experiment", [each.id for each in of_each])
        table.insert(1, "name", [each.name for each in of_each])
        table.insert(2, "task", [point.task for point in self.points])
        table.insert(3, "label", [point.label for point in self.points])
        for place, column in enumerate(("dataset", "suite", "owner"), start=4):
            table.insert(place, column, [getattr(each, column) for each in of_each])
        return table

    def _axes(self) -> Axes:
        return {"point": range(len(self.points)), "axis": ["x", "y"]}

    def _summary(self) -> str:
        counts = f"{len(self.points):,} tasks of {len(self.experiments):,} experiments"
        return f"{self.method}, {counts}, stress {self.stress:.2f}"
