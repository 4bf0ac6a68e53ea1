"""From claim to end, with real training: the same bytes whatever happened on the way."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support.execution import SPEC, digest, never, run_all_jobs, submit, worker_context
from tests.support.jobs import queued_jobs
from tgsh.datasets.mnist import load_dataset
from tgsh.execution import runner
from tgsh.specs import ExperimentSpec, FlyNetSpec
from tgsh.store import experiments, jobs, leases, queries
from tgsh.store.models import Job
from tgsh.store.results import find_stage, load_stage
from tgsh.suites import build
from tgsh.training.trainer import Trainer


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The hash of the vectors when nothing happens."""
    context = worker_context(tmp_path_factory.mktemp("undisturbed"))
    experiment_id = submit(context)
    run_all_jobs(context, experiment_id)
    return digest(context, experiment_id)


def test_a_second_run_has_the_same_bytes_and_another_seed_has_others(
    tmp_path: Path, undisturbed: str
) -> None:
    context = worker_context(tmp_path)
    again = submit(context)
    run_all_jobs(context, again)
    assert digest(context, again) == undisturbed
    other = submit(context, SPEC.model_copy(update={"seed": 1}))
    run_all_jobs(context, other)
    assert digest(context, other) != undisturbed


def test_the_choices_of_a_spec_reach_the_worker(tmp_path: Path, undisturbed: str) -> None:
    context = worker_context(tmp_path)
    network = FlyNetSpec(expansion=2, start="ones")
    spec = SPEC.model_copy(update={"normalisation": "none", "network": network})
    for other in (SPEC.model_copy(update={"normalisation": "none"}), spec):
        experiment_id = submit(context, other)
        run_all_jobs(context, experiment_id)
        assert digest(context, experiment_id) != undisturbed
    first, last, update = (
        load_stage(context.artifacts, replace(find_stage(context.database, experiment_id, stage), **more))
        for stage, more in (("before", {}), ("after", {}), ("after", {"is_update": True}))
    )
    assert (first == 1).all()
    np.testing.assert_array_equal(update, last - first)
    data = load_dataset("mnist5k", tmp_path)
    trainer, [task, *_] = Trainer(spec, data, "cpu"), build(spec.suite, data.info)
    state = trainer.fresh(0)
    for _ in range(spec.training.epochs):
        [state] = trainer.epoch([task], [state], never)
    assert state.vectors[-1].tobytes() == last[0].tobytes()


def test_tasks_in_any_order_and_on_several_threads_have_the_same_bytes(
    tmp_path: Path, undisturbed: str
) -> None:
    context = worker_context(tmp_path)
    experiment_id = submit(context)
    waiting = queued_jobs(context.database, experiment_id)
    for job in reversed(waiting):
        runner.run(context, job, never)
    run_all_jobs(context, experiment_id)
    assert digest(context, experiment_id) == undisturbed


@pytest.mark.parametrize("after_batches", [0, 1, 7])
def test_a_task_that_is_stopped_and_resumed_has_the_same_bytes(
    tmp_path: Path, undisturbed: str, after_batches: int
) -> None:
    context = worker_context(tmp_path)
    experiment_id = submit(context)
    job = Job(experiment_id=experiment_id, index=1)
    asked = iter(range(after_batches + 1))
    runner.run(context, job, lambda: next(asked, None) is None)
    task = queries.task(context.database, experiment_id, 1)
    assert (task.status, task.attempts) == ("queued", 0)
    assert task.epochs_done == (1 if after_batches > 5 else 0)  # 600 images are five batches
    run_all_jobs(context, experiment_id)
    assert digest(context, experiment_id) == undisturbed
    assert queries.experiment(context.database, experiment_id).record.epochs_done == 6


