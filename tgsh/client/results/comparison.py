"""Comparison of experiments and studies, with tables of pairs and of what their specs differ in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tgsh import schemas
from tgsh.client.results.array_access import Axes
from tgsh.client.results.base import PlottableResult, label_range, labelled_table

if TYPE_CHECKING:
    import pandas

NUMBERS = ("tasks", "pearson", "spearman", "same_base")


class Comparison(PlottableResult, schemas.Comparison):
    """Pearson's correlations of the similarity matrices of experiments and studies, float64 [n, n]."""

    @property
    def names(self) -> list[str]:
        """Names of the compared ones.

        Returns
        -------
        list[str]
            A name for each, or its id where it has none.
        """
        return [each.name or each.id for each in self.experiments]

    def to_numpy(self) -> np.ndarray:
        """The array without labels.

        Returns
        -------
        np.ndarray
            Correlations, float64 [n, n]; NaN where one is left out.
        """
        places = {each.id: place for place, each in enumerate(self.experiments)}
        values = np.full((len(places), len(places)), np.nan)
        for place, each in enumerate(self.experiments):
            if each.note is None:
                values[place, place] = 1.0
        for pair in self.pairs:
            if pair.pearson is not None:
                one, other = places[pair.a], places[pair.b]
                values[one, other] = values[other, one] = pair.pearson
        return values

    def to_dataframe(self) -> pandas.DataFrame:
        """The pairs as a table.

        Returns
        -------
        pandas.DataFrame
            A row per pair: common tasks, Pearson's and Spearman's correlation, p of Mantel's test, mean
            cosine of the same task's vectors in both (NaN where the bases differ).
        """
        names = dict(zip((each.id for each in self.experiments), self.names, strict=True))
        rows = [
            [
                *(getattr(pair, name) for name in NUMBERS),
                None if pair.mantel is None else pair.mantel.p_value,
                None if pair.same_task is None else pair.same_task.mean,
            ]
            for pair in self.pairs
        ]
        columns = [*NUMBERS, "mantel_p", "same_task"]
        index = {"a": [names[pair.a] for pair in self.pairs], "b": [names[pair.b] for pair in self.pairs]}
        values = np.array(rows, object).reshape(-1, len(columns))
        return labelled_table(values, index, {"": columns}).infer_objects()

    def differences_table(self) -> pandas.DataFrame:
        """Differences of the specs.

        Returns
        -------
        pandas.DataFrame
            Fields of the spec and the mean accuracy in rows, experiments in columns.
        """
        rows = [each.values for each in self.differences]
        rows.append([each.mean_accuracy for each in self.experiments])
        values = np.empty((len(rows), len(self.experiments)), object)
        for place, row in enumerate(rows):
            values[place] = [*row]
        fields = [*(each.field for each in self.differences), "mean_accuracy"]
        return labelled_table(values, {"field": fields}, {"experiment": self.names})

    def _axes(self) -> Axes:
        return {"experiment": self.names, "other": self.names}

    def _summary(self) -> str:
        return f"{len(self.experiments)} compared by {self.measure}, {label_range(self.tasks)}"
