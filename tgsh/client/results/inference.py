"""Results about reuse: inferred tasks, mixed predictions, transfer, scenarios, hash codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tgsh import schemas
from tgsh.client.results.array_access import Axes
from tgsh.client.results.base import LabelledResult, PlottableResult, labelled_table
from tgsh.task_names import told_apart

if TYPE_CHECKING:
    import pandas

SETTINGS = ("task_known", "domain", "class_", "task")
RETRIEVED = ("same_task", "same_class", "same_class_within")


class TaskInference(LabelledResult, schemas.TaskInference):
    """Scores of the tasks that images may come from, float64 [T], the likeliest first."""

    def to_numpy(self) -> np.ndarray:
        """The array without labels.

        Returns
        -------
        np.ndarray
            Scores, float64 [T], as `tasks` are ordered.
        """
        return np.array([each.score for each in self.tasks], np.float64)

    def to_dataframe(self) -> pandas.DataFrame:
        """The array with its labels.

        Returns
        -------
        pandas.DataFrame
            Tasks in rows, the likeliest first: score and probability (NaN where it is not calibrated).
        """
        rows = [[each.score, each.probability] for each in self.tasks]
        numbers = np.array(rows, np.float64).reshape(-1, 2)
        labels = told_apart([each.label for each in self.tasks], [each.task for each in self.tasks])
        return labelled_table(numbers, {"task": labels}, {"": ["score", "probability"]})

    def _axes(self) -> Axes:
        return {"task": told_apart([each.label for each in self.tasks], [each.task for each in self.tasks])}

    def _summary(self) -> str:
        first = ", ".join(each.label for each in self.tasks[:3])
        return f"{self.images} images by {self.rule}: {first} …"


class MixedPredictions(LabelledResult, schemas.MixedPredictions):
    """Class probabilities of images under a mean of contexts, float64 [n, K]."""

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
        numbers = self.to_numpy()
        count, classes = numbers.shape
        table = labelled_table(numbers, {"image": range(count)}, {"class": range(classes)})
        table.insert(0, "seen", self.classes)
        return table

    def _axes(self) -> Axes:
        return {"image": range(len(self.classes)), "class": range(self.to_numpy().shape[1])}

    def _summary(self) -> str:
        mix = " + ".join(f"{each.weight:.2f}·{each.label}" for each in self.weights[:4])
        return f"{len(self.classes)} images under {mix}"


class ContextTransfer(PlottableResult, schemas.ContextTransfer):
    """Accuracies of every task under the context that similarity chooses, float64 [T, 4]."""

    def to_numpy(self) -> np.ndarray:
        """The array without labels.

        Returns
        -------
        np.ndarray
            float64 [T, 4]: accuracy under the chosen context, the best, a random one and its own.
        """
        rows = [[each.accuracy, each.best, each.random, each.own] for each in self.sources]
        return np.array(rows, np.float64).reshape(-1, 4)

    def to_dataframe(self) -> pandas.DataFrame:
        """The array with its labels.

        Returns
        -------
        pandas.DataFrame
            Tasks in rows; the label of the chosen context ("source"), its similarity, and the accuracies.
        """
        labels = told_apart([each.label for each in self.sources], [each.task for each in self.sources])
        columns = {"": ["accuracy", "best", "random", "own"]}
        table = labelled_table(self.to_numpy(), {"task": labels}, columns)
        table.insert(0, "source", [each.chosen_label for each in self.sources])
        table.insert(1, "similarity", [each.similarity for each in self.sources])
        return table

    def _axes(self) -> Axes:
        labels = told_apart([each.label for each in self.sources], [each.task for each in self.sources])
        return {"task": labels, "context": ["chosen", "best", "random", "own"]}

    def _summary(self) -> str:
        told = "" if self.pearson is None else f"Pearson {self.pearson:.3f}, "
        means = f"chosen {self.mean_chosen:.3f}, best {self.mean_best:.3f}, random {self.mean_random:.3f}"
        return f"{len(self.sources)} tasks, {told}{means}"


class Scenarios(PlottableResult, schemas.Scenarios):
    """Accuracies of the settings of continual learning, float64 [sizes, 4]."""

    def to_numpy(self) -> np.ndarray:
        """The array without labels.

        Returns
        -------
        np.ndarray
            float64 [sizes, 4]: task known, domain, class, and tasks that were inferred; NaN where there are
            too few images.
        """
        rows = [[getattr(row, name) for name in SETTINGS] for row in self.rows]
        values = [[np.nan if each is None else each.value for each in row] for row in rows]
        return np.array(values, np.float64).reshape(-1, len(SETTINGS))

    def to_dataframe(self) -> pandas.DataFrame:
        """The array with its labels.

        Returns
        -------
        pandas.DataFrame
            Images a batch in rows, settings in columns.
        """
        sizes = [row.images for row in self.rows]
        columns = {"": ["task known", "domain", "class", "task"]}
        return labelled_table(self.to_numpy(), {"images": sizes}, columns)

    def _axes(self) -> Axes:
        return {
            "images": [row.images for row in self.rows],
            "setting": ["task known", "domain", "class", "task"],
        }

    def _summary(self) -> str:
        each = [
            f"{row.images}: {row.domain.value:.2f} / {row.class_.value:.2f}"
            for row in self.rows
            if row.domain is not None and row.class_ is not None
        ]
        return f"domain / class by images a batch: {', '.join(each)}"


class HashProperties(PlottableResult, schemas.HashProperties):
    """Precision of retrieval by hash codes, float64 [rows, 3]."""

    def to_numpy(self) -> np.ndarray:
        """The array without labels.

        Returns
        -------
        np.ndarray
            float64 [rows, 3]: nearest codes of the same task, of the same class, of the same class within
            the task.
        """
        rows = [[getattr(each, name) for name in RETRIEVED] for each in self.retrieval]
        return np.array(rows, np.float64).reshape(-1, len(RETRIEVED))

    def to_dataframe(self) -> pandas.DataFrame:
        """The array with its labels.

        Returns
        -------
        pandas.DataFrame
            Kinds of codes in rows.
        """
        names = [each.name for each in self.retrieval]
        return labelled_table(self.to_numpy(), {"codes": names}, {"": list(RETRIEVED)})

    def _axes(self) -> Axes:
        return {"codes": [each.name for each in self.retrieval], "nearest": list(RETRIEVED)}

    def _summary(self) -> str:
        return f"{self.kind} of {self.bits} bits, {len(self.tasks)} tasks, {self.images} images each"
