"""FlyNets of several tasks in one batch, in torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from tgsh.datasets.base import PAPER, Normalisation
from tgsh.networks.flynet import FlyNetBase
from tgsh.suites.pixel_maps import PixelMap


class FlyNets:
    """T FlyNets on one random base, each with its own pixel map.

    Holds the frozen weights and reusable buffers on one device; what is learned is passed in.

    Parameters
    ----------
    base : FlyNetBase
        The frozen weights.
    maps : Sequence[PixelMap]
        T pixel maps, through which the networks see images.
    device : torch.device
        Where weights and buffers lie.
    normalisations : Sequence[Normalisation], default=()
        Of each one's pixels; the paper's where there are none.
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
        """Set the context vectors for `logits`.

        Parameters
        ----------
        v : Tensor
            v = g·c, float32 [T, H].
        """
        torch.mul(self._readout, v.unsqueeze(1), out=self._modulated)

    def features(self, images: Tensor) -> Tensor:
        """φ(x) = ReLU(Ax − mean(Ax)), in units of `scales`.

        Parameters
        ----------
        images : Tensor
            [T, B, D], on which the pixel maps are still due: uint8, or float32 from 0 to 1.

        Returns
        -------
        Tensor
            float32 [T, H, B].
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
        """W (v ⊙ φ).

        Parameters
        ----------
        features : Tensor
            φ, float32 [T, H, B].

        Returns
        -------
        Tensor
            float32 [T, K, B].
        """
        return torch.bmm(self._modulated, features)

    def correlate(self, errors: Tensor, features: Tensor, *, more: bool) -> None:
        """Add errors·φᵀ to what was added since `more` was last false.

        Parameters
        ----------
        errors : Tensor
            dL/dlogits, float32 [T, K, B].
        features : Tensor
            φ, float32 [T, H, B].
        more : bool
            Whether to add to earlier ones, or to forget them.
        """
        beta = 1.0 if more else 0.0
        self._correlations.baddbmm_(errors, features.transpose(1, 2), beta=beta)

    def gradient(self, out: Tensor) -> None:
        """dL/dv = Σ_k W_k ⊙ (errors·φᵀ)_k, of all that was correlated.

        Parameters
        ----------
        out : Tensor
            float32 [T, H], overwritten.
        """
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


class FlyNetLearner:
    """T FlyNets that learn c and g.

    Parameters
    ----------
    base : FlyNetBase
        The frozen weights.
    maps : Sequence[PixelMap]
        T pixel maps, through which the networks see images.
    device : torch.device
        Where weights and buffers lie.
    normalisations : Sequence[Normalisation], default=()
        Of each one's pixels; the paper's where there are none.
    """

    def __init__(
        self,
        base: FlyNetBase,
        maps: Sequence[PixelMap],
        device: torch.device,
        normalisations: Sequence[Normalisation] = (),
    ) -> None:
        self.nets = FlyNets(base, maps, device, normalisations)
        self._v = torch.empty(self.nets.tasks, self.nets.units, device=device)
        self._v_gradient = torch.empty_like(self._v)
        self._none = torch.empty(0, device=device)
        self._features = self._none

    def load_parameters(self, parameters: Tensor) -> None:
        """Work with these parameters.

        Parameters
        ----------
        parameters : Tensor
            float32 [T, P], a task a row, in their context's order. P = H + 1: c, then g.
        """
        self._c, self._g = parameters[:, :-1], parameters[:, -1:]
        self.nets.modulate(torch.mul(self._c, self._g, out=self._v))

    def logits(self, images: Tensor) -> Tensor:
        """W (v ⊙ φ).

        Parameters
        ----------
        images : Tensor
            [T, B, D], on which the pixel maps are still due: uint8, or float32 from 0 to 1.

        Returns
        -------
        Tensor
            float32 [T, K, B].
        """
        # The latest features go before the next ones come: with both alive at once their memory goes back
        # to the system with every batch, and taking it again costs as much as the arithmetic.
        self._features = self._none
        self._features = self.nets.features(images)
        return self.nets.logits(self._features)

    def representations(self, images: Tensor) -> Tensor:
        """v ⊙ φ; W follows.

        Parameters
        ----------
        images : Tensor
            [T, B, D], on which the pixel maps are still due: uint8, or float32 from 0 to 1.

        Returns
        -------
        Tensor
            float32 [T, B, H].
        """
        return self.nets.features(images).transpose(1, 2) * (self._v * self.nets.scales).unsqueeze(1)

    def learn_from(self, errors: Tensor, *, more: bool) -> None:
        """Correlate errors with features.

        Parameters
        ----------
        errors : Tensor
            dL/dlogits of the latest logits, float32 [T, K, B].
        more : bool
            Whether to add to earlier ones, or to forget them.
        """
        self.nets.correlate(errors, self._features, more=more)

    def gradient(self, out: Tensor) -> None:
        """dL/dc = g·dL/dv and dL/dg = ⟨c, dL/dv⟩, as v = g·c.

        Parameters
        ----------
        out : Tensor
            float32 [T, P], overwritten.
        """
        self.nets.gradient(out=self._v_gradient)
        torch.mul(self._v_gradient, self._g, out=out[:, :-1])
        torch.sum(self._v_gradient.mul_(self._c), 1, keepdim=True, out=out[:, -1:])
