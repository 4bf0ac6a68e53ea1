"""What nobody else does: take leases from silent workers, find queued jobs whose hint got lost."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, or_, select, update

from tgsh.jobs import Job
from tgsh.store.claims import cancel_row, fail_row, requeue_row
from tgsh.store.clock import now
from tgsh.store.database import Database
from tgsh.store.experiments import job_of, record_of, row_of
from tgsh.store.records import ExperimentRecord, FinishRecord, TaskRecord

HINT_GRACE_SECONDS = 5.0
"""How long after queueing a job its hint may still be on its way."""


def take_expired_leases(database: Database, max_attempts: int) -> int:
    """Requeue every job whose worker fell silent, or fail it at the attempt cap; how many there were."""
    with database.read() as session:
        tasks = select(TaskRecord.experiment_id, TaskRecord.index).where(*_is_expired(TaskRecord))
        finishes = select(FinishRecord.experiment_id).where(*_is_expired(FinishRecord))
        expired = [Job(experiment_id=row[0], index=row[1]) for row in session.execute(tasks)]
        expired += [Job(experiment_id=row[0]) for row in session.execute(finishes)]
    return sum(_take(database, job, max_attempts) for job in expired)


def _is_expired(record: type[TaskRecord] | type[FinishRecord]) -> list[ColumnElement[bool]]:
    return [record.status == "running", record.lease_until < now()]


def _take(database: Database, job: Job, max_attempts: int) -> bool:
    with database.write() as session:
        experiment = session.get(ExperimentRecord, job.experiment_id, with_for_update=True)
        row = row_of(session, job, *_is_expired(record_of(job)))
        if experiment is None or row is None:  # deleted, or renewed since we looked
            return False
        if experiment.cancel_requested:
            cancel_row(session, experiment, row)
        elif row.attempts < max_attempts:
            requeue_row(session, row)
        else:
            reason = f"its worker fell silent {row.attempts} times, the last one was {row.worker}"
            fail_row(session, experiment, row, reason)
        return True


def due_hints(database: Database, *, queue_is_empty: bool) -> list[Job]:
    """The queued jobs to publish now, noted as published.

    A job that was never published is due after a grace. One that was is due again only when the
    queue is empty: while hints are in the queue its own may be among them.
    """
    due: list[Job] = []
    with database.write() as session:
        for record in (TaskRecord, FinishRecord):
            never = record.published_at.is_(None) & (record.queued_at < now() - HINT_GRACE_SECONDS)
            lost = record.published_at < now() - HINT_GRACE_SECONDS
            rows: Any = session.scalars(
                update(record)
                .where(record.status == "queued", or_(never, lost) if queue_is_empty else never)
                .values(published_at=now())
                .returning(record)
            )
            due += [job_of(row) for row in rows]
    return sorted(due, key=lambda job: (job.experiment_id, -1 if job.index is None else job.index))
