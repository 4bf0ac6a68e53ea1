"""Test images of every task under every context."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tgsh.analysis.task_inference import Calibration
from tgsh.datasets.base import ImageDataset
from tgsh.errors import Interrupted
from tgsh.specs import (
    AugmentSuite,
    ExperimentSpec,
    FlyNetSpec,
    NetworkSpec,
    NeuroModNetSpec,
    RotationSuite,
    SuiteSpec,
    TgshSpec,
    TrainingSpec,
)
from tgsh.suites import SuiteTask, build
from tgsh.training import probe as probing
from tgsh.training.probe import probe
from tgsh.training.state import TaskState
from tgsh.training.trainer import Trainer

ROTATIONS = RotationSuite(tasks=3, step_degrees=90)


def trained(
    digits: ImageDataset, suite: SuiteSpec = ROTATIONS
) -> tuple[Trainer, list[SuiteTask], np.ndarray]:
    return learned(digits, suite)[:3]


def learned(
    digits: ImageDataset, suite: SuiteSpec = ROTATIONS, network: NetworkSpec | None = None
) -> tuple[Trainer, list[SuiteTask], np.ndarray, list[TaskState]]:
    spec = ExperimentSpec(
        dataset="mnist5k",
        suite=suite,
        network=network or FlyNetSpec(expansion=2),
        training=TrainingSpec(epochs=1, train_limit=1280, batch_size=32),
    )
    trainer = Trainer(spec, digits, "cpu")
    tasks = list(build(suite, digits.info))
    states = [trainer.epoch([task], [trainer.fresh(task.index)], lambda: False)[0] for task in tasks]
    return trainer, tasks, np.stack([state.vectors[-1] for state in states]), states


NETWORKS: tuple[NetworkSpec, ...] = (
    FlyNetSpec(expansion=2),
    NeuroModNetSpec(layers=(20,)),
    TgshSpec(hidden=20, rank=6),
)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.kind)
def test_own_contexts_see_what_the_trainer_sees(digits: ImageDataset, network: NetworkSpec) -> None:
    trainer, tasks, vectors, states = learned(digits, network=network)
    found = probe(trainer, tasks, vectors, lambda: False)
    tensors, about = found["probe"]
    logits, labels = tensors["logits"], tensors["labels"]
    assert logits.shape == (3, 300, 3, 10)
    assert (logits.dtype, tensors["images"].shape) == (np.float16, (3, 40, 784))
    assert (json.loads(about["tasks"]), about["fitted"]) == ([0, 1, 2], "100")
    np.testing.assert_array_equal(logits.max(axis=-1), 0)
    base: Any = trainer.base
    readout = base.weights[-1] if isinstance(network, NeuroModNetSpec) else base.readout
    for task, state in zip(tasks, states, strict=True):
        own = (logits[task.index, :, task.index].argmax(axis=-1) == labels[task.index]).mean()
        assert own == pytest.approx(trainer.accuracy([task], [state])[0], abs=0.08)  # of all 1,000 images
    # The images that are kept, through the trainer's own code: it moves pixels of dataset images itself.
    identity = tasks[0]
    by_trainer = trainer.representations(identity, vectors[0], tensors["images"][0]) @ readout.T
    by_trainer -= by_trainer.max(axis=1, keepdims=True)
    np.testing.assert_allclose(logits[0, :40, 0], by_trainer, rtol=5e-3, atol=5e-3)


def test_calibration_is_of_the_same_images(digits: ImageDataset) -> None:
    found = probe(*trained(digits), lambda: False)
    tensors, about = found["calibration"]
    calibration = Calibration.from_text(about["calibration"], tensors["scales"])
    assert (calibration.fitted, calibration.measured) == (300, 600)
    assert calibration.rules["margin"][100].right > 0.95


def test_images_that_are_computed_are_taken_as_they_are(digits: ImageDataset) -> None:
    trainer, tasks, vectors = trained(digits, AugmentSuite())
    found = probe(trainer, tasks, vectors, lambda: False)
    assert found["probe"][0]["logits"].shape == (8, 300, 8, 10)
    assert found["probe"][0]["images"].dtype == np.uint8


def test_it_is_the_same_every_time(digits: ImageDataset) -> None:
    trainer, tasks, vectors = trained(digits)
    one, other = (probe(trainer, tasks, vectors, lambda: False) for _ in range(2))
    for name in ("logits", "labels", "images"):
        np.testing.assert_array_equal(one["probe"][0][name], other["probe"][0][name])
    assert one["calibration"][1] == other["calibration"][1]


def test_its_cost_is_bounded(digits: ImageDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer, tasks, vectors = trained(digits, RotationSuite(tasks=8, step_degrees=45))
    monkeypatch.setattr(probing, "MOST_NUMBERS", 30 * 8 * 10 * 7)
    few = probe(trainer, tasks, vectors, lambda: False)["probe"]
    assert few[0]["logits"].shape == (7, 30, 8, 10)
    assert len(json.loads(few[1]["tasks"])) == 7
    monkeypatch.setattr(probing, "MOST_NUMBERS", 2 * 8 * 10)
    assert probe(trainer, tasks, vectors, lambda: False) == {}
    monkeypatch.setattr(probing, "MOST_CONTEXTS", 7)
    assert probe(trainer, tasks, vectors, lambda: False) == {}


def test_it_can_be_stopped(digits: ImageDataset) -> None:
    with pytest.raises(Interrupted):
        probe(*trained(digits), lambda: True)
