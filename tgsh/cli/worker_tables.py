"""What `tgsh workers` prints for people."""

from __future__ import annotations

from datetime import UTC, datetime

from rich import box
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from tgsh.cli.progress import duration
from tgsh.schemas import Queue, Worker, Workers, WorkingOn


def print_workers(found: Workers) -> None:
    """A line for each worker's place: idle, or what it works on; then the queue."""
    console = Console()
    if not found.workers:
        console.print("No worker was seen lately; start one with: celery -A worker.app worker")
    else:
        table = _table("worker", "devices", "memory", "device memory", "works on", "since")
        for worker in found.workers:
            _add(table, worker)
        console.print(table)
    _print_queue(console, found.queue)


def _add(table: Table, worker: Worker) -> None:
    on_devices = "" if worker.device_memory_bytes is None else decimal(worker.device_memory_bytes)
    devices = ", ".join(f"{worker.devices.count(each)}× {each}" for each in dict.fromkeys(worker.devices))
    jobs: list[WorkingOn | None] = [*worker.working_on] or [None]
    first: list[Text | str] = [Text(worker.name), devices, decimal(worker.memory_bytes), on_devices]
    for job in jobs:
        since = "" if job is None else duration((datetime.now(UTC) - job.since).total_seconds())
        table.add_row(*first, _job(job), since)
        first = [""] * 4


def _job(job: WorkingOn | None) -> Text:
    if job is None:
        return Text("nothing", style="dim")
    if job.kind == "preview":
        return Text("a preview")
    what = "its finish" if job.kind == "finish" else f"task {job.task_index} ({job.label})"
    if job.experiment_id is None:
        return Text(f"a {job.kind} of others", style="dim")
    return Text(f"{job.experiment_id[:6]} {job.name}: {what}")


def _print_queue(console: Console, queue: Queue) -> None:
    oldest = "" if queue.oldest_seconds is None else f", the first for {duration(queue.oldest_seconds)}"
    console.print(f"{queue.running_jobs:,} jobs run and {queue.queued_jobs:,} wait{oldest}")
    if queue.experiments:
        table = _table("id", "running", "waiting", "name")
        for each in queue.experiments:
            table.add_row(each.id, f"{each.running:,}", f"{each.queued:,}", Text(each.name))
        console.print(table)


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column == "id")
    return table
