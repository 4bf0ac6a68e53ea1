"""Tasks that learn side by side: cross-entropy, its gradient by hand, RMSprop. No value leaves the device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tgsh.networks.flynet import FlyNets
from tgsh.training.inputs import Inputs
from tgsh.training.rmsprop import RMSprop
from tgsh.training.state import TaskState


class Group:
    """T tasks at the same epoch, and their losses since then.

    c and g lie in one tensor [T, H + 1], so that one optimiser step serves both. part: images of a batch
    that are taken at once; gradients of the parts add up, so it decides memory and nothing else.
    """

    def __init__(self, nets: FlyNets, states: Sequence[TaskState], learning_rate: float, part: int) -> None:
        self._nets, self._part = nets, part
        self._device = nets.device
        parameters = self._stack([state.parameters for state in states])
        squares = self._stack([state.squares for state in states])
        self._optimiser = RMSprop(parameters, squares, learning_rate)
        self._c, self._g = parameters[:, :-1], parameters[:, -1:]
        self._gradient = torch.empty_like(parameters)
        self._v = torch.empty(nets.tasks, nets.units, device=self._device)
        self._v_gradient = torch.empty_like(self._v)
        self._loss = torch.zeros(nets.tasks, dtype=torch.float64, device=self._device)

    def learn(self, inputs: Inputs, labels: Tensor, chosen: Tensor) -> None:
        """One step on a batch: labels int64 [N], chosen int64 [T, B] which of the N images."""
        torch.mul(self._c, self._g, out=self._v)
        self._nets.modulate(self._v)
        for start in range(0, chosen.shape[1], self._part):
            part = chosen[:, start : start + self._part]
            features = self._nets.features(inputs.batch(part))
            errors = self._errors(self._nets.logits(features), labels[part], chosen.shape[1])
            self._nets.correlate(errors, features, more=start > 0)
        self._nets.gradient(out=self._v_gradient)
        # v = g·c: dL/dc = g·dL/dv and dL/dg = ⟨c, dL/dv⟩
        torch.mul(self._v_gradient, self._g, out=self._gradient[:, :-1])
        torch.sum(self._v_gradient.mul_(self._c), 1, keepdim=True, out=self._gradient[:, -1:])
        self._optimiser.step(self._gradient)

    def states(self, before: Sequence[TaskState], images: int) -> list[TaskState]:
        """The tasks' states one epoch after `before`, an epoch of so many images."""
        parameters = self._optimiser.parameters.cpu().numpy()
        squares = self._optimiser.squares.cpu().numpy()
        losses = (self._loss / images).tolist()
        return [
            TaskState(
                state.index,
                state.epoch + 1,
                _named(parameters[row]),
                _named(squares[row]),
                np.concatenate([state.vectors, parameters[row, None, :-1] * parameters[row, -1]]),
                (*state.losses, losses[row]),
            )
            for row, state in enumerate(before)
        ]

    def _errors(self, logits: Tensor, labels: Tensor, batch: int) -> Tensor:
        """dL/dlogits of mean cross-entropy: (softmax − one-hot)/B, [T, K, b]. Adds up the loss on the way."""
        labels = labels.unsqueeze(1)
        log_probabilities = torch.log_softmax(logits, dim=1)
        self._loss -= log_probabilities.gather(1, labels).sum(dim=(1, 2), dtype=torch.float64)
        classes = torch.arange(logits.shape[1], device=self._device)[:, None]
        return log_probabilities.exp_().sub_((classes == labels).float()).div_(batch)

    def _stack(self, named: Sequence[dict[str, np.ndarray] | None]) -> Tensor:
        rows = []
        for arrays in named:
            if arrays is None:
                raise ValueError("a task whose RMSprop averages were not kept cannot go on learning")
            rows.append(np.concatenate([arrays["c"], arrays["g"]]))
        return torch.from_numpy(np.stack(rows)).to(self._device)


def _named(row: np.ndarray) -> dict[str, np.ndarray]:
    return {"c": row[:-1].copy(), "g": row[-1:].copy()}
