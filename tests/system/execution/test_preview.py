"""What a preview shows is what an experiment's samples show, byte for byte."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.execution import never, run_all_jobs, submit, worker_context
from tgsh.execution import runner
from tgsh.execution.context import WorkerContext
from tgsh.execution.planning import preview
from tgsh.specs import ExperimentSpec
from tgsh.specs.presets import Submission
from tgsh.store import previews
from tgsh.store.leases import expire_leases
from tgsh.store.models import Job, PreviewJob, PreviewRecord
from tgsh.store.results import load_result

SMALL: dict[str, Any] = {"dataset": "mnist5k", "training": {"epochs": 1, "train_limit": 50}, "seed": 5}
CUSTOM = [
    {"label": "torn", "transforms": [{"kind": "random-perspective"}, {"kind": "rotate", "degrees": 20}]},
    {"label": "as they are"},
]
SUITES: list[dict[str, Any]] = [
    {
        "suite": {"kind": "rotation", "tasks": 40, "step_degrees": 9},
        "network": {"kind": "flynet", "expansion": 1},
    },
    {"suite": {"kind": "augment"}, "network": {"kind": "flynet", "expansion": 1}},
    {"suite": {"kind": "custom", "tasks": CUSTOM}, "network": {"kind": "flynet", "expansion": 1}},
    {
        "suite": {"kind": "manifold", "tasks": 3, "side": 8, "train_images": 300, "test_images": 100},
        "dataset": "synthetic",
        "network": {"kind": "gsh", "hidden": 9, "rank": 2},
    },
]


def spec_of(**changes: Any) -> ExperimentSpec:
    return Submission.model_validate({**SMALL, **changes}).spec()


def assert_draws(context: WorkerContext, key: str) -> None:
    work = runner.run_next(context, never)
    assert work is not None
    assert work.jobs == [PreviewJob(key)]


def asked(context: WorkerContext, spec: ExperimentSpec) -> str:
    wanted = preview(spec)
    assert previews.request_preview(context.database, context.artifacts, wanted)
    return wanted.key


def drawn(context: WorkerContext, key: str) -> tuple[PreviewRecord, dict[str, np.ndarray]]:
    record = previews.get(context.database, key)
    assert (record.status, record.reason) == ("completed", None)
    return record, context.artifacts.load(str(record.artifact), str(record.artifact_sha256))[0]


@pytest.mark.parametrize("changes", SUITES, ids=lambda changes: changes["suite"]["kind"])
def test_it_shows_what_the_finish_keeps(tmp_path: Path, changes: dict[str, Any]) -> None:
    context = worker_context(tmp_path)
    spec = spec_of(**changes)
    key = asked(context, spec)
    assert_draws(context, key)
    record, tensors = drawn(context, key)
    experiment_id = submit(context, spec)
    run_all_jobs(context, experiment_id)
    found = load_result(context.database, context.artifacts, experiment_id, "samples")
    assert found is not None
    kept, about = found
    places = {index: row for row, (index, _) in enumerate(record.tasks)}
    rows = [places[task] for task in json.loads(about["tasks"])]
    assert kept["images"].tobytes() == tensors["images"][rows].tobytes()
    assert np.array_equal(kept["classes"], tensors["classes"])


def test_it_needs_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tgsh.training.trainer.random_base", None)  # were it called, it would raise
    context = worker_context(tmp_path)
    key = asked(context, spec_of())
    runner.run_next(context, never)
    assert drawn(context, key)[1]["images"].shape == (36, 10, 784)


def test_what_decides_the_picture_decides_the_key() -> None:
    key = preview(spec_of()).key
    same = [{"network": {"kind": "tgsh"}}, {"training": {"epochs": 9}}, {"base_seed": 1}, {"name": "x"}]
    other = [{"seed": 6}, {"suite": {"kind": "shift"}}, {"dataset": "mnist"}, {"suite": {"tasks": 35}}]
    assert {preview(spec_of(**changes)).key for changes in same} == {key}
    assert len({key, *(preview(spec_of(**changes)).key for changes in other)}) == len(other) + 1


def test_of_many_tasks_some_are_drawn() -> None:
    wanted = preview(spec_of(suite={"kind": "rotation", "tasks": 1000, "step_degrees": 0.1}))
    indices = [index for index, _ in wanted.tasks]
    assert (wanted.tasks_total, len(indices), indices[0], indices[-1]) == (1000, 64, 0, 999)
    assert {b - a for a, b in itertools.pairwise(indices)} <= {15, 16}


def test_it_goes_before_tasks_and_its_company_is_trained_after_it(tmp_path: Path) -> None:
    context = worker_context(tmp_path)
    experiment_id = submit(context)
    key = asked(context, spec_of())
    assert_draws(context, key)
    work = runner.run_next(context, never)
    assert work is not None
    [job] = work.jobs
    assert isinstance(job, Job)
    assert job.experiment_id == experiment_id


def test_missing_images_fail_it_and_asking_again_tries_again(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder is expected: nothing can be downloaded there")
    context = worker_context(tmp_path)
    spec = spec_of(dataset="kmnist")
    key = asked(context, spec)
    runner.run_next(context, never)
    record = previews.get(context.database, key)
    assert record.status == "failed"
    assert "train-images-idx3-ubyte" in str(record.reason)
    assert runner.run_next(context, never) is None
    asked(context, spec)
    assert_draws(context, key)


def test_a_stop_gives_it_back(tmp_path: Path) -> None:
    context = worker_context(tmp_path)
    key = asked(context, spec_of())
    looks = iter(range(3))
    runner.run_next(context, lambda: next(looks, None) is None)
    record = previews.get(context.database, key)
    assert (record.status, record.attempts) == ("queued", 0)
    assert context.artifacts.keys("previews") == []
    runner.run_next(context, never)
    drawn(context, key)


@pytest.mark.parametrize("point", ["mid-preview", "before the preview's row"])
def test_who_lost_it_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    """It sleeps past its lease, and another draws the preview meanwhile."""
    context, successor = worker_context(tmp_path), worker_context(tmp_path, "successor")
    key = asked(context, spec_of())

    def be_succeeded(name: str, index: int | None = None) -> None:
        if name != point:
            return
        monkeypatch.undo()
        with context.database.write() as session:
            session.get_one(PreviewRecord, key).lease_until = 0.0
        assert expire_leases(context.database, max_attempts=3) == 1
        runner.run_next(successor, never)

    monkeypatch.setattr("tgsh.execution.faults.fault_point", be_succeeded)
    assert_draws(context, key)
    record, _ = drawn(context, key)
    assert (record.worker, record.attempts) == ("successor", 2)
    assert context.artifacts.keys("previews") == [record.artifact]
