"""Tasks as vectors, points and leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tgsh import schemas
from tgsh.client.values.labelled import Drawn, span, table, when

if TYPE_CHECKING:
    import pandas


class ContextVectors(Drawn, schemas.ContextVectors):
    """v_t = g_t·c_t, float64 [T, H]."""

    def to_numpy(self) -> np.ndarray:
        return np.array(self.values, np.float64).reshape(len(self.values), -1)

    def to_dataframe(self) -> pandas.DataFrame:
        vectors = self.to_numpy()
        return table(vectors, {"task": self.labels}, {"unit": range(vectors.shape[1])})

    def _says(self) -> str:
        return f"{when(self.stage)}, {span(self.labels)}, {self.to_numpy().shape[1]} numbers each"


class Dendrogram(Drawn, schemas.Dendrogram):
    """SciPy's linkage, float64 [T − 1, 4]: scipy.cluster.hierarchy takes it as it is."""

    def to_numpy(self) -> np.ndarray:
        return np.array(self.linkage, np.float64).reshape(-1, 4)

    def to_dataframe(self) -> pandas.DataFrame:
        """A row for every joint: the two nodes, the distance, and how many tasks are below."""
        names = ["node", "other node", "distance", "tasks"]
        joints = range(len(self.tasks), len(self.tasks) + len(self.linkage))
        found = table(self, {"joint": joints}, {"": names})
        return found.astype({name: int for name in names if name != "distance"})

    def _says(self) -> str:
        return f"{self.method} linkage on 1 − {self.measure} {when(self.stage)}, {span(self.labels)}"


class Embedding(Drawn, schemas.Embedding):
    """Tasks as points, float64 [T, dimensions]."""

    def to_numpy(self) -> np.ndarray:
        return np.array(self.values, np.float64).reshape(len(self.tasks), self.dimensions)

    def to_dataframe(self) -> pandas.DataFrame:
        return table(self, {"task": self.labels}, {"": list("xyz"[: self.dimensions])})

    def _says(self) -> str:
        return f"{self.method} {when(self.stage)}, {span(self.labels)}, stress {self.stress:.2f}"
