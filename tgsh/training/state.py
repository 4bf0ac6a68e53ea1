"""What one task has learned so far: a value, so that training can stop and go on anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tgsh.networks.contexts import Context
from tgsh.spec import ExperimentSpec
from tgsh.streams import stream


@dataclass(frozen=True, eq=False)
class TaskState:
    """A task after `epoch` epochs.

    parameters: float32, by name, as the network's context has them. squares: RMSprop's averages, same
    names and shapes; None once the last epoch is over and they were not kept. vectors: float32
    [epoch + 1, V], row e is the context vector after e epochs. losses: mean cross-entropy (nats) of every
    epoch. Random streams follow from seed, task and epoch, so no generator's state belongs to it.
    """

    index: int
    epoch: int
    parameters: dict[str, np.ndarray]
    squares: dict[str, np.ndarray] | None
    vectors: np.ndarray
    losses: tuple[float, ...]


def fresh(spec: ExperimentSpec, context: Context, index: int) -> TaskState:
    """Task `index` before training, drawn from its own stream."""
    parameters = context.draw(stream(spec.seed, "context", index))
    squares = {name: np.zeros_like(array) for name, array in parameters.items()}
    return TaskState(index, 0, parameters, squares, context.vector(parameters)[None], ())


def batch_order(seed: int, index: int, epoch: int, images: int) -> np.ndarray:
    """The order in which task `index` sees its images in epoch 0, 1, …: int64 [N]."""
    return stream(seed, "order", index, epoch).permutation(images)


def transform_stream(seed: int, index: int, epoch: int | Literal["test"]) -> np.random.Generator:
    """From where task `index` draws what is random in its transform, in epoch 0, 1, … or for test images."""
    return stream(seed, "transform", index, epoch)
