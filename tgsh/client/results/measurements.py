"""Measured results: accuracies, geometry, predictions, reconstructions and samples."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from tgsh import schemas
from tgsh.client.results.array_access import Axes
from tgsh.client.results.base import LabelledResult, PlottableResult, label_range, labelled_table, stage_text
from tgsh.task_names import told_apart

if TYPE_CHECKING:
    import pandas

PAIR_KINDS = ("intra", "inter")
STAGES = ("before", "after")


class Accuracy(PlottableResult, schemas.Accuracy):
    """Test accuracies of the tasks, float64 [T]."""

    @property
    def labels(self) -> list[str]:
        """Labels of the tasks.

        Returns
        -------
        list[str]
            Labels, [T].
        """
        return [task.label for task in self.tasks]

    def to_numpy(self) -> np.ndarray:
        """The array without labels.

        Returns
        -------
        np.ndarray
            Accuracies, float64 [T], each from 0 to 1.
        """
        return np.array([task.accuracy for task in self.tasks], np.float64)

    def to_dataframe(self) -> pandas.DataFrame:
        """The array with its labels.

        Returns
        -------
        pandas.DataFrame
            Tasks in rows: accuracy, balanced accuracy, chance, and the ends of the intervals of both
            accuracies over test images (NaN where nobody counted).
        """
        names = ["accuracy", "balanced", "chance", "low", "high", "balanced_low", "balanced_high"]
        rows = [[getattr(task, name) for name in names] for task in self.tasks]
        numbers = np.array(rows, np.float64).reshape(-1, len(names))
        return labelled_table(
            numbers, {"task": told_apart(self.labels, [each.index for each in self.tasks])}, {"": names}
        )

    def _axes(self) -> Axes:
        return {"task": told_apart(self.labels, [each.index for each in self.tasks])}

    def _summary(self) -> str:
        return label_range(self.labels) + ("" if self.mean is None else f", mean {self.mean:.3f}")


class Confusion(PlottableResult, schemas.Confusion):
    """Test images of a task by their class (rows) and the recognised class (columns), int64 [K, K]."""

    def to_numpy(self) -> np.ndarray:
        """The array without labels.

        Returns
        -------
        np.ndarray
            Images, int64 [K, K]: a row a class, a column a recognised class.
        """
        return np.array(self.counts, np.int64).reshape(len(self.class_names), len(self.class_names))

    def to_dataframe(self) -> pandas.DataFrame:
        """The array with its labels.

        Returns
        -------
        pandas.DataFrame
            Classes in rows, recognised classes in columns.
        """
        return labelled_table(self, {"class": self.class_names}, {"taken for": self.class_names})

    def _axes(self) -> Axes:
        return {"class": self.class_names, "taken for": self.class_names}

    def _summary(self) -> str:
        numbers = f"accuracy {self.accuracy:.3f}, balanced {self.balanced:.3f}, chance {self.chance:.3f}"
        return f"task {self.label}, {len(self.class_names)} classes, {numbers}"


class AccuracyMatrix(PlottableResult, schemas.AccuracyMatrix):
    """Test accuracies of every context (rows) on the data of every task (columns), float64 [T, T]."""

    def to_numpy(self) -> np.ndarray:
        """The array without labels.

        Returns
        -------
        np.ndarray
            Accuracies, float64 [T, T]: contexts in rows, data in columns.
        """
        return np.array(self.values, np.float64).reshape(len(self.tasks), len(self.tasks))

    def to_dataframe(self) -> pandas.DataFrame:
        """The array with its labels.

        Returns
        -------
        pandas.DataFrame
            Contexts in rows, data in columns.
        """
        return labelled_table(
            self,
            {"context of": told_apart(self.labels, self.tasks)},
            {"data of": told_apart(self.labels, self.tasks)},
        )

    def _axes(self) -> Axes:
        return {"context": told_apart(self.labels, self.tasks), "data": told_apart(self.labels, self.tasks)}

    def _summary(self) -> str:
        return f"{label_range(self.labels)}, mean forgetting {self.mean_forgetting:.3f}"


class Geometry(PlottableResult, schemas.Geometry):
    """Histograms of intra-task and inter-task cosines, int64 [bins, 4]; [bins, 8] with a baseline."""

    def to_numpy(self) -> np.ndarray:
        """The array without labels.

        Returns
        -------
        np.ndarray
            Pairs per bin, int64 [bins, 4]: intra and inter before, then after training. With a
            baseline [bins, 8], its four columns last.
        """
        networks = [self, self.baseline] if self.baseline is not None else [self]
        counts = [
            getattr(getattr(network, stage), kind)
            for network in networks
            for stage in STAGES
            for kind in PAIR_KINDS
        ]
        return np.array(counts, np.int64).T

    def to_dataframe(self) -> pandas.DataFrame:
        """The array with its labels.

        Returns
        -------
        pandas.DataFrame
            Bins in rows, by the cosine at their centre; network, stage and kind of pair in columns.
        """
        edges = np.array(self.edges)
        names = [self.network, *([f"baseline {self.baseline.network}"] if self.baseline else [])]
        networks, stages, kinds = zip(*product(names, STAGES, PAIR_KINDS), strict=True)
        columns = {"network": networks, "stage": stages, "pairs": kinds}
        return labelled_table(self, {"cosine": (edges[1:] + edges[:-1]) / 2}, columns)

    def _axes(self) -> Axes:
        edges = np.array(self.edges)
        names = ["", *([" of the baseline"] if self.baseline is not None else [])]
        pairs = [f"{kind} {stage}{of}" for of in names for stage in STAGES for kind in PAIR_KINDS]
        return {"cosine": ((edges[1:] + edges[:-1]) / 2).tolist(), "pairs": pairs}

    def _summary(self) -> str:
        probability = self.after.p_intra_greater
        suffix = "" if probability is None else f", P(intra > inter) {probability:.2f}"
        return f"{self.network}, {len(self.sample.tasks)} tasks{suffix}"


class Predictions(LabelledResult, schemas.Predictions):
    """Class probabilities of images, float64 [n, K]."""

    def to_numpy(self) -> np.ndarray:
        """The array without labels.

        Returns
        -------
        np.ndarray
            Probabilities, float64 [n, K]: images in rows, classes in columns.
        """
        return np.array(self.probabilities, np.float64).reshape(len(self.classes), -1)

    def to_dataframe(self) -> pandas.DataFrame:
        """The array with its labels.

        Returns
        -------
        pandas.DataFrame
            Images in rows: the predicted class ("seen"), and the probabilities of all classes.
        """
        probabilities = self.to_numpy()
        count, classes = probabilities.shape
        table = labelled_table(probabilities, {"image": range(count)}, {"class": range(classes)})
        table.insert(0, "seen", self.classes)
        return table

    def _axes(self) -> Axes:
        return {"image": range(len(self.classes)), "class": range(self.to_numpy().shape[1])}

    def _summary(self) -> str:
        classes = ", ".join(map(str, self.classes[:10])) + (", …" if len(self.classes) > 10 else "")
        return f"task {self.label} {stage_text(self.stage)} sees {classes}"


class Reconstructions(PlottableResult, schemas.Reconstructions):
    """Reconstructed images, float64 [T, K, samples, height, width], in units of the network's input."""

    def to_numpy(self) -> np.ndarray:
        """The array without labels.

        Returns
        -------
        np.ndarray
            Images, float64 [T, K, samples, height, width].
        """
        return np.array(self.images, np.float64)

    def to_dataframe(self) -> pandas.DataFrame:
        """The array with its labels.

        Returns
        -------
        pandas.DataFrame
            A row per task, class and sample, its pixels in columns.
        """
        images = self.to_numpy()
        rows = product(told_apart(self.labels, self.tasks), self.classes, range(images.shape[2]))
        tasks, classes, samples = zip(*rows, strict=True)
        return _pixel_table(images, {"task": tasks, "class": classes, "sample": samples})

    def _axes(self) -> Axes:
        images = self.to_numpy()
        axes: dict[str, Sequence[Any]] = {"task": told_apart(self.labels, self.tasks), "class": self.classes}
        return {**axes, "sample": range(images.shape[2]), **_pixel_axes(images.shape[3:])}

    def _summary(self) -> str:
        score = "" if self.score is None else f", correlation {self.score.correlation:.2f}"
        return f"{self.method}, {label_range(self.labels)}, {len(self.classes)} classes{score}"


