"""Tables of the commands: no id, name or path in them is ever cut."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.filesize import decimal
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from tgsh.cli.output import duration

if TYPE_CHECKING:  # what these import is heavy, and `tgsh --help` must be quick
    from tgsh.api_keys import Key
    from tgsh.client.results import Experiment
    from tgsh.schemas import (
        Agreement,
        Catalog,
        CatalogEntry,
        ComparedPair,
        Comparison,
        Dataset,
        Queue,
        Task,
        Worker,
        Workers,
        WorkingOn,
    )
    from tgsh.specs import ExperimentSpec

COLOURS = {"queued": "yellow", "running": "cyan", "completed": "green", "failed": "red", "cancelled": "dim"}
MAX_LISTED_TASKS = 60
MAX_VALUE = 100  # characters of a spec's value in a list; longer ones are named only
INDENT = 2
GAPS = (2, 1)  # between columns, the better first
READABLE = 20  # characters in a line of a column that wraps


@dataclass(frozen=True)
class Column:
    """A column of a table.

    wraps: its text may go on in the next line; a column without is as wide as its longest cell. below: where
    the terminal is too narrow for all columns, its text goes below the row.
    """

    title: str
    wraps: bool = False
    below: bool = False


Row = Sequence[Text | str]


def print_table(console: Console, columns: Sequence[Column], rows: Sequence[Row]) -> None:
    """Print a table with a column each, or with some below the rows where the terminal is too narrow.

    Columns without any text are left out.
    """
    used = [place for place in range(len(columns)) if any(str(row[place]) for row in rows)]
    columns = [columns[place] for place in used]
    cells = [[row[place] for place in used] for row in rows]
    texts = [[cell if isinstance(cell, Text) else Text(cell) for cell in row] for row in cells]
    gap = next((gap for gap in GAPS if _needed(columns, texts, gap) <= console.width), None)
    if gap is not None or not any(column.below for column in columns):
        console.print(_table(columns, texts, gap))
        console.print()
        return
    places = [place for place, column in enumerate(columns) if not column.below]
    widths = [_width(columns[place], [row[place] for row in texts]) for place in places]
    console.print(_line([Text(columns[place].title, "bold") for place in places], widths))
    console.print(Rule(style=""))
    for row in texts:
        console.print(_line([row[place] for place in places], widths))
        for place, column in enumerate(columns):
            if column.below and row[place]:
                console.print(Padding(row[place], (0, 0, 0, INDENT)), overflow="fold")
    console.print()


def print_experiments(experiments: Sequence[Experiment]) -> None:
    """Print experiments and what tells them apart."""
    columns = (
        *(Column(title) for title in ("id", "status", "done", "acc.", "submitted")),
        Column("name", wraps=True),
        Column("experiment", wraps=True, below=True),
    )
    rows = [
        (
            each.id,
            status_text(each.status),
            f"{each.progress.fraction:.0%}",
            decimals(each.mean_accuracy),
            f"{each.timings.created_at.astimezone():%y-%m-%d %H:%M}",
            each.spec.title,
            differences,
        )
        for each, differences in zip(experiments, _differences(experiments), strict=True)
    ]
    print_table(Console(), columns, rows)


def print_cells(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table of words and numbers under the names of its columns."""
    texts = [
        ["" if cell is None else f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row]
        for row in rows
    ]
    print_table(Console(), [Column(name, wraps=name == "name") for name in columns], texts)


def print_experiment(experiment: Experiment, tasks: Sequence[Task]) -> None:
    """Print all fields of an experiment, and its tasks."""
    console = Console()
    print_fields(console, _experiment_fields(experiment))
    console.print()
    columns = (
        Column("task"),
        Column("label", wraps=True),
        *(Column(title) for title in ("status", "accuracy", "balanced", "chance", "last loss", "time")),
        Column("reason", wraps=True, below=True),
    )
    rows = [
        (
            str(task.index),
            task.label,
            status_text(task.status),
            decimals(task.accuracy),
            decimals(task.balanced),
            decimals(task.chance),
            f"{task.loss[-1]:.4f}" if task.loss else "",
            f"{task.seconds:.1f} s" if task.seconds else "",
            task.reason or "",
        )
        for task in tasks[:MAX_LISTED_TASKS]
    ]
    print_table(console, columns, rows)
    if len(tasks) > MAX_LISTED_TASKS:
        console.print(f"… and {len(tasks) - MAX_LISTED_TASKS} more tasks", style="dim")


def print_keys(keys: Sequence[Key]) -> None:
    """Print keys; the secrets themselves are not stored."""
    columns = (Column("name", below=True), Column("role"), Column("made"), Column("expires", wraps=True))
    rows: list[Row] = []
    for key in keys:
        until = "never" if key.expires_at is None else f"{key.expires_at.astimezone():%Y-%m-%d %H:%M}"
        expires = Text(f"{until} (expired)", style="red") if key.is_expired() else until
        rows.append((key.name, key.role, f"{key.created_at.astimezone():%Y-%m-%d %H:%M}", expires))
    print_table(Console(), columns, rows)


