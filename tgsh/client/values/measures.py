"""What was measured: accuracies, Definition 1, what a network sees in images."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from tgsh import schemas
from tgsh.client.values.labelled import Drawn, Labelled, span, table, when

if TYPE_CHECKING:
    import pandas

KINDS = ("intra", "inter")
STAGES = ("before", "after")


class Accuracy(Drawn, schemas.Accuracy):
    """Test accuracies, float64 [T]."""

    @property
    def labels(self) -> list[str]:
        return [task.label for task in self.tasks]

    def to_numpy(self) -> np.ndarray:
        return np.array([task.accuracy for task in self.tasks], np.float64)

    def to_dataframe(self) -> pandas.DataFrame:
        return table(self.to_numpy()[:, None], {"task": self.labels}, {"": ["accuracy"]})

    def _says(self) -> str:
        return span(self.labels) + ("" if self.mean is None else f", mean {self.mean:.3f}")


class AccuracyMatrix(Drawn, schemas.AccuracyMatrix):
    """Of the context of each task (rows) on the data of each (columns), float64 [T, T]."""

    def to_numpy(self) -> np.ndarray:
        return np.array(self.values, np.float64).reshape(len(self.tasks), len(self.tasks))

    def to_dataframe(self) -> pandas.DataFrame:
        return table(self, {"context of": self.labels}, {"data of": self.labels})

    def _says(self) -> str:
        return f"{span(self.labels)}, mean forgetting {self.mean_forgetting:.3f}"


class Geometry(Drawn, schemas.Geometry):
    """Pairs in each bin of the cosine, int64 [bins, 4]: intra and inter, before and after training.

    With a baseline [bins, 8], its four beside them.
    """

    def to_numpy(self) -> np.ndarray:
        parts = [self, self.baseline] if self.baseline is not None else [self]
        counts = [getattr(getattr(part, stage), kind) for part in parts for stage in STAGES for kind in KINDS]
        return np.array(counts, np.int64).T

    def to_dataframe(self) -> pandas.DataFrame:
        """A row a bin, named by its middle."""
        edges = np.array(self.edges)
        networks = [self.network, *([f"baseline {self.baseline.network}"] if self.baseline else [])]
        of, stages, kinds = zip(*product(networks, STAGES, KINDS), strict=True)
        columns = {"network": of, "stage": stages, "pairs": kinds}
        return table(self, {"cosine": (edges[1:] + edges[:-1]) / 2}, columns)

    def _says(self) -> str:
        known = self.after.p_intra_greater
        found = "" if known is None else f", P(intra > inter) {known:.2f}"
        return f"{self.network}, {len(self.sample.tasks)} tasks{found}"


class Predictions(Labelled, schemas.Predictions):
    """Probabilities, float64 [n, K]: a row an image, a column a class."""

    def to_numpy(self) -> np.ndarray:
        return np.array(self.probabilities, np.float64).reshape(len(self.classes), -1)

    def to_dataframe(self) -> pandas.DataFrame:
        """The class seen in every image, and the probabilities of all."""
        probabilities = self.to_numpy()
        count, classes = probabilities.shape
        found = table(probabilities, {"image": range(count)}, {"class": range(classes)})
        found.insert(0, "seen", self.classes)
        return found

    def _says(self) -> str:
        shown = ", ".join(map(str, self.classes[:10])) + (", …" if len(self.classes) > 10 else "")
        return f"task {self.label} {when(self.stage)} sees {shown}"
