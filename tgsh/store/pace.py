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
    newest = e.created_at.desc(), e.id.desc()
    of_kind = e.status == "completed", e.suite == suite, e.dataset == dataset
    recent = select(e.id).where(*of_kind).order_by(*newest).limit(MOST_LOOKED_AT)
    alike = (
        select(e.id, e.spec, e.created_at)
        .where(e.id.in_(recent), e.spec["network"]["kind"].as_string() == network)
        .order_by(*newest)
        .limit(MOST_MEASURED)
        .subquery()
    )
    done = (
        select(t.experiment_id, func.count().label("tasks"), func.sum(t.seconds).label("seconds"))
        .where(t.experiment_id.in_(select(alike.c.id)), t.compute.startswith(device))
        .group_by(t.experiment_id)
        .subquery()
    )
    query = (
        select(alike.c.spec, done.c.tasks, done.c.seconds, f.finished_at - f.started_at)
        .join_from(alike, done, done.c.experiment_id == alike.c.id)
        .join(f, f.experiment_id == alike.c.id)
        .order_by(alike.c.created_at.desc())
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
