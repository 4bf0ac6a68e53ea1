"""Fair order of experiments and their jobs; the number of job messages to publish."""

from __future__ import annotations

from functools import cache

from sqlalchemy import Select, case, exists, func, literal, or_, select
from sqlalchemy.orm import Session

from tgsh.store.database import Database
from tgsh.store.models import ExperimentRecord, FinishRecord, Job, PreviewRecord, TaskRecord

QUEUE = "tgsh"

RUN_JOB_TASK = "tgsh.hint"
"""Name of the Celery task. It has no arguments: a message gives a worker a turn, and the database the job."""

MAX_JOB_MESSAGES = 64
"""Most job messages that wait: they wake idle workers, and a busy one needs none."""


def job_messages_due(queued: int, waiting: int) -> int:
    """The number of job messages to publish, with `queued` jobs and `waiting` messages in the queue.

    The worker that receives a waiting message queries the database after this moment, so they count. One
    message too many costs a query; messages that are lost are replaced by the next sweep.
    """
    return max(0, min(queued, MAX_JOB_MESSAGES) - waiting)


def next_experiment(session: Session) -> str | None:
    """The id of the experiment to serve next; None where no job is queued. Takes no lock."""
    return session.scalar(_order_of_service())


@cache  # building the statement takes longer than running it
def _order_of_service() -> Select[str]:
    of_experiment = TaskRecord.experiment_id == ExperimentRecord.id
    running = select(func.count()).where(of_experiment, TaskRecord.status == "running").scalar_subquery()
    task_queued = exists().where(of_experiment, TaskRecord.status == "queued")
    finish_queued = exists().where(
        FinishRecord.experiment_id == ExperimentRecord.id, FinishRecord.status == "queued"
    )
    return (
        select(ExperimentRecord.id)
        .where(
            ExperimentRecord.status.in_(("queued", "running")),
            ExperimentRecord.cancel_requested.is_(False),
            or_(finish_queued, task_queued),
        )
        .order_by(
            case((finish_queued, 0), else_=1),
            running,
            func.coalesce(ExperimentRecord.served_at, 0.0),
            ExperimentRecord.created_at,
            ExperimentRecord.id,
        )
        .limit(1)
    )


def next_job(session: Session, experiment_id: str) -> Job | None:
    """The experiment's next queued job; None where there is none. The caller holds the experiment's lock."""
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
    """The number of queued jobs, previews included; counting ends at `limit`."""
    with database.read() as session:
        count = 0
        for record in (PreviewRecord, FinishRecord, TaskRecord):
            queued = select(literal(1)).where(record.status == "queued").limit(limit).subquery()
            count += session.scalar(select(func.count()).select_from(queued)) or 0
        return min(count, limit)
