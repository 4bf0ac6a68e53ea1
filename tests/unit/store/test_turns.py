"""Turns of owners and experiments: who is served next where several owners, priorities and workers meet."""

from __future__ import annotations

import logging
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from sqlalchemy import delete, select, update

from tests.support.jobs import completed, leased, submitted
from tgsh.specs import ExperimentSpec, RotationSuite
from tgsh.store import experiments, jobs, leases, queries
from tgsh.store.annotations import annotate
from tgsh.store.clock import ClockWatch, shorten_leases
from tgsh.store.database import Database
from tgsh.store.experiments import ExperimentPlan, PlannedTask
from tgsh.store.jobs import JobLease, LeaseState
from tgsh.store.lifecycle import counter_totals
from tgsh.store.models import EventRecord, ExperimentTurnRecord, TaskRecord, WorkerRecord, db_now
from tgsh.store.ownership import Owner
from tgsh.store.recovery import recover_forgotten


def owned(database: Database, owner: str, tasks: int = 10, priority: int = 0) -> str:
    """A new experiment of an owner."""
    spec = ExperimentSpec(name=owner, suite=RotationSuite(tasks=tasks))
    planned = [PlannedTask(f"{index}", {"angle": float(index)}) for index in range(tasks)]
    plan = ExperimentPlan(planned, "b" * 64)
    return experiments.submit(database, spec, plan, None, Owner(owner), priority=priority).experiment_id


def taken(database: Database) -> JobLease:
    lease = jobs.lease_next(database, "w", 60)
    assert lease is not None
    return lease


def owner_of(database: Database, lease: JobLease) -> str | None:
    return queries.experiment(database, lease.job.experiment_id).record.owner


def test_an_owner_with_a_hundred_experiments_holds_up_nobody(
    database: Database,
) -> None:
    for _ in range(100):
        owned(database, "many", 10)
    owned(database, "few", 11)
    served = []
    for _ in range(20):
        lease = taken(database)
        served.append(owner_of(database, lease))
        completed(database, lease)
    assert Counter(served) == {"many": 10, "few": 10}
    assert all(one != other for one, other in pairwise(served))


def test_owners_hold_as_many_workers_each(database: Database) -> None:
    owned(database, "a", 40)
    for _ in range(3):
        owned(database, "b", 40)
    held = Counter(owner_of(database, taken(database)) for _ in range(12))
    assert held == {"a": 6, "b": 6}


def test_a_priority_orders_what_an_owner_has_and_takes_nothing_from_others(database: Database) -> None:
    low, high = owned(database, "a", 3, priority=-10), owned(database, "a", 3, priority=10)
    usual, other = owned(database, "a", 3), owned(database, "b", 9)
    order = [taken(database).job.experiment_id for _ in range(18)]
    assert [id for id in order if id != other] == [high] * 3 + [usual] * 3 + [low] * 3
    assert Counter(order[:6]) == {high: 3, other: 3}


def test_a_priority_that_is_changed_counts_from_then_on(database: Database) -> None:
    first, second = owned(database, "a", 3), owned(database, "a", 3)
    assert taken(database).job.experiment_id == first
    annotate(database, second, {"priority": 1})
    assert [taken(database).job.experiment_id for _ in range(4)] == [second] * 3 + [first]
    assert queries.experiment(database, second).record.priority == 1


def test_forty_workers_at_once_get_four_jobs_of_each_of_ten_experiments(database: Database) -> None:
    ids = [submitted(database, tasks=8) for _ in range(10)]
    with ThreadPoolExecutor(40) as pool:
        found = list(pool.map(lambda _: taken(database).job, range(40)))
    assert len(set(found)) == 40
    assert Counter(job.experiment_id for job in found) == dict.fromkeys(ids, 4)


def test_forty_workers_on_one_experiment_take_each_task_once_and_its_events_are_in_order(
    database: Database,
) -> None:
    experiment_id = submitted(database, tasks=60)

    def work(_: int) -> list[int | None]:
        found = []
        while (lease := jobs.lease_next(database, "w", 60)) is not None:
            found.append(lease.job.index)
            if lease.job.index is None:
                jobs.complete_finish(database, lease, {})
            else:
                completed(database, lease)
        return found

    with ThreadPoolExecutor(20) as pool:
        done = [index for found in pool.map(work, range(20)) for index in found]
    assert Counter(done) == dict.fromkeys([*range(60), None], 1)
    found_experiment = queries.experiment(database, experiment_id).record
    assert (found_experiment.status, found_experiment.tasks_done) == ("completed", 60)
    with database.read() as session:
        events = session.execute(
            select(EventRecord.kind, EventRecord.data)
            .where(EventRecord.experiment_id == experiment_id)
            .order_by(EventRecord.id)
        ).all()
    fractions = [event.data["progress"]["fraction"] for event in events if event.kind == "progress"]
    assert fractions == sorted(fractions)
    assert len(fractions) == 120
    assert fractions[-1] == 1.0


def test_a_lease_is_no_longer_than_its_length_when_the_clock_goes_back(database: Database) -> None:
    """Its holder is dead, and the clock was set back by an hour after it was leased."""
    experiment_id = submitted(database, tasks=1)
    lease = leased(database, experiment_id, 0, lease_seconds=60)
    with database.write() as session:
        session.execute(update(TaskRecord).values(lease_until=db_now() + 3660))
    assert shorten_leases(database, 60) == 1
    assert shorten_leases(database, 60) == 0
    with database.read() as session:
        left = session.scalar(select(TaskRecord.lease_until - db_now()))
    assert left is not None
    assert left <= 60.0
    assert jobs.check_lease(database, lease) is LeaseState.HELD


def test_a_worker_seen_in_the_future_does_not_live(database: Database) -> None:
    leases.heartbeat(database, "now", "h", 1, ["cpu"])
    leases.heartbeat(database, "before the clock went back", "h", 2, ["cpu"])
    with database.write() as session:
        session.execute(update(WorkerRecord).where(WorkerRecord.pid == 2).values(seen_at=db_now() + 3600))
    assert [worker.name for worker in leases.live_workers(database)] == ["now"]


def test_a_jump_of_the_clock_is_noticed_and_leaves_the_living_time_to_renew(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    here = 1000.0
    watch = ClockWatch(database, lambda: here)
    assert watch.look(60) == 0.0
    assert watch.look(60) == 0.0
    here -= 3600  # the same as a clock of the database that goes forward by an hour
    with caplog.at_level(logging.WARNING):
        assert watch.look(60) == pytest.approx(3600, abs=30)
    assert "the database's clock has jumped by +3600 s" in caplog.text
    assert watch.is_patient
    here += 61
    assert not watch.is_patient
    with database.read() as session:
        assert counter_totals(session)["clock_jumps"] == {"": 1.0}


def test_what_was_forgotten_between_two_transactions_is_gone_on_with(database: Database) -> None:
    """A worker of a version without turns queued a task; another was killed before the finish was queued."""
    queued, over = submitted(database, tasks=2), submitted(database, tasks=1)
    completed(database, leased(database, over, 0))
    with database.write() as session:
        session.execute(delete(ExperimentTurnRecord))
        session.connection().exec_driver_sql("UPDATE finishes SET status = 'waiting'")
    assert jobs.lease_next(database, "w", 60) is None
    assert recover_forgotten(database) == 2
    assert recover_forgotten(database) == 0
    assert taken(database).job == jobs.Job(over)
    assert taken(database).job.experiment_id == queued
