"""Output of the commands: JSON documents, messages, progress displays."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import typer

if TYPE_CHECKING:  # what these import is heavy, and `tgsh --help` must be quick
    from tgsh.client import Client
    from tgsh.client.results import Study
    from tgsh.schemas import Experiment, Progress

LINE_SECONDS = 5.0


def print_json(document: Any) -> None:
    """Print a document of tgsh.schemas, or a JSON value in which paths and times become text."""
    dump = getattr(document, "model_dump_json", None)
    typer.echo(dump(indent=2) if dump else json.dumps(document, indent=2, default=str))


def message_printer(as_json: bool) -> Callable[[str], None]:
    """Function that prints messages, on standard error where standard output is one JSON document."""
    return partial(typer.echo, err=as_json)


def print_downloads(folders: Mapping[str, Path]) -> None:
    """Print which datasets were downloaded, and where to."""
    for name, folder in folders.items():
        typer.echo(f"Downloaded {name} to {folder}", err=True)


def print_warnings(warnings: Iterable[str]) -> None:
    """Print what a reader must know, on standard error."""
    for warning in warnings:
        typer.echo(f"Warning: {warning}", err=True)


class Display(Protocol):
    """Shows progress between enter and exit."""

    def __enter__(self) -> Display: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def update(self, progress: Progress) -> None: ...
    def print_line(self, line: str) -> None: ...


def display(title: str) -> Display:
    """Progress display for standard error: a bar on a terminal, else lines."""
    return _BarDisplay(title) if sys.stderr.isatty() else _LineDisplay(title)


def follow(client: Client, experiment: Experiment) -> Experiment:
    """Show an experiment's progress to its end; the experiment in its final state."""
    from tgsh.schemas import ProgressEvent, TaskEvent

    with display(experiment.spec.title) as progress_display:
        progress_display.update(experiment.progress)
        for event in client.events(experiment.id):
            if isinstance(event, ProgressEvent):
                progress_display.update(event.progress)
            elif isinstance(event, TaskEvent) and event.status == "failed":
                progress_display.print_line(f"task {event.index} ({event.label}) failed: {event.reason}")
        experiment = client.get(experiment.id)
        progress_display.update(experiment.progress)
    return experiment


def follow_study(client: Client, study: Study) -> Study:
    """Show a study's progress to its end; the study in its final state."""
    from tgsh.schemas import StudyProgressEvent

    with display(study.name) as shown:
        shown.update(study.progress)
        for event in client.study_events(study.id):
            if isinstance(event, StudyProgressEvent):
                shown.update(event.progress)
        study = client.get_study(study.id)
        shown.update(study.progress)
    return study


def time_left(progress: Progress, since: float) -> str:
    """Text of the time left; since: seconds since `progress` was received."""
    if progress.fraction >= 1:
        return "done"
    if progress.eta_seconds is None:
        return "not started" if progress.fraction == 0 else "… left"
    return f"{duration(max(0.0, progress.eta_seconds - since))} left"


def duration(seconds: float) -> str:
    """0:42, 12:03 or 3:05:00."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class _LineDisplay:
    """Progress as lines, at most one in LINE_SECONDS."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._printed_at = float("-inf")
        self._last_line = ""

    def __enter__(self) -> _LineDisplay:
        if self._title:
            typer.echo(self._title, err=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def update(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._printed_at < LINE_SECONDS and progress.fraction < 1:
            return
        tasks = f"{progress.tasks_done}/{progress.tasks_total} tasks"
        line = f"{progress.fraction:4.0%}  {tasks}  {time_left(progress, 0)}"
        if line != self._last_line:
            self._printed_at, self._last_line = now, line
            typer.echo(line, err=True)

    def print_line(self, line: str) -> None:
        typer.echo(line, err=True)


class _BarDisplay:
    """Progress as a bar that counts the time left down."""

    def __init__(self, title: str) -> None:
        from rich import progress as bars
        from rich.console import Console

        class TimeLeftColumn(bars.ProgressColumn):
            def render(self, task: bars.Task) -> str:
                state: Progress | None = task.fields["state"]
                return time_left(state, time.monotonic() - task.fields["at"]) if state else ""

        self._bars = bars.Progress(
            bars.TextColumn("{task.description}"),
            bars.BarColumn(bar_width=None),
            bars.TextColumn("{task.percentage:>3.0f}%"),
            bars.TextColumn("{task.fields[tasks]}"),
            TimeLeftColumn(),
            console=Console(stderr=True),
            expand=True,
        )
        self._task = self._bars.add_task(title, total=1.0, state=None, at=0.0, tasks="")

    def __enter__(self) -> _BarDisplay:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def update(self, progress: Progress) -> None:
        self._bars.update(
            self._task,
            completed=progress.fraction,
            state=progress,
            at=time.monotonic(),
            tasks=f"{progress.tasks_done}/{progress.tasks_total} tasks",
        )

    def print_line(self, line: str) -> None:
        self._bars.console.print(line, markup=False, highlight=False)