def print_datasets(datasets: Sequence[Dataset]) -> None:
    """Print uploaded datasets."""
    columns = (
        Column("id"),
        Column("name", below=True),
        *(Column(title) for title in ("images", "classes", "size", "used by", "uploaded")),
        Column("owner", wraps=True),
    )
    rows = [
        (
            each.id,
            each.name,
            f"{each.images:,}",
            str(each.classes),
            " × ".join(map(str, (each.height, each.width, each.channels))),
            str(each.used_by),
            f"{each.created_at.astimezone():%y-%m-%d %H:%M}",
            _owner(each),
        )
        for each in datasets
    ]
    print_table(Console(), columns, rows)


def print_dataset(dataset: Dataset) -> None:
    """Print all fields of a dataset."""
    fields = dataset.model_dump(mode="json", exclude={"links", "report"})
    fields["found"] = [] if dataset.report is None else dataset.report.sentences
    values = {
        name.replace("_", " "): ", ".join(value) if isinstance(value, list) else str(value)
        for name, value in fields.items()
    }
    print_fields(Console(), values)


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
        columns = (Column(kind), Column("", wraps=True), Column("cost", wraps=True))
        rows = [(Text(entry.name, "bold"), _catalog_text(entry), entry.cost or "") for entry in entries]
        print_table(console, columns, rows)


def _catalog_text(entry: CatalogEntry) -> Text:
    """Description of an entry; where no worker can run it, the reason."""
    text = Text(" ".join(entry.description.split()))
    if entry.unavailable:
        text.append(f"; not now: {' '.join(entry.unavailable.split())}", "yellow")
    return text


def print_workers(workers: Workers) -> None:
    """Print a row for each job of each worker, then the queue."""
    console = Console()
    if not workers.workers:
        console.print("No worker was seen lately; start one with: celery -A worker.app worker")
    else:
        columns = (
            Column("worker"),
            Column("devices", wraps=True),
            *(Column(title) for title in ("memory", "GPU memory", "since")),
            Column("works on", wraps=True, below=True),
        )
        print_table(console, columns, [row for worker in workers.workers for row in _worker_rows(worker)])
    _print_queue(console, workers.queue)


def print_comparison(comparison: Comparison) -> None:
    """Print what differs in the specs, then the agreement of every pair."""
    console = Console()
    fields = {
        "name": [each.name for each in comparison.experiments],
        "status": [each.status for each in comparison.experiments],
        "accuracy": [decimals(each.mean_accuracy) for each in comparison.experiments],
        **_study_fields(comparison),
        **{each.field: [_value(value) for value in each.values] for each in comparison.differences},
    }
    _print_side_by_side(console, [each.id for each in comparison.experiments], fields)
    left_out = [
        f"{each.id} is left out: {each.note}" for each in comparison.experiments if each.note is not None
    ]
    for note in (*left_out, *comparison.notes):
        console.print(note, highlight=False, markup=False)
    if not comparison.pairs:
        return
    titles = ("", "", "tasks", "pearson", "spearman", "Mantel p", "same task")
    rows = [(pair.a, pair.b, str(pair.tasks), *_agreement(pair)) for pair in comparison.pairs]
    print_table(console, [Column(title) for title in titles], rows)
    if comparison.pairs and (test := comparison.pairs[0].mantel) is not None:
        console.print(
            f"{comparison.measure} similarities, stage {comparison.stage}; Mantel: {test.alternative}, "
            f"{test.permutations} permutations, seed {test.seed}; "
            "same task: mean similarity of its two vectors, where the base is the same",
            highlight=False,
        )
    _print_replicates(console, comparison)


def _study_fields(comparison: Comparison) -> dict[str, list[str]]:
    """Replicates and noise ceilings, where one of those that are compared is a study."""
    from tgsh.schemas import ComparedStudy

    those = [each if isinstance(each, ComparedStudy) else None for each in comparison.experiments]
    if not any(those):
        return {}
    ceilings = [
        next((c for c in each.ceilings if c.lower is not None), None) if each else None for each in those
    ]
    return {
        "replicates": [str(each.replicates) if each else "" for each in those],
        "noise ceiling": [f"{decimals(c.lower)} to {decimals(c.upper)}" if c else "" for c in ceilings],
    }


