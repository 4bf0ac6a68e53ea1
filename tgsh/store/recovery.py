"""Experiments that nobody would go on with: found, and made due again.

A process may be killed between two transactions, and a version before 0.5 that runs beside this one queues
tasks without a turn. Both leave an experiment that is not over, has no turn, and has no job that runs.
"""

from __future__ import annotations

from sqlalchemy import and_, exists, or_, select

from tgsh.schemas import TERMINAL
from tgsh.store.database import Database
from tgsh.store.lifecycle import advance
from tgsh.store.models import (
    ExperimentRecord,
    ExperimentTurnRecord,
    FinishRecord,
    TaskRecord,
    find_and_lock,
)
from tgsh.store.scheduling import give_turn

MOST = 1000
"""Most experiments that are gone on with in one look."""


def recover_forgotten(database: Database) -> int:
    """Give turns to experiments with queued tasks, and advance those whose tasks are over; their number."""
    e, t, f = ExperimentRecord, TaskRecord, FinishRecord

    def has_task(*statuses: str) -> object:
        return exists().where(t.experiment_id == e.id, t.status.in_(statuses))

    is_over = and_(f.status == "waiting", ~has_task("queued", "running"))  # type: ignore[operator]
    is_queued = and_(e.cancel_requested.is_(False), has_task("queued"))  # type: ignore[arg-type]
    forgotten = (
        select(e.id)
        .join(f, f.experiment_id == e.id)
        .where(
            e.status.in_(("queued", "running")),
            ~exists().where(ExperimentTurnRecord.experiment_id == e.id),
            or_(is_over, is_queued),
        )
        .limit(MOST)
    )
    with database.read() as session:
        ids = session.scalars(forgotten).all()
    for experiment_id in ids:
        go_on(database, experiment_id)
    return len(ids)


def go_on(database: Database, experiment_id: str) -> None:
    """Do what is due for an experiment after one of its tasks has ended; nothing where it is deleted."""
    with database.write() as session:
        experiment = find_and_lock(session, experiment_id)
        if experiment is None or experiment.status in TERMINAL:
            return
        of_experiment = TaskRecord.experiment_id == experiment_id
        if not experiment.cancel_requested and session.scalar(
            select(exists().where(of_experiment, TaskRecord.status == "queued"))
        ):
            give_turn(session, experiment)
        else:
            advance(session, experiment)
