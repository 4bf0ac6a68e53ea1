"""Whole epochs of every network but FlyNet against autograd in float64; checkpoints; company."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from tests.support import plain_networks as plain
from tests.support import training
from tgsh.datasets.base import ImageDataset
from tgsh.errors import ArtifactCorrupt
from tgsh.specs import ExperimentSpec, GshSpec, NetworkSpec, NeuroModNetSpec, TgshSpec
from tgsh.suites import build
from tgsh.training.state import batch_order, fresh_state, from_tensors, to_tensors
from tgsh.training.trainer import Trainer

NETWORKS: list[NetworkSpec] = [
    NeuroModNetSpec(layers=(64, 32)),
    TgshSpec(hidden=96, rank=12, weight_decay=0.01),
    GshSpec(hidden=96, rank=12, weight_decay=0.01),
]
SPEC = training.small().model_copy(update={"network": NETWORKS[0]})


def _plainly(spec: ExperimentSpec, digits: ImageDataset, index: int) -> tuple[np.ndarray, list[float]]:
    """The context vector after all epochs, and the losses, by the definition."""
    base, context = training.base_of(spec, digits), training.context(spec, digits)
    limit = spec.training.train_limit
    assert limit is not None
    seen = build(spec.suite, digits.info)[index].transform.apply(digits.train_images[:limit])  # type: ignore[union-attr]
    labels = torch.from_numpy(digits.train_labels[:limit].astype(np.int64))
    leaves = {
        name: torch.from_numpy(array.astype(np.float64)).requires_grad_()
        for name, array in fresh_state(spec, context, index).parameters.items()
    }
    optimiser = torch.optim.RMSprop(leaves.values(), lr=spec.training.learning_rate)
    losses = []
    for epoch in range(spec.training.epochs):
        total = 0.0
        order = torch.from_numpy(batch_order(spec.seed, index, epoch, limit))
        for batch in order.split(spec.training.batch_size):
            optimiser.zero_grad()
            loss = cross_entropy(plain.logits_of(base, seen[batch.numpy()], leaves, index), labels[batch])
            (loss + plain.penalty(base, leaves)).backward()
            optimiser.step()
            total += loss.item() * len(batch)
        losses.append(total / limit)
    return context.vector({name: leaf.detach().numpy() for name, leaf in leaves.items()}), losses


# RMSprop's first step is a gradient's sign: where that is almost zero, rounding decides it, and over
# many steps through several layers the rest follows. A few steps agree to rounding but for such places.
@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.kind)
@pytest.mark.parametrize(("images", "epochs", "tolerance"), [(192, 1, 1e-4), (300, 2, 1e-2)])
@pytest.mark.parametrize("indices", [(4,), (0, 4, 13)])
def test_epochs_are_those_of_the_definition(
    network: NetworkSpec,
    indices: tuple[int, ...],
    images: int,
    epochs: int,
    tolerance: float,
    digits: ImageDataset,
) -> None:
    recipe = SPEC.training.model_copy(update={"train_limit": images, "epochs": epochs})
    spec = SPEC.model_copy(update={"training": recipe, "network": network})
    for state in training.train(spec, digits, indices):
        v, losses = _plainly(spec, digits, state.index)
        differences = np.sort(np.abs(state.vectors[-1] - v))
        distance = np.linalg.norm(differences[: int(0.99 * len(v))]) / np.linalg.norm(v)
        assert distance < tolerance
        np.testing.assert_allclose(state.losses, losses, rtol=tolerance)


@pytest.mark.parametrize(
    ("network", "width"),
    list(zip(NETWORKS, (784 + 64 + 32, 96 * 12, 96 * 12 + 12 * 10), strict=True)),
    ids=lambda network: str(network)[:8],
)
def test_resuming_gives_the_same_bytes_and_vectors_are_kept_by_epoch(
    network: NetworkSpec, width: int, digits: ImageDataset
) -> None:
    spec = SPEC.model_copy(update={"network": network})
    [undisturbed] = training.train(spec, digits, [3])
    state = Trainer(spec, digits, training.CPU).fresh(3)
    for _ in range(2):
        state = from_tensors(*to_tensors(state, spec, keep_optimiser=True), spec, 3)
        [state] = Trainer(spec, digits, training.CPU).epoch(
            training.chosen(spec, digits, [3]), [state], training.never
        )
    assert training.digest(state) == training.digest(undisturbed)
    assert state.vectors.shape == (3, width)


@pytest.mark.parametrize("name", ["c2", "g3", "squares.c1", "vectors"])
def test_a_checkpoint_that_lacks_a_tensor_is_refused_by_name(name: str, digits: ImageDataset) -> None:
    trainer = Trainer(SPEC, digits, training.CPU)
    tensors, metadata = to_tensors(trainer.fresh(3), SPEC, keep_optimiser=True)
    del tensors[name]
    with pytest.raises(ArtifactCorrupt, match=f"'{name}' is missing"):
        from_tensors(tensors, metadata, SPEC, 3)


def test_mnist5k_is_learned(digits: ImageDataset) -> None:
    spec = SPEC.model_copy(
        update={
            "network": NeuroModNetSpec(layers=(256, 256)),
            "training": SPEC.training.model_copy(update={"train_limit": 4000, "epochs": 3}),
        }
    )
    trainer = Trainer(spec, digits, training.CPU)
    [state] = training.train(spec, digits, [0], trainer)
    assert trainer.accuracy(training.chosen(spec, digits, [0]), [state])[0] > 0.8
