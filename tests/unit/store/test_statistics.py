"""What runs, what waits, what is left, and how fast it went: on both kinds of database."""

from __future__ import annotations

import pytest

from tests.support.jobs import EPOCHS, completed, leased, submitted
from tgsh.store import experiments, jobs, previews, queries, statistics
from tgsh.store.annotations import annotate
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.models import ExperimentRecord, FinishRecord, Job, TaskRecord
from tgsh.store.previews import PreviewRequest


def owned(database: Database, experiment_id: str, owner: str) -> str:
    with database.write() as session:
        session.get_one(ExperimentRecord, experiment_id).owner = owner
    return experiment_id


def done(database: Database, tasks: int = 2, finish_seconds: float = 0.5, **changes: str | int) -> str:
    experiment_id = submitted(database, tasks=tasks, **changes)  # type: ignore[arg-type]
    for index in range(tasks):
        completed(database, leased(database, experiment_id, index))
    jobs.complete_finish(database, leased(database, experiment_id, None), {})
    with database.write() as session:
        finish = session.get_one(FinishRecord, experiment_id)
        finish.started_at = (finish.finished_at or 0.0) - finish_seconds
    return experiment_id


def test_what_runs(database: Database, artifacts: Artifacts) -> None:
    assert statistics.running_jobs(database) == []
    experiment_id = owned(database, submitted(database, tasks=2, name="mine"), "alice")
    jobs.lease_job(database, Job(experiment_id, 1), "a/1/2/cpu", 60)
    other = submitted(database, tasks=1, name="other")
    completed(database, leased(database, other, 0))
    jobs.lease_job(database, Job(other), "a/1/3/cpu", 60)
    previews.request_preview(database, artifacts, PreviewRequest("a" * 64, {}, [(0, "0°")], 1))
    previews.lease_next(database, "a/1/4/cpu", 60)
    task, finish, preview = statistics.running_jobs(database)
    assert (task.kind, task.experiment_id, task.index, task.label) == ("task", experiment_id, 1, "10°")
    assert (task.owner, task.shared, task.worker) == ("alice", False, "a/1/2/cpu")
    assert (finish.kind, finish.name, finish.index, finish.shared) == ("finish", "other", None, False)
    assert (preview.kind, preview.experiment_id, preview.shared) == ("preview", None, True)
    assert task.since <= finish.since <= preview.since


def test_the_queue_of_everybody_and_of_one(database: Database, artifacts: Artifacts) -> None:
    empty = statistics.queue_figures(database, None)
    assert (empty.queued_jobs, empty.running_jobs, empty.oldest_seconds, empty.experiments) == (
        0,
        0,
        None,
        [],
    )
    first = owned(database, submitted(database, tasks=3, name="first"), "alice")
    second = owned(database, submitted(database, tasks=2, name="second"), "bob")
    done(database)
    jobs.lease_job(database, Job(second, 0), "w", 60)
    previews.request_preview(database, artifacts, PreviewRequest("a" * 64, {}, [(0, "0°")], 1))
    with database.write() as session:
        record = session.get_one(ExperimentRecord, first)
        record.queued_at = (record.queued_at or 0.0) - 500
    found = statistics.queue_figures(database, None)
    assert (found.queued_jobs, found.running_jobs) == (5, 1)
    assert found.oldest_seconds == pytest.approx(500, abs=60)
    assert [(e.name, e.queued, e.running) for e in found.experiments] == [("second", 1, 1), ("first", 3, 0)]
    assert [e.id for e in statistics.queue_figures(database, "alice").experiments] == [first]
    annotate(database, second, {"shared": True})
    assert [e.id for e in statistics.queue_figures(database, "alice").experiments] == [second, first]
    assert statistics.queue_figures(database, "alice").queued_jobs == 5
    experiments.cancel(database, first)
    assert (statistics.queue_figures(database, None).oldest_seconds or 0) < 60


def test_what_was_trained_and_how_long_it_took(database: Database) -> None:
    done(database, tasks=3, finish_seconds=0.75)
    submitted(database)  # not trained yet
    [found] = statistics.throughput(database, "rotation", "mnist", "flynet", "cpu")
    assert (found.tasks, found.spec["training"]["epochs"]) == (3, EPOCHS)
    assert found.seconds == pytest.approx(3 * (EPOCHS * 1.0 + 0.1))
    assert found.finish_seconds == pytest.approx(0.75, abs=1e-3)
    for other in (
        ("shift", "mnist", "flynet", "cpu"),
        ("rotation", "mnist5k", "flynet", "cpu"),
        ("rotation", "mnist", "tgsh", "cpu"),
        ("rotation", "mnist", "flynet", "cuda"),
    ):
        assert statistics.throughput(database, *other) == []
    for _ in range(3):
        done(database, tasks=1)
    assert [each.tasks for each in statistics.throughput(database, "rotation", "mnist", "flynet", "cpu")] == [
        1,
        1,
        1,
    ]


def test_what_is_left(database: Database) -> None:
    assert statistics.backlog(database) == ([], 0)
    done(database)
    first, cancelled = submitted(database, tasks=4), submitted(database)
    claim = leased(database, first, 0)
    jobs.record_epoch(database, claim, (0.5,), 1.0, "k", "s" * 64)
    completed(database, leased(database, first, 1))
    experiments.cancel(database, cancelled)
    [left], count = statistics.backlog(database)
    assert (left.tasks, left.epochs, count) == (3, 4 * EPOCHS - 1 - EPOCHS, 1)


def test_a_result_that_is_there_already(database: Database) -> None:
    first = owned(database, done(database), "alice")
    digest = queries.experiment(database, first).record.digest
    assert queries.completed_with_digest(database, digest, None) == first
    assert queries.completed_with_digest(database, digest, "alice") == first
    assert queries.completed_with_digest(database, digest, "bob") is None
    assert queries.completed_with_digest(database, "0" * 64, None) is None
    submitted(database, name="the same, not trained yet")
    second = done(database, name="the same again")
    assert queries.completed_with_digest(database, digest, "alice") == second
    with database.write() as session:
        assert session.get_one(TaskRecord, (second, 0)).status == "completed"
