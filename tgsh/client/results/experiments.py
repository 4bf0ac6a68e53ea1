"""Experiment and page of experiments, with their notebook representation."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from pydantic import PrivateAttr

from tgsh import schemas
from tgsh.client.results.base import QuietModel, import_pandas

if TYPE_CHECKING:
    import pandas

STATUS_COLOURS = {"failed": "#b00020", "cancelled": "#6b6b6b"}


class Experiment(QuietModel, schemas.Experiment):
    """Experiment: spec, status and progress; a notebook displays its progress and a link."""

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
        """Page of the experiment on the dashboard.

        Returns
        -------
        str
            Absolute URL.
        """
        return f"{self._service_url}/dashboard/experiments/{self.id}"

    def __repr__(self) -> str:
        return f"<Experiment {self.id}: {self.spec.title!r}, {self.status}, {_progress_text(self)}>"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        colour = STATUS_COLOURS.get(self.status, "inherit")
        accuracy = "" if self.mean_accuracy is None else f" · mean test accuracy {self.mean_accuracy:.3f}"
        reason = f'<br><span style="color:{colour}">{escape(self.reason)}</span>' if self.reason else ""
        return (
            f'<div><b>{escape(self.spec.title)}</b> <a href="{escape(self.url)}">{escape(self.id)}</a><br>'
            f'<progress max="1" value="{self.progress.fraction:.3f}"></progress> '
            f'<span style="color:{colour}">{escape(self.status)}</span> · '
            f"{_progress_text(self)}{accuracy}{reason}</div>"
        )


class ExperimentPage(schemas.WireModel):
    """Page of experiments, as `schemas.ExperimentPage`.

    Attributes
    ----------
    items : list[Experiment]
        Experiments, newest first.
    next : str | None, default=None
        Cursor of the next page; None on the last one.
    """

    items: list[Experiment]
    next: str | None = None


class ExperimentTable(QuietModel, schemas.ExperimentTable):
    """Experiments, or groups of them, under chosen columns; a notebook shows the table."""

    def to_dataframe(self) -> pandas.DataFrame:
        """The table with its columns.

        Returns
        -------
        pandas.DataFrame
            One row for each experiment or group; of groups, what they are grouped by is the index.

        Raises
        ------
        MachineProblem
            If pandas is not installed.
        """
        frame: pandas.DataFrame = import_pandas().DataFrame(self.rows, columns=self.columns)
        return frame if self.group_by is None else frame.set_index(self.group_by)

    def __repr__(self) -> str:
        kind = "experiments" if self.group_by is None else f"groups by {self.group_by}"
        return f"<ExperimentTable: {len(self.rows)} {kind}, {len(self.columns)} columns>"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        heads = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(_cell_text(cell))}</td>" for cell in row) + "</tr>"
            for row in self.rows
        )
        return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _cell_text(cell: object) -> str:
    return "" if cell is None else f"{cell:.4g}" if isinstance(cell, float) else str(cell)


def _progress_text(experiment: Experiment) -> str:
    progress = experiment.progress
    return f"{progress.fraction:.0%}, {progress.tasks_done} of {progress.tasks_total} tasks"
