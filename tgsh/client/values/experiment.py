"""An experiment, as a notebook shows it."""

from __future__ import annotations

from html import escape
from typing import Any

from pydantic import PrivateAttr

from tgsh import schemas

STYLES = {"failed": "#b00020", "cancelled": "#6b6b6b"}


class Experiment(schemas.Experiment):
    """An experiment as the service sees it."""

    _service: str = PrivateAttr("")

    def model_post_init(self, context: Any) -> None:
        """context: {"service": the URL that it was read from}."""
        if isinstance(context, dict):
            self._service = context.get("service", "")

    @property
    def url(self) -> str:
        """Its page in a browser."""
        return f"{self._service}/dashboard/experiments/{self.id}"

    def __repr__(self) -> str:
        return f"<Experiment {self.id}: {self.spec.title!r}, {self.status}, {_done(self)}>"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        colour = STYLES.get(self.status, "inherit")
        accuracy = "" if self.mean_accuracy is None else f" · mean test accuracy {self.mean_accuracy:.3f}"
        reason = f'<br><span style="color:{colour}">{escape(self.reason)}</span>' if self.reason else ""
        return (
            f'<div><b>{escape(self.spec.title)}</b> <a href="{escape(self.url)}">{escape(self.id)}</a><br>'
            f'<progress max="1" value="{self.progress.fraction:.3f}"></progress> '
            f'<span style="color:{colour}">{escape(self.status)}</span> · '
            f"{_done(self)}{accuracy}{reason}</div>"
        )


class ExperimentPage(schemas.WireModel):
    """schemas.ExperimentPage, whose experiments show themselves."""

    items: list[Experiment]
    next: str | None = None


def _done(experiment: Experiment) -> str:
    progress = experiment.progress
    return f"{progress.fraction:.0%}, {progress.tasks_done} of {progress.tasks_total} tasks"