def _print_replicates(console: Console, comparison: Comparison) -> None:
    """Print of each pair with a study whether it differs more than replicates do."""
    from tgsh.schemas import ComparedStudyPair

    pairs = [pair for pair in comparison.pairs if isinstance(pair, ComparedStudyPair)]
    if not pairs:
        return
    columns = (*(Column(title) for title in ("", "", "between", "within", "p")), Column("", wraps=True))
    rows: list[Row] = [
        (
            pair.a,
            pair.b,
            *(
                decimals(each)
                for each in (pair.replicates.between, pair.replicates.within, pair.replicates.p)
            ),
            pair.replicates.verdict,
        )
        for pair in pairs
    ]
    print_table(console, columns, rows)
    console.print(
        "between, within: mean agreement of replicates of different ones, and of the same one; p: that they "
        "differ no more",
        highlight=False,
    )


def print_agreement(agreement: Agreement) -> None:
    """Print how similarities agree with a stated geometry, one number a line."""
    console = Console()
    numbers = {
        agreement.correlation: decimals(agreement.agreement),
        "partial": decimals(agreement.partial),
        "interval": f"{decimals(agreement.low)} to {decimals(agreement.high)}",
        "noise ceiling": f"{decimals(agreement.ceiling.lower)} to {decimals(agreement.ceiling.upper)}",
        "p": decimals(agreement.p),
    }
    missing = {
        "partial": agreement.partial is None,
        "interval": agreement.low is None,
        "noise ceiling": agreement.ceiling.lower is None,
    }
    rows = [(name, value) for name, value in numbers.items() if not missing.get(name)]
    print_table(console, [Column("of the similarities with the geometry"), Column("")], rows)
    console.print(
        f"{len(agreement.tasks)} tasks, {agreement.measure} similarities, stage {agreement.stage}; p: "
        f"{agreement.alternative}, {agreement.permutations} other orders of the tasks, seed {agreement.seed}",
        highlight=False,
    )
    if agreement.reason is not None:
        console.print(f"Missing numbers: {agreement.reason}", highlight=False, markup=False)


def _needed(columns: Sequence[Column], rows: Sequence[Sequence[Text]], gap: int) -> int:
    """Width with room for every word, and for some of them in a line of a column that wraps."""
    needed = gap * (len(columns) - 1)
    for place, column in enumerate(columns):
        cells = [row[place].plain for row in rows]
        widest = max(map(cell_len, (column.title, *cells)))
        word = max((cell_len(word) for cell in cells for word in cell.split()), default=0)
        needed += min(widest, max(word, READABLE)) if column.wraps else widest
    return needed


