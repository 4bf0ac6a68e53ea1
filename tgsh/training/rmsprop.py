"""RMSprop in place, as torch.optim.RMSprop does it (no momentum, not centred), without its overhead."""

from __future__ import annotations

import torch
from torch import Tensor

DECAY = 0.99
EPSILON = 1e-8


class RMSprop:
    """s ← αs + (1 − α)∇²;  θ ← θ − η∇/(√s + ε), with α = 0.99 and ε = 1e-8. All tensors have one shape."""

    def __init__(self, parameters: Tensor, squares: Tensor, learning_rate: float) -> None:
        self.parameters, self.squares = parameters, squares
        self._rate = learning_rate
        self._root = torch.empty_like(squares)

    def step(self, gradient: Tensor) -> None:
        """One step, in place."""
        self.squares.mul_(DECAY).addcmul_(gradient, gradient, value=1 - DECAY)
        torch.sqrt(self.squares, out=self._root).add_(EPSILON)
        self.parameters.addcdiv_(gradient, self._root, value=-self._rate)
