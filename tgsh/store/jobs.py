"""Leases of jobs (tasks and finishes), and the fenced writes of the worker that holds one.

Why: tgsh/docs/decisions/0001-leases-and-fencing-tokens.md.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tgsh.errors import LeaseLost
from tgsh.specs import ExperimentSpec
from tgsh.store.confusions import RecognisedCounts, record_counts
from tgsh.store.database import Database
from tgsh.store.lifecycle import (
    add_to_counter,
    advance,
    append_progress_event,
    append_status_event,
    append_task_event,
    count_ended_job,
    end_experiment,
)
from tgsh.store.models import (
    ExperimentRecord,
    FinishRecord,
    Job,
    TaskRecord,
    db_now,
    job_filter,
    job_model,
    lock_job,
)
from tgsh.store.scheduling import next_experiment, next_job


@dataclass(frozen=True)
class JobLease:
    """The right to work on one job, until it expires unrenewed.

    checkpoint, sha256: the artifact that an earlier attempt recorded last, if any.
    """

    job: Job
    token: str
    attempt: int
    spec: ExperimentSpec
    checkpoint: str | None = None
    sha256: str | None = None


class LeaseState(Enum):
    """State of a lease as the database has it."""

    HELD = "held"
    LOST = "lost"
    CANCELLED = "cancelled"


def lease_job(database: Database, job: Job, worker: str, lease_seconds: float) -> JobLease | None:
    """Lease this job; None if it is not queued."""
    with database.write(durable=False) as session:
        experiment = _lock_runnable(session, job.experiment_id)
        return None if experiment is None else _lease(session, experiment, job, worker, lease_seconds)


def lease_next(
    database: Database, worker: str, lease_seconds: float, has_torch: bool = True
) -> JobLease | None:
    """Lease the job that is most due (see scheduling.py); None if none is queued that this worker can run."""
    while True:
        with database.read() as session:
            experiment_id = next_experiment(session, has_torch)
        if experiment_id is None:
            return None
        with database.write(durable=False) as session:
            experiment = _lock_runnable(session, experiment_id)
            job = None if experiment is None else next_job(session, experiment_id)
            if experiment is not None and job is not None:
                return _lease(session, experiment, job, worker, lease_seconds)
        # Another worker leased its last job between our read and our lock: read again.


def lease_more(
    database: Database, first: JobLease, worker: str, lease_seconds: float, limit: int
) -> list[JobLease]:
    """Lease up to `limit` more queued tasks of the experiment, for a device that trains several at once."""
    if limit < 1 or first.job.index is None:
        return []
    with database.write(durable=False) as session:
        experiment = _lock_runnable(session, first.job.experiment_id)
        if experiment is None:
            return []
        siblings = session.scalars(
            select(TaskRecord.index)
            .where(TaskRecord.experiment_id == experiment.id, TaskRecord.status == "queued")
            .order_by(TaskRecord.index)
            .limit(limit)
        ).all()
        jobs = [Job(experiment.id, index) for index in siblings]
        leases = [_lease(session, experiment, job, worker, lease_seconds) for job in jobs]
        return [lease for lease in leases if lease is not None]


def _lock_runnable(session: Session, experiment_id: str) -> ExperimentRecord | None:
    """The experiment's row, locked; None if it is deleted or to be cancelled."""
    experiment = session.get(ExperimentRecord, experiment_id, with_for_update=True)
    return None if experiment is None or experiment.cancel_requested else experiment


def _lease(
    session: Session, experiment: ExperimentRecord, job: Job, worker: str, lease_seconds: float
) -> JobLease | None:
    """Compare and set: a lease, if the job is queued; the caller holds the experiment's lock."""
    record = job_model(job)
    token = secrets.token_hex(16)
    row = session.scalars(
        update(record)
        .where(*job_filter(job), record.status == "queued")
        .values(
            status="running",
            attempts=record.attempts + 1,
            token=token,
            lease_until=db_now() + lease_seconds,
            worker=worker,
            started_at=db_now(),
            reason=None,
        )
        .returning(record)
    ).one_or_none()
    if row is None:
        return None
    assert isinstance(row, TaskRecord | FinishRecord)
    _note_start(session, experiment, row.started_at)
    spec = ExperimentSpec.model_validate(experiment.spec)
    if isinstance(row, FinishRecord):
        return JobLease(job, token, row.attempts, spec)
    append_task_event(session, row)
    return JobLease(job, token, row.attempts, spec, row.checkpoint, row.checkpoint_sha256)


def _note_start(session: Session, experiment: ExperimentRecord, at: float | None) -> None:
    experiment.served_at = at
    if experiment.pace_since is None:
        experiment.pace_since = at
        experiment.pace_epochs = experiment.epochs_done
    if experiment.status != "running":
        experiment.status = "running"
        experiment.started_at = experiment.started_at or at
        append_status_event(session, experiment.id, "running")


def renew_lease(database: Database, lease: JobLease, lease_seconds: float) -> LeaseState:
    """Prolong the lease by `lease_seconds` from now, if it is still ours."""
    record = job_model(lease.job)
    with database.write(durable=False) as session:
        experiment_id = session.execute(
            update(record)
            .where(*job_filter(lease.job), record.status == "running", record.token == lease.token)
            .values(lease_until=db_now() + lease_seconds)
            .returning(record.experiment_id)
        ).scalar()
        return LeaseState.LOST if experiment_id is None else LeaseState.HELD


