"""What nobody else does: take leases from workers that fell silent."""

from __future__ import annotations

import logging

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from tgsh.jobs import Job
from tgsh.logs import about
from tgsh.store.claims import cancel_row, fail_row, requeue_row
from tgsh.store.clock import now
from tgsh.store.counters import count
from tgsh.store.database import Database
from tgsh.store.previews import take_lost
from tgsh.store.records import EventRecord, ExperimentRecord, FinishRecord, TaskRecord, record_of, row_of

log = logging.getLogger(__name__)


def take_expired_leases(database: Database, max_attempts: int) -> int:
    """Requeue every job whose worker fell silent, or fail it at the attempt cap; how many there were."""
    with database.read() as session:
        tasks = select(TaskRecord.experiment_id, TaskRecord.index).where(*_is_expired(TaskRecord))
        finishes = select(FinishRecord.experiment_id).where(*_is_expired(FinishRecord))
        expired = [Job(experiment_id=row[0], index=row[1]) for row in session.execute(tasks)]
        expired += [Job(experiment_id=row[0]) for row in session.execute(finishes)]
    return sum(_take(database, job, max_attempts) for job in expired) + take_lost(database, max_attempts)


def _is_expired(record: type[TaskRecord] | type[FinishRecord]) -> list[ColumnElement[bool]]:
    return [record.status == "running", record.lease_until < now()]


def _attempts_before(session: Session, job: Job) -> int:
    """Attempts before the one that got furthest: who gets an epoch further each time is no hopeless case.

    Only what happened since the experiment was last queued counts, as attempts do.
    """
    if job.index is None:
        return 0
    ours = EventRecord.experiment_id == job.experiment_id
    queued = ours, EventRecord.kind == "status", EventRecord.data["status"].as_string() == "queued"
    since = session.scalar(select(func.max(EventRecord.id)).where(*queued)) or 0
    mine = ours, EventRecord.id > since, EventRecord.data["index"].as_integer() == job.index
    got = select(func.max(EventRecord.id)).where(*mine, EventRecord.kind == "progress")
    furthest = session.scalar(got)
    if furthest is None:
        return 0
    begun = (
        select(EventRecord.data["attempt"].as_integer())
        .where(*mine, EventRecord.kind == "task", EventRecord.id < furthest)
        .order_by(EventRecord.id.desc())
        .limit(1)
    )
    return max((session.scalar(begun) or 1) - 1, 0)


def _take(database: Database, job: Job, max_attempts: int) -> bool:
    with database.write() as session:
        experiment = session.get(ExperimentRecord, job.experiment_id, with_for_update=True)
        row = row_of(session, job, *_is_expired(record_of(job)))
        if experiment is None or row is None:  # deleted, or renewed since we looked
            return False
        if experiment.cancel_requested:
            cancel_row(session, experiment, row)
        elif (silent := row.attempts - _attempts_before(session, job)) < max_attempts:
            count(session, row.worker, ("recovered", "finish" if job.index is None else "task", 1))
            with about(experiment=job.experiment_id, task=job.task, attempt=row.attempts, worker=row.worker):
                log.warning("the worker fell silent; the job goes to another")
            requeue_row(session, row)
        else:
            reason = f"its worker fell silent {silent} times, the last one was {row.worker}"
            fail_row(session, experiment, row, reason)
        return True
