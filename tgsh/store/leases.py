"""Renewal and expiry of leases; heartbeats of workers."""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import TypedDict

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session

from tgsh import progress
from tgsh.logs import log_context
from tgsh.store import analyses, jobs, previews
from tgsh.store.analyses import AnalysisLease
from tgsh.store.clock import is_recent
from tgsh.store.database import Database
from tgsh.store.insertion import insert_or_update
from tgsh.store.jobs import JobLease, LeaseState, cancel_row, fail_row, give_back, requeue_row
from tgsh.store.lifecycle import add_to_counter
from tgsh.store.models import (
    AnalysisRecord,
    EventRecord,
    ExperimentRecord,
    FinishRecord,
    Job,
    PreviewRecord,
    TaskRecord,
    WorkerRecord,
    db_now,
    job_model,
    lock_experiment,
    lock_job,
)
from tgsh.store.previews import PreviewLease

CHECK_SECONDS = 0.5
"""The longest delay until a worker notices a cancel."""

ALIVE_SECONDS = 30.0
"""A worker without a heartbeat for this long counts as stopped."""

log = logging.getLogger(__name__)

AnyLease = JobLease | PreviewLease | AnalysisLease


class ChildState(TypedDict):
    """State of a child of a worker. slot: its device. since: when it began, in seconds since 1970.

    state: starting, idle, busy, stuck (it got nowhere and was killed; nobody is in its place yet) or broken
    (it cannot work, and leases nothing). reason: why it is stuck or broken, else empty.
    """

    slot: str
    pid: int
    state: str
    since: float
    reason: str


class LeaseRenewer:
    """Context manager with a thread that renews leases three times in their length and notices cancels.

    They are renewed while this process makes progress (tgsh.progress): one that hangs for stall_seconds
    loses them. A database that cannot be reached is tried again; if that lasts longer than the lease, the
    next check (or fenced write) that succeeds finds the lease lost.
    """

    def __init__(
        self,
        database: Database,
        leases: Sequence[AnyLease],
        lease_seconds: float,
        stall_seconds: float = float("inf"),
    ) -> None:
        self._database = database
        self._stall_seconds = stall_seconds
        self._steps, self._stepped_at = progress.steps(), time.monotonic()
        self._outcomes: dict[str, str] = {}
        self._lease_seconds = lease_seconds
        self._state = {lease.token: LeaseState.HELD for lease in leases}
        self._leases = list(leases)
        self._ended = threading.Event()
        context = contextvars.copy_context()  # so that its log lines carry the caller's log context
        self._thread = threading.Thread(
            target=context.run, args=(self._run,), name="lease-renewer", daemon=True
        )

    def state(self, lease: AnyLease) -> LeaseState:
        """The state that the last check found."""
        return self._state[lease.token]

    @property
    def should_stop(self) -> bool:
        """True once no lease is held any more: all are lost, or their experiments are to be cancelled."""
        return all(state is not LeaseState.HELD for state in self._state.values())

    def drop(self, lease: AnyLease, outcome: str = "") -> None:
        """Stop renewing the lease of a job that has ended, and note how."""
        self._leases = [other for other in self._leases if other.token != lease.token]
        if outcome:
            self._outcomes[lease.token] = outcome

    def outcome(self, lease: AnyLease) -> str:
        """The end of the job; "lost" where nobody said."""
        return self._outcomes.get(lease.token, "lost")

    def __enter__(self) -> LeaseRenewer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        progress.hold(False)

    def _run(self) -> None:
        renewed = time.monotonic()
        while not self._ended.wait(min(self._lease_seconds / 6, CHECK_SECONDS)):
            due = time.monotonic() - renewed > self._lease_seconds / 3
            may_renew = not self._is_stalled()
            for lease in self._leases:
                if self._state[lease.token] is not LeaseState.HELD:
                    continue
                try:
                    self._state[lease.token] = _check(self._database, lease)
                    if due and may_renew:
                        _renew(self._database, lease, self._lease_seconds)
                except Exception:
                    log.exception("could not renew the lease of %s; trying again", lease.job)
            if due:
                renewed = time.monotonic()
                if not may_renew:
                    log.error("no progress for %g s: the lease is not renewed", self._stall_seconds)
            if self.should_stop:
                progress.hold(True)

    def _is_stalled(self) -> bool:
        now, steps = time.monotonic(), progress.steps()
        if steps != self._steps:
            self._steps, self._stepped_at = steps, now
        return now - self._stepped_at > self._stall_seconds


def _check(database: Database, lease: AnyLease) -> LeaseState:
    if isinstance(lease, JobLease):
        return jobs.check_lease(database, lease)
    if isinstance(lease, AnalysisLease):
        return LeaseState.HELD if analyses.is_held(database, lease) else LeaseState.LOST
    return LeaseState.HELD if previews.is_held(database, lease) else LeaseState.LOST


