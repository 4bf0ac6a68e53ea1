"""Leases of jobs (tasks and finishes), and the fenced writes of the worker that holds one.

Why: tgsh/docs/decisions/0001-leases-and-fencing-tokens.md.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tgsh.errors import LeaseLost, NotFound
from tgsh.specs import ExperimentSpec
from tgsh.store.confusions import RecognisedCounts, packed_counts
from tgsh.store.database import Database, retry_transient
from tgsh.store.lifecycle import (
    advance,
    append_event,
    append_statement,
    append_status_event,
    append_task_event,
    count_ended_job,
    duration_bucket,
    end_experiment,
    lane_of,
    task_event,
)
from tgsh.store.models import (
    ExperimentRecord,
    FinishRecord,
    Job,
    TaskRecord,
    db_now,
    job_filter,
    job_model,
    lock_experiment,
    lock_job,
)
from tgsh.store.recovery import go_on
from tgsh.store.scheduling import (
    due_finish,
    give_turn,
    has_turns,
    lease_statements,
    lock_turn,
    take_turn,
)
from tgsh.store.task_records import PREFIX, Statements, completion_statements, epoch_statements

LEASE_LOCK = 74677370
"""PostgreSQL's advisory lock of the order: who is due is decided for one worker after the other."""

ROUNDS, ROUND_SECONDS = 20, 0.01
"""Attempts to lease a task of which others change the turn at the same moment, and the pause between two."""

ANNOUNCE_SECONDS = 10.0
"""How long a lease's event is tried again where the database is away."""


@dataclass(frozen=True)
class JobLease:
    """The right to work on one job, until it expires unrenewed.

    checkpoint, sha256: the artifact that an earlier attempt recorded last, if any. label: of a task.
    since: when it was granted, by this process's monotonic clock.
    """

    job: Job
    token: str
    attempt: int
    spec: ExperimentSpec
    checkpoint: str | None = None
    sha256: str | None = None
    label: str = ""
    worker: str = ""
    since: float = field(default_factory=time.monotonic, compare=False)


class LeaseState(Enum):
    """State of a lease as the database has it."""

    HELD = "held"
    LOST = "lost"
    CANCELLED = "cancelled"


def lease_job(database: Database, job: Job, worker: str, lease_seconds: float) -> JobLease | None:
    """Lease this job; None if it is not queued."""
    with database.write(durable=False) as session:
        experiment = session.get(ExperimentRecord, job.experiment_id)
        if experiment is None or experiment.cancel_requested:
            return None
        leased = _lease(session, experiment, [job], worker, lease_seconds)
    return next(iter(_announced(database, leased)), None)


def lease_next(
    database: Database, worker: str, lease_seconds: float, has_torch: bool = True
) -> JobLease | None:
    """Lease the job that is most due (see scheduling.py); None if none is queued that this worker can run."""
    for _ in range(ROUNDS):
        token = secrets.token_hex(16)
        parameters = {"token": token, "worker": worker, "lease_seconds": lease_seconds}
        statements = due_finish(has_torch), *lease_statements(has_torch), has_turns(has_torch)
        finish, _, tasks, _, _, turns = database.run_together(statements, parameters, lock=LEASE_LOCK)
        if tasks:
            if announced := _announced(database, [_LeasedRow(worker, token, *tasks[0])]):
                return announced[0]
        elif finish:
            if lease := lease_job(database, Job(finish[0][0]), worker, lease_seconds):
                return lease
        elif not turns[0][0]:
            return None
        else:  # what is due is being changed by somebody else at this moment
            time.sleep(ROUND_SECONDS)
    return None


def lease_more(
    database: Database, first: JobLease, worker: str, lease_seconds: float, limit: int
) -> list[JobLease]:
    """Lease up to `limit` more queued tasks of the experiment, for a device that trains several at once."""
    experiment_id = first.job.experiment_id
    if limit < 1 or first.job.index is None:
        return []
    with database.write(durable=False) as session:
        experiment = session.get(ExperimentRecord, experiment_id)
        if experiment is None or not lock_turn(session, experiment_id):
            return []
        siblings = session.scalars(
            select(TaskRecord.index)
            .where(TaskRecord.experiment_id == experiment_id, TaskRecord.status == "queued")
            .order_by(TaskRecord.index)
            .limit(limit)
        ).all()
        jobs = [Job(experiment_id, index) for index in siblings]
        leased = _lease(session, experiment, jobs, worker, lease_seconds)
    return _announced(database, leased)


@dataclass(frozen=True)
class _LeasedRow:
    """The job of a lease that is granted. status, created_at: of the experiment, at that moment."""

    worker: str
    token: str
    experiment_id: str
    index: int | None
    label: str
    attempts: int
    started_at: float | None
    checkpoint: str | None
    checkpoint_sha256: str | None
    status: str
    created_at: float


