"""Products with frozen weights, and the input layer of moved and normalised pixels, in torch."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear

from tgsh.datasets.base import PAPER, Normalisation
from tgsh.suites.pixel_maps import PixelMap


class FrozenWeights:
    """W, float32 [n, m], on a device.

    On a CPU the products are oneDNN's, from weights that are laid out for it once: torch's own, MKL's,
    reach half its speed on AMD's processors. Both compute in float32.

    Parameters
    ----------
    weights : np.ndarray
        float32 [n, m].
    device : torch.device
        Where products are computed.
    """

    def __init__(self, weights: np.ndarray, device: torch.device) -> None:
        self.source = weights  # kept: its id is the key of `frozen_weights`
        self._weights = torch.tensor(weights, device=device)
        self._transposed = self._weights.T.contiguous()
        has_onednn = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        self._laid_out = device.type == "cpu" and has_onednn
        if self._laid_out:
            self._weights, self._transposed = self._weights.to_mkldnn(), self._transposed.to_mkldnn()

    def project(self, inputs: Tensor) -> Tensor:
        """W x.

        Parameters
        ----------
        inputs : Tensor
            x, float32 [..., m].

        Returns
        -------
        Tensor
            float32 [..., n].
        """
        return self._product(inputs, self._weights)

    def back(self, errors: Tensor) -> Tensor:
        """Wᵀ e.

        Parameters
        ----------
        errors : Tensor
            e, float32 [..., n].

        Returns
        -------
        Tensor
            float32 [..., m].
        """
        return self._product(errors, self._transposed)

    def _product(self, rows: Tensor, weights: Tensor) -> Tensor:
        if not self._laid_out:
            return linear(rows, weights)
        return linear(rows.to_mkldnn(), weights).to_dense()


_frozen: WeakValueDictionary[tuple[int, torch.device], FrozenWeights] = WeakValueDictionary()
_freezing = threading.Lock()


def frozen_weights(weights: np.ndarray, device: torch.device) -> FrozenWeights:
    """The products with a matrix of a random base: one copy on a device, however many networks there are.

    Parameters
    ----------
    weights : np.ndarray
        float32 [n, m], which nobody changes.
    device : torch.device
        Where products are computed.

    Returns
    -------
    FrozenWeights
        The same one for the same array, as long as a network has it.
    """
    key = (id(weights), device)
    with _freezing:
        frozen = _frozen.get(key)
        if frozen is None:
            frozen = _frozen[key] = FrozenWeights(weights, device)
        return frozen


class Pixels:
    """T pixel maps and normalisations of images.

    Parameters
    ----------
    maps : Sequence[PixelMap]
        T pixel maps, through which the networks see images.
    device : torch.device
        Where weights and buffers lie.
    normalisations : Sequence[Normalisation], default=()
        Of each one's pixels; the paper's where there are none.
    """

    def __init__(
        self, maps: Sequence[PixelMap], device: torch.device, normalisations: Sequence[Normalisation] = ()
    ) -> None:
        each = list(dict.fromkeys(normalisations or [PAPER]))
        each = each if len(each) == 1 else list(normalisations)  # one serves all

        def of_each(numbers: list[float]) -> Tensor:
            return torch.tensor(numbers, dtype=torch.float32, device=device)[:, None, None]

        self._byte_scales = of_each([by.scale for by in each])
        self._scales = of_each([1 / by.deviation for by in each])
        self._shifts = of_each([by.mean / by.deviation for by in each])
        sources = np.stack([pixel_map.source for pixel_map in maps])
        pixels = sources.shape[1]
        outside = sources == pixels
        self._identity = bool((sources == np.arange(pixels)).all())
        self._sources = torch.tensor(np.where(outside, 0, sources), dtype=torch.int64, device=device)
        self._outside = torch.tensor(outside, device=device) if outside.any() else None

    def normalised(self, images: Tensor) -> Tensor:
        """(p − mean)/deviation of moved pixels.

        Parameters
        ----------
        images : Tensor
            [T, B, D], on which the pixel maps are still due: uint8, or float32 from 0 to 1.

        Returns
        -------
        Tensor
            float32 [T, B, D].
        """
        if not self._identity:
            images = images.gather(2, self._sources.unsqueeze(1).expand(images.shape))
            if self._outside is not None:
                images.masked_fill_(self._outside.unsqueeze(1), 0)
        scales = self._byte_scales if images.dtype == torch.uint8 else self._scales
        return images.to(torch.float32).mul(scales).sub_(self._shifts)
