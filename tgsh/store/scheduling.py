"""Job; fair order of experiments; how many job messages."""

from __future__ import annotations

from functools import cache

from sqlalchemy import Select, case, exists, func, literal, or_, select
from sqlalchemy.orm import Session

from tgsh.store.database import Database
from tgsh.store.models import ExperimentRecord, FinishRecord, Job, PreviewRecord, TaskRecord

QUEUE = "tgsh"

RUN_JOB_TASK = "tgsh.hint"
"""The one Celery task. It has no arguments: "there is work", and a worker looks what is most due."""

MAX_JOB_MESSAGES = 64
"""Hints that wait at most: they wake idle workers, and a worker that is awake needs none."""


def job_messages_due(queued: int, waiting: int) -> int:
    """How many hints to publish, with so many jobs queued and so many hints waiting in the queue.

    Whoever takes one of those that wait looks at the database after this moment, so they count. Too many
    cost a look each; should some get lost, the next sweep makes up for them.
    """
    return max(0, min(queued, MAX_JOB_MESSAGES) - waiting)


def next_experiment(session: Session) -> str | None:
    """The experiment to serve next; None where no job waits for a worker. Takes no lock."""
    return session.scalar(_order_of_service())


@cache  # to put the statement together takes longer than to run it
def _order_of_service() -> Select[str]:
    ours = TaskRecord.experiment_id == ExperimentRecord.id
    running = select(func.count()).where(ours, TaskRecord.status == "running").scalar_subquery()
    task_waits = exists().where(ours, TaskRecord.status == "queued")
    finish_waits = exists().where(
        FinishRecord.experiment_id == ExperimentRecord.id, FinishRecord.status == "queued"
    )
    return (
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


def next_job(session: Session, experiment_id: str) -> Job | None:
    """The experiment's job to do next, if one waits; the caller holds the experiment's lock."""
    first_task = (
        select(func.min(TaskRecord.index))
        .where(TaskRecord.experiment_id == experiment_id, TaskRecord.status == "queued")
        .scalar_subquery()
    )
    finish = FinishRecord.experiment_id == experiment_id
    status, index = session.execute(select(FinishRecord.status, first_task).where(finish)).one()
    if status == "queued":
        return Job(experiment_id)
    return None if index is None else Job(experiment_id, index)


def count_queued(database: Database, limit: int) -> int:
    """How many jobs wait for a worker; counting ends at `limit`."""
    with database.read() as session:
        found = 0
        for record in (PreviewRecord, FinishRecord, TaskRecord):
            some = select(literal(1)).where(record.status == "queued").limit(limit).subquery()
            found += session.scalar(select(func.count()).select_from(some)) or 0
        return min(found, limit)
