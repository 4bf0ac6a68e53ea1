"""Frozen products, input layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear

from tgsh.datasets.base import PAPER, Normalisation
from tgsh.suites.pixel_maps import PixelMap


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


class Pixels:
    """What T tasks see through their pixel maps.

    normalisations: of each one's pixels; the paper's where none are given.
    """

    def __init__(
        self, maps: Sequence[PixelMap], device: torch.device, normalisations: Sequence[Normalisation] = ()
    ) -> None:
        each = list(dict.fromkeys(normalisations or [PAPER]))
        each = each if len(each) == 1 else list(normalisations)  # one serves all

        def of_each(numbers: list[float]) -> Tensor:
            return torch.tensor(numbers, dtype=torch.float32, device=device)[:, None, None]

        self._byte_scales = of_each([own.scale for own in each])
        self._scales = of_each([1 / own.deviation for own in each])
        self._shifts = of_each([own.mean / own.deviation for own in each])
        sources = np.stack([pixel_map.source for pixel_map in maps])
        pixels = sources.shape[1]
        outside = sources == pixels
        self._identity = bool((sources == np.arange(pixels)).all())
        self._sources = torch.tensor(np.where(outside, 0, sources), dtype=torch.int64, device=device)
        self._outside = torch.tensor(outside, device=device) if outside.any() else None

    def normalised(self, images: Tensor) -> Tensor:
        """(p − mean)/deviation of images [T, B, D] (uint8, or float32 from 0 to 1) once moved; float32."""
        if not self._identity:
            images = images.gather(2, self._sources.unsqueeze(1).expand(images.shape))
            if self._outside is not None:
                images.masked_fill_(self._outside.unsqueeze(1), 0)
        scales = self._byte_scales if images.dtype == torch.uint8 else self._scales
        return images.to(torch.float32).mul(scales).sub_(self._shifts)
