"""What the finish of an experiment measures and leaves behind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.support.execution import SPEC, never, run_all_jobs, submit, worker_context
from tests.support.jobs import queued_jobs
from tgsh.datasets.mnist import load_dataset
from tgsh.execution import runner
from tgsh.specs import ExperimentSpec
from tgsh.specs.presets import Submission
from tgsh.store import queries
from tgsh.store.models import Job
from tgsh.store.results import PROVENANCE, find_stage, load_result, load_stage, task_origins
from tgsh.suites.sources import source_of
from tgsh.system import description


def test_files_that_no_row_names_are_gone_at_the_end(tmp_path: Path) -> None:
    context = worker_context(tmp_path)
    experiment_id = submit(context)
    context.artifacts.save(f"{experiment_id}/tasks/00000-e1-zombie", {"v": np.zeros(1, np.float32)}, {})
    run_all_jobs(context, experiment_id)
    named = {task.checkpoint for task in queries.tasks(context.database, experiment_id)}
    ref = find_stage(context.database, experiment_id, "after")
    kept = set(context.artifacts.keys(experiment_id)) - named
    names = {key.split("/")[1].rsplit("-", 1)[0] for key in kept}
    assert names == {
        "vectors",
        "class-means",
        "geometry",
        "samples",
        "provenance",
        "probe",
        "calibration",
    }
    assert ref.sources[0][0] in kept
    assert load_stage(context.artifacts, ref).shape == (3, 1568)


def test_replicates_keep_images_that_no_seed_decides_once(tmp_path: Path) -> None:
    context = worker_context(tmp_path)
    ids = [submit(context, SPEC.model_copy(update={"seed": seed})) for seed in (0, 1)]
    for experiment_id in ids:
        run_all_jobs(context, experiment_id)

    def inodes(name: str) -> set[int]:
        folder = tmp_path / "artifacts"
        return {path.stat().st_ino for id in ids for path in (folder / id).glob(f"{name}-*")}

    assert len(inodes("samples")) == len(inodes("class-means")) == 1
    assert len(inodes("geometry")) == 2
    context.artifacts.remove_all(ids[0])
    assert load_result(context.database, context.artifacts, ids[1], "samples") is not None


def test_the_finish_measures_what_reads_need(tmp_path: Path) -> None:
    context = worker_context(tmp_path)
    experiment_id = submit(context)
    assert load_result(context.database, context.artifacts, experiment_id, "geometry") is None
    run_all_jobs(context, experiment_id)
    means = load_result(context.database, context.artifacts, experiment_id, "class-means")
    assert means is not None
    assert means[0]["means"].shape == (3, 10, 784)
    samples = load_result(context.database, context.artifacts, experiment_id, "samples")
    assert samples is not None
    digits = load_dataset("mnist5k", tmp_path)
    assert samples[0]["images"].shape == (3, 10, 784)
    assert samples[0]["classes"].tolist() == list(range(10))
    np.testing.assert_allclose(samples[0]["images"][0], digits.test_images[:10] / 255, atol=1e-6)
    assert json.loads(samples[1]["tasks"]) == [0, 1, 2]
    assert load_result(context.database, context.artifacts, experiment_id, "accuracy-matrix") is None
    found = load_result(context.database, context.artifacts, experiment_id, "geometry")
    assert found is not None
    tensors, about = found
    summaries, sample = json.loads(about["summaries"]), json.loads(about["sample"])
    assert sample == {"tasks": [0, 1, 2], "classes": 10, "images": 6}
    assert tensors["after.intra"].sum() == 3 * 45 * 36
    assert tensors["after.inter"].sum() == 3 * 10 * 36
    assert summaries["before"]["inter_mean"] == pytest.approx(0, abs=0.1)  # contexts are independent
    assert summaries["after"]["inter_mean"] > 0.2  # alike tasks have come closer
    assert summaries["after"]["task_accuracy"] > 0.9
    assert summaries["after"]["parameter_r2"] > 0.9
    assert summaries["after"]["neighbour_mean"] > summaries["after"]["inter_mean"]
    assert summaries["after"]["left_out"]["unit"] == "degrees"
    assert summaries["after"]["left_out"]["r2"] > summaries["before"]["left_out"]["r2"]


def test_tasks_that_change_values_are_measured_as_they_show_images(tmp_path: Path) -> None:
    tasks = [
        {"label": "as it is", "transforms": []},
        {"label": "turned", "transforms": [{"kind": "rotate", "degrees": 180}]},
        {"label": "inverted", "transforms": [{"kind": "invert"}]},
    ]
    changes = {"suite": {"kind": "custom", "tasks": tasks}}
    spec = Submission.model_validate({**SPEC.model_dump(mode="json"), **changes}).spec()
    context = worker_context(tmp_path)
    experiment_id = submit(context, spec)
    run_all_jobs(context, experiment_id)
    found = load_result(context.database, context.artifacts, experiment_id, "class-means")
    assert found is not None
    plain, turned, inverted = found[0]["means"]
    np.testing.assert_allclose(turned, plain.reshape(10, 28, 28)[:, ::-1, ::-1].reshape(10, -1), atol=1e-6)
    np.testing.assert_allclose(inverted, 1 - plain, atol=1e-5)


NETWORKS = [
    {"kind": "flynet", "expansion": 2},
    {"kind": "neuromodnet", "layers": [30, 20]},
    {"kind": "tgsh", "hidden": 20, "rank": 4},
    {"kind": "gsh", "hidden": 20, "rank": 4},
]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network["kind"])
def test_the_accuracy_matrix_shows_that_nothing_is_forgotten(
    tmp_path: Path, network: dict[str, object]
) -> None:
    changes = {"network": network, "accuracy_matrix": True}
    context = worker_context(tmp_path)
    experiment_id = submit(context, ExperimentSpec.model_validate(SPEC.model_dump(mode="json") | changes))
    run_all_jobs(context, experiment_id)
    found = load_result(context.database, context.artifacts, experiment_id, "accuracy-matrix")
    assert found is not None
    matrix, untrained = found[0]["matrix"], found[0]["untrained"]
    learned = [task.accuracy for task in queries.tasks(context.database, experiment_id)]
    assert np.diagonal(matrix).tolist() == learned
    assert matrix.shape == (3, 3)
    assert untrained.shape == (3,)
    assert untrained.mean() < np.mean(learned)
    if network["kind"] == "flynet":
        assert matrix[0, 0] > matrix[0, 1] > matrix[0, 2]  # 15° away is easier than 30°


def test_a_finish_that_is_stopped_gives_its_claim_back(tmp_path: Path) -> None:
    spec = SPEC.model_copy(update={"accuracy_matrix": True})
    context = worker_context(tmp_path)
    experiment_id = submit(context, spec)
    for job in queued_jobs(context.database, experiment_id):
        runner.run(context, job, never)
    asked = iter(range(4))
    runner.run(context, Job(experiment_id=experiment_id), lambda: next(asked, None) is None)
    assert queries.experiment(context.database, experiment_id).record.status == "running"
    assert queued_jobs(context.database, experiment_id) == [Job(experiment_id=experiment_id)]
    run_all_jobs(context, experiment_id)
    assert load_result(context.database, context.artifacts, experiment_id, "accuracy-matrix") is not None


def test_what_each_task_was_trained_on_and_with_is_kept(tmp_path: Path) -> None:
    changes = {
        "suite": {"kind": "manifold", "tasks": 2, "side": 4, "train_images": 600, "test_images": 60},
        "dataset": "synthetic",
    }
    spec = ExperimentSpec.model_validate(SPEC.model_dump(mode="json") | changes)
    context = worker_context(tmp_path)
    experiment_id = submit(context, spec)
    assert task_origins(context.database, context.artifacts, experiment_id) is None
    run_all_jobs(context, experiment_id)
    found = task_origins(context.database, context.artifacts, experiment_id)
    assert found is not None
    source = source_of(spec, tmp_path)
    assert [origin["images"] for origin in found] == [source.of(task).digests for task in (0, 1)]
    versions = queries.experiment(context.database, experiment_id).record.versions
    assert {origin["machine"] for origin in found} == {description()}
    assert all(origin["versions"] == versions for origin in found)
    kept = load_result(context.database, context.artifacts, experiment_id, PROVENANCE)
    assert kept is not None
    assert len(json.loads(kept[1]["origins"])) == 2  # each once
