"""Lease renewal, expiry, worker heartbeats."""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections.abc import Sequence
from types import TracebackType

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session

from tgsh.logs import log_context
from tgsh.store import jobs, previews
from tgsh.store.database import Database
from tgsh.store.jobs import JobLease, LeaseState, cancel_row, fail_row, requeue_row
from tgsh.store.lifecycle import add_to_counter
from tgsh.store.models import (
    EventRecord,
    ExperimentRecord,
    FinishRecord,
    Job,
    TaskRecord,
    WorkerRecord,
    db_now,
    job_model,
    lock_job,
)
from tgsh.store.previews import PreviewLease, expire_lost

LOOK_SECONDS = 0.5
"""How soon a cancel is noticed."""

log = logging.getLogger(__name__)

AnyLease = JobLease | PreviewLease


class LeaseRenewer:
    """Renews the claims three times a lease, from a thread, inside a `with` block; sees cancels sooner.

    A database that cannot be reached is tried again; if that lasts longer than the lease, the next
    successful renewal (or fenced write) tells that the lease is lost.
    """

    def __init__(self, database: Database, held: Sequence[AnyLease], lease_seconds: float) -> None:
        self._database = database
        self._lease_seconds = lease_seconds
        self._state = {claimed.token: LeaseState.KEPT for claimed in held}
        self._held = list(held)
        self._ended = threading.Event()
        here = contextvars.copy_context()  # what it logs is about what is worked on here
        self._thread = threading.Thread(target=here.run, args=(self._run,), name="lease-keeper", daemon=True)

    def state(self, claimed: AnyLease) -> LeaseState:
        """What the last renewal found."""
        return self._state[claimed.token]

    @property
    def should_stop(self) -> bool:
        """Whether no claim is left that is worth training on."""
        return all(state is not LeaseState.KEPT for state in self._state.values())

    def drop(self, claimed: AnyLease) -> None:
        """Stop renewing a claim that has ended."""
        self._held = [other for other in self._held if other.token != claimed.token]

    def __enter__(self) -> LeaseRenewer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        renewed = time.monotonic()
        while not self._ended.wait(min(self._lease_seconds / 6, LOOK_SECONDS)):
            due = time.monotonic() - renewed > self._lease_seconds / 3
            for claimed in self._held:
                if self._state[claimed.token] is not LeaseState.KEPT:
                    continue
                try:
                    self._state[claimed.token] = _look(self._database, claimed)
                    if due:
                        _renew(self._database, claimed, self._lease_seconds)
                except Exception:
                    log.exception("could not renew the lease of %s; trying again", claimed.job)
            if due:
                renewed = time.monotonic()


def _look(database: Database, held: AnyLease) -> LeaseState:
    if isinstance(held, JobLease):
        return jobs.check_lease(database, held)
    return LeaseState.KEPT if previews.is_ours(database, held) else LeaseState.LOST


def _renew(database: Database, held: AnyLease, lease_seconds: float) -> None:
    if isinstance(held, JobLease):
        jobs.renew_lease(database, held, lease_seconds)
    else:
        previews.renew(database, held, lease_seconds)


def expire_leases(database: Database, max_attempts: int) -> int:
    """Requeue every job whose worker fell silent, or fail it at the attempt cap; how many there were."""
    with database.read() as session:
        tasks = select(TaskRecord.experiment_id, TaskRecord.index).where(*_is_expired(TaskRecord))
        finishes = select(FinishRecord.experiment_id).where(*_is_expired(FinishRecord))
        expired = [Job(experiment_id=row[0], index=row[1]) for row in session.execute(tasks)]
        expired += [Job(experiment_id=row[0]) for row in session.execute(finishes)]
    return sum(_expire(database, job, max_attempts) for job in expired) + expire_lost(database, max_attempts)


def _is_expired(record: type[TaskRecord] | type[FinishRecord]) -> list[ColumnElement[bool]]:
    return [record.status == "running", record.lease_until < db_now()]


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


def _expire(database: Database, job: Job, max_attempts: int) -> bool:
    with database.write() as session:
        experiment = session.get(ExperimentRecord, job.experiment_id, with_for_update=True)
        row = lock_job(session, job, *_is_expired(job_model(job)))
        if experiment is None or row is None:  # deleted, or renewed since we looked
            return False
        if experiment.cancel_requested:
            cancel_row(session, experiment, row)
        elif (silent := row.attempts - _attempts_before(session, job)) < max_attempts:
            add_to_counter(session, row.worker, ("recovered", "finish" if job.index is None else "task", 1))
            with log_context(
                experiment=job.experiment_id, task=job.task, attempt=row.attempts, worker=row.worker
            ):
                log.warning("the worker fell silent; the job goes to another")
            requeue_row(session, row)
        else:
            reason = f"its worker fell silent {silent} times, the last one was {row.worker}"
            fail_row(session, experiment, row, reason)
        return True


ALIVE_SECONDS = 30.0
"""A worker that was not seen for this long counts as gone."""


def heartbeat(
    database: Database,
    name: str,
    host: str,
    pid: int,
    slots: Sequence[str],
    memory_bytes: int = 0,
    device_memory_bytes: int | None = None,
) -> None:
    """Note that a worker lives; one row a worker. `slots` are its devices, one a job at a time."""
    with database.write(durable=False) as session:
        seen_at = session.scalar(select(db_now()))
        session.merge(
            WorkerRecord(
                name=name,
                host=host,
                pid=pid,
                slots=list(slots),
                memory_bytes=memory_bytes,
                device_memory_bytes=device_memory_bytes,
                seen_at=seen_at,
            )
        )
        session.execute(delete(WorkerRecord).where(WorkerRecord.seen_at < db_now() - 86_400))


def sign_off(database: Database, name: str) -> None:
    """Note that a worker has stopped."""
    with database.write(durable=False) as session:
        session.execute(delete(WorkerRecord).where(WorkerRecord.name == name))


def live_workers(database: Database) -> list[WorkerRecord]:
    """The workers seen lately."""
    with database.read() as session:
        alive = (
            select(WorkerRecord)
            .where(WorkerRecord.seen_at > db_now() - ALIVE_SECONDS)
            .order_by(WorkerRecord.name)
        )
        return list(session.scalars(alive))