def _lease(
    session: Session, experiment: ExperimentRecord, jobs: Sequence[Job], worker: str, lease_seconds: float
) -> list[_LeasedRow]:
    """Compare and set: leases of those of the experiment's jobs that are queued."""
    leased = []
    lock_turn(session, experiment.id)
    for job in jobs:
        record, token = job_model(job), secrets.token_hex(16)
        row = session.scalars(
            update(record)
            .where(*job_filter(job), record.status == "queued")
            .values(
                status="running",
                attempts=record.attempts + 1,
                token=token,
                lease_until=db_now() + lease_seconds,
                lease_seconds=lease_seconds,
                worker=worker,
                started_at=db_now(),
                reason=None,
            )
            .returning(record)
        ).one_or_none()
        if row is None:
            continue
        assert isinstance(row, TaskRecord | FinishRecord)
        task = row if isinstance(row, TaskRecord) else None
        leased.append(
            _LeasedRow(
                worker=worker,
                token=token,
                experiment_id=experiment.id,
                index=job.index,
                label=task.label if task else "",
                attempts=row.attempts,
                started_at=row.started_at,
                checkpoint=task.checkpoint if task else None,
                checkpoint_sha256=task.checkpoint_sha256 if task else None,
                status=experiment.status,
                created_at=experiment.created_at,
            )
        )
    take_turn(session, experiment.id, only_if_idle=True)
    return leased


def _announced(database: Database, leased: Sequence[_LeasedRow]) -> list[JobLease]:
    """Append the events of leases that are committed; those of them whose experiment is still there.

    In a transaction of its own: events are written under the experiment's lock, and nobody should wait for
    that who holds the lock of the order.
    """
    for row in leased:
        announce = _note_start if row.status != "running" else _append_start
        retry_transient(partial(announce, database, row), ANNOUNCE_SECONDS)
    leases = []
    for row in leased:
        with contextlib.suppress(NotFound):  # deleted meanwhile
            spec = _spec(database, row.experiment_id, row.created_at)
            job = Job(row.experiment_id, row.index)
            files = row.checkpoint, row.checkpoint_sha256
            leases.append(JobLease(job, row.token, row.attempts, spec, *files, row.label, row.worker))
    return leases


def _append_start(database: Database, row: _LeasedRow) -> None:
    if row.index is not None:
        event = task_event(row.index, row.label, "running", row.attempts)
        values = {"of_experiment": row.experiment_id, "event": event.model_dump(mode="json")}
        database.run_together([append_statement("task")], values)


def _note_start(database: Database, row: _LeasedRow) -> None:
    """The same for an experiment that was not running: now it is."""
    with database.write(durable=False) as session:
        try:
            experiment = lock_experiment(session, row.experiment_id)
        except NotFound:
            return
        if experiment.pace_since is None:
            experiment.pace_since = row.started_at
            experiment.pace_epochs = experiment.epochs_done
        if experiment.status == "queued":
            experiment.status = "running"
            experiment.started_at = experiment.started_at or row.started_at
            append_status_event(session, experiment.id, "running")
        if row.index is not None:
            append_event(
                session, experiment.id, "task", task_event(row.index, row.label, "running", row.attempts)
            )


@lru_cache(maxsize=64)
def _spec(database: Database, experiment_id: str, _created_at: float) -> ExperimentSpec:
    """The experiment's spec, which never changes. Raises NotFound."""
    with database.read() as session:
        spec = session.scalar(select(ExperimentRecord.spec).where(ExperimentRecord.id == experiment_id))
    if spec is None:
        raise NotFound(f"there is no experiment {experiment_id!r}")
    return ExperimentSpec.model_validate(spec)


