"""Tasks that change values learn what the definition says, in any company, and the same after a stop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from tests.support import plain_networks as plain
from tests.support import training
from tgsh.datasets.base import ImageDataset
from tgsh.rng import rng_for
from tgsh.settings import Compute
from tgsh.specs import AugmentSuite, ExperimentSpec
from tgsh.suites.pipeline import ImageTransform
from tgsh.training.inputs import wiring_of
from tgsh.training.state import batch_order, fresh_state, from_tensors, to_tensors, transform_rng
from tgsh.training.torch_inputs import DeviceInputs
from tgsh.training.trainer import Trainer
from tgsh.training.transforms import drawn

MIRRORED, BLURRED, PERSPECTIVE, ERASED, INVERTED, CROPPED = 1, 3, 4, 5, 6, 7


def _spec(**changes: object) -> ExperimentSpec:
    return training.small(**changes).model_copy(update={"suite": AugmentSuite()})


def _seen(digits: ImageDataset, spec: ExperimentSpec, index: int, epoch: int) -> np.ndarray:
    """What a task sees in an epoch, float32 [N, D] from 0 to 255, image by image in the dataset's order."""
    [task] = training.chosen(spec, digits, [index])
    images = digits.train_images[: spec.training.train_limit]
    if not isinstance(task.transform, ImageTransform):
        return task.transform.apply(images)
    pictures = torch.from_numpy(images.astype(np.float32) / 255).view(-1, 28, 28)
    rng = transform_rng(spec.seed, index, epoch)
    operation = drawn(task.transform, len(images), (28, 28), rng, torch.device(training.CPU))
    return operation(pictures, torch.arange(len(images))).flatten(1).numpy() * 255


def _plainly(spec: ExperimentSpec, digits: ImageDataset, index: int) -> tuple[np.ndarray, list[float]]:
    base = training.base_of(spec, digits)
    start = fresh_state(spec, training.context(spec, digits), index).parameters
    c, g = (torch.from_numpy(start[name].astype(np.float64)).requires_grad_() for name in ("c", "g"))
    optimiser = torch.optim.RMSprop([c, g], lr=spec.training.learning_rate)
    a = plain.dense(base, digits.info.pixels)
    labels = torch.from_numpy(digits.train_labels.astype(np.int64))
    losses = []
    for epoch in range(spec.training.epochs):
        seen = _seen(digits, spec, index, epoch)
        phi, total = plain.features(a, seen), 0.0
        for batch in torch.from_numpy(batch_order(spec.seed, index, epoch, len(seen))).split(
            spec.training.batch_size
        ):
            optimiser.zero_grad()
            loss = cross_entropy(plain.logits(base, phi[batch], c, g), labels[batch])
            loss.backward()
            optimiser.step()
            total += loss.item() * len(batch)
        losses.append(total / len(seen))
    return (g * c).detach().numpy(), losses


@pytest.mark.parametrize("index", [MIRRORED, BLURRED, ERASED, INVERTED])
@pytest.mark.parametrize("path", ["torch", "fused"])
def test_epochs_are_those_of_the_definition(index: int, path: Compute, digits: ImageDataset) -> None:
    spec = _spec()
    [state] = training.train(spec, digits, [index], Trainer(spec, digits, training.CPU, path))
    v, losses = _plainly(spec, digits, index)
    differences = np.sort(np.abs(state.vectors[-1] - v))[: int(0.99 * len(v))]
    assert np.linalg.norm(differences) < 1e-3 * np.linalg.norm(v)
    np.testing.assert_allclose(state.losses, losses, rtol=1e-4)


def test_company_changes_no_byte(digits: ImageDataset) -> None:
    spec = _spec(epochs=1)
    for state in training.train(spec, digits, [0, BLURRED, PERSPECTIVE, CROPPED]):
        [alone] = training.train(spec, digits, [state.index])
        assert training.digest(state) == training.digest(alone)


@pytest.mark.parametrize("index", [PERSPECTIVE, ERASED])
def test_resuming_gives_the_same_bytes_and_so_does_evaluating_again(index: int, digits: ImageDataset) -> None:
    spec = _spec()
    [undisturbed] = training.train(spec, digits, [index])
    tasks = training.chosen(spec, digits, [index])
    state = Trainer(spec, digits, training.CPU).fresh(index)
    for _ in range(spec.training.epochs):
        state = from_tensors(*to_tensors(state, spec, keep_optimiser=True), spec, index)
        trainer = Trainer(spec, digits, training.CPU)  # as another process would have it
        [state] = trainer.epoch(tasks, [state], training.never)
    assert training.digest(state) == training.digest(undisturbed)
    assert trainer.accuracy(tasks, [state]) == Trainer(spec, digits, training.CPU).accuracy(tasks, [state])


@pytest.mark.parametrize("index", [PERSPECTIVE, ERASED, CROPPED])
def test_every_epoch_is_drawn_anew(index: int, digits: ImageDataset) -> None:
    first, second, again = (_seen(digits, _spec(), index, epoch) for epoch in (0, 1, 0))
    assert (first == again).all()
    assert (first != second).any(axis=1).mean() > 0.9


def test_pixels_that_only_move_stay_uint8_and_are_the_networks_to_move(digits: ImageDataset) -> None:
    images = torch.from_numpy(digits.train_images[:20].copy())
    moving = training.chosen(_spec(), digits, [0, MIRRORED])
    rngs = [rng_for(0, name) for name in ("a", "b")]
    chosen = torch.tensor([[3, 1], [0, 19]])
    seen = DeviceInputs([images, images], digits.info, moving, rngs).batch(chosen)
    assert torch.equal(seen, images[chosen])
    assert (wiring_of(moving[1], 784).source == moving[1].transform.source).all()  # type: ignore[union-attr]
    mixed = training.chosen(_spec(), digits, [MIRRORED, INVERTED])
    seen = DeviceInputs([images, images], digits.info, mixed, rngs).batch(chosen)
    assert torch.equal(seen[0], images[chosen[0]] / 255)
    assert torch.equal(seen[1], 1 - images[chosen[1]] / 255)
    assert (wiring_of(mixed[1], 784).source == np.arange(784)).all()
