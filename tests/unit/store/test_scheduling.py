"""Who is served next when a worker is free."""

from __future__ import annotations

import itertools
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.jobs import completed, leased, submitted
from tgsh.execution.planning import plan
from tgsh.specs import ExperimentSpec, NeuroModNetSpec
from tgsh.store import experiments, jobs, previews, queries
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.jobs import JobLease
from tgsh.store.models import Job
from tgsh.store.previews import PreviewRequest
from tgsh.store.scheduling import (
    QUEUE,
    TORCH_QUEUE,
    count_by_queue,
    count_queued,
)


def taken(database: Database, lease_seconds: float = 60) -> JobLease:
    claim = jobs.lease_next(database, "worker-1", lease_seconds)
    assert claim is not None
    return claim


def test_a_small_experiment_behind_a_large_one_is_next(database: Database) -> None:
    large = submitted(database, tasks=1000)
    running = [taken(database) for _ in range(2)]
    small = submitted(database, tasks=1)
    completed(database, running[0])
    assert [claim.job for claim in running] == [Job(large, 0), Job(large, 1)]
    assert taken(database).job == Job(small, 0)
    assert taken(database).job == Job(large, 2)


def test_experiments_get_as_many_workers_each(database: Database) -> None:
    ids = [submitted(database, tasks=50) for _ in range(3)]
    held = [taken(database) for _ in range(6)]
    assert Counter(claim.job.experiment_id for claim in held) == dict.fromkeys(ids, 2)
    for claim in itertools.islice(itertools.cycle(range(6)), 24):
        completed(database, held[claim])
        held[claim] = taken(database)
        assert set(Counter(claim.job.experiment_id for claim in held).values()) == {2}


def test_one_worker_serves_experiments_in_turn(database: Database) -> None:
    ids = [submitted(database, tasks=3) for _ in range(3)]
    served = []
    for _ in range(9):
        claim = taken(database)
        served.append(claim.job)
        completed(database, claim)
        if claim.job.index == 2:  # its finish would be next
            jobs.complete_finish(database, taken(database), {})
    assert served == [Job(experiment_id, index) for index in range(3) for experiment_id in ids]


def test_a_finish_goes_before_every_task(database: Database) -> None:
    submitted(database, tasks=5)
    done = submitted(database, tasks=1)
    submitted(database, tasks=1)
    completed(database, leased(database, done, 0))
    assert taken(database).job == Job(done)


def test_nothing_is_taken_twice_or_left(database: Database) -> None:
    ids = [submitted(database, tasks=7) for _ in range(3)]

    def work(worker: int) -> list[Job]:
        found = []
        while (claim := jobs.lease_next(database, f"worker-{worker}", 60)) is not None:
            found.append(claim.job)
        return found

    with ThreadPoolExecutor(6) as pool:
        leased = [job for found in pool.map(work, range(6)) for job in found]
    assert sorted(leased, key=lambda job: (job.experiment_id, job.index)) == sorted(
        (Job(experiment_id, index) for experiment_id in ids for index in range(7)),
        key=lambda job: (job.experiment_id, job.index),
    )


def test_nobody_is_served_who_is_cancelled_or_has_ended(database: Database) -> None:
    assert jobs.lease_next(database, "w", 60) is None
    cancelled = submitted(database)
    experiments.cancel(database, cancelled)
    failed = submitted(database, tasks=1)
    jobs.fail(database, leased(database, failed, 0), "it broke")
    assert jobs.lease_next(database, "w", 60) is None
    experiments.resume(database, failed)
    assert taken(database).job == Job(failed, 0)


def test_a_job_that_was_given_back_or_lost_is_taken_again_with_its_checkpoint(database: Database) -> None:
    experiment_id = submitted(database, tasks=2)
    first = taken(database)
    jobs.record_epoch(database, first, (0.5,), 1.0, "key-1", "1" * 64)
    jobs.release(database, first)
    again = taken(database)
    assert (again.job, again.attempt) == (Job(experiment_id, 0), 1)
    assert (again.checkpoint, again.sha256) == ("key-1", "1" * 64)


def test_a_device_that_trains_several_takes_them_at_once(database: Database) -> None:
    experiment_id, other = submitted(database, tasks=5), submitted(database, tasks=5)
    first = taken(database)
    more = jobs.lease_more(database, first, "worker-1", 60, 3)
    assert [claim.job for claim in more] == [Job(experiment_id, index) for index in (1, 2, 3)]
    assert len({claim.token for claim in (first, *more)}) == 4
    assert [task.status for task in queries.tasks(database, experiment_id)] == ["running"] * 4 + ["queued"]
    assert [taken(database).job.experiment_id for _ in range(5)] == [other] * 4 + [experiment_id]


def test_the_mean_accuracy_on_the_way_and_at_the_end(database: Database) -> None:
    experiment_id = submitted(database, tasks=3)
    for accuracy, mean in ((0.1, 0.1), (0.2, 0.15), (0.7, 1 / 3)):
        completed(database, taken(database), accuracy)
        found = queries.experiment(database, experiment_id).record.mean_accuracy
        assert found == pytest.approx(mean, rel=1e-12)
    assert found == 1.0 / 3  # rounded once, whatever the order


def test_every_queued_job_is_counted(database: Database) -> None:
    submitted(database, tasks=5)
    done = submitted(database, tasks=1)
    completed(database, leased(database, done, 0))
    assert count_queued(database) == 5 + 1


def test_a_worker_without_torch_leaves_what_needs_it_to_others(
    database: Database, artifacts: Artifacts
) -> None:
    """In a mixed fleet: jobs of both kinds of need wait, and their messages in queues of their own."""
    layers = ExperimentSpec(dataset="mnist5k", network=NeuroModNetSpec(layers=(8,)))
    heavy = experiments.submit(database, layers, plan(layers)).experiment_id
    light = submitted(database, tasks=2)
    for name, needs_torch in (("a", True), ("b", False)):
        request = PreviewRequest(name * 64, {"dataset": "mnist5k"}, [(0, "0°")], 1, needs_torch)
        previews.request_preview(database, artifacts, request)
    assert count_by_queue(database) == {QUEUE: 2 + 1, TORCH_QUEUE: 36 + 1}
    preview = previews.lease_next(database, "light", 60, has_torch=False)
    assert preview is not None
    assert preview.job.key == "b" * 64
    assert previews.lease_next(database, "light", 60, has_torch=False) is None
    for _ in range(2):
        lease = jobs.lease_next(database, "light", 60, has_torch=False)
        assert lease is not None
        assert lease.job.experiment_id == light
        completed(database, lease)
    finish = jobs.lease_next(database, "light", 60, has_torch=False)
    assert finish is not None
    assert finish.job == Job(light)
    assert jobs.lease_next(database, "light", 60, has_torch=False) is None
    assert count_by_queue(database) == {QUEUE: 0, TORCH_QUEUE: 36 + 1}
    assert taken(database).job == Job(heavy, 0)
