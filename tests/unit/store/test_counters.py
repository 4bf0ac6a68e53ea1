"""What only grows: whatever is deleted or done again, and whoever counts at the same time."""

from __future__ import annotations

import math
import threading

from sqlalchemy import text

from tests.support.jobs import EPOCHS, completed, leased, submitted
from tgsh.store import experiments, jobs
from tgsh.store.database import Database
from tgsh.store.leases import expire_leases
from tgsh.store.lifecycle import DURATION_BUCKETS, add_to_counter, counter_totals
from tgsh.store.models import Job
from tgsh.store.statistics import Totals, totals


def counted(look: Totals, name: str) -> float:
    return sum(look.counters.get(name, {}).values())


def finished(database: Database, tasks: int = 2) -> str:
    """An experiment that went through all of its life."""
    experiment_id = submitted(database, tasks)
    for index in range(tasks):
        completed(database, leased(database, experiment_id, index))
    jobs.complete_finish(database, leased(database, experiment_id, None), {})
    return experiment_id


def test_an_empty_store_has_nothing(database: Database) -> None:
    look = totals(database)
    assert (look.experiments, look.jobs, look.oldest_seconds) == ({}, {("task", "completed"): 0}, None)
    assert (list(look.workers), look.counters) == ([], {})


def test_everything_is_counted_where_it_stands(database: Database) -> None:
    finished(database)
    waiting = submitted(database, 3)
    completed(database, leased(database, waiting, 0))
    jobs.fail(database, leased(database, waiting, 1), "no luck")
    look = totals(database)
    assert look.experiments == {"completed": 1, "running": 1}
    assert look.jobs == {
        ("task", "completed"): 3,
        ("task", "failed"): 1,
        ("task", "queued"): 1,
        ("finish", "completed"): 1,
        ("finish", "waiting"): 1,
    }
    assert look.oldest_seconds is not None
    assert 0 <= look.oldest_seconds < 30
    ended = {label.rpartition("/")[0] for label in look.counters["jobs"]}
    assert ended == {"task/completed", "task/failed", "finish/completed"}
    assert look.counters["job_seconds"].keys() == ended
    assert counted(look, "jobs") == 5
    assert look.counters["experiments"] == {"completed": 1}
    assert counted(look, "task_epochs") == 3 * EPOCHS


def test_a_deletion_takes_nothing_back(database: Database) -> None:
    experiment_id = finished(database)
    before = totals(database)
    experiments.delete(database, experiment_id)
    after = totals(database)
    assert after.counters == before.counters
    assert after.experiments == {}
    assert after.jobs == {("task", "completed"): 0}


def test_an_epoch_that_was_not_ours_to_write_is_not_counted(database: Database) -> None:
    experiment_id = submitted(database, 1)
    lost = leased(database, experiment_id, 0, lease_seconds=-1)
    assert expire_leases(database, max_attempts=3) == 1
    try:
        jobs.record_epoch(database, lost, (0.5,), 1.0, "key", "s" * 64)
    except jobs.LeaseLost:
        pass
    else:
        raise AssertionError("a lost lease wrote")
    look = totals(database)
    assert look.counters == {"recovered": {"task": 1}}


def test_what_fell_silent_for_good_is_a_failure_and_not_recovered(database: Database) -> None:
    experiment_id = submitted(database, 1)
    for _ in range(2):
        assert jobs.lease_job(database, Job(experiment_id, 0), "w", -1) is not None
        expire_leases(database, max_attempts=2)
    look = totals(database)
    assert look.counters["recovered"] == {"task": 1}
    assert look.experiments == {"failed": 1}
    assert look.counters["experiments"] == {"failed": 1}


def test_the_oldest_is_counted_from_its_last_submission(database: Database) -> None:
    experiment_id = submitted(database, 1)
    experiments.cancel(database, experiment_id)
    with database.write() as session:
        session.execute(text("UPDATE experiments SET created_at = 0, queued_at = 0"))
    assert totals(database).oldest_seconds is None, "nothing waits"
    experiments.resume(database, experiment_id)
    oldest = totals(database).oldest_seconds
    assert oldest is not None
    assert oldest < 30


def test_who_counts_at_the_same_time_counts_all(database: Database) -> None:
    def work(worker: str) -> None:
        for _ in range(20):
            with database.write(durable=False) as session:
                add_to_counter(session, worker, ("task_epochs", "", 1), ("recovered", "task", 2))

    threads = [threading.Thread(target=work, args=(f"worker-{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as session:
        assert counter_totals(session) == {"task_epochs": {"": 80}, "recovered": {"task": 160}}


def test_classes_of_seconds_end_with_the_endless() -> None:
    assert list(DURATION_BUCKETS) == sorted(DURATION_BUCKETS)
    assert math.isinf(DURATION_BUCKETS[-1])
