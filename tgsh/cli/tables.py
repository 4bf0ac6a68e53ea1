"""What commands print for people: tables."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tgsh.cli.progress import duration
from tgsh.client.values import Experiment as FetchedExperiment
from tgsh.keys import Key
from tgsh.schemas import Catalog, CatalogEntry, Dataset, Task

COLOURS = {"queued": "yellow", "running": "cyan", "completed": "green", "failed": "red", "cancelled": "dim"}
SHOWN_TASKS = 60
WIDE = 100  # columns of a terminal
SHORT = {"id", "status", "done", "acc.", "accuracy", "tasks", "submitted", "task", "time", "last loss"}


def print_experiments(experiments: Sequence[FetchedExperiment]) -> None:
    """One line each; what is least missed is left out where the terminal is narrow."""
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
    """Everything about one, with its tasks."""
    console = Console()
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in _facts(e).items():
        table.add_row(name, value)
    console.print(table)
    console.print()
    rows = _table("task", "label", "status", "accuracy", "last loss", "time", "reason")
    for task in tasks[:SHOWN_TASKS]:
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
    if len(tasks) > SHOWN_TASKS:
        console.print(f"… and {len(tasks) - SHOWN_TASKS} more tasks", style="dim")


def print_keys(keys: Sequence[Key]) -> None:
    """One line each; a key itself is not known."""
    table = _table("name", "role", "made", "expires")
    for key in keys:
        until = "never" if key.expires_at is None else f"{key.expires_at.astimezone():%Y-%m-%d %H:%M}"
        expired = Text(f"{until} (expired)", style="red")
        made = f"{key.created_at.astimezone():%Y-%m-%d %H:%M}"
        table.add_row(key.name, key.role, made, expired if key.is_expired() else until)
    Console().print(table)


def print_datasets(datasets: Sequence[Dataset]) -> None:
    """One line each."""
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
    """Everything about one."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in dataset.model_dump(mode="json", exclude={"links"}).items():
        table.add_row(
            name.replace("_", " "), Text(", ".join(value) if isinstance(value, list) else str(value))
        )
    Console().print(table)


def print_catalog(catalog: Catalog) -> None:
    """Names and descriptions, by kind."""
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


def _facts(e: FetchedExperiment) -> dict[str, Text | str]:
    training = e.spec.training
    facts: dict[str, Text | str] = {
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
    return {name: value for name, value in facts.items() if str(value)}


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, no_wrap=column in SHORT)
    return table


def _status(status: str) -> Text:
    return Text(status, style=COLOURS.get(status, ""))


def _accuracy(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
