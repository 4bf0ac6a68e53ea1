"""Bodies and query parameters that the client makes of what it is given."""

from __future__ import annotations

import numpy as np

from tgsh.client._requests import changed_submission, spec_filters
from tgsh.specs import ExperimentSpec
from tgsh.specs.presets import PRESETS, Submission


def test_a_spec_without_changes_is_sent_as_it_is() -> None:
    assert changed_submission("demo", {}) == {"preset": "demo"}
    spec = ExperimentSpec(name="mine", tags=("a",))
    assert Submission.model_validate(changed_submission(spec, {})).spec() == spec


def test_changes_are_set_by_their_paths_and_leave_the_given_spec_alone() -> None:
    given = {"name": "mine", "training": {"epochs": 1, "batch_size": 64}}
    body = changed_submission(given, {"training.epochs": np.int64(5), "seed": 3})
    assert body == {"training": {"epochs": 5, "batch_size": 64}, "seed": 3}
    assert type(body["training"]["epochs"]) is int
    assert given == {"name": "mine", "training": {"epochs": 1, "batch_size": 64}}


def test_a_changed_preset_has_neither_its_name_nor_its_tags() -> None:
    spec = Submission.model_validate(changed_submission("rotation-mnist", {"training.epochs": 5})).spec()
    preset = PRESETS["rotation-mnist"]
    assert (spec.training.epochs, spec.training.batch_size) == (5, preset.training.batch_size)
    assert (spec.name, spec.tags) == ("", ())
    named = changed_submission("rotation-mnist", {"seed": 1, "name": "other seed"})
    assert Submission.model_validate(named).spec().name == "other seed"


def test_a_name_and_tags_stay_where_nothing_else_is_changed() -> None:
    spec = ExperimentSpec(name="mine", tags=("a",))
    for source in (spec, {"name": "mine", "tags": ["a"], "training": {"epochs": 3}}):
        same = Submission.model_validate(changed_submission(source, {"training.epochs": 3})).spec()
        assert (same.name, same.tags) == ("mine", ("a",))
        renamed = Submission.model_validate(changed_submission(source, {"name": "yours"})).spec()
        assert (renamed.name, renamed.tags) == ("yours", ("a",))
        other = Submission.model_validate(
            changed_submission(source, {"dataset": "kmnist", "tags": ["b"]})
        ).spec()
        assert (other.name, other.tags) == ("", ("b",))


def test_another_kind_brings_its_own_fields() -> None:
    body = changed_submission(ExperimentSpec(), {"network.kind": "neuromodnet", "network.layers": [64]})
    assert body["network"] == {"kind": "neuromodnet", "layers": [64]}


def test_filters_of_a_spec_are_json_but_for_text() -> None:
    fields = {"training.epochs": 5, "network.kind": "flynet", "accuracy_matrix": True}
    assert spec_filters(fields) == {
        "spec.training.epochs": "5",
        "spec.network.kind": "flynet",
        "spec.accuracy_matrix": "true",
    }
