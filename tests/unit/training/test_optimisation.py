"""Whole epochs against autograd and torch.optim.RMSprop in float64, in the same batch order."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from tests.support import plain_networks as plain
from tests.support import training
from tgsh.datasets.base import ImageDataset
from tgsh.settings import Compute
from tgsh.specs import ExperimentSpec, TrainingSpec
from tgsh.suites import build
from tgsh.training.state import TaskState, batch_order, fresh_state
from tgsh.training.trainer import Trainer


@cache
def _plainly(spec: ExperimentSpec, digits: ImageDataset, index: int) -> tuple[np.ndarray, list[float], float]:
    """v after all epochs, the losses, and test accuracy, by the definition."""
    base = training.base_of(spec, digits)
    transform = build(spec.suite, digits.info)[index].transform
    limit = spec.training.train_limit or len(digits.train_images)
    a = plain.dense(base, digits.info.pixels)
    phi = plain.features(a, transform.apply(digits.train_images[:limit]))
    labels = torch.from_numpy(digits.train_labels[:limit].astype(np.int64))
    start = fresh_state(spec, training.context(spec, digits), index).parameters
    c, g = (torch.from_numpy(start[name].astype(np.float64)).requires_grad_() for name in ("c", "g"))
    optimiser = torch.optim.RMSprop([c, g], lr=spec.training.learning_rate)
    losses = []
    for epoch in range(spec.training.epochs):
        total = 0.0
        order = torch.from_numpy(batch_order(spec.seed, index, epoch, limit))
        for batch in order.split(spec.training.batch_size):
            optimiser.zero_grad()
            loss = cross_entropy(plain.logits(base, phi[batch], c, g), labels[batch])
            loss.backward()
            optimiser.step()
            total += loss.item() * len(batch)
        losses.append(total / limit)
    with torch.no_grad():
        test = plain.features(a, transform.apply(digits.test_images))
        believed = plain.logits(base, test, c, g).argmax(1).numpy()
    return (g * c).detach().numpy(), losses, float((believed == digits.test_labels).mean())


PAPER = ExperimentSpec(dataset="mnist5k", training=TrainingSpec(train_limit=2000, epochs=1))


def _distance(state: TaskState, v: np.ndarray, trimmed: float = 0.0) -> float:
    """Relative L2 distance of the last vector, without that share of the units that differ most."""
    differences = np.sort(np.abs(state.vectors[-1] - v))
    kept = differences[: len(v) - int(trimmed * len(v))]
    return float(np.linalg.norm(kept) / np.linalg.norm(v))


@pytest.mark.slow
@pytest.mark.parametrize("path", ["torch", "fused"])
@pytest.mark.parametrize("index", [4, 13])
def test_an_epoch_of_the_paper_is_that_of_the_definition(
    index: int, path: Compute, digits: ImageDataset
) -> None:
    [state] = training.train(PAPER, digits, [index], Trainer(PAPER, digits, training.CPU, path))
    v, losses, _ = _plainly(PAPER, digits, index)
    assert _distance(state, v) < 1e-5
    np.testing.assert_allclose(state.losses, losses, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(PAPER, id="paper"),
        pytest.param(training.small(), id="ragged"),
        pytest.param(training.small(batch_size=1000), id="one batch"),
        pytest.param(training.small(batch_size=1, train_limit=50), id="single images"),
    ],
)
@pytest.mark.parametrize("indices", [(4,), (0, 4, 13)])
@pytest.mark.parametrize("path", ["torch", "fused"])
def test_epochs_of_groups_are_those_of_the_definition(
    spec: ExperimentSpec, indices: tuple[int, ...], path: Compute, digits: ImageDataset
) -> None:
    trainer = Trainer(spec, digits, training.CPU, path)
    states = training.train(spec, digits, indices, trainer)
    accuracies = trainer.accuracy(training.chosen(spec, digits, indices), states)
    for state, accuracy in zip(states, accuracies, strict=True):
        v, losses, wanted_accuracy = _plainly(spec, digits, state.index)
        # RMSprop's first step is a gradient's sign: where that is almost zero, rounding decides it.
        assert _distance(state, v, trimmed=0.01) < 1e-5
        assert _distance(state, v) < 1e-3
        np.testing.assert_allclose(state.losses, losses, rtol=1e-5)
        assert accuracy == pytest.approx(wanted_accuracy, abs=0.0011)  # a tie may fall otherwise