def _table(columns: Sequence[Column], rows: Sequence[Sequence[Text]], gap: int | None) -> Table:
    """A table; without a gap, which says that it does not fit, every column wraps."""
    padding = (0, (gap or 1) - 1, 0, 0)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=padding)
    for column in columns:
        table.add_column(column.title, no_wrap=gap is not None and not column.wraps, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def _width(column: Column, cells: Sequence[Text]) -> int | None:
    """Width of a column that does not wrap; None for one that takes what is left."""
    return None if column.wraps else max(map(cell_len, (column.title, *(cell.plain for cell in cells))))


def _line(cells: Sequence[Text], widths: Sequence[int | None]) -> Table:
    line = Table.grid(padding=(0, 1, 0, 0), expand=True)
    for width in widths:
        line.add_column(width=width, ratio=1 if width is None else None, overflow="fold")
    line.add_row(*cells)
    return line


def print_fields(console: Console, fields: Mapping[str, Text | str]) -> None:
    """Print names and values, a line each."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields.items():
        table.add_row(name, value if isinstance(value, Text) else Text(value))
    console.print(table)


def _print_side_by_side(console: Console, ids: Sequence[str], fields: Mapping[str, Sequence[str]]) -> None:
    """Print fields of experiments, a column an experiment; a row each where that is too wide."""
    columns = (Column(""), *(Column(each, wraps=True) for each in ids))
    rows = [[Text(text) for text in (name, *values)] for name, values in fields.items()]
    if _needed(columns, rows, GAPS[0]) <= console.width:
        print_table(console, columns, rows)
        return
    listed = [
        ("" if place else name, each, value)
        for name, values in fields.items()
        for place, (each, value) in enumerate(zip(ids, values, strict=True))
    ]
    print_table(console, (Column(""), Column("experiment"), Column("", wraps=True, below=True)), listed)


def _experiment_fields(e: Experiment) -> dict[str, Text | str]:
    """Names and values of the fields that an experiment has."""
    training = e.spec.training
    fields: dict[str, Text | str] = {
        "id": e.id,
        "name": e.spec.title,
        "status": status_text(e.status),
        "reason": Text(e.reason or "", style="red"),
        "progress": f"{e.progress.fraction:.0%}, {e.progress.tasks_done} of {e.progress.tasks_total} tasks",
        "time left": duration(e.progress.eta_seconds) if e.progress.eta_seconds else "",
        "accuracy": decimals(e.mean_accuracy),
        "dataset": e.spec.dataset_key,
        "suite": e.spec.suite.kind,
        "network": e.spec.network.kind,
        "training": f"{_count(training.epochs, 'epoch')}, batches of {training.batch_size}",
        "seeds": f"{e.spec.seed}, base {e.spec.base_seed}",
        "base id": e.base_id,
        "digest": e.digest,
        "page": e.url,
        "submitted": f"{e.timings.created_at.astimezone():%Y-%m-%d %H:%M:%S}",
        "took": duration(e.timings.seconds) if e.timings.seconds is not None else "",
        "tags": ", ".join(e.spec.tags),
        "owner": _owner(e),
    }
    return {name: value for name, value in fields.items() if str(value)}


def _differences(experiments: Sequence[Experiment]) -> list[str]:
    """Kind of each experiment, and the fields that tell it from others of its kind."""
    kinds = [_kind(each) for each in experiments]
    fields = [_flat(each.spec.model_dump(mode="json", exclude={"name"})) for each in experiments]
    texts = []
    for kind, own in zip(kinds, fields, strict=True):
        alike = [other for other_kind, other in zip(kinds, fields, strict=True) if other_kind == kind]
        differing = [name for name in own if any(other.get(name) != own[name] for other in alike)]
        texts.append(", ".join([kind, *(_named_value(name, own[name]) for name in differing)]))
    return texts


def _kind(experiment: Experiment) -> str:
    spec: ExperimentSpec = experiment.spec
    tasks, epochs = _count(experiment.progress.tasks_total, "task"), _count(spec.training.epochs, "epoch")
    return f"{spec.dataset_key}, {spec.suite.kind}, {tasks}, {spec.network.kind}, {epochs}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values by dotted path."""
    values: dict[str, Any] = {}
    for name, value in document.items():
        if isinstance(value, dict):
            values |= _flat(value, f"{prefix}{name}.")
        else:
            values[f"{prefix}{name}"] = value
    return values


def _named_value(name: str, value: Any) -> str:
    text = _value(value)
    return f"{name}={text}" if len(text) <= MAX_VALUE else f"other {name}"


def _worker_rows(worker: Worker) -> list[Row]:
    on_devices = "" if worker.device_memory_bytes is None else decimal(worker.device_memory_bytes)
    devices = ", ".join(f"{worker.devices.count(each)}× {each}" for each in dict.fromkeys(worker.devices))
    if not worker.torch:
        devices += ", no torch"
    jobs: list[WorkingOn | None] = [*worker.working_on] or [None]
    first: list[str] = [worker.name, devices, decimal(worker.memory_bytes), on_devices]
    rows: list[Row] = []
    for job in jobs:
        since = "" if job is None else duration((datetime.now(UTC) - job.since).total_seconds())
        rows.append((*first, since, _job_text(job)))
        first = [""] * len(first)
    return rows


def _job_text(job: WorkingOn | None) -> Text:
    if job is None:
        return Text("nothing", style="dim")
    if job.kind == "preview":
        return Text("a preview")
    parts = {
        "finish": "its finish",
        "placement": "a placement",
        "accuracy-matrix": "its accuracy matrix",
        "task": f"task {job.task_index} ({job.label})",
    }
    if job.experiment_id is None:
        return Text(f"a {job.kind} of others", style="dim")
    return Text(f"{job.experiment_id} {job.name}: {parts[job.kind]}")


def _print_queue(console: Console, queue: Queue) -> None:
    oldest = "" if queue.oldest_seconds is None else f", the first for {duration(queue.oldest_seconds)}"
    console.print(f"{queue.running_jobs:,} jobs run and {queue.queued_jobs:,} wait{oldest}")
    if queue.experiments:
        columns = (Column("id"), Column("running"), Column("waiting"), Column("name", wraps=True))
        rows = [(each.id, f"{each.running:,}", f"{each.queued:,}", each.name) for each in queue.experiments]
        print_table(console, columns, rows)


def _agreement(pair: ComparedPair) -> tuple[str, ...]:
    """Cells of a pair: Pearson, Spearman, Mantel's p, mean similarity of the same task."""
    p_value = "" if pair.mantel is None else f"{pair.mantel.p_value:.4g}"
    same = "" if pair.same_task is None else decimals(pair.same_task.mean)
    return decimals(pair.pearson), decimals(pair.spearman), p_value, same


def _owner(owned: Experiment | Dataset) -> str:
    return (owned.owner or "") + (" (shared)" if owned.owner and owned.shared else "")


def status_text(status: str) -> Text:
    """A status in its colour."""
    return Text(status, style=COLOURS.get(status, ""))


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def decimals(value: float | None) -> str:
    """A number with three decimals; "" for none."""
    return "" if value is None else f"{value:.3f}"