def test_a_lost_worker_is_succeeded_and_writes_nothing(tmp_path: Path, undisturbed: str) -> None:
    context = worker_context(tmp_path)
    experiment_id = submit(context)
    job = Job(experiment_id=experiment_id, index=0)
    calls = 0

    def be_succeeded() -> bool:
        """In the middle of the second epoch another worker takes over, and finishes."""
        nonlocal calls
        calls += 1
        if calls == 7:
            with context.database.write() as session:
                session.get_one(experiments.TaskRecord, (experiment_id, 0)).lease_until = 0.0
            assert leases.expire_leases(context.database, max_attempts=3) == 1
            successor = worker_context(tmp_path, "successor")
            thread = threading.Thread(target=runner.run, args=(successor, job, never))
            thread.start()
            thread.join()
        return False

    runner.run(context, job, be_succeeded)
    task = queries.task(context.database, experiment_id, 0)
    assert (task.status, task.attempts, task.worker) == ("completed", 2, "successor")
    run_all_jobs(context, experiment_id)
    assert digest(context, experiment_id) == undisturbed


def test_a_damaged_checkpoint_is_computed_again(tmp_path: Path, undisturbed: str) -> None:
    context = worker_context(tmp_path)
    experiment_id = submit(context)
    asked = iter(range(8))
    runner.run(context, Job(experiment_id=experiment_id, index=2), lambda: next(asked, None) is None)
    [checkpoint] = (tmp_path / "artifacts").rglob("*.safetensors")
    content = bytearray(checkpoint.read_bytes())
    content[len(content) // 2] ^= 1
    checkpoint.write_bytes(content)
    run_all_jobs(context, experiment_id)
    assert digest(context, experiment_id) == undisturbed
    assert queries.experiment(context.database, experiment_id).record.epochs_done == 6


def test_a_task_that_raises_fails_alone_and_resume_trains_what_is_missing(
    tmp_path: Path, undisturbed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = tmp_path / "faults.json"
    faults.write_text(json.dumps([{"point": "mid-epoch", "index": 1, "action": "raise"}]))
    monkeypatch.setenv("TGSH_TEST_FAULTS", str(faults))
    context = worker_context(tmp_path)
    experiment_id = submit(context)
    run_all_jobs(context, experiment_id)
    record = queries.experiment(context.database, experiment_id).record
    assert record.status == "failed"
    assert record.reason == "1 of 3 tasks failed; task 1 (15°): InjectedFault: injected at mid-epoch"
    before = {task.index: task.checkpoint for task in queries.tasks(context.database, experiment_id)}
    faults.unlink()
    experiments.resume(context.database, experiment_id)
    run_all_jobs(context, experiment_id)
    assert digest(context, experiment_id) == undisturbed
    after = {task.index: task.checkpoint for task in queries.tasks(context.database, experiment_id)}
    assert (before[0], before[2]) == (after[0], after[2])  # they were not trained again


def test_tasks_trained_in_one_batch_as_on_a_gpu(tmp_path: Path) -> None:
    alone, together = (
        worker_context(tmp_path / "alone"),
        replace(worker_context(tmp_path / "together"), at_once=3),
    )
    expected = submit(alone)
    run_all_jobs(alone, expected)
    experiment_id = submit(together)
    runner.run(together, Job(experiment_id=experiment_id, index=1), never)
    assert queued_jobs(together.database, experiment_id) == [Job(experiment_id)]  # one job, three tasks
    run_all_jobs(together, experiment_id)
    vectors = [
        load_stage(context.artifacts, find_stage(context.database, identifier, "after"))
        for context, identifier in ((alone, expected), (together, experiment_id))
    ]
    np.testing.assert_allclose(vectors[1], vectors[0], rtol=1e-3, atol=1e-4)


def test_one_of_a_batch_that_fails_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = tmp_path / "faults.json"
    faults.write_text(json.dumps([{"point": "before completing", "index": 1, "action": "raise"}]))
    monkeypatch.setenv("TGSH_TEST_FAULTS", str(faults))
    context = replace(worker_context(tmp_path), at_once=3)
    experiment_id = submit(context)
    runner.run(context, Job(experiment_id=experiment_id, index=0), never)
    assert [task.status for task in queries.tasks(context.database, experiment_id)] == [
        "completed",
        "failed",
        "completed",
    ]
    assert queries.experiment(context.database, experiment_id).record.status == "failed"


def test_cancel_is_noticed_in_the_middle_of_an_epoch(tmp_path: Path) -> None:
    context = worker_context(tmp_path)
    experiment_id = submit(
        context, SPEC.model_copy(update={"training": SPEC.training.model_copy(update={"epochs": 900})})
    )
    thread = threading.Thread(
        target=runner.run, args=(context, Job(experiment_id=experiment_id, index=0), never)
    )
    thread.start()
    while queries.task(context.database, experiment_id, 0).epochs_done == 0:
        assert thread.is_alive()
    experiments.cancel(context.database, experiment_id)
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert queries.experiment(context.database, experiment_id).record.status == "cancelled"


def test_missing_images_fail_the_experiment_at_once(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder is expected: nothing can be downloaded there")
    context = worker_context(tmp_path)
    experiment_id = submit(context, SPEC.model_copy(update={"dataset": "kmnist"}))
    runner.run(context, Job(experiment_id=experiment_id, index=0), never)
    record = queries.experiment(context.database, experiment_id).record
    assert record.status == "failed"
    assert record.reason is not None
    assert str(tmp_path / "data" / "KMNIST" / "raw") in record.reason
    assert "train-images-idx3-ubyte" in record.reason
    assert [task.status for task in queries.tasks(context.database, experiment_id)] == ["failed"] * 3


def test_jobs_that_are_done_or_not_there_are_not_done_again(tmp_path: Path) -> None:
    context = worker_context(tmp_path)
    experiment_id = submit(context)
    run_all_jobs(context, experiment_id)
    events = len(queries.events(context.database, experiment_id, 0)[0])
    for index in (0, 1, 2, None, 7):
        runner.run(context, Job(experiment_id=experiment_id, index=index), never)
    assert runner.run_next(context, never) is None
    assert len(queries.events(context.database, experiment_id, 0)[0]) == events
    assert jobs.lease_job(context.database, Job(experiment_id=experiment_id), "w", 60) is None


@pytest.mark.parametrize(
    ("changes", "width"),
    [
        ({"network": {"kind": "neuromodnet", "layers": [30, 20]}}, 784 + 30 + 20),
        ({"network": {"kind": "tgsh", "hidden": 20, "rank": 4}}, 80),
        ({"network": {"kind": "gsh", "hidden": 20, "rank": 4}}, 80 + 40),
        ({"suite": {"kind": "shift", "step_pixels": 9, "tasks": 3}}, 1568),
        ({"suite": {"kind": "permutation", "tasks": 3}}, 1568),
        ({"suite": {"kind": "manifold", "tasks": 3, "side": 8}, "dataset": "synthetic"}, 128),
    ],
)
def test_every_network_and_suite_goes_the_same_way(
    tmp_path: Path, changes: dict[str, object], width: int
) -> None:
    context = worker_context(tmp_path)
    experiment_id = submit(context, ExperimentSpec.model_validate(SPEC.model_dump(mode="json") | changes))
    run_all_jobs(context, experiment_id)
    ref = find_stage(context.database, experiment_id, "after")
    assert load_stage(context.artifacts, ref).shape == (3, width)
    assert all(task.accuracy for task in queries.tasks(context.database, experiment_id))


def test_random_transforms_have_the_same_bytes_after_a_stop(tmp_path: Path) -> None:
    spec = ExperimentSpec.model_validate(SPEC.model_dump(mode="json") | {"suite": {"kind": "augment"}})
    undisturbed, stopped = (worker_context(tmp_path / name) for name in ("undisturbed", "stopped"))
    ids = [submit(context, spec) for context in (undisturbed, stopped)]
    asked = iter(range(8))  # in the middle of the second epoch
    runner.run(stopped, Job(experiment_id=ids[1], index=5), lambda: next(asked, None) is None)
    assert queries.task(stopped.database, ids[1], 5).epochs_done == 1
    for context, experiment_id in zip((undisturbed, stopped), ids, strict=True):
        run_all_jobs(context, experiment_id)
    assert digest(undisturbed, ids[0]) == digest(stopped, ids[1])
