"""Batched cross-entropy and RMSprop step, both backends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tgsh.networks.registry import Context
from tgsh.networks.torch_registry import Learner
from tgsh.training.inputs import Inputs
from tgsh.training.state import TaskState

DECAY = 0.99
EPSILON = 1e-8


class RMSprop:
    """s ← αs + (1 − α)∇²;  θ ← θ − η∇/(√s + ε), with α = 0.99 and ε = 1e-8. All tensors have one shape."""

    def __init__(self, parameters: Tensor, square_avg: Tensor, learning_rate: float) -> None:
        self.parameters, self.square_avg = parameters, square_avg
        self._rate = learning_rate
        self._root = torch.empty_like(square_avg)

    def step(self, gradient: Tensor) -> None:
        """One step, in place."""
        self.square_avg.mul_(DECAY).addcmul_(gradient, gradient, value=1 - DECAY)
        torch.sqrt(self.square_avg, out=self._root).add_(EPSILON)
        self.parameters.addcdiv_(gradient, self._root, value=-self._rate)


class TorchStep:
    """T tasks at the same epoch, and their losses since then.

    All parameters of a task lie in one row of a tensor [T, P], so that one optimiser step serves all. part:
    images of a batch that are taken at once; gradients of the parts add up, so it decides memory and
    nothing else.
    """

    def __init__(
        self,
        learner: Learner,
        context: Context,
        states: Sequence[TaskState],
        learning_rate: float,
        part: int,
        device: torch.device,
    ) -> None:
        self._learner, self._context, self._part, self._device = learner, context, part, device
        parameters = stacked([state.parameters for state in states], context, device)
        square_avg = stacked([state.square_avg for state in states], context, device)
        self._optimiser = RMSprop(parameters, square_avg, learning_rate)
        self._gradient = torch.empty_like(parameters)
        self._loss = torch.zeros(len(states), dtype=torch.float64, device=device)

    def learn(self, inputs: Inputs, labels: Tensor, chosen: Tensor) -> None:
        """One step on a batch: labels int64 [T, N], chosen int64 [T, B] which of the N images."""
        self._learner.load_parameters(self._optimiser.parameters)
        for start in range(0, chosen.shape[1], self._part):
            part = chosen[:, start : start + self._part]
            logits = self._learner.logits(inputs.batch(part))
            errors = self._errors(logits, labels.gather(1, part), chosen.shape[1])
            self._learner.learn_from(errors, more=start > 0)
        self._learner.gradient(out=self._gradient)
        self._optimiser.step(self._gradient)

    def states(self, before: Sequence[TaskState], images: int) -> list[TaskState]:
        """The tasks' states one epoch after `before`, an epoch of so many images."""
        losses = (self._loss / images).tolist()
        return advanced(before, self._context, self._optimiser.parameters, self._optimiser.square_avg, losses)

    def _errors(self, logits: Tensor, labels: Tensor, batch: int) -> Tensor:
        """dL/dlogits of mean cross-entropy: (softmax − one-hot)/B, [T, K, b]. Adds up the loss on the way."""
        labels = labels.unsqueeze(1)
        log_probabilities = torch.log_softmax(logits, dim=1)
        self._loss -= log_probabilities.gather(1, labels).sum(dim=(1, 2), dtype=torch.float64)
        classes = torch.arange(logits.shape[1], device=self._device)[:, None]
        return log_probabilities.exp_().sub_((classes == labels).float()).div_(batch)


def advanced(
    before: Sequence[TaskState],
    context: Context,
    parameters: Tensor,
    square_avg: Tensor,
    losses: Sequence[float],
) -> list[TaskState]:
    """The states one epoch after `before`, from parameters and averages [T, P] and the epoch's losses."""
    parameter_rows, square_rows = parameters.cpu().numpy(), square_avg.cpu().numpy()
    after = []
    for row, state in enumerate(before):
        named = _named(parameter_rows[row], context)
        vectors = np.concatenate([state.vectors, context.vector(named)[None]])
        averages = _named(square_rows[row], context)
        after.append(
            TaskState(state.index, state.epoch + 1, named, averages, vectors, (*state.losses, losses[row]))
        )
    return after


def stacked(
    named: Sequence[Mapping[str, np.ndarray] | None], context: Context, device: torch.device
) -> Tensor:
    """Parameters or averages of several tasks, a row each: float32 [T, P] on the device."""
    rows = []
    for arrays in named:
        if arrays is None:
            raise ValueError("a task whose RMSprop averages were not kept cannot go on learning")
        rows.append(np.concatenate([arrays[name].ravel() for name in context.shapes]))
    return torch.from_numpy(np.stack(rows)).to(device)


def _named(row: np.ndarray, context: Context) -> dict[str, np.ndarray]:
    """Copies of a row's parts, by name and in shape."""
    sizes = [int(np.prod(shape)) for shape in context.shapes.values()]
    return {
        name: row[stop - size : stop].copy().reshape(shape)
        for (name, shape), size, stop in zip(context.shapes.items(), sizes, accumulate(sizes), strict=True)
    }


if TYPE_CHECKING:
    from tgsh.networks.flynet_numba import FusedFlyNets

SHOWN_AT_ONCE = 2048
"""Images that a transform makes at a time: what it needs on the way is a multiple of them."""


class FusedStep:
    """T FlyNets at the same epoch, and their losses since then.

    Company changes no byte of a task, as long as no task or every task changes values of pixels.
    """

    def __init__(
        self, nets: FusedFlyNets, context: Context, states: Sequence[TaskState], learning_rate: float
    ) -> None:
        device = torch.device("cpu")
        self._nets, self._context, self._rate = nets, context, learning_rate
        self._parameters = stacked([state.parameters for state in states], context, device)
        self._square_avg = stacked([state.square_avg for state in states], context, device)
        self._changing = list(zip(self._parameters.numpy(), self._square_avg.numpy(), strict=True))
        self._losses = [0.0] * len(states)
        nets.load_parameters(self._parameters)

    def learn(self, inputs: Inputs, labels: Tensor, chosen: Tensor) -> None:
        """One step on a batch: labels int64 [T, N], chosen int64 [T, B] which of the N images."""
        truths, places = labels.numpy(), chosen.numpy()
        if inputs.unchanged is not None:
            for task, images in enumerate(inputs.unchanged):
                self._step(task, images.numpy(), truths[task], places[task])
            return
        parts = torch.split(chosen, SHOWN_AT_ONCE, dim=1)
        seen = torch.cat([inputs.batch(part) for part in parts], dim=1).numpy()
        every = np.arange(chosen.shape[1])
        for task, images in enumerate(seen):
            self._step(task, images, truths[task, places[task]], every)

    def states(self, before: Sequence[TaskState], images: int) -> list[TaskState]:
        """The tasks' states one epoch after `before`, an epoch of so many images."""
        losses = [loss / images for loss in self._losses]
        return advanced(before, self._context, self._parameters, self._square_avg, losses)

    def _step(self, task: int, images: np.ndarray, labels: np.ndarray, chosen: np.ndarray) -> None:
        net, (parameters, square_avg) = self._nets.of(task), self._changing[task]
        self._losses[task] += net.learn(images, labels, chosen, parameters, square_avg, self._rate)
