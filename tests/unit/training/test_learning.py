"""It learns, and what it learns has the geometry of the paper."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from tests.conftest import missing
from tests.support import training
from tgsh.analysis.similarity import nearest, similarity
from tgsh.datasets.base import ImageDataset
from tgsh.datasets.mnist import load_dataset
from tgsh.specs import ExperimentSpec, TrainingSpec
from tgsh.training.trainer import Trainer


def test_mnist5k_is_learned_and_neighbours_are_alike(digits: ImageDataset) -> None:
    spec = ExperimentSpec(dataset="mnist5k", training=TrainingSpec(epochs=2))
    indices = [0, 1, 2, 9, 10, 18]
    trainer = Trainer(spec, digits, training.CPU)
    states = [state for index in indices for state in training.train(spec, digits, [index], trainer)]
    accuracies = [
        trainer.accuracy(training.chosen(spec, digits, [state.index]), [state])[0] for state in states
    ]
    labels = [task.label for task in training.chosen(spec, digits, indices)]
    after = similarity(np.stack([state.vectors[-1] for state in states]), labels, indices)
    before = similarity(np.stack([state.vectors[0] for state in states]), labels, indices)
    assert min(accuracies) > 0.83
    assert all(state.losses[1] < state.losses[0] for state in states)
    assert nearest(after)[:5] == [1, nearest(after)[1], 1, 4, 3]
    assert 0.65 < after.values[0, 1] < 0.9
    assert after.values[0, 1] > after.values[0, 2] > after.values[0, 3]
    assert np.abs(before.values - np.eye(6)).max() < 0.05


def test_full_mnist_is_learned_in_one_epoch() -> None:
    if "TGSH_DATA_DIR" not in os.environ:
        missing("full MNIST is not here; set TGSH_DATA_DIR")
    mnist = load_dataset("mnist", Path(os.environ["TGSH_DATA_DIR"]))
    spec = ExperimentSpec(training=TrainingSpec(epochs=1))
    trainer = Trainer(spec, mnist, training.CPU)
    states = [state for index in (0, 1, 9) for state in training.train(spec, mnist, [index], trainer)]
    tasks = training.chosen(spec, mnist, [0, 1, 9])
    values = similarity(np.stack([s.vectors[1] for s in states]), ["0", "1", "9"], [0, 1, 9]).values
    assert 0.915 < np.mean(trainer.accuracy(tasks, states)) < 0.945
    assert 0.6 < values[0, 1] < 0.95
    assert abs(values[0, 2]) < 0.3