class Samples(PlottableResult, schemas.Samples):
    """Test images as transformed by each task, float64 [T, n, height, width], 0 black to 1 white."""

    def to_numpy(self) -> np.ndarray:
        """The array without labels.

        Returns
        -------
        np.ndarray
            Images, float64 [T, n, height, width].
        """
        return np.array(self.images, np.float64)

    def to_dataframe(self) -> pandas.DataFrame:
        """The array with its labels.

        Returns
        -------
        pandas.DataFrame
            A row per task and image, its pixels in columns.
        """
        rows = product(told_apart(self.labels, self.tasks), enumerate(self.classes))
        tasks, numbered = zip(*rows, strict=True)
        numbers, classes = zip(*numbered, strict=True)
        return _pixel_table(self.to_numpy(), {"task": tasks, "image": numbers, "class": classes})

    def _axes(self) -> Axes:
        axes: dict[str, Sequence[Any]] = {
            "task": told_apart(self.labels, self.tasks),
            "image": range(len(self.classes)),
        }
        return {**axes, **_pixel_axes(self.to_numpy().shape[2:])}

    def _summary(self) -> str:
        return f"{label_range(self.labels)}, {len(self.classes)} images each"


def _pixel_axes(shape: tuple[int, ...]) -> Axes:
    """Rows, columns and, in colour, channels of images."""
    axes: dict[str, Sequence[Any]] = {"row": range(shape[0]), "column": range(shape[1])}
    return axes | {"channel": ["red", "green", "blue"]} if len(shape) == 3 else axes


def _pixel_table(images: np.ndarray, rows: dict[str, tuple[object, ...]]) -> pandas.DataFrame:
    height, width = images.shape[-2:]
    vertical, horizontal = zip(*product(range(height), range(width)), strict=True)
    return labelled_table(images.reshape(-1, height * width), rows, {"row": vertical, "column": horizontal})
