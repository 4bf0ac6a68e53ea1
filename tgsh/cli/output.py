"""Output of the commands: JSON documents, tables, progress displays."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import typer
from rich import box
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:  # what these import is heavy, and `tgsh --help` must be quick
    from tgsh.api_keys import Key
    from tgsh.client import Client
    from tgsh.client.results import Experiment as FetchedExperiment
    from tgsh.schemas import (
        Catalog,
        CatalogEntry,
        Dataset,
        Experiment,
        Progress,
        Queue,
        Task,
        Worker,
        Workers,
        WorkingOn,
    )

LINE_SECONDS = 5.0
COLOURS = {"queued": "yellow", "running": "cyan", "completed": "green", "failed": "red", "cancelled": "dim"}
MAX_LISTED_TASKS = 60
WIDE = 100  # characters
NO_WRAP = {"id", "status", "done", "acc.", "accuracy", "tasks", "submitted", "task", "time", "last loss"}


def print_json(document: Any) -> None:
    """Print a document of tgsh.schemas, or a JSON value in which paths and times become text."""
    dump = getattr(document, "model_dump_json", None)
    typer.echo(dump(indent=2) if dump else json.dumps(document, indent=2, default=str))


def message_printer(as_json: bool) -> Callable[[str], None]:
    """Function that prints messages, on standard error where standard output is one JSON document."""
    return partial(typer.echo, err=as_json)


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


def print_experiments(experiments: Sequence[FetchedExperiment]) -> None:
    """Print experiments, a row each, with fewer columns on a narrow terminal."""
    console = Console()
    wide = console.width >= WIDE
    table = _table(
        "id", "status", "done", "acc.", "tasks", *(["dataset"] if wide else []), "submitted", "name"
    )
    table.columns[-1].ratio = 1
    for e in experiments:
        table.add_row(
            e.id,
            _status(e.status),
            f"{e.progress.fraction:.0%}",
            _accuracy(e.mean_accuracy),
            str(e.progress.tasks_total),
            *([e.spec.dataset_key] if wide else []),
            f"{e.timings.created_at.astimezone():{'%Y-%m-%d' if wide else '%m-%d'} %H:%M}",
            Text(e.spec.title, overflow="ellipsis", no_wrap=True),
        )
    console.print(table)


def print_experiment(e: FetchedExperiment, tasks: Sequence[Task]) -> None:
    """Print all fields of an experiment, and its tasks."""
    console = Console()
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in _experiment_fields(e).items():
        table.add_row(name, value)
    console.print(table)
    console.print()
    rows = _table("task", "label", "status", "accuracy", "last loss", "time", "reason")
    for task in tasks[:MAX_LISTED_TASKS]:
        rows.add_row(
            str(task.index),
            Text(task.label),
            _status(task.status),
            _accuracy(task.accuracy),
            f"{task.loss[-1]:.4f}" if task.loss else "",
            f"{task.seconds:.1f} s" if task.seconds else "",
            Text(task.reason or ""),
        )
    console.print(rows)
    if len(tasks) > MAX_LISTED_TASKS:
        console.print(f"… and {len(tasks) - MAX_LISTED_TASKS} more tasks", style="dim")


def print_keys(keys: Sequence[Key]) -> None:
    """Print keys, a row each; the secrets themselves are not stored."""
    table = _table("name", "role", "made", "expires")
    for key in keys:
        until = "never" if key.expires_at is None else f"{key.expires_at.astimezone():%Y-%m-%d %H:%M}"
        expired = Text(f"{until} (expired)", style="red")
        made = f"{key.created_at.astimezone():%Y-%m-%d %H:%M}"
        table.add_row(key.name, key.role, made, expired if key.is_expired() else until)
    Console().print(table)


def print_datasets(datasets: Sequence[Dataset]) -> None:
    """Print uploaded datasets, a row each."""
    table = _table("id", "name", "images", "classes", "size", "used by", "owner", "uploaded")
    for each in datasets:
        table.add_row(
            each.id,
            Text(each.name),
            f"{each.images:,}",
            str(each.classes),
            " × ".join(map(str, (each.height, each.width, each.channels))),
            str(each.used_by),
            Text((each.owner or "") + (" (shared)" if each.owner and each.shared else "")),
            f"{each.created_at.astimezone():%Y-%m-%d %H:%M}",
        )
    Console().print(table)


def print_dataset(dataset: Dataset) -> None:
    """Print all fields of a dataset."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in dataset.model_dump(mode="json", exclude={"links"}).items():
        table.add_row(
            name.replace("_", " "), Text(", ".join(value) if isinstance(value, list) else str(value))
        )
    Console().print(table)


