"""Tasks that learn one after the other on the fused path; as Group, which is for torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tgsh.networks.contexts import Context
from tgsh.training.group import advanced, stacked
from tgsh.training.inputs import Inputs
from tgsh.training.state import TaskState

if TYPE_CHECKING:
    from tgsh.networks.flynet_fused import FusedFlyNets

SHOWN_AT_ONCE = 2048
"""Images that a transform makes at a time: what it needs on the way is a multiple of them."""


class FusedGroup:
    """T FlyNets at the same epoch, and their losses since then.

    Company changes no byte of a task, as long as no task or every task changes values of pixels.
    """

    def __init__(
        self, nets: FusedFlyNets, context: Context, states: Sequence[TaskState], learning_rate: float
    ) -> None:
        device = torch.device("cpu")
        self._nets, self._context, self._rate = nets, context, learning_rate
        self._parameters = stacked([state.parameters for state in states], context, device)
        self._squares = stacked([state.squares for state in states], context, device)
        self._changing = list(zip(self._parameters.numpy(), self._squares.numpy(), strict=True))
        self._losses = [0.0] * len(states)
        nets.take(self._parameters)

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
        return advanced(before, self._context, self._parameters, self._squares, losses)

    def _step(self, task: int, images: np.ndarray, labels: np.ndarray, chosen: np.ndarray) -> None:
        net, (parameters, squares) = self._nets.of(task), self._changing[task]
        self._losses[task] += net.learn(images, labels, chosen, parameters, squares, self._rate)
