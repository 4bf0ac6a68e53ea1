"""Typical costs against what the README measured, and how they grow."""

from __future__ import annotations

from typing import Any

import pytest

from tgsh.datasets.descriptions import info_of
from tgsh.execution.planning import crossing_seconds, image_seconds, task_seconds
from tgsh.specs import ExperimentSpec
from tgsh.specs.presets import Submission

MEASURED: list[tuple[float, dict[str, Any]]] = [
    (0.148, {}),
    (0.157, {"suite": {"kind": "shift"}}),
    (2.69, {"network": {"kind": "neuromodnet"}}),
    (0.768, {"network": {"kind": "tgsh"}}),
    (0.727, {"network": {"kind": "gsh"}}),
    *(
        (seconds, {"suite": {"kind": "custom", "tasks": [{"label": "a", "transforms": [{"kind": kind}]}]}})
        for seconds, kind in (
            (0.148, "horizontal-flip"),
            (0.323, "gaussian-blur"),
            (0.447, "random-perspective"),
            (0.386, "random-resized-crop"),
        )
    ),
]
"""Seconds of a task-epoch of MNIST, from the README's table."""


def spec_of(**changes: Any) -> ExperimentSpec:
    return Submission.model_validate(changes).spec()


@pytest.mark.parametrize(("seconds", "changes"), MEASURED)
def test_a_task_epoch_takes_what_was_measured(seconds: float, changes: dict[str, Any]) -> None:
    spec = spec_of(**changes)
    assert 60_000 * image_seconds(spec, info_of(spec)) == pytest.approx(seconds, rel=0.15)


def test_it_grows_with_images_epochs_and_units() -> None:
    def seconds(**changes: Any) -> float:
        spec = spec_of(**changes)
        return task_seconds(spec, info_of(spec))

    one = seconds(training={"epochs": 1})
    assert seconds(training={"epochs": 11}) == pytest.approx(11 * one, rel=0.2)
    assert seconds(training={"epochs": 1}, network={"kind": "flynet", "expansion": 20}) == 2 * one
    assert seconds(training={"epochs": 10, "train_limit": 6_000}) == pytest.approx(one, rel=0.1)
    assert seconds(dataset="mnist5k", training={"epochs": 1}) < one / 10
    augmented, moved = seconds(suite={"kind": "augment"}), seconds()
    assert 1.5 < augmented / moved < 2.5  # five of its eight tasks compute images anew


def test_the_accuracy_matrix_is_every_context_on_every_task() -> None:
    info = info_of(spec_of())
    assert crossing_seconds(spec_of(), info, 36) == 0
    crossed = [crossing_seconds(spec_of(accuracy_matrix=True), info, tasks) for tasks in (10, 20)]
    assert crossed[1] / crossed[0] == pytest.approx(4, rel=0.1)
    assert crossed[0] == pytest.approx(110 * 0.0159, rel=0.15)  # evaluations, at what one was measured
