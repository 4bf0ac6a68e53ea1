"""Products with weights that never learn (torch)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear


class FrozenWeights:
    """W, float32 [n, m], on a device.

    On a CPU the products are oneDNN's, from weights that are laid out for it once: torch's own, MKL's, reach
    half its speed on AMD's processors. Both compute in float32.
    """

    def __init__(self, weights: np.ndarray, device: torch.device) -> None:
        self._weights = torch.tensor(weights, device=device)
        self._transposed = self._weights.T.contiguous()
        has_onednn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        self._laid_out = device.type == "cpu" and has_onednn
        if self._laid_out:
            self._weights, self._transposed = self._weights.to_mkldnn(), self._transposed.to_mkldnn()

    def project(self, inputs: Tensor) -> Tensor:
        """W x of inputs x, [..., m] to [..., n]."""
        return self._product(inputs, self._weights)

    def back(self, errors: Tensor) -> Tensor:
        """Wᵀ e of errors e, [..., n] to [..., m]."""
        return self._product(errors, self._transposed)

    def _product(self, rows: Tensor, weights: Tensor) -> Tensor:
        if not self._laid_out:
            return linear(rows, weights)
        return linear(rows.to_mkldnn(), weights).to_dense()