def _renew(database: Database, lease: AnyLease, lease_seconds: float) -> None:
    if isinstance(lease, JobLease):
        jobs.renew_lease(database, lease, lease_seconds)
    elif isinstance(lease, AnalysisLease):
        analyses.renew_lease(database, lease, lease_seconds)
    else:
        previews.renew_lease(database, lease, lease_seconds)


def expire_leases(database: Database, max_attempts: int) -> int:
    """Queue jobs whose lease has expired again, or fail them at the attempt cap; the number of such jobs."""
    with database.read() as session:
        tasks = select(TaskRecord.experiment_id, TaskRecord.index).where(*_is_expired(TaskRecord))
        finishes = select(FinishRecord.experiment_id).where(*_is_expired(FinishRecord))
        expired = [Job(experiment_id=row[0], index=row[1]) for row in session.execute(tasks)]
        expired += [Job(experiment_id=row[0]) for row in session.execute(finishes)]
    count = sum(_expire(database, job, max_attempts) for job in expired)
    count += analyses.expire_leases(database, max_attempts)
    return count + previews.expire_leases(database, max_attempts)


def _is_expired(record: type[TaskRecord] | type[FinishRecord]) -> list[ColumnElement[bool]]:
    return [record.status == "running", record.lease_until < db_now()]


def _expire(database: Database, job: Job, max_attempts: int) -> bool:
    with database.write() as session:
        row = lock_job(session, job, *_is_expired(job_model(job)))
        if row is None:  # deleted, or renewed since the read above
            return False
        experiment = lock_experiment(session, job.experiment_id)
        if experiment.cancel_requested:
            cancel_row(session, experiment, row)
        elif (expired := row.attempts - _attempts_before(session, job)) < max_attempts:
            add_to_counter(session, row.worker, ("recovered", "finish" if job.index is None else "task", 1))
            with log_context(
                experiment=job.experiment_id, task=job.task, attempt=row.attempts, worker=row.worker
            ):
                log.warning("the worker fell silent; the job goes to another")
            requeue_row(session, experiment, row)
        else:
            reason = f"its worker fell silent {expired} times, the last one was {row.worker}"
            fail_row(session, experiment, row, reason)
        return True


def _attempts_before(session: Session, job: Job) -> int:
    """The number of attempts before the one that recorded the newest epoch.

    They do not count against the attempt cap: a task that gets an epoch further each time will complete.
    Only events since the experiment was last queued count, as a resume starts the attempts at 0.
    """
    if job.index is None:
        return 0
    of_experiment = EventRecord.experiment_id == job.experiment_id
    queued = of_experiment, EventRecord.kind == "status", EventRecord.data["status"].as_string() == "queued"
    since = session.scalar(select(func.max(EventRecord.id)).where(*queued)) or 0
    of_task = of_experiment, EventRecord.id > since, EventRecord.data["index"].as_integer() == job.index
    progress = select(func.max(EventRecord.id)).where(*of_task, EventRecord.kind == "progress")
    newest = session.scalar(progress)
    if newest is None:
        return 0
    attempt = (
        select(EventRecord.data["attempt"].as_integer())
        .where(*of_task, EventRecord.kind == "task", EventRecord.id < newest)
        .order_by(EventRecord.id.desc())
        .limit(1)
    )
    return max((session.scalar(attempt) or 1) - 1, 0)


def heartbeat(
    database: Database,
    name: str,
    host: str,
    pid: int,
    slots: Sequence[str],
    memory_bytes: int = 0,
    device_memory_bytes: int | None = None,
    has_torch: bool = True,
    datasets: Sequence[str] | None = None,
    data_dir: Path | None = None,
    children: Sequence[ChildState] | None = None,
) -> None:
    """Record that a worker is alive, and what it has; one row a worker.

    slots: its devices, one for each of its children. datasets: the named ones whose files
    are in data_dir. children: what each of them does.
    """
    with database.write(durable=False) as session:
        seen_at = session.scalar(select(db_now()))
        insert_or_update(
            session,
            WorkerRecord(
                name=name,
                host=host,
                pid=pid,
                slots=list(slots),
                memory_bytes=memory_bytes,
                device_memory_bytes=device_memory_bytes,
                has_torch=has_torch,
                datasets=None if datasets is None else list(datasets),
                data_dir=None if data_dir is None else str(data_dir),
                children=None if children is None else [dict(child) for child in children],
                version=version("tgsh"),
                seen_at=seen_at,
            ),
        )
        session.execute(delete(WorkerRecord).where(WorkerRecord.seen_at < db_now() - 86_400))


def sign_off(database: Database, name: str) -> None:
    """Remove the row of a worker that stops."""
    with database.write(durable=False) as session:
        session.execute(delete(WorkerRecord).where(WorkerRecord.name == name))


