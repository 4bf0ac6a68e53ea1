"""The life of jobs, against SQLite and PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, update

from tests.support.jobs import completed, leased, queued_jobs, submitted
from tgsh.errors import Conflict, InvalidSpec, LeaseLost, NotFound
from tgsh.specs import ExperimentSpec
from tgsh.store import experiments, jobs, leases, queries
from tgsh.store.database import Database
from tgsh.store.experiments import ExperimentPlan, PlannedTask
from tgsh.store.jobs import LeaseState
from tgsh.store.models import ExperimentRecord, Job


def status(database: Database, experiment_id: str) -> str:
    return queries.experiment(database, experiment_id).record.status


def statuses(database: Database, experiment_id: str) -> list[str]:
    return [task.status for task in queries.tasks(database, experiment_id)]


def kinds(database: Database, experiment_id: str) -> list[tuple[str, object]]:
    found, _ = queries.events(database, experiment_id, 0)
    return [(event.kind, event.data.get("status") or event.data.get("epoch")) for event in found]


def test_an_experiment_runs_from_queued_to_completed(database: Database) -> None:
    experiment_id = submitted(database)
    assert status(database, experiment_id) == "queued"
    completed(database, leased(database, experiment_id, 1), 0.75)
    assert status(database, experiment_id) == "running"
    completed(database, leased(database, experiment_id, 0), 0.25)
    assert queued_jobs(database, experiment_id) == [Job(experiment_id)]
    jobs.complete_finish(database, leased(database, experiment_id, None), {"vectors": ("key", "s" * 64)})
    snapshot = queries.experiment(database, experiment_id)
    assert snapshot.record.status == "completed"
    assert snapshot.record.mean_accuracy == 0.5
    assert (snapshot.progress.fraction, snapshot.progress.tasks_done) == (1.0, 2)
    assert kinds(database, experiment_id) == [
        ("status", "queued"),
        *[
            ("status", "running"),
            ("task", "running"),
            ("progress", 1),
            ("progress", 2),
            ("task", "completed"),
        ],
        *[("task", "running"), ("progress", 1), ("progress", 2), ("task", "completed")],
        ("status", "completed"),
    ]


def test_one_job_that_ten_want_is_claimed_once(database: Database) -> None:
    job = Job(experiment_id=submitted(database), index=0)
    with ThreadPoolExecutor(10) as pool:
        taken = list(pool.map(lambda _: jobs.lease_job(database, job, "w", 60), range(10)))
    assert sum(claim is not None for claim in taken) == 1
    assert queries.task(database, job.experiment_id, 0).attempts == 1


def test_two_tasks_that_end_at_once_make_one_finish(database: Database) -> None:
    for _ in range(5):
        experiment_id = submitted(database, tasks=4)
        held = [leased(database, experiment_id, index) for index in range(4)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda claim: completed(database, claim), held))
        assert queued_jobs(database, experiment_id) == [Job(experiment_id)]


def test_what_does_not_wait_for_a_worker_is_not_claimed(database: Database) -> None:
    assert jobs.lease_job(database, Job(experiment_id="f" * 16, index=0), "w", 60) is None
    experiment_id = submitted(database)
    assert jobs.lease_job(database, Job(experiment_id=experiment_id, index=99), "w", 60) is None
    assert jobs.lease_job(database, Job(experiment_id=experiment_id), "w", 60) is None  # the finish waits
    completed(database, leased(database, experiment_id, 0))
    assert jobs.lease_job(database, Job(experiment_id=experiment_id, index=0), "w", 60) is None


def test_a_worker_that_lost_its_lease_writes_nothing(database: Database) -> None:
    experiment_id = submitted(database, tasks=1)
    zombie = leased(database, experiment_id, 0, lease_seconds=-1)
    assert leases.expire_leases(database, max_attempts=3) == 1
    successor = leased(database, experiment_id, 0)
    assert (successor.attempt, jobs.check_lease(database, zombie)) == (2, LeaseState.LOST)
    assert jobs.renew_lease(database, zombie, 60) is LeaseState.LOST
    with pytest.raises(LeaseLost):
        jobs.record_epoch(database, zombie, (0.1,), 1.0, "zombie", "z" * 64)
    with pytest.raises(LeaseLost):
        jobs.complete_task(database, zombie, 1.0, "cpu", {}, 0.0)
    with pytest.raises(LeaseLost):
        jobs.fail(database, zombie, "zombie")
    with pytest.raises(LeaseLost):
        jobs.release(database, zombie)
    assert queries.task(database, experiment_id, 0).checkpoint is None
    completed(database, successor)
    assert statuses(database, experiment_id) == ["completed"]


def test_a_renewed_lease_is_not_taken(database: Database) -> None:
    claim = leased(database, submitted(database), 0, lease_seconds=-1)
    assert jobs.renew_lease(database, claim, 60) is LeaseState.HELD
    assert leases.expire_leases(database, max_attempts=3) == 0


def test_jobs_of_killed_workers_are_given_back_and_those_of_others_are_not(database: Database) -> None:
    experiment_id = submitted(database, tasks=4)
    names = ("here/10/11/cpu", "here/10/12/cpu", "elsewhere/10/11/cpu", "worker-1")
    for index, name in enumerate(names):
        assert jobs.lease_job(database, Job(experiment_id, index), name, 60) is not None
    leases.heartbeat(database, "celery@here/10", "here", 10, ["cpu"])
    leases.heartbeat(database, "celery@elsewhere/10", "elsewhere", 10, ["cpu"])
    assert leases.lease_holders(database) == set(names)
    assert leases.release_ended(database, "here", lambda pid: pid == 12) == 1
    assert leases.lease_holders(database) == set(names[1:])
    assert [worker.name for worker in leases.live_workers(database)] == ["celery@elsewhere/10"]
    assert queued_jobs(database, experiment_id) == [Job(experiment_id, 0)]
    assert queries.task(database, experiment_id, 0).attempts == 0
    assert leased(database, experiment_id, 0).attempt == 1


def test_the_finish_of_a_killed_worker_is_given_back_or_cancelled(database: Database) -> None:
    experiment_id = submitted(database, tasks=1)
    completed(database, leased(database, experiment_id, 0))
    for cancel, left in ((False, [Job(experiment_id)]), (True, [])):
        assert jobs.lease_job(database, Job(experiment_id), "here/1/2/cpu", 60) is not None
        if cancel:
            experiments.cancel(database, experiment_id)
        assert leases.release_ended(database, "here", lambda _: False) == 1
        assert queued_jobs(database, experiment_id) == left


def test_a_job_that_keeps_losing_its_workers_fails_with_the_reason(database: Database) -> None:
    experiment_id = submitted(database, tasks=2)
    for _ in range(3):
        leased(database, experiment_id, 0, lease_seconds=-1)
        assert leases.expire_leases(database, max_attempts=3) == 1
    task = queries.task(database, experiment_id, 0)
    assert (task.status, task.attempts) == ("failed", 3)
    assert task.reason == "its worker fell silent 3 times, the last one was worker-1"
    completed(database, leased(database, experiment_id, 1))  # its sibling goes on
    record = queries.experiment(database, experiment_id).record
    assert (record.status, record.reason) == (
        "failed",
        "1 of 2 tasks failed; task 0 (0°): its worker fell silent 3 times, the last one was worker-1",
    )


def test_a_failed_task_leaves_its_siblings_and_resume_trains_what_is_missing(database: Database) -> None:
    experiment_id = submitted(database, tasks=3)
    jobs.fail(database, leased(database, experiment_id, 1), "it broke")
    for index in (0, 2):
        completed(database, leased(database, experiment_id, index))
    assert status(database, experiment_id) == "failed"
    assert kinds(database, experiment_id)[-1] == ("status", "failed")
    experiments.resume(database, experiment_id)
    assert statuses(database, experiment_id) == ["completed", "queued", "completed"]
    assert queued_jobs(database, experiment_id) == [Job(experiment_id=experiment_id, index=1)]
    completed(database, leased(database, experiment_id, 1))
    assert queued_jobs(database, experiment_id) == [Job(experiment_id)]
    assert queries.task(database, experiment_id, 1).reason is None


def test_what_concerns_all_fails_all_at_once(database: Database) -> None:
    experiment_id = submitted(database, tasks=5)
    jobs.fail(database, leased(database, experiment_id, 0), "no data", with_siblings=True)
    assert statuses(database, experiment_id) == ["failed"] * 5
    assert status(database, experiment_id) == "failed"


def test_cancel_ends_queued_work_now_and_running_work_soon(database: Database) -> None:
    experiment_id = submitted(database, tasks=3)
    running = leased(database, experiment_id, 0)
    experiments.cancel(database, experiment_id)
    assert statuses(database, experiment_id) == ["running", "cancelled", "cancelled"]
    assert jobs.check_lease(database, running) is LeaseState.CANCELLED
    assert jobs.lease_job(database, Job(experiment_id=experiment_id, index=1), "w", 60) is None
    jobs.stop_cancelled(database, running)
    assert status(database, experiment_id) == "cancelled"
    experiments.cancel(database, experiment_id)  # a second cancel is no error
    experiments.resume(database, experiment_id)
    assert statuses(database, experiment_id) == ["queued"] * 3
    assert not queries.experiment(database, experiment_id).record.cancel_requested


def test_cancel_of_a_queued_experiment_is_at_once(database: Database) -> None:
    experiment_id = submitted(database)
    experiments.cancel(database, experiment_id)
    assert status(database, experiment_id) == "cancelled"


def test_a_cancelled_task_whose_worker_died_is_cancelled_by_the_sweeper(database: Database) -> None:
    experiment_id = submitted(database, tasks=1)
    leased(database, experiment_id, 0, lease_seconds=-1)
    experiments.cancel(database, experiment_id)
    leases.expire_leases(database, max_attempts=3)
    assert (statuses(database, experiment_id), status(database, experiment_id)) == (
        ["cancelled"],
        "cancelled",
    )


def test_cancel_after_the_last_task_and_resume_still_finish(database: Database) -> None:
    experiment_id = submitted(database, tasks=1)
    completed(database, leased(database, experiment_id, 0))
    experiments.cancel(database, experiment_id)
    assert status(database, experiment_id) == "cancelled"
    experiments.resume(database, experiment_id)
    assert queued_jobs(database, experiment_id) == [Job(experiment_id=experiment_id)]


def test_states_that_do_not_allow_it(database: Database) -> None:
    experiment_id = submitted(database, tasks=1)
    with pytest.raises(Conflict, match="queued"):
        experiments.resume(database, experiment_id)
    running = leased(database, experiment_id, 0)
    with pytest.raises(Conflict, match="cancel it first"):
        experiments.delete(database, experiment_id)
    completed(database, running)
    jobs.complete_finish(database, leased(database, experiment_id, None), {"vectors": ("key", "s" * 64)})
    with pytest.raises(Conflict, match="completed"):
        experiments.cancel(database, experiment_id)
    with pytest.raises(Conflict, match="completed"):
        experiments.resume(database, experiment_id)
    for change in (experiments.cancel, experiments.resume, experiments.delete):
        with pytest.raises(NotFound):
            change(database, "f" * 16)


def test_delete_leaves_no_row(database: Database) -> None:
    experiment_id = submitted(database, tags=("a", "b"))
    kept = submitted(database)
    experiments.delete(database, experiment_id)
    with database.read() as session:
        for record in ExperimentRecord.registry.mappers:
            columns = record.local_table.columns
            if "experiment_id" in columns:
                ids = set(session.scalars(select(columns["experiment_id"])))
                assert ids <= {kept}, record


def test_release_gives_the_attempt_back(database: Database) -> None:
    experiment_id = submitted(database, tasks=1)
    for _ in range(5):
        jobs.release(database, leased(database, experiment_id, 0))
    task = queries.task(database, experiment_id, 0)
    assert (task.status, task.attempts, task.worker) == ("queued", 0, None)


def test_what_is_given_back_after_a_cancel_is_cancelled(database: Database) -> None:
    experiment_id = submitted(database, tasks=1)
    held = leased(database, experiment_id, 0)
    experiments.cancel(database, experiment_id)
    jobs.release(database, held)  # its worker stopped before it saw the cancel
    assert status(database, experiment_id) == "cancelled"


def test_a_resumed_claim_knows_its_checkpoint(database: Database) -> None:
    experiment_id = submitted(database, tasks=1)
    first = leased(database, experiment_id, 0)
    jobs.record_epoch(database, first, (0.5,), 1.0, "key-1", "1" * 64)
    jobs.release(database, first)
    second = leased(database, experiment_id, 0)
    assert (second.checkpoint, second.sha256) == ("key-1", "1" * 64)
    completed(database, second)
    assert (
        queries.experiment(database, experiment_id).record.epochs_done == 2
    )  # the first is not counted twice


def test_an_epoch_whose_acknowledgement_was_lost_is_recorded_once(database: Database) -> None:
    experiment_id = submitted(database, tasks=1)
    claim = leased(database, experiment_id, 0)
    for _ in range(2):  # the worker cannot know that the first was committed
        jobs.record_epoch(database, claim, (0.5,), 1.5, "key-1", "1" * 64)
    told = [event for event in queries.events(database, experiment_id, 0)[0] if event.kind == "progress"]
    assert [event.data["epoch"] for event in told] == [1]
    (task,) = queries.tasks(database, experiment_id)
    assert (task.epochs_done, task.seconds) == (1, 1.5)
    jobs.record_epoch(database, claim, (0.5, 0.4), 1.0, "key-2", "2" * 64)
    assert queries.tasks(database, experiment_id)[0].seconds == 2.5


def test_idempotency_keys(database: Database) -> None:
    plan = ExperimentPlan([PlannedTask("0°", {})], "b" * 64)
    one, new, _ = experiments.submit(database, ExperimentSpec(seed=1), plan, "key")
    again, again_new, _ = experiments.submit(database, ExperimentSpec(seed=1), plan, "key")
    assert (one, new, again_new) == (again, True, False)
    with pytest.raises(InvalidSpec, match="another body"):
        experiments.submit(database, ExperimentSpec(seed=2), plan, "key")
    other, *_ = experiments.submit(database, ExperimentSpec(seed=1), plan)
    assert other != one


def test_progress_and_time_left(database: Database) -> None:
    experiment_id = submitted(database, tasks=2)
    assert queries.experiment(database, experiment_id).progress.eta_seconds is None
    claim = leased(database, experiment_id, 0)
    jobs.record_epoch(database, claim, (0.5,), 1.0, "key-1", "1" * 64)
    with database.write() as session:
        session.execute(update(ExperimentRecord).values(pace_since=ExperimentRecord.pace_since - 10))
    progress = queries.experiment(database, experiment_id).progress
    assert progress.fraction == 0.25
    assert progress.eta_seconds == pytest.approx(30, abs=3)  # ten seconds an epoch, three to go
