"""Studies and statistics over replicates, with their tables for pandas."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import PrivateAttr

from tgsh import schemas
from tgsh.client.results.array_access import Axes
from tgsh.client.results.base import (
    LabelledResult,
    PlottableResult,
    QuietModel,
    label_range,
    labelled_table,
    stage_text,
)
from tgsh.client.results.experiments import STATUS_COLOURS
from tgsh.task_names import told_apart

if TYPE_CHECKING:
    import pandas


ESTIMATES = ("mean", "sd", "low", "high")


class StudySummary(QuietModel, schemas.StudySummary):
    """Study in a list: name, status and progress."""

    def __repr__(self) -> str:
        return f"<StudySummary {self.id}: {self.name!r}, {self.status}, {_progress_text(self)}>"

    __str__ = __repr__


class Study(QuietModel, schemas.Study):
    """Study: cells, replicates and progress; a notebook displays its progress and a link."""

    _service_url: str = PrivateAttr("")

    def model_post_init(self, context: Any) -> None:
        """Keep the base URL of the service.

        Parameters
        ----------
        context : Any
            Validation context of pydantic: ``{"service": base URL}``, or None.
        """
        if isinstance(context, dict):
            self._service_url = context.get("service", "")

    @property
    def url(self) -> str:
        """Address of the study at the service.

        Returns
        -------
        str
            Absolute URL.
        """
        return f"{self._service_url}/dashboard/studies/{self.id}"

    def to_dataframe(self) -> pandas.DataFrame:
        """Its experiments with their seeds and states.

        Returns
        -------
        pandas.DataFrame
            A row per replicate.
        """
        rows = [each.model_dump() for each in self.members]
        columns = list(schemas.StudyMemberState.model_fields)
        return _frame([[row[name] for name in columns] for row in rows], columns)

    def __repr__(self) -> str:
        return f"<Study {self.id}: {self.name!r}, {self.status}, {_progress_text(self)}>"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        colour = STATUS_COLOURS.get(self.status, "inherit")
        reason = f'<br><span style="color:{colour}">{escape(self.reason)}</span>' if self.reason else ""
        return (
            f'<div><b>{escape(self.name)}</b> <a href="{escape(self.url)}">{escape(self.id)}</a><br>'
            f'<progress max="1" value="{self.progress.fraction:.3f}"></progress> '
            f'<span style="color:{colour}">{escape(self.status)}</span> · '
            f"{_progress_text(self)}{reason}</div>"
        )


class StudyPage(schemas.WireModel):
    """Page of studies, as `schemas.StudyPage`.

    Attributes
    ----------
    items : list[StudySummary]
        Studies, newest first.
    next : str | None, default=None
        Cursor of the next page; None on the last one.
    """

    items: list[StudySummary]
    next: str | None = None


class StudySimilarity(PlottableResult, schemas.StudySimilarity):
    """Statistic of similarities over replicates, float64 [T, T]."""

    def to_numpy(self) -> np.ndarray:
        """The array without labels.

        Returns
        -------
        np.ndarray
            float64 [T, T]; NaN where undefined, as `reason` says.
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
        what = f"{self.statistic} of {self.measure} {stage_text(self.stage)}"
        return f"{what}, {_replicates_text(self.replicates)}, {label_range(self.labels)}"


class StudyMatrices(schemas.StudyMatrices):
    """Similarities of all cells over their replicates."""

    def to_dataframe(self) -> pandas.DataFrame:
        """The similarities as a long table.

        Returns
        -------
        pandas.DataFrame
            A row per cell and pair of tasks: the cell's values, both tasks, mean, sd, low and high.
        """
        paths = list(dict.fromkeys(path for cell in self.cells for path in cell.values))
        statistics = ["mean", "sd", "low", "high"]
        rows = [
            [
                cell.cell,
                *(cell.values.get(path) for path in paths),
                *(cell.tasks[row], cell.labels[row], cell.tasks[column], cell.labels[column]),
                *(getattr(cell, name)[row][column] for name in statistics),
                cell.replicates,
            ]
            for cell in self.cells
            for row in range(len(cell.tasks))
            for column in range(row + 1, len(cell.tasks))
        ]
        names = ["task", "label", "other", "other_label", *statistics, "replicates"]
        return _frame(rows, ["cell", *paths, *names])


class StudyEmbedding(LabelledResult, schemas.StudyEmbedding):
    """Tasks as points with their spread, float64 [T, dimensions]."""

    def to_numpy(self) -> np.ndarray:
        """The array without labels.

        Returns
        -------
        np.ndarray
            Points, float64 [T, dimensions].
        """
        return np.array(self.values, np.float64).reshape(len(self.tasks), -1)

    def to_dataframe(self) -> pandas.DataFrame:
        """The array with its labels.

        Returns
        -------
        pandas.DataFrame
            A row per task: coordinates, and spread over replicates.
        """
        axes = ["x", "y", "z"][: self.dimensions]
        table = labelled_table(self, {"task": told_apart(self.labels, self.tasks)}, {"": axes})
        table["spread"] = self.spread
        return table

    def _axes(self) -> Axes:
        return {"task": told_apart(self.labels, self.tasks), "axis": list("xyz"[: self.dimensions])}

    def _summary(self) -> str:
        return f"map of {label_range(self.labels)}, {_replicates_text(self.replicates)}"


