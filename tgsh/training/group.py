"""Tasks that learn side by side: cross-entropy, its gradient by hand, RMSprop. No value leaves the device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from tgsh.networks.contexts import Context
from tgsh.networks.learners import Learner
from tgsh.training.inputs import Inputs
from tgsh.training.rmsprop import RMSprop
from tgsh.training.state import TaskState


class Group:
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
        squares = stacked([state.squares for state in states], context, device)
        self._optimiser = RMSprop(parameters, squares, learning_rate)
        self._gradient = torch.empty_like(parameters)
        self._loss = torch.zeros(len(states), dtype=torch.float64, device=device)

    def learn(self, inputs: Inputs, labels: Tensor, chosen: Tensor) -> None:
        """One step on a batch: labels int64 [T, N], chosen int64 [T, B] which of the N images."""
        self._learner.take(self._optimiser.parameters)
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
        return advanced(before, self._context, self._optimiser.parameters, self._optimiser.squares, losses)

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
    squares: Tensor,
    losses: Sequence[float],
) -> list[TaskState]:
    """The states one epoch after `before`, from parameters and averages [T, P] and the epoch's losses."""
    parameter_rows, square_rows = parameters.cpu().numpy(), squares.cpu().numpy()
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
