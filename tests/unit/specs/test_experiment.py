"""Specs: what equal digests rest on, and errors that name fields as the request does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from tgsh.errors import InvalidSpec
from tgsh.execution.planning import plan
from tgsh.specs import DatasetsSuite, ExperimentSpec, ManifoldSuite, PermutationSuite, ShiftSuite
from tgsh.specs.presets import PRESETS, Submission

SETS = {"kind": "datasets", "datasets": ["mnist5k", "kmnist"]}
DIGESTS = {
    "augment-mnist": "91160ea756d5d6ba9e775343bba2d1a440d3ed5d5389c53440f63b34c320d258",
    "demo": "87b53c4518699bb9e7b0d78b4c8431369f445fa14843d493291895e33ecd9af8",
    "manifold": "4bfda1771e610cd5f8643337020e372f4e8d143ad7333ee44b041f459cb061d7",
    "rotation-mnist": "f0b6302d7a52f16a5059095ac01cd87e9f4cd6758a579bf510fe6d6d140f9108",
    "rotation-mnist-neuromodnet": "0c0edf55a8e901bffa5fdb3d41754704befe34b67a73f4bb16ccefb66f4aabb5",
    "rotation-mnist-gsh": "3d11029af3718e3f34d302a8db13c296708be76ab4ab690ffb88d1576b3671b8",
    "rotation-mnist-tgsh": "bdfbb5a6426286c58831edad157d33061a94227beb5325c9b9950e2cd000e27b",
    "shift-mnist-1px": "ba12f74db4fd23f22ff4f22b384496d34b53c83baa0a86b68f3e37443d387fd3",
    "shift-mnist-2px": "66d20f04c9c456a29382ea46b98491c0708b7a632d54c9ff08e5b2344c101101",
}


@pytest.mark.parametrize("name", DIGESTS)
def test_digests_of_presets_never_change(name: str) -> None:
    assert PRESETS[name].digest() == DIGESTS[name]  # type: ignore[index]


def test_specs_of_before_keep_their_digests() -> None:
    stored = {"dataset": None, "suite": {"kind": "datasets", "datasets": ["mnist5k", "fashion-mnist"]}}
    spec = ExperimentSpec.model_validate(stored)
    assert spec.digest() == "934742d2e1b61ee4db7e8883baf77a5e3f37ab29e61cad83b7bdbe31f27a422e"
    assert PRESETS["manifold"].digest() == "4bfda1771e610cd5f8643337020e372f4e8d143ad7333ee44b041f459cb061d7"
    assert isinstance(spec.suite, DatasetsSuite)
    assert spec.suite.classes == "order"
    for key, value in {"classes": "names", "size": [28, 28], "channels": 3}.items():
        suite = {**stored["suite"], key: value}  # type: ignore[dict-item]
        assert ExperimentSpec.model_validate({**stored, "suite": suite}).digest() != spec.digest()


def test_a_submission_writes_the_rule_for_classes_into_its_spec() -> None:
    suite = {"kind": "datasets", "datasets": ["mnist5k", "kmnist"]}
    for body in ({"suite": suite}, {"preset": "demo", "suite": suite, "dataset": None}):
        spec = Submission.model_validate(body).spec()
        assert spec.model_dump(mode="json")["suite"]["classes"] == "names"
    for rule in ("order", "nearest", {"kmnist": {"o": "0"}}):
        spec = Submission.model_validate_json(json.dumps({"suite": {**suite, "classes": rule}})).spec()
        assert spec.model_dump(mode="json")["suite"]["classes"] == rule
        assert ExperimentSpec.model_validate_json(spec.model_dump_json()) == spec
        assert hash(spec) == hash(ExperimentSpec.model_validate(spec.model_dump(mode="json")))


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_survives_the_wire_and_can_be_planned(name: str) -> None:
    spec = PRESETS[name]  # type: ignore[index]
    assert ExperimentSpec.model_validate(spec.model_dump(mode="json")) == spec
    assert ExperimentSpec.model_validate_json(spec.model_dump_json()) == spec
    assert Submission.model_validate({"preset": name}).spec() == spec
    assert plan(spec).tasks


def test_both_shift_presets_share_their_base_and_differ_in_chance() -> None:
    one, two = PRESETS["shift-mnist-1px"], PRESETS["shift-mnist-2px"]
    assert plan(one).base_id == plan(two).base_id
    assert one.seed != two.seed


def test_an_object_without_a_kind_is_of_the_first_kind() -> None:
    assert ExperimentSpec.model_validate({"suite": {"tasks": 2}}).suite.kind == "rotation"
    assert ExperimentSpec.model_validate({"network": {"fan_in": 3}}).network.kind == "flynet"


def test_a_preset_of_another_kind_is_replaced_not_merged() -> None:
    body = {"preset": "shift-mnist-2px", "suite": {"kind": "permutation", "tasks": 3}}
    assert Submission.model_validate(body).spec().suite == PermutationSuite(tasks=3)
    merged = Submission.model_validate({"preset": "shift-mnist-2px", "suite": {"tasks": 3}}).spec().suite
    assert merged == ShiftSuite(tasks=3, step_pixels=2)


def test_a_presets_name_and_tags_are_those_of_the_preset_as_it_is() -> None:
    for body in ({}, {"training": {"epochs": 10}}, {"notes": "x", "priority": 1}):
        spec = Submission.model_validate({"preset": "demo", **body}).spec()
        assert (spec.name, spec.tags) == (PRESETS["demo"].name, ("demo",))
    other = Submission.model_validate({"preset": "demo", "training": {"epochs": 4}}).spec()
    assert (other.name, other.tags, other.dataset) == ("", (), "mnist5k")
    named = Submission.model_validate({"preset": "demo", "seed": 1, "name": "mine", "tags": ["demo"]}).spec()
    assert (named.name, named.tags) == ("mine", ("demo",))


def test_the_manifold_suite_makes_its_own_images() -> None:
    for body in ({}, {"dataset": "synthetic"}, {"preset": "rotation-mnist"}):
        spec = Submission.model_validate({**body, "suite": {"kind": "manifold", "tasks": 3}}).spec()
        assert (spec.dataset, len(plan(spec).tasks)) == ("synthetic", 3)
    assert ExperimentSpec(suite=ManifoldSuite()).dataset == "synthetic"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"dataset": "mnist", "suite": {"kind": "manifold"}}, "dataset"),
        ({"dataset": "synthetic"}, "dataset"),
        ({"suite": {"kind": "manifold", "train_images": 1_000_000, "side": 64}}, "suite.train_images"),
        ({"suite": {"kind": "manifold", "classes": 20, "test_images": 19}}, "suite.classes"),
        ({"suite": {"tasks": 101}, "accuracy_matrix": True}, "accuracy_matrix"),
        ({"suite": {"kind": "manifold"}, "normalisation": "dataset"}, "normalisation"),
        ({"suite": {"tasks": 101}, "null_shuffles": 10}, "null_shuffles"),
        ({"suite": {**SETS, "classes": {"kmnist": {"0": "o"}}}}, "suite.classes.kmnist.0"),
    ],
)
def test_parts_that_do_not_fit_together_are_named(body: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidSpec) as refusal:
        plan(Submission.model_validate(body).spec())
    assert refusal.value.field == field


def test_what_is_measured_does_not_change_what_is_learned() -> None:
    spec = PRESETS["rotation-mnist"]
    assert spec.model_copy(update={"accuracy_matrix": True}).digest() == spec.digest()
    assert spec.model_copy(update={"null_shuffles": 5}).digest() == spec.digest()


def test_later_keys_count_where_they_are_not_the_default() -> None:
    bodies: list[dict[str, Any]] = [
        {},
        {"normalisation": "dataset"},
        {"normalisation": "none"},
        {"network": {"start": "common"}},
        {"network": {"start": "ones"}},
        {"network": {"kind": "neuromodnet"}},
        {"network": {"kind": "neuromodnet", "start": "ones"}},
    ]
    specs = [Submission.model_validate({"preset": "rotation-mnist", **body}).spec() for body in bodies]
    assert len({spec.digest() for spec in specs}) == len(bodies)
    told = {"preset": "rotation-mnist", "normalisation": "auto", "network": {"start": "independent"}}
    assert Submission.model_validate(told).spec().digest() == DIGESTS["rotation-mnist"]
    assert [spec.departures for spec in specs] == [
        "",
        "pixels normalised by dataset",
        "pixels 0 to 1",
        "one start for all",
        "start at ones",
        "",
        "start at ones",
    ]
    assert len({plan(spec).base_id for spec in specs[:5]}) == 1  # vectors of all starts are comparable


BAD: list[tuple[dict[str, Any], str]] = [
    ({"suite": {**SETS, "classes": "nmaes"}}, "suite.classes"),
    ({"suite": {**SETS, "classes": {"mnist": {}}}}, "suite.classes"),
    ({"suite": {**SETS, "classes": {"kmnist": {"o": 0}}}}, "suite.classes"),
    ({"suite": {**SETS, "size": [28, 129]}}, "suite.size.1"),
    ({"suite": {**SETS, "size": 28}}, "suite.size"),
    ({"suite": {**SETS, "channels": 2}}, "suite.channels"),
    ({"suite": {**SETS, "fit": "crop"}}, "suite.fit"),
    ({"null_shuffles": 101}, "null_shuffles"),
    ({"suite": {"kind": "shift", "tasks": 0}}, "suite.tasks"),
    ({"suite": {"kind": "shift", "step_pixels": 0}}, "suite.step_pixels"),
    ({"suite": {"kind": "shift", "step_pixels": 1.5}}, "suite.step_pixels"),
    ({"suite": {"kind": "shift", "step_degrees": 1.0}}, "suite.step_degrees"),
    ({"suite": {"kind": "permutation", "permutation_seed": -1}}, "suite.permutation_seed"),
    ({"suite": {"kind": "fold"}}, "suite.kind"),
    ({"suite": {"kind": "manifold", "task_dimensions": 1}}, "suite.task_dimensions"),
    ({"suite": {"kind": "manifold", "perturbation": -1.0}}, "suite.perturbation"),
    ({"accuracy_matrix": 1}, "accuracy_matrix"),
    ({"normalisation": "mnist"}, "normalisation"),
    ({"network": {"start": "zeros"}}, "network.start"),
    ({"network": {"kind": "tgsh", "start": "ones"}}, "network.start"),
    ({"suite": {"kind": 3}}, "suite.kind"),
    ({"suite": {"kind": ["shift"]}}, "suite.kind"),
    ({"suite": None}, "suite"),
    ({"network": {"kind": "transformer"}}, "network.kind"),
    ({"network": {"fan_in": 0}}, "network.fan_in"),
    ({"network": {"kind": "neuromodnet", "layers": [10, 0]}}, "network.layers.1"),
    ({"network": {"kind": "neuromodnet", "layers": 1024}}, "network.layers"),
    ({"network": {"kind": "tgsh", "rank": 0}}, "network.rank"),
    ({"network": {"kind": "gsh", "weight_decay": -0.1}}, "network.weight_decay"),
    ({"network": {"kind": "neuromodnet", "fan_in": 7}}, "network.fan_in"),
]


@pytest.mark.parametrize(("body", "field"), BAD)
def test_errors_name_the_field(body: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        Submission.model_validate(body)
    assert [".".join(map(str, error["loc"])) for error in refusal.value.errors()] == [field]
