"""Experiment and page of experiments, with their notebook representation."""

from __future__ import annotations

from html import escape
from typing import Any

from pydantic import PrivateAttr

from tgsh import schemas
from tgsh.client.results.base import QuietModel

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


def _progress_text(experiment: Experiment) -> str:
    progress = experiment.progress
    return f"{progress.fraction:.0%}, {progress.tasks_done} of {progress.tasks_total} tasks"
