"""State machine of jobs: actions of users, workers, the sweeper and the clock, in any order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import delete, update

from tests.support.jobs import EPOCHS, submitted
from tests.support.lifecycle_rows import Rows, check, rows_of
from tgsh.errors import Conflict, LeaseLost
from tgsh.store import experiments, jobs, leases
from tgsh.store.database import Database
from tgsh.store.jobs import JobLease, LeaseState
from tgsh.store.models import ExperimentRecord, Job, db_now, job_filter, job_model

MAX_ATTEMPTS = 3
MOST_EXPERIMENTS = 2

T = TypeVar("T")
Pick = st.integers(0, 1000)
"""Index of an item, by remainder: the list is not known before the rule runs."""


def of(things: Sequence[T], pick: int) -> T:
    return things[pick % len(things)]


class Lifecycle(RuleBasedStateMachine):
    """Model of the leases that workers hold, which must agree with the rows after every step."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database
        self.experiments: list[str] = []
        self.leases: dict[str, JobLease] = {}
        self.stale: list[JobLease] = []
        self.silent: set[str] = set()
        self.tokens: set[str] = set()
        self.attempts: Counter[Job] = Counter()
        self.completed: dict[Job, float] = {}

    @initialize()
    def start_empty(self) -> None:
        with self.database.write() as session:
            session.execute(delete(ExperimentRecord))

    @precondition(lambda self: len(self.experiments) < MOST_EXPERIMENTS)
    @rule(tasks=st.integers(1, 2))
    def submit(self, tasks: int) -> None:
        self.experiments.append(submitted(self.database, tasks))

    @precondition(lambda self: self.experiments)
    @rule(pick=Pick, index=st.none() | st.integers(0, 2))
    def lease(self, pick: int, index: int | None) -> None:
        job = Job(of(self.experiments, pick), index)
        waits = job in self._rows().waiting
        self._check_new(job, jobs.lease_job(self.database, job, "w", 600), expected=waits)

    @rule()
    def lease_next(self) -> None:
        waiting = self._rows().waiting
        lease = jobs.lease_next(self.database, "w", 600)
        assert (lease is not None) == bool(waiting)
        if lease is not None:
            assert lease.job in waiting
            self._check_new(lease.job, lease, expected=True)

    @precondition(lambda self: self.leases)
    @rule(pick=Pick, limit=st.integers(0, 3))
    def lease_more(self, pick: int, limit: int) -> None:
        first = of(list(self.leases.values()), pick)
        waiting = self._rows().waiting
        leased = jobs.lease_more(self.database, first, "w", 600, limit)
        assert len(leased) <= limit
        for lease in leased:
            assert lease.job in waiting
            self._check_new(lease.job, lease, expected=True)

    @precondition(lambda self: self.leases)
    @rule(pick=Pick)
    def renew(self, pick: int) -> None:
        lease = of(list(self.leases.values()), pick)
        assert jobs.renew_lease(self.database, lease, 600) is LeaseState.HELD
        self.silent.discard(lease.token)

    @precondition(lambda self: self.leases)
    @rule(pick=Pick, swept=st.booleans(), taken=st.booleans())
    def fall_silent(self, pick: int, swept: bool, taken: bool) -> None:
        """Expire a lease; the sweeper and another worker may act at once."""
        lease = of(list(self.leases.values()), pick)
        record = job_model(lease.job)
        with self.database.write() as session:
            session.execute(update(record).where(*job_filter(lease.job)).values(lease_until=db_now() - 1))
        self.silent.add(lease.token)
        if swept:
            self.sweep()
        if taken and lease.job in self._rows().waiting:
            self._check_new(lease.job, jobs.lease_job(self.database, lease.job, "w", 600), expected=True)

    @precondition(lambda self: self.leases)
    @rule(pick=Pick)
    def lose_every_worker(self, pick: int) -> None:
        """Lose workers until the attempts are used up."""
        job = of(list(self.leases.values()), pick).job
        while holders := [place for place, lease in enumerate(self.leases.values()) if lease.job == job]:
            self.fall_silent(holders[0], swept=True, taken=True)

    @rule()
    def sweep(self) -> None:
        assert leases.expire_leases(self.database, MAX_ATTEMPTS) == len(self.silent)
        for token in list(self.silent):
            self._drop(token)

    @precondition(lambda self: self._task_leases())
    @rule(pick=Pick)
    def record_epoch(self, pick: int) -> None:
        self._record(of(self._task_leases(), pick), 1)

    @precondition(lambda self: self.leases)
    @rule(pick=Pick, accuracy=st.floats(0, 1))
    def complete(self, pick: int, accuracy: float) -> None:
        lease = of(list(self.leases.values()), pick)
        if lease.job.index is None:
            jobs.complete_finish(self.database, lease, {"vectors": ("key", "s" * 64)})
        else:
            self._record(lease, EPOCHS)
            jobs.complete_task(self.database, lease, accuracy, "cpu", {"torch": "2"}, 0.1)
            self.completed[lease.job] = accuracy
        self._drop(lease.token)

    @precondition(lambda self: self.leases)
    @rule(pick=Pick, with_siblings=st.booleans())
    def fail(self, pick: int, with_siblings: bool) -> None:
        lease = of(list(self.leases.values()), pick)
        jobs.fail(self.database, lease, "it broke", with_siblings=with_siblings)
        self._drop(lease.token)

    @precondition(lambda self: self.leases)
    @rule(pick=Pick)
    def release(self, pick: int) -> None:
        lease = of(list(self.leases.values()), pick)
        jobs.release(self.database, lease)
        self.attempts[lease.job] -= 1
        self._drop(lease.token)

    @precondition(lambda self: self._leases_to_stop())
    @rule(pick=Pick)
    def stop_cancelled(self, pick: int) -> None:
        lease = of(self._leases_to_stop(), pick)
        jobs.stop_cancelled(self.database, lease)
        self._drop(lease.token)

    @precondition(lambda self: self.stale)
    @rule(pick=Pick)
    def write_with_a_stale_token(self, pick: int) -> None:
        lease = of(self.stale, pick)
        before = self._rows()
        assert jobs.check_lease(self.database, lease) is LeaseState.LOST
        assert jobs.renew_lease(self.database, lease, 600) is LeaseState.LOST
        writes: list[Callable[[Database, JobLease], None]] = [
            partial(jobs.fail, reason="late", with_siblings=True),
            jobs.release,
            jobs.stop_cancelled,
        ]
        if lease.job.index is None:
            writes.append(partial(jobs.complete_finish, results={}))
        else:
            late = {"losses": (0.1,), "seconds": 1.0, "checkpoint": "late", "sha256": "0" * 64}
            end = {"accuracy": 1.0, "compute": "late", "versions": {}, "seconds": 1.0}
            writes.append(partial(jobs.record_epoch, **late))  # type: ignore[arg-type]
            writes.append(partial(jobs.complete_task, **end))  # type: ignore[arg-type]
        for write in writes:
            try:
                write(self.database, lease)
            except LeaseLost:
                continue
            raise AssertionError(f"{write} wrote with a stale token")
        assert self._rows() == before

    @precondition(lambda self: self.experiments)
    @rule(pick=Pick)
    def cancel(self, pick: int) -> None:
        self._change(of(self.experiments, pick), experiments.cancel, ("queued", "running", "cancelled"))

    @precondition(lambda self: self.experiments)
    @rule(pick=Pick)
    def resume(self, pick: int) -> None:
        self._resume(of(self.experiments, pick))

    @precondition(lambda self: self.experiments)
    @rule(pick=Pick)
    def delete(self, pick: int) -> None:
        experiment_id = of(self.experiments, pick)
        over = ("queued", "completed", "failed", "cancelled")
        if self._change(experiment_id, experiments.delete, over):
            self._forget(experiment_id)

    @invariant()
    def rows_are_sound(self) -> None:
        rows = self._rows()
        assert sorted(rows.experiments) == sorted(self.experiments)
        running = {job: row["token"] for job, row in rows.jobs.items() if row["status"] == "running"}
        assert running == {lease.job: token for token, lease in self.leases.items()}
        for job, row in rows.jobs.items():
            assert row["attempts"] == self.attempts[job]
        for job, accuracy in self.completed.items():
            assert (rows.jobs[job]["status"], rows.jobs[job]["accuracy"]) == ("completed", accuracy)
        check(rows, MAX_ATTEMPTS)

    def _resume(self, experiment_id: str) -> bool:
        resumed = self._change(experiment_id, experiments.resume, ("failed", "cancelled"))
        if resumed:
            for job in set(self.attempts) - set(self.completed):
                if job.experiment_id == experiment_id:
                    del self.attempts[job]
        return resumed

    def _forget(self, experiment_id: str) -> None:
        """Take a deleted experiment out of the model."""
        self.experiments.remove(experiment_id)
        for by_job in (self.completed, self.attempts):
            for job in [job for job in by_job if job.experiment_id == experiment_id]:
                del by_job[job]

    def _rows(self) -> Rows:
        return rows_of(self.database)

    def _task_leases(self) -> list[JobLease]:
        return [lease for lease in self.leases.values() if lease.job.index is not None]

    def _leases_to_stop(self) -> list[JobLease]:
        cancelled = {id for id, row in self._rows().experiments.items() if row["cancel_requested"]}
        return [lease for lease in self.leases.values() if lease.job.experiment_id in cancelled]

    def _check_new(self, job: Job, lease: JobLease | None, *, expected: bool) -> None:
        assert (lease is not None) == expected
        if lease is None:
            return
        assert lease.job == job
        assert job not in self.completed
        assert lease.token not in self.tokens
        self.tokens.add(lease.token)
        self.attempts[job] += 1
        assert lease.attempt == self.attempts[job]
        self.leases[lease.token] = lease

    def _drop(self, token: str) -> None:
        self.silent.discard(token)
        self.stale.append(self.leases.pop(token))

    def _record(self, lease: JobLease, more: int) -> None:
        done = self._rows().jobs[lease.job]["epochs_done"]
        for epoch in range(done + 1, min(done + more, EPOCHS) + 1):
            key = f"key-{epoch}"
            jobs.record_epoch(self.database, lease, tuple([0.5] * epoch), 1.0, key, "s" * 64)

    def _change(
        self, experiment_id: str, change: Callable[[Database, str], None], allowed: tuple[str, ...]
    ) -> bool:
        """True if the change was made; it must be refused exactly in the other states."""
        before = self._rows()
        possible = before.experiments[experiment_id]["status"] in allowed
        try:
            change(self.database, experiment_id)
        except Conflict:
            assert not possible
            assert self._rows() == before
            return False
        assert possible
        return True
