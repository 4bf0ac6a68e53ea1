"""FlyNet, a contextually modulated randomly weighted network, for several tasks at once (torch).

    logits = W (v ⊙ φ(x)),  v = g·c,  φ(x) = ReLU(Ax − mean(Ax))        (Hong & Pavlic 2023, Eq. 2)

x are pixels (p/255 − mean)/deviation after the task's transform. Three facts make it fast:

- Every row of A has `fan_in` ones, so the shift cancels in Ax − mean(Ax) and the scale can go into W.
- A transform that moves pixels composes with A's table of indices; such images are never transformed.
- Ax is then a sum of rows of a table pixels × batch, and −mean(Ax) is one more row of it: embedding_bag.

Features lie unit × image, so both products with them are thin GEMMs. Sums of pixels are integers below
2^24 at the paper's size, hence exact whatever the order of summation.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from tgsh.datasets.normalisation import PAPER, Normalisation
from tgsh.networks.flynet_base import FlyNetBase
from tgsh.suites.pixelmap import PixelMap


class FlyNets:
    """T FlyNets on one random base, each seeing images through its own pixel map.

    Holds the frozen weights and reusable buffers on one device; what is learned is passed in.
    normalisations: of each one's pixels; the paper's where none are given.
    """

    def __init__(
        self,
        base: FlyNetBase,
        maps: Sequence[PixelMap],
        device: torch.device,
        normalisations: Sequence[Normalisation] = (),
    ) -> None:
        self.tasks, self.units, self.classes = len(maps), base.units, len(base.readout)
        self.pixels = maps[0].source.size
        self.device = device
        wiring, degrees = _tables(base.indices, maps)
        self._wiring = torch.from_numpy(wiring.ravel()).to(device)
        starts = np.arange(0, wiring.size, wiring.shape[1], dtype=np.int32)
        self._starts = torch.from_numpy(starts).to(device)
        self._degrees = torch.from_numpy(degrees).to(device)
        scales = np.array([each.scale for each in normalisations or [PAPER]], np.float32)
        if (scales == scales[0]).all():
            scales = scales[:1]  # one readout serves all
        self.scales = torch.from_numpy(scales[:, None]).to(device)
        self._readout = torch.from_numpy(base.readout * scales[:, None, None]).to(device)
        self._modulated = torch.empty(self.tasks, self.classes, self.units, device=device)
        self._correlations = torch.empty_like(self._modulated)
        self._pixel_tables: dict[int, Tensor] = {}

    def modulate(self, v: Tensor) -> None:
        """Set the context vectors v = g·c, float32 [T, H], for `logits`."""
        torch.mul(self._readout, v.unsqueeze(1), out=self._modulated)

    def features(self, images: Tensor) -> Tensor:
        """φ of images [T, B, D] on which the maps are still due; float32 [T, H, B].

        images: uint8 from 0 to 255 or float32 from 0 to 1. Features are in units of `scales` [T or 1, 1].
        """
        batch = images.shape[1]
        table = self._pixel_table(batch)
        if images.dtype == torch.uint8:
            table[:, : self.pixels] = images.transpose(1, 2)
        else:
            torch.mul(images.transpose(1, 2), 255, out=table[:, : self.pixels])
        mean = torch.bmm(self._degrees, table[:, : self.pixels])
        torch.mul(mean, -1 / self.units, out=table[:, self.pixels + 1 :])
        flat = embedding_bag(self._wiring, table.view(-1, batch), self._starts, mode="sum")
        return flat.relu_().view(self.tasks, self.units, batch)

    def logits(self, features: Tensor) -> Tensor:
        """W (v ⊙ φ), float32 [T, K, B]."""
        return torch.bmm(self._modulated, features)

    def correlate(self, errors: Tensor, features: Tensor, *, more: bool) -> None:
        """Add errors·φᵀ, errors [T, K, B] = dL/dlogits, to what was added since `more` was last false."""
        beta = 1.0 if more else 0.0
        self._correlations.baddbmm_(errors, features.transpose(1, 2), beta=beta)

    def gradient(self, out: Tensor) -> None:
        """dL/dv = Σ_k W_k ⊙ (errors·φᵀ)_k, float32 [T, H], from what was correlated; errors = dL/dlogits."""
        torch.sum(self._correlations.mul_(self._readout), 1, out=out)

    def _pixel_table(self, batch: int) -> Tensor:
        """A buffer [T, D + 2, B] per batch size: D rows of pixels, zero for outside, minus the mean."""
        if batch not in self._pixel_tables:
            shape = (self.tasks, self.pixels + 2, batch)
            self._pixel_tables[batch] = torch.zeros(shape, device=self.device)
        return self._pixel_tables[batch]


def _tables(indices: np.ndarray, maps: Sequence[PixelMap]) -> tuple[np.ndarray, np.ndarray]:
    """A composed with every map: int32 [T·H, fan_in + 1] rows of the pixel tables, and degrees [T, 1, D].

    The degree of a pixel is how many units' inputs it is, so that mean(Ax) = degrees·x/H.
    """
    pixels = maps[0].source.size
    wiring, degrees = [], []
    for place, pixel_map in enumerate(maps):
        rows = pixel_map.source[indices]
        degrees.append(np.bincount(rows.ravel(), minlength=pixels + 1)[:pixels])
        mean = np.full((len(rows), 1), pixels + 1, np.int32)
        wiring.append(np.hstack([rows, mean]) + np.int32(place * (pixels + 2)))
    return np.concatenate(wiring), np.stack(degrees).astype(np.float32)[:, None]
