"""How fast experiments were trained, and what of others is left to do: what estimates are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from tgsh.store.database import Database
from tgsh.store.records import ExperimentRecord, FinishRecord, TaskRecord

MOST_MEASURED = 3
"""Completed experiments that a pace is taken from, the newest."""

MOST_LOOKED_AT = 200
"""Among how many of the newest on the same suite and dataset they are looked for."""

MOST_AHEAD = 500
"""Unfinished experiments whose work is counted one by one; those behind them count as these do."""


@dataclass(frozen=True)
class Trained:
    """An experiment that was completed: its tasks, their seconds in all, and those of its finish."""

    spec: dict[str, Any]
    tasks: int
    seconds: float
    finish_seconds: float


@dataclass(frozen=True)
class Unfinished:
    """What is left of an experiment that waits or runs."""

    spec: dict[str, Any]
    tasks: int
    epochs: int


def trained(database: Database, suite: str, dataset: str, network: str, device: str) -> list[Trained]:
    """The newest completed experiments of these kinds. device: "cpu" or "cuda"."""
    e, t, f = ExperimentRecord, TaskRecord, FinishRecord
    alike = (
        select(e.id, e.spec, e.created_at)
        .where(e.status == "completed", e.suite == suite, e.dataset == dataset)
        .order_by(e.created_at.desc(), e.id.desc())
        .limit(MOST_LOOKED_AT)
        .subquery()
    )
    query = (
        select(alike.c.spec, func.count(), func.sum(t.seconds))
        .add_columns(f.finished_at - f.started_at)
        .join_from(alike, t, t.experiment_id == alike.c.id)
        .join(f, f.experiment_id == alike.c.id)
        .where(alike.c.spec["network"]["kind"].as_string() == network, t.compute.startswith(device))
        .group_by(alike.c.id)
        .order_by(alike.c.created_at.desc())
        .limit(MOST_MEASURED)
    )
    with database.read() as session:
        return [Trained(*row) for row in session.execute(query)]


def unfinished(database: Database) -> tuple[list[Unfinished], int]:
    """What is left of experiments that wait or run, of MOST_AHEAD at most; and how many there are."""
    e = ExperimentRecord
    ahead = e.status.in_(("queued", "running")), e.cancel_requested.is_(False)
    left = e.tasks_total - e.tasks_done, e.epochs_total - e.epochs_done
    with database.read() as session:
        count = session.scalar(select(func.count()).select_from(e).where(*ahead)) or 0
        rows = session.execute(select(e.spec, *left).where(*ahead).limit(MOST_AHEAD))
        return [Unfinished(*row) for row in rows], count
