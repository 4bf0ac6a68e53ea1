"""How far an experiment is: a bar on a terminal, a plain line now and then elsewhere. On standard error."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

import typer

from tgsh.schemas import Experiment, Progress, ProgressEvent, TaskEvent

if TYPE_CHECKING:
    from tgsh.client import Client

LINE_SECONDS = 5.0


class Display(Protocol):
    """Shows progress between enter and exit."""

    def __enter__(self) -> Display: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def update(self, progress: Progress) -> None: ...
    def say(self, line: str) -> None: ...


def display(title: str) -> Display:
    """The display that suits standard error."""
    return _Bar(title) if sys.stderr.isatty() else _Lines(title)


def follow(client: Client, experiment: Experiment) -> Experiment:
    """Show an experiment's progress to its end; the experiment as it ended."""
    with display(experiment.spec.title) as shown:
        shown.update(experiment.progress)
        for event in client.events(experiment.id):
            if isinstance(event, ProgressEvent):
                shown.update(event.progress)
            elif isinstance(event, TaskEvent) and event.status == "failed":
                shown.say(f"task {event.index} ({event.label}) failed: {event.reason}")
        ended = client.get(experiment.id)
        shown.update(ended.progress)
    return ended


def left(progress: Progress, since: float) -> str:
    """The time left, counted down from when it was told."""
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


class _Lines:
    def __init__(self, title: str) -> None:
        self._title = title
        self._said_at = float("-inf")
        self._said = ""

    def __enter__(self) -> _Lines:
        typer.echo(self._title, err=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def update(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._said_at < LINE_SECONDS and progress.fraction < 1:
            return
        tasks = f"{progress.tasks_done}/{progress.tasks_total} tasks"
        line = f"{progress.fraction:4.0%}  {tasks}  {left(progress, 0)}"
        if line != self._said:
            self._said_at, self._said = now, line
            typer.echo(line, err=True)

    def say(self, line: str) -> None:
        typer.echo(line, err=True)


class _Bar:
    def __init__(self, title: str) -> None:
        from rich import progress as bars
        from rich.console import Console

        class Left(bars.ProgressColumn):
            def render(self, task: bars.Task) -> str:
                state: Progress | None = task.fields["state"]
                return left(state, time.monotonic() - task.fields["at"]) if state else ""

        self._bars = bars.Progress(
            bars.TextColumn("{task.description}"),
            bars.BarColumn(bar_width=None),
            bars.TextColumn("{task.percentage:>3.0f}%"),
            bars.TextColumn("{task.fields[tasks]}"),
            Left(),
            console=Console(stderr=True),
            expand=True,
        )
        self._task = self._bars.add_task(title, total=1.0, state=None, at=0.0, tasks="")

    def __enter__(self) -> _Bar:
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

    def say(self, line: str) -> None:
        self._bars.console.print(line, markup=False, highlight=False)
