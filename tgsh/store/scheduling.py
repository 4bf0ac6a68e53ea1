"""Fair order of experiments and their jobs; the number of job messages to publish."""

from __future__ import annotations

from functools import cache

from sqlalchemy import Select, case, exists, func, literal, or_, select
from sqlalchemy.orm import Session

from tgsh.store.database import Database
from tgsh.store.models import ExperimentRecord, FinishRecord, Job, PreviewRecord, TaskRecord

QUEUE = "tgsh"
"""Job messages for every worker."""

TORCH_QUEUE = "tgsh.torch"
"""Job messages for workers that have torch, of which a worker without would make nothing."""

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


def next_experiment(session: Session, has_torch: bool = True) -> str | None:
    """The id of the experiment to serve next; None where no job is queued that can run. Takes no lock."""
    return session.scalar(_order_of_service(has_torch))


@cache  # building the statement takes longer than running it
def _order_of_service(has_torch: bool) -> Select[str]:
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
            *(() if has_torch else (ExperimentRecord.needs_torch.is_(False),)),
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
    return sum(count_by_queue(database, limit).values())


def count_by_queue(database: Database, limit: int) -> dict[str, int]:
    """The number of queued jobs by the queue of their messages, with previews; counting ends at `limit`."""
    with database.read() as session:
        counts = {}
        for queue, needs_torch in ((QUEUE, False), (TORCH_QUEUE, True)):
            counts[queue] = 0
            for query in _queued(needs_torch):
                rows = query.limit(limit).subquery()
                counts[queue] += session.scalar(select(func.count()).select_from(rows)) or 0
        return {queue: min(count, limit) for queue, count in counts.items()}


def _queued(needs_torch: bool) -> list[Select[int]]:
    """A row for each queued job: previews, finishes, tasks."""
    one, needs = select(literal(1)), ExperimentRecord.needs_torch.is_(needs_torch)
    return [
        one.where(PreviewRecord.status == "queued", PreviewRecord.needs_torch.is_(needs_torch)),
        *(
            one.join_from(record, ExperimentRecord, ExperimentRecord.id == record.experiment_id).where(
                record.status == "queued", needs
            )
            for record in (FinishRecord, TaskRecord)
        ),
    ]