class StudyDifferences(QuietModel, schemas.StudyDifferences):
    """Differences of similarities with intervals and p-values."""

    def to_dataframe(self) -> pandas.DataFrame:
        """The differences as a table.

        Returns
        -------
        pandas.DataFrame
            A row per difference, as they were asked for.
        """
        names = ["difference", "low", "high", "p", "p_holm", "distinguishable", "replicates"]
        rows = [
            [*("-".join(map(str, pair)) for pair in each.pairs), *(getattr(each, name) for name in names)]
            for each in self.differences
        ]
        return _frame(rows, ["pair", "other", *names])


class StudyCeiling(QuietModel, schemas.StudyCeiling):
    """Noise ceilings over seeds, over bases and over both."""

    def to_dataframe(self) -> pandas.DataFrame:
        """The ceilings as a table.

        Returns
        -------
        pandas.DataFrame
            A row per source and measure.
        """
        names = ["over", "measure", "lower", "upper", "between", "replicates"]
        return _frame([[getattr(each, name) for name in names] for each in self.ceilings], names)


class StudyDendrogram(PlottableResult, schemas.StudyDendrogram):
    """Tree of the mean similarities with the support of its groups, float64 [T − 1, 4]."""

    def to_numpy(self) -> np.ndarray:
        """SciPy's linkage matrix.

        Returns
        -------
        np.ndarray
            float64 [T − 1, 4].
        """
        return np.array(self.linkage, np.float64).reshape(-1, 4)

    def to_dataframe(self) -> pandas.DataFrame:
        """The array with its labels.

        Returns
        -------
        pandas.DataFrame
            A row per merge: its two nodes, their distance, the number of tasks below, and the support.
        """
        axes = self._axes()
        table = labelled_table(self, {"joint": axes["joint"]}, {"": axes["number"]})
        table["support"] = self.support
        return table

    def _axes(self) -> Axes:
        joints = range(len(self.tasks), len(self.tasks) + len(self.linkage))
        return {"joint": joints, "number": ["node", "other node", "distance", "tasks"]}

    def _summary(self) -> str:
        return f"{self.method} linkage, {_replicates_text(self.replicates)}, {label_range(self.labels)}"


class StudyAccuracy(PlottableResult, schemas.StudyAccuracy):
    """Accuracies of cells and tasks with intervals, float64 [cells · T, 4]."""

    def to_numpy(self) -> np.ndarray:
        """The array without labels.

        Returns
        -------
        np.ndarray
            float64 [cells · T, 4]: mean, standard deviation and the ends of the interval; NaN where a cell
            has too few replicates.
        """
        rows = [[getattr(task, name) for name in ESTIMATES] for cell in self.cells for task in cell.tasks]
        return np.array(rows, np.float64).reshape(-1, len(ESTIMATES))

    def to_dataframe(self) -> pandas.DataFrame:
        """The accuracies as a table.

        Returns
        -------
        pandas.DataFrame
            A row per cell and task.
        """
        names = ["mean", "sd", "low", "high", "replicates"]
        paths = list(dict.fromkeys(path for cell in self.cells for path in cell.values))
        rows = [
            [
                cell.cell,
                *(cell.values.get(path) for path in paths),
                task.index,
                task.label,
                *(getattr(task, name) for name in names),
            ]
            for cell in self.cells
            for task in cell.tasks
        ]
        return _frame(rows, ["cell", *paths, "task", "label", *names])

    def _axes(self) -> Axes:
        several = len(self.cells) > 1
        tasks = [
            f"{task.label} · cell {cell.cell}" if several else task.label
            for cell in self.cells
            for task in cell.tasks
        ]
        return {"task": tasks, "number": list(ESTIMATES)}

    def _summary(self) -> str:
        tasks = max((len(cell.tasks) for cell in self.cells), default=0)
        return f"{len(self.cells)} cells of {tasks} tasks, {self.level:.0%} intervals"


class StudyEffects(QuietModel, schemas.StudyEffects):
    """Long table of all tasks of all experiments, and differences of cells."""

    def to_dataframe(self) -> pandas.DataFrame:
        """The long table.

        Returns
        -------
        pandas.DataFrame
            A row per experiment and task: cell, its values, seeds, accuracy, mean similarity at each lag.
        """
        paths = list(dict.fromkeys(path for row in self.rows for path in row.values))
        lags = max((len(row.similarity) for row in self.rows), default=0)
        names = ["seed", "base_seed", "experiment", "task", "label", "accuracy"]
        rows = [
            [
                row.cell,
                *(row.values.get(path) for path in paths),
                *(getattr(row, name) for name in names),
                *row.similarity,
            ]
            for row in self.rows
        ]
        similar = [f"similarity at lag {lag}" for lag in range(1, lags + 1)]
        return _frame(rows, ["cell", *paths, *names, *similar])


def _frame(rows: list[list[Any]], columns: list[str]) -> pandas.DataFrame:
    values = np.empty((len(rows), len(columns)), object)
    for place, row in enumerate(rows):
        values[place] = row
    return labelled_table(values, {"": range(len(rows))}, {"": columns}).infer_objects()


def _replicates_text(count: int) -> str:
    return f"{count} replicate{'' if count == 1 else 's'}"


def _progress_text(study: schemas.StudySummary) -> str:
    progress = study.progress
    done, total = progress.experiments_done, progress.experiments_total
    return f"{progress.fraction:.0%}, {done} of {total} experiments"
