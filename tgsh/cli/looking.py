"""Commands that ask before and while experiments run: estimate, workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from tgsh.cli.connecting import connect
from tgsh.cli.documents import print_json
from tgsh.cli.options import Json, Spec, Url

if TYPE_CHECKING:
    from tgsh.schemas import Estimate


def estimate(spec: Spec, as_json: Json = False, url: Url = None) -> None:
    """Tell what an experiment would cost, without submitting it."""
    from tgsh.cli.spec_source import read_body

    with connect(url) as client:
        found = client.estimate(read_body(spec))
    if as_json:
        print_json(found)
    else:
        typer.echo(_told(found))


def workers(as_json: Json = False, url: Url = None) -> None:
    """Show who works on what, and what waits."""
    from tgsh.cli.worker_tables import print_workers

    with connect(url) as client:
        found = client.workers()
    if as_json:
        print_json(found)
    else:
        print_workers(found)


def _told(found: Estimate) -> str:
    from tgsh.cli.progress import duration

    lines = [f"{found.tasks:,} tasks, {found.task_epochs:,} task-epochs"]
    if found.seconds is None:
        lines.append("No worker runs, so that nobody knows when; `tgsh up` starts some")
    else:
        basis = "as experiments like it took here" if found.basis == "measured" else "by typical speeds"
        lines.append(f"{duration(found.seconds)} on {found.workers} at a time, {basis}")
    if found.experiments_ahead:
        more = "" if found.queue_seconds is None else f": {duration(found.queue_seconds)} more"
        ahead = f"{found.experiments_ahead:,} other experiments wait or run"
        lines.append(f"{ahead}, {found.tasks_ahead:,} of their tasks come in between{more}")
    if found.stored is not None:
        lines.append(f"It was computed already: tgsh show {found.stored[:6]}")
    return "\n".join(lines)
