"""What nobody else does: take leases from workers that fell silent."""

from __future__ import annotations

from sqlalchemy import ColumnElement, select

from tgsh.jobs import Job
from tgsh.store.claims import cancel_row, fail_row, requeue_row
from tgsh.store.clock import now
from tgsh.store.database import Database
from tgsh.store.experiments import record_of, row_of
from tgsh.store.records import ExperimentRecord, FinishRecord, TaskRecord


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
