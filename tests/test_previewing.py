"""What a preview shows is what an experiment's samples show, byte for byte."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.bench import bench_in, never, submit, work_off
from tgsh.execution import runner
from tgsh.execution.context import Bench
from tgsh.execution.planning import preview
from tgsh.specs import ExperimentSpec
from tgsh.specs.presets import Submission
from tgsh.store import previews
from tgsh.store.leases import take_expired_leases
from tgsh.store.models import Preview, PreviewRecord
from tgsh.store.results import result

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


def asked(bench: Bench, spec: ExperimentSpec) -> str:
    wanted = preview(spec)
    assert previews.ask(bench.database, bench.artifacts, wanted)
    return wanted.key


def drawn(bench: Bench, key: str) -> tuple[PreviewRecord, dict[str, np.ndarray]]:
    record = previews.get(bench.database, key)
    assert (record.status, record.reason) == ("completed", None)
    return record, bench.artifacts.load(str(record.artifact), str(record.artifact_sha256))[0]


@pytest.mark.parametrize("changes", SUITES, ids=lambda changes: changes["suite"]["kind"])
def test_it_shows_what_the_finish_keeps(tmp_path: Path, changes: dict[str, Any]) -> None:
    bench = bench_in(tmp_path)
    spec = spec_of(**changes)
    key = asked(bench, spec)
    assert runner.run_next(bench, never) == Preview(key)
    record, tensors = drawn(bench, key)
    experiment_id = submit(bench, spec)
    work_off(bench, experiment_id)
    found = result(bench.database, bench.artifacts, experiment_id, "samples")
    assert found is not None
    kept, about = found
    places = {index: row for row, (index, _) in enumerate(record.tasks)}
    rows = [places[task] for task in json.loads(about["tasks"])]
    assert kept["images"].tobytes() == tensors["images"][rows].tobytes()
    assert np.array_equal(kept["classes"], tensors["classes"])


def test_it_needs_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tgsh.training.trainer.random_base", None)  # were it called, it would raise
    bench = bench_in(tmp_path)
    key = asked(bench, spec_of())
    runner.run_next(bench, never)
    assert drawn(bench, key)[1]["images"].shape == (36, 10, 784)


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
    bench = bench_in(tmp_path)
    experiment_id = submit(bench)
    key = asked(bench, spec_of())
    assert runner.run_next(bench, never) == Preview(key)
    job = runner.run_next(bench, never)
    assert job is not None
    assert not isinstance(job, Preview)
    assert job.experiment_id == experiment_id


def test_missing_images_fail_it_and_asking_again_tries_again(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder is expected: nothing can be downloaded there")
    bench = bench_in(tmp_path)
    spec = spec_of(dataset="kmnist")
    key = asked(bench, spec)
    runner.run_next(bench, never)
    record = previews.get(bench.database, key)
    assert record.status == "failed"
    assert "train-images-idx3-ubyte" in str(record.reason)
    assert runner.run_next(bench, never) is None
    asked(bench, spec)
    assert runner.run_next(bench, never) == Preview(key)


def test_a_stop_gives_it_back(tmp_path: Path) -> None:
    bench = bench_in(tmp_path)
    key = asked(bench, spec_of())
    looks = iter(range(3))
    runner.run_next(bench, lambda: next(looks, None) is None)
    record = previews.get(bench.database, key)
    assert (record.status, record.attempts) == ("queued", 0)
    assert bench.artifacts.keys("previews") == []
    runner.run_next(bench, never)
    drawn(bench, key)


@pytest.mark.parametrize("point", ["mid-preview", "before the preview's row"])
def test_who_lost_it_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    """It sleeps past its lease, and another draws the preview meanwhile."""
    bench, successor = bench_in(tmp_path), bench_in(tmp_path, "successor")
    key = asked(bench, spec_of())

    def be_succeeded(name: str, index: int | None = None) -> None:
        if name != point:
            return
        monkeypatch.undo()
        with bench.database.write() as session:
            session.get_one(PreviewRecord, key).lease_until = 0.0
        assert take_expired_leases(bench.database, max_attempts=3) == 1
        runner.run_next(successor, never)

    monkeypatch.setattr("tgsh.execution.context.point", be_succeeded)
    assert runner.run_next(bench, never) == Preview(key)
    record, _ = drawn(bench, key)
    assert (record.worker, record.attempts) == ("successor", 2)
    assert bench.artifacts.keys("previews") == [record.artifact]
