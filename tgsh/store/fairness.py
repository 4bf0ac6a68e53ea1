"""Which job is most due when a worker is free, so that experiments share the workers.

A finish goes first: its experiment has waited for all its tasks. Else the experiment with the fewest
running tasks is served, of several the one that was served longest ago, of those never served the oldest;
and of its tasks the first that waits. A small experiment therefore starts as soon as one worker is free,
however many tasks were queued before it.
"""

from __future__ import annotations

from sqlalchemy import case, exists, func, or_, select
from sqlalchemy.orm import Session

from tgsh.jobs import Job
from tgsh.store.database import Database
from tgsh.store.records import ExperimentRecord, FinishRecord, TaskRecord


def most_due(session: Session) -> str | None:
    """The experiment to serve next; None where no job waits for a worker. Takes no lock."""
    ours = TaskRecord.experiment_id == ExperimentRecord.id
    running = select(func.count()).where(ours, TaskRecord.status == "running").scalar_subquery()
    task_waits = exists().where(ours, TaskRecord.status == "queued")
    finish_waits = exists().where(
        FinishRecord.experiment_id == ExperimentRecord.id, FinishRecord.status == "queued"
    )
    return session.scalar(
        select(ExperimentRecord.id)
        .where(
            ExperimentRecord.status.in_(("queued", "running")),
            ExperimentRecord.cancel_requested.is_(False),
            or_(finish_waits, task_waits),
        )
        .order_by(
            case((finish_waits, 0), else_=1),
            running,
            func.coalesce(ExperimentRecord.served_at, 0.0),
            ExperimentRecord.created_at,
            ExperimentRecord.id,
        )
        .limit(1)
    )


def first_job(session: Session, experiment_id: str) -> Job | None:
    """The experiment's job to do next, if one waits; the caller holds the experiment's lock."""
    finish = session.get_one(FinishRecord, experiment_id)
    if finish.status == "queued":
        return Job(experiment_id)
    index = session.scalar(
        select(func.min(TaskRecord.index)).where(
            TaskRecord.experiment_id == experiment_id, TaskRecord.status == "queued"
        )
    )
    return None if index is None else Job(experiment_id, index)


def count_queued(database: Database, limit: int) -> int:
    """How many jobs wait for a worker; counting ends at `limit`."""
    with database.read() as session:
        found = 0
        for record in (FinishRecord, TaskRecord):
            some = select(record.experiment_id).where(record.status == "queued").limit(limit).subquery()
            found += session.scalar(select(func.count()).select_from(some)) or 0
        return min(found, limit)