def check_lease(database: Database, lease: JobLease) -> LeaseState:
    """The lease's state: held, lost, or its experiment to be cancelled. Writes nothing."""
    record = job_model(lease.job)
    with database.read() as session:
        row = session.execute(
            select(ExperimentRecord.cancel_requested)
            .join(record, record.experiment_id == ExperimentRecord.id)
            .where(*job_filter(lease.job), record.status == "running", record.token == lease.token)
        ).one_or_none()
        if row is None:
            return LeaseState.LOST
        return LeaseState.CANCELLED if row.cancel_requested else LeaseState.HELD


@contextmanager
def fenced(
    database: Database, lease: JobLease
) -> Iterator[tuple[Session, ExperimentRecord, TaskRecord | FinishRecord]]:
    """A transaction on the leased row. Raises LeaseLost, and writes nothing, if the token is another."""
    with database.write() as session:
        experiment = session.get(ExperimentRecord, lease.job.experiment_id, with_for_update=True)
        row = lock_job(session, lease.job)
        if experiment is None or row is None or row.status != "running" or row.token != lease.token:
            raise LeaseLost(f"job {lease.job} is no longer ours")
        yield session, experiment, row


def record_epoch(
    database: Database,
    lease: JobLease,
    losses: tuple[float, ...],
    seconds: float,
    checkpoint: str,
    sha256: str,
) -> None:
    """Record a checkpoint that is on disk: `losses` of all epochs so far, `seconds` of the newest."""
    with fenced(database, lease) as (session, experiment, task):
        assert isinstance(task, TaskRecord)
        epoch = len(losses)
        gained = epoch - task.epochs_done
        experiment.epochs_done += gained
        task.epochs_done = epoch
        task.losses = list(losses)
        task.seconds += seconds
        task.checkpoint = checkpoint
        task.checkpoint_sha256 = sha256
        append_progress_event(session, experiment, task.index, epoch, losses[-1])
        add_to_counter(session, task.worker, ("task_epochs", "", gained))


def complete_task(
    database: Database,
    lease: JobLease,
    accuracy: float,
    compute: str,
    versions: dict[str, str],
    seconds: float,
    tested: RecognisedCounts | None = None,
) -> None:
    """Mark a task completed. tested: what its test images were recognised as."""
    with fenced(database, lease) as (session, experiment, task):
        assert isinstance(task, TaskRecord)
        _end_job(session, task, "completed")
        task.accuracy = accuracy
        record_counts(task, tested)
        task.compute = compute
        task.seconds += seconds
        experiment.tasks_done += 1
        earlier = experiment.mean_accuracy or 0.0
        experiment.mean_accuracy = earlier + (accuracy - earlier) / experiment.tasks_done
        experiment.versions = versions
        append_task_event(session, task)
        advance(session, experiment)


def complete_finish(database: Database, lease: JobLease, results: dict[str, tuple[str, str]]) -> None:
    """Mark the finish, and with it the experiment, completed; results: (artifact key, SHA-256) by name."""
    with fenced(database, lease) as (session, experiment, finish):
        assert isinstance(finish, FinishRecord)
        _end_job(session, finish, "completed")
        finish.results = {name: list(source) for name, source in results.items()}
        end_experiment(session, experiment, "completed")


def fail(database: Database, lease: JobLease, reason: str, *, with_siblings: bool = False) -> None:
    """Mark a job failed. with_siblings: the reason holds for the experiment's queued tasks too."""
    with fenced(database, lease) as (session, experiment, row):
        fail_row(session, experiment, row, reason, with_siblings=with_siblings)


def fail_row(
    session: Session,
    experiment: ExperimentRecord,
    row: TaskRecord | FinishRecord,
    reason: str,
    *,
    with_siblings: bool = False,
) -> None:
    """Mark a job failed and advance its experiment; the caller holds the experiment's lock."""
    _end_job(session, row, "failed", reason)
    if isinstance(row, FinishRecord):
        end_experiment(session, experiment, "failed", f"the results could not be put together: {reason}")
        return
    if with_siblings:
        session.execute(
            update(TaskRecord)
            .where(TaskRecord.experiment_id == experiment.id, TaskRecord.status == "queued")
            .values(status="failed", reason=reason, finished_at=db_now())
        )
    append_task_event(session, row)
    advance(session, experiment)


def release(database: Database, lease: JobLease) -> None:
    """Release the lease; the attempt does not count. The job is queued, or cancelled if that is requested."""
    with fenced(database, lease) as (session, experiment, row):
        row.attempts -= 1
        if experiment.cancel_requested:
            cancel_row(session, experiment, row)
        else:
            requeue_row(session, row)


def requeue_row(session: Session, row: TaskRecord | FinishRecord) -> None:
    """Queue the job for another worker; the caller holds the experiment's lock."""
    row.status = "queued"
    row.token = row.lease_until = row.worker = None
    if isinstance(row, TaskRecord):
        append_task_event(session, row)


def stop_cancelled(database: Database, lease: JobLease) -> None:
    """Mark a job cancelled, as its experiment is to be."""
    with fenced(database, lease) as (session, experiment, row):
        cancel_row(session, experiment, row)


def cancel_row(session: Session, experiment: ExperimentRecord, row: TaskRecord | FinishRecord) -> None:
    """Mark a job cancelled and advance its experiment; the caller holds the experiment's lock."""
    _end_job(session, row, "cancelled")
    if isinstance(row, TaskRecord):
        append_task_event(session, row)
    advance(session, experiment)


def _end_job(
    session: Session, row: TaskRecord | FinishRecord, status: str, reason: str | None = None
) -> None:
    row.status = status
    row.reason = reason
    row.token = row.lease_until = None
    row.finished_at = session.scalar(select(db_now())) or 0.0
    kind = "finish" if isinstance(row, FinishRecord) else "task"
    seconds = None if row.started_at is None else row.finished_at - row.started_at
    count_ended_job(session, row.worker, kind, status, seconds)