def print_catalog(catalog: Catalog) -> None:
    """Print names and descriptions, a table for each kind of entry."""
    console = Console()
    kinds: dict[str, list[CatalogEntry]] = {
        "presets": catalog.presets,
        "datasets": catalog.datasets,
        "suites": catalog.suites,
        "networks": catalog.networks,
    }
    for kind, entries in kinds.items():
        table = _table(kind, "", "cost")
        for entry in entries:
            table.add_row(Text(entry.name, style="bold"), Text(entry.description), Text(entry.cost or ""))
        console.print(table)


def print_workers(workers: Workers) -> None:
    """Print a row for each job of each worker, then the queue."""
    console = Console()
    if not workers.workers:
        console.print("No worker was seen lately; start one with: celery -A worker.app worker")
    else:
        table = _plain_table("worker", "devices", "memory", "device memory", "works on", "since")
        for worker in workers.workers:
            _add_worker(table, worker)
        console.print(table)
    _print_queue(console, workers.queue)


def _experiment_fields(e: FetchedExperiment) -> dict[str, Text | str]:
    """Names and values of the fields that an experiment has."""
    training = e.spec.training
    fields: dict[str, Text | str] = {
        "id": e.id,
        "name": Text(e.spec.title),
        "status": _status(e.status),
        "reason": Text(e.reason or "", style="red"),
        "progress": f"{e.progress.fraction:.0%}, {e.progress.tasks_done} of {e.progress.tasks_total} tasks",
        "time left": duration(e.progress.eta_seconds) if e.progress.eta_seconds else "",
        "accuracy": _accuracy(e.mean_accuracy),
        "dataset": e.spec.dataset_key,
        "suite": e.spec.suite.kind,
        "network": e.spec.network.kind,
        "training": f"{training.epochs} epochs, batches of {training.batch_size}",
        "seeds": f"{e.spec.seed}, base {e.spec.base_seed}",
        "base id": e.base_id,
        "digest": e.digest,
        "page": e.url,
        "submitted": f"{e.timings.created_at.astimezone():%Y-%m-%d %H:%M:%S}",
        "took": duration(e.timings.seconds) if e.timings.seconds is not None else "",
        "tags": Text(", ".join(e.spec.tags)),
        "owner": (e.owner or "") + (" (shared)" if e.owner and e.shared else ""),
    }
    return {name: value for name, value in fields.items() if str(value)}


def _add_worker(table: Table, worker: Worker) -> None:
    on_devices = "" if worker.device_memory_bytes is None else decimal(worker.device_memory_bytes)
    devices = ", ".join(f"{worker.devices.count(each)}× {each}" for each in dict.fromkeys(worker.devices))
    jobs: list[WorkingOn | None] = [*worker.working_on] or [None]
    first: list[Text | str] = [Text(worker.name), devices, decimal(worker.memory_bytes), on_devices]
    for job in jobs:
        since = "" if job is None else duration((datetime.now(UTC) - job.since).total_seconds())
        table.add_row(*first, _job_text(job), since)
        first = [""] * 4


def _job_text(job: WorkingOn | None) -> Text:
    if job is None:
        return Text("nothing", style="dim")
    if job.kind == "preview":
        return Text("a preview")
    part = "its finish" if job.kind == "finish" else f"task {job.task_index} ({job.label})"
    if job.experiment_id is None:
        return Text(f"a {job.kind} of others", style="dim")
    return Text(f"{job.experiment_id[:6]} {job.name}: {part}")


def _print_queue(console: Console, queue: Queue) -> None:
    oldest = "" if queue.oldest_seconds is None else f", the first for {duration(queue.oldest_seconds)}"
    console.print(f"{queue.running_jobs:,} jobs run and {queue.queued_jobs:,} wait{oldest}")
    if queue.experiments:
        table = _plain_table("id", "running", "waiting", "name")
        for each in queue.experiments:
            table.add_row(each.id, f"{each.running:,}", f"{each.queued:,}", Text(each.name))
        console.print(table)


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, no_wrap=column in NO_WRAP)
    return table


def _plain_table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column == "id")
    return table


def _status(status: str) -> Text:
    return Text(status, style=COLOURS.get(status, ""))


def _accuracy(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