def renew_lease(database: Database, lease: JobLease, lease_seconds: float) -> LeaseState:
    """Prolong the lease by `lease_seconds` from now, if it is still ours."""
    record = job_model(lease.job)
    with database.write(durable=False) as session:
        experiment_id = session.execute(
            update(record)
            .where(*job_filter(lease.job), record.status == "running", record.token == lease.token)
            .values(lease_until=db_now() + lease_seconds, lease_seconds=lease_seconds)
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
def fenced(database: Database, lease: JobLease) -> Iterator[tuple[Session, TaskRecord | FinishRecord]]:
    """A transaction on the leased row. Raises LeaseLost, and writes nothing, if the token is another.

    Its experiment is locked by whoever writes to it, as late as possible: siblings wait for that.
    """
    with database.write() as session:
        record = job_model(lease.job)
        row = lock_job(session, lease.job, record.status == "running", record.token == lease.token)
        if row is None:
            raise LeaseLost(f"job {lease.job} is no longer ours")
        yield session, row


def record_epoch(
    database: Database,
    lease: JobLease,
    losses: tuple[float, ...],
    seconds: float,
    checkpoint: str,
    sha256: str,
) -> None:
    """Record a checkpoint that is on disk: `losses` of all epochs so far, `seconds` of the newest."""
    values = {
        **_fence(lease),
        "epoch": len(losses),
        "loss": losses[-1],
        "losses": list(losses),
        "seconds": seconds,
        "checkpoint": checkpoint,
        "sha256": sha256,
    }
    _run_fenced(database, lease, epoch_statements(database.dialect), values)


def complete_task(
    database: Database,
    lease: JobLease,
    accuracy: float,
    compute: str,
    versions: dict[str, str],
    seconds: float,
    tested: RecognisedCounts | None = None,
) -> bool:
    """Mark a task completed; whether it was its experiment's last. tested: what its images were taken for."""
    took = time.monotonic() - lease.since
    counts = packed_counts(tested)
    values = {
        **_fence(lease),
        "accuracy": accuracy,
        **counts,
        "compute": compute,
        "versions": versions,
        "seconds": seconds,
        "took": took,
        "bucket": f"task/completed/{duration_bucket(took)}",
        "event": task_event(
            lease.job.index or 0, lease.label, "completed", lease.attempt, accuracy
        ).model_dump(mode="json"),
    }
    ((is_last,),) = _run_fenced(database, lease, completion_statements(database.dialect), values)[-1]
    if is_last:
        go_on(database, lease.job.experiment_id)
    return bool(is_last)


def _fence(lease: JobLease) -> dict[str, object]:
    """Parameters by which fenced statements find the leased task, and count for its worker."""
    job = lease.job
    return {"id": job.experiment_id, "task": job.index, "token": lease.token, "lane": lane_of(lease.worker)}


def _run_fenced(
    database: Database, lease: JobLease, statements: Statements, values: dict[str, object]
) -> list[list[Any]]:
    """Run statements of which the first finds the leased row. Raises LeaseLost where it finds none."""
    parameters = {f"{PREFIX}{name}": value for name, value in values.items()}
    results = database.run_together(statements, parameters, durable=True)
    if not results[0]:
        raise LeaseLost(f"job {lease.job} is no longer ours")
    return results


def complete_finish(database: Database, lease: JobLease, results: dict[str, tuple[str, str]]) -> None:
    """Mark the finish, and with it the experiment, completed; results: (artifact key, SHA-256) by name."""
    with fenced(database, lease) as (session, finish):
        assert isinstance(finish, FinishRecord)
        experiment = lock_experiment(session, finish.experiment_id)
        finish.results = {name: list(source) for name, source in results.items()}
        _end_job(session, finish, "completed")
        end_experiment(session, experiment, "completed")


def fail(database: Database, lease: JobLease, reason: str, *, with_siblings: bool = False) -> None:
    """Mark a job failed. with_siblings: the reason holds for the experiment's queued tasks too."""
    with fenced(database, lease) as (session, row):
        experiment = lock_experiment(session, row.experiment_id)
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
        take_turn(session, experiment.id)
        session.execute(
            update(TaskRecord)
            .where(TaskRecord.experiment_id == experiment.id, TaskRecord.status == "queued")
            .values(status="failed", reason=reason, finished_at=db_now())
        )
    append_task_event(session, row)
    advance(session, experiment)


def release(database: Database, lease: JobLease) -> None:
    """Release the lease; the attempt does not count. The job is queued, or cancelled if that is requested."""
    with fenced(database, lease) as (session, row):
        give_back(session, row)


def give_back(session: Session, row: TaskRecord | FinishRecord) -> None:
    """End a leased attempt that does not count: the job is queued, or cancelled if that is requested."""
    experiment = lock_experiment(session, row.experiment_id)
    row.attempts -= 1
    if experiment.cancel_requested:
        cancel_row(session, experiment, row)
    else:
        requeue_row(session, experiment, row)


def requeue_row(session: Session, experiment: ExperimentRecord, row: TaskRecord | FinishRecord) -> None:
    """Queue the job for another worker; the caller holds the experiment's lock."""
    row.status = "queued"
    row.token = row.lease_until = row.lease_seconds = row.worker = None
    if isinstance(row, TaskRecord):
        append_task_event(session, row)
        give_turn(session, experiment)


def stop_cancelled(database: Database, lease: JobLease) -> None:
    """Mark a job cancelled, as its experiment is to be."""
    with fenced(database, lease) as (session, row):
        cancel_row(session, lock_experiment(session, row.experiment_id), row)


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
    row.token = row.lease_until = row.lease_seconds = None
    row.finished_at = session.scalar(select(db_now())) or 0.0
    kind = "finish" if isinstance(row, FinishRecord) else "task"
    seconds = None if row.started_at is None else row.finished_at - row.started_at
    count_ended_job(session, row.worker, kind, status, seconds)