def lease_holders(database: Database) -> set[str]:
    """Names of the workers that hold a lease of a task, a finish or an analysis."""
    with database.read() as session:
        return {
            str(name)
            for record in (TaskRecord, FinishRecord, AnalysisRecord)
            for name in session.scalars(select(record.worker).where(record.status == "running"))
        }


def release_ended(database: Database, host: str, is_running: Callable[[int], bool]) -> int:
    """Do what workers of `host` would have done that were killed: release their leases, and sign off.

    As when they release them, the attempts do not count. is_running: of a process id, whether there is such
    a process. Returns the number of jobs.
    """
    ended = {
        name
        for name in lease_holders(database)
        if (parts := name.split("/"))[0] == host and len(parts) == 4 and not is_running(int(parts[2]))
    }
    with database.read() as session:
        tasks = select(TaskRecord.experiment_id, TaskRecord.index).where(*_is_held(TaskRecord, ended))
        finishes = select(FinishRecord.experiment_id).where(*_is_held(FinishRecord, ended))
        held = [Job(row[0], row[1]) for row in session.execute(tasks)]
        held += [Job(row[0]) for row in session.execute(finishes)]
        workers = session.scalars(select(WorkerRecord).where(WorkerRecord.host == host)).all()
    for worker in workers:
        if not is_running(worker.pid):
            sign_off(database, worker.name)
    released = sum(_release(database, job, ended) for job in held)
    no_cap = 2**31
    return released + analyses.end_leases(
        database, AnalysisRecord.worker.in_(ended), "", no_cap, counts=False
    )


def _is_held(record: type[TaskRecord] | type[FinishRecord], workers: set[str]) -> list[ColumnElement[bool]]:
    return [record.status == "running", record.worker.in_(workers)]


def _release(database: Database, job: Job, workers: set[str]) -> bool:
    with database.write() as session:
        row = lock_job(session, job, *_is_held(job_model(job), workers))
        if row is None:  # deleted, or expired since the read
            return False
        give_back(session, row)
        return True


def live_workers(database: Database) -> list[WorkerRecord]:
    """The workers with a heartbeat within ALIVE_SECONDS."""
    with database.read() as session:
        alive = (
            select(WorkerRecord)
            .where(is_recent(WorkerRecord.seen_at, ALIVE_SECONDS))
            .order_by(WorkerRecord.name)
        )
        return list(session.scalars(alive))


def end_stuck(database: Database, workers: Mapping[str, float], max_attempts: int) -> int:
    """End leases of processes that were killed, as they made no progress; the number of their jobs.

    workers: their names, and for how many seconds they made none. The attempts count: the jobs are queued
    again, failed at the attempt cap, or cancelled where that is requested.
    """
    names = set(workers)
    with database.read() as session:
        tasks = select(TaskRecord.experiment_id, TaskRecord.index).where(*_is_held(TaskRecord, names))
        finishes = select(FinishRecord.experiment_id).where(*_is_held(FinishRecord, names))
        held = [Job(row[0], row[1]) for row in session.execute(tasks)]
        held += [Job(row[0]) for row in session.execute(finishes)]
    ended = sum(_end_stuck(database, job, workers, max_attempts) for job in held)
    for name, seconds in workers.items():
        reason = _no_progress(seconds)
        ended += previews.end_leases(database, PreviewRecord.worker == name, reason, max_attempts)
        ended += analyses.end_leases(database, AnalysisRecord.worker == name, reason, max_attempts)
    return ended


def _end_stuck(database: Database, job: Job, workers: Mapping[str, float], max_attempts: int) -> bool:
    with database.write() as session:
        row = lock_job(session, job, *_is_held(job_model(job), set(workers)))
        if row is None:  # deleted, or expired since the read
            return False
        experiment = lock_experiment(session, job.experiment_id)
        worker = str(row.worker)
        add_to_counter(session, worker, ("stalled", "finish" if job.index is None else "task", 1))
        attempts = row.attempts - _attempts_before(session, job)
        if experiment.cancel_requested:
            cancel_row(session, experiment, row)
        elif attempts < max_attempts:
            requeue_row(session, experiment, row)
        else:
            reason = f"{_no_progress(workers[worker])}, {attempts} times; the last one was {worker}"
            fail_row(session, experiment, row, reason)
        return True


def _no_progress(seconds: float) -> str:
    return f"it made no progress for {seconds:.0f} s (TGSH_STALL_SECONDS) and its process was killed"


def needs_torch(database: Database, experiment_id: str) -> bool:
    """True if the experiment's jobs need torch; False where it is deleted."""
    with database.read() as session:
        query = select(ExperimentRecord.needs_torch).where(ExperimentRecord.id == experiment_id)
        return bool(session.scalar(query))
