"""What needs torch: by the spec alone, as training finds it; and the refusal where no worker has it."""

from __future__ import annotations

from typing import Any

import pytest

from tgsh.datasets.base import info_of
from tgsh.execution.planning import plan, preview
from tgsh.execution.requirements import lack_torch, refusal, torch_fields
from tgsh.specs import ExperimentSpec
from tgsh.specs.presets import PRESETS
from tgsh.store.models import WorkerRecord
from tgsh.suites import build
from tgsh.suites.pipeline import ImageTransform

NEAREST = {"kind": "affine", "degrees": 5, "interpolation": "nearest"}
SMOOTH = {"kind": "affine", "degrees": 5, "interpolation": "bilinear"}
SUITES: list[dict[str, Any]] = [
    {"kind": "rotation", "tasks": 2},
    {"kind": "shift"},
    {"kind": "permutation", "tasks": 2},
    {"kind": "augment"},
    {"kind": "custom", "tasks": [{"label": "a", "transforms": [NEAREST]}, {"label": "b", "transforms": []}]},
    {"kind": "custom", "tasks": [{"label": "a", "transforms": []}, {"label": "b", "transforms": [SMOOTH]}]},
    {
        "kind": "custom",
        "tasks": [{"label": "a", "transforms": [{"kind": "rotate", "degrees": 5}, {"kind": "invert"}]}],
    },
]


def worker(has_torch: bool) -> WorkerRecord:
    return WorkerRecord(name="w", host="h", pid=1, slots=["cpu"], has_torch=has_torch, seen_at=0.0)


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: str(suite["kind"]))
def test_a_suite_needs_torch_where_training_would_compute_pixels_by_it(suite: dict[str, Any]) -> None:
    spec = ExperimentSpec.model_validate({"dataset": "mnist5k", "suite": suite})
    tasks = build(spec.suite, info_of(spec))
    computed = any(isinstance(task.transform, ImageTransform) for task in tasks)
    assert bool(torch_fields(spec)) == plan(spec).needs_torch == preview(spec).needs_torch == computed


@pytest.mark.parametrize("kind", ["neuromodnet", "tgsh", "gsh"])
def test_networks_but_flynet_need_torch_and_their_previews_do_not(kind: str) -> None:
    spec = ExperimentSpec.model_validate({"dataset": "mnist5k", "network": {"kind": kind}})
    assert torch_fields(spec) == [("network.kind", kind)]
    assert plan(spec).needs_torch
    assert not preview(spec).needs_torch


def test_the_field_of_a_custom_suite_is_the_first_transform_that_computes() -> None:
    spec = ExperimentSpec.model_validate({"dataset": "mnist5k", "suite": SUITES[-1]})
    assert torch_fields(spec) == [("suite.tasks.0.transforms.1", "invert")]


def test_all_that_needs_torch_is_refused_at_once_where_workers_live_and_none_has_it() -> None:
    spec = ExperimentSpec.model_validate({"network": {"kind": "tgsh"}, "suite": {"kind": "augment"}})
    error = refusal(torch_fields(spec), [worker(False)])
    assert error is not None
    assert [field for field, _ in error.fields] == ["network.kind", "suite.kind"]
    assert error.fields[1][1].startswith("augment needs torch: pip install 'tgsh[worker]'")
    assert str(error).count("\n") == 1
    assert refusal(torch_fields(spec), [worker(False), worker(True)]) is None
    assert refusal(torch_fields(spec), []) is None  # a worker that starts later may have it
    assert refusal(torch_fields(PRESETS["rotation-mnist"]), [worker(False)]) is None
    assert not lack_torch([])
