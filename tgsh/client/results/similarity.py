"""Similarity of tasks: matrices, nearest tasks, clustering, embedding, context vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tgsh import schemas
from tgsh.client.results.array_access import Axes
from tgsh.client.results.base import LabelledResult, PlottableResult, label_range, labelled_table, stage_text
from tgsh.task_names import told_apart

if TYPE_CHECKING:
    import pandas


class Similarity(PlottableResult, schemas.Similarity):
    """Similarity matrix of the tasks, float64 [T, T]."""

    def to_numpy(self) -> np.ndarray:
        """The array without labels.

        Returns
        -------
        np.ndarray
            Similarities, float64 [T, T]; rows and columns are tasks.
        """
        return np.array(self.values, np.float64).reshape(len(self.tasks), len(self.tasks))

    def to_dataframe(self) -> pandas.DataFrame:
        """The array with its labels.

        Returns
        -------
        pandas.DataFrame
            Labels of the tasks in rows and columns.
        """
        return labelled_table(
            self, {"task": told_apart(self.labels, self.tasks)}, {"task": told_apart(self.labels, self.tasks)}
        )

    def _axes(self) -> Axes:
        return {"task": told_apart(self.labels, self.tasks), "other": told_apart(self.labels, self.tasks)}

    def _summary(self) -> str:
        missing = "" if self.complete else ", not all tasks yet"
        return f"{self.measure} {stage_text(self.stage)}, {label_range(self.labels)}{missing}"


class SimilarityBlock(LabelledResult, schemas.SimilarityBlock):
    """Block of the similarity matrix, float64 [rows, columns]."""

    def to_numpy(self) -> np.ndarray:
        """The array without labels.

        Returns
        -------
        np.ndarray
            Similarities, float64 [rows, columns].
        """
        return np.array(self.values, np.float64).reshape(len(self.rows), len(self.columns))

    def to_dataframe(self) -> pandas.DataFrame:
        """The array with its labels.

        Returns
        -------
        pandas.DataFrame
            Labels of the tasks in rows and columns.
        """
        return labelled_table(
            self,
            {"task": told_apart(self.row_labels, self.rows)},
            {"task": told_apart(self.column_labels, self.columns)},
        )

    def _axes(self) -> Axes:
        return {
            "task": told_apart(self.row_labels, self.rows),
            "other": told_apart(self.column_labels, self.columns),
        }

    def _summary(self) -> str:
        shape = f"{len(self.rows)} × {len(self.columns)} tasks"
        return f"{self.measure} {stage_text(self.stage)}, {shape}"


class NearestTasks(LabelledResult, schemas.NearestTasks):
    """Similarities with the most similar other tasks, float64 [T, count], most similar first."""

    def to_numpy(self) -> np.ndarray:
        """The array without labels.

        Returns
        -------
        np.ndarray
            Similarities, float64 [T, count], in falling order.
        """
        return np.array(self.values, np.float64).reshape(len(self.tasks), -1)

    def to_dataframe(self) -> pandas.DataFrame:
        """The array with its labels.

        Returns
        -------
        pandas.DataFrame
            A row per task and rank: label of the other task, and similarity.
        """
        labels = dict(zip(self.tasks, told_apart(self.labels, self.tasks), strict=True))
        count = len(self.nearest[0]) if self.nearest else 0
        tasks = [label for label in labels.values() for _ in range(count)]
        ranks = list(range(1, count + 1)) * len(self.tasks)
        similarities = self.to_numpy().reshape(-1, 1)
        table = labelled_table(similarities, {"task": tasks, "rank": ranks}, {"": ["similarity"]})
        table.insert(0, "nearest", [labels.get(index, str(index)) for row in self.nearest for index in row])
        return table

    def _axes(self) -> Axes:
        return {"task": told_apart(self.labels, self.tasks), "rank": range(1, self.to_numpy().shape[1] + 1)}

    def _summary(self) -> str:
        return f"by {self.measure} {stage_text(self.stage)}, of {label_range(self.labels)}"


class SimilarityEpochs(PlottableResult, schemas.SimilarityEpochs):
    """Similarity of pairs of tasks over the epochs, float64 [epochs, pairs]."""

    def to_numpy(self) -> np.ndarray:
        """The array without labels.

        Returns
        -------
        np.ndarray
            Similarities, float64 [epochs, pairs]; NaN where an epoch is not trained yet.
        """
        columns = [[np.nan if value is None else value for value in pair.values] for pair in self.pairs]
        return np.array(columns, np.float64).reshape(len(self.pairs), len(self.epochs)).T

    def to_dataframe(self) -> pandas.DataFrame:
        """The array with its labels.

        Returns
        -------
        pandas.DataFrame
            Epochs in rows, pairs of tasks in columns.
        """
        pairs = [" · ".join(pair.labels) for pair in self.pairs]
        return labelled_table(self, {"epoch": self.epochs}, {"pair": pairs})

    def _axes(self) -> Axes:
        return {"epoch": self.epochs, "pair": [" · ".join(pair.labels) for pair in self.pairs]}

    def _summary(self) -> str:
        return f"{self.measure} of {len(self.pairs)} pairs over {max(len(self.epochs) - 1, 0)} epochs"


class Dendrogram(PlottableResult, schemas.Dendrogram):
    """Linkage matrix of the tasks, float64 [T − 1, 4], as `scipy.cluster.hierarchy` uses it."""

    def to_numpy(self) -> np.ndarray:
        """The array without labels.

        Returns
        -------
        np.ndarray
            Linkage matrix of SciPy, float64 [T − 1, 4].
        """
        return np.array(self.linkage, np.float64).reshape(-1, 4)

    def to_dataframe(self) -> pandas.DataFrame:
        """The array with its labels.

        Returns
        -------
        pandas.DataFrame
            A row per merge: its two nodes, their distance, and the number of tasks below.
        """
        columns = ["node", "other node", "distance", "tasks"]
        merges = range(len(self.tasks), len(self.tasks) + len(self.linkage))
        table = labelled_table(self, {"joint": merges}, {"": columns})
        return table.astype({name: int for name in columns if name != "distance"})

    def _axes(self) -> Axes:
        return {
            "joint": range(len(self.tasks), len(self.tasks) + len(self.linkage)),
            "number": ["node", "other node", "distance", "tasks"],
        }

    def _summary(self) -> str:
        distance = f"1 − {self.measure} {stage_text(self.stage)}"
        return f"{self.method} linkage on {distance}, {label_range(self.labels)}"


class Embedding(PlottableResult, schemas.Embedding):
    """Tasks as points, float64 [T, dimensions]."""

    def to_numpy(self) -> np.ndarray:
        """The array without labels.

        Returns
        -------
        np.ndarray
            Coordinates, float64 [T, dimensions].
        """
        return np.array(self.values, np.float64).reshape(len(self.tasks), self.dimensions)

    def to_dataframe(self) -> pandas.DataFrame:
        """The array with its labels.

        Returns
        -------
        pandas.DataFrame
            Tasks in rows, coordinates x, y (and z) in columns.
        """
        return labelled_table(
            self, {"task": told_apart(self.labels, self.tasks)}, {"": list("xyz"[: self.dimensions])}
        )

    def _axes(self) -> Axes:
        return {"task": told_apart(self.labels, self.tasks), "axis": list("xyz"[: self.dimensions])}

    def _summary(self) -> str:
        stress = f"stress {self.stress:.2f}"
        return f"{self.method} {stage_text(self.stage)}, {label_range(self.labels)}, {stress}"


class ContextVectors(PlottableResult, schemas.ContextVectors):
    """Context vectors v_t = g_t·c_t of the tasks, float64 [T, H]."""

    def to_numpy(self) -> np.ndarray:
        """The array without labels.

        Returns
        -------
        np.ndarray
            Vectors, float64 [T, H].
        """
        return np.array(self.values, np.float64).reshape(len(self.values), -1)

    def to_dataframe(self) -> pandas.DataFrame:
        """The array with its labels.

        Returns
        -------
        pandas.DataFrame
            Tasks in rows, hidden units in columns.
        """
        vectors = self.to_numpy()
        return labelled_table(
            vectors, {"task": told_apart(self.labels, self.tasks)}, {"unit": range(vectors.shape[1])}
        )

    def _axes(self) -> Axes:
        return {"task": told_apart(self.labels, self.tasks), "unit": range(self.to_numpy().shape[1])}

    def _summary(self) -> str:
        size = self.to_numpy().shape[1]
        return f"{stage_text(self.stage)}, {label_range(self.labels)}, {size} numbers each"
