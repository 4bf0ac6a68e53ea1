"""What an experiment needs of a worker, by the spec alone: torch, as training finds it, and images."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tgsh.datasets.descriptions import info_of
from tgsh.execution.planning import plan, preview
from tgsh.execution.requirements import image_fields, torch_fields
from tgsh.specs import ExperimentSpec
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


def test_named_datasets_are_needed_and_uploaded_or_synthetic_ones_are_not() -> None:
    several = {"kind": "datasets", "datasets": ["mnist", "0123456789abcdef", "kmnist"]}
    specs: dict[str, list[tuple[str, str]]] = {
        '{"dataset": "mnist"}': [("dataset", "mnist")],
        '{"dataset": {"id": "0123456789abcdef"}}': [],
        '{"suite": {"kind": "manifold"}, "dataset": "synthetic"}': [],
        json.dumps({"suite": several}): [("suite.datasets.0", "mnist"), ("suite.datasets.2", "kmnist")],
    }
    for text, fields in specs.items():
        assert image_fields(ExperimentSpec.model_validate_json(text)) == fields
