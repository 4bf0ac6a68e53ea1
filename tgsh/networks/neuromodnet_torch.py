"""NeuroModNets of several tasks in one batch, in torch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tgsh.datasets.base import Normalisation
from tgsh.networks.neuromodnet import NeuroModNetBase
from tgsh.networks.torch_base import Pixels, frozen_weights
from tgsh.suites.pixel_maps import PixelMap


class NeuroModNets:
    """T NeuroModNets on one random base.

    Parameters
    ----------
    base : NeuroModNetBase
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
        base: NeuroModNetBase,
        maps: Sequence[PixelMap],
        device: torch.device,
        normalisations: Sequence[Normalisation] = (),
    ) -> None:
        self._weights = [frozen_weights(weights, device) for weights in base.weights]
        self._widths = [weights.shape[1] for weights in base.weights]
        self._pixels = Pixels(maps, device, normalisations)
        size = sum(width + 1 for width in self._widths)
        self._sum = torch.zeros(len(maps), size, device=device)
        self._c_sums, self._g_sums = self._by_layer(self._sum)

    def load_parameters(self, parameters: Tensor) -> None:
        """Work with these parameters.

        Parameters
        ----------
        parameters : Tensor
            float32 [T, P], a task a row, in their context's order. c_1, g_1, c_2, g_2, …
        """
        self._c, self._g = self._by_layer(parameters)

    def logits(self, images: Tensor) -> Tensor:
        """The last layer's output.

        Parameters
        ----------
        images : Tensor
            [T, B, D], on which the pixel maps are still due: uint8, or float32 from 0 to 1.

        Returns
        -------
        Tensor
            float32 [T, K, B].
        """
        h = self._pixels.normalised(images)
        self._inputs, self._outputs = [], []
        for layer, weights in enumerate(self._weights):
            z = weights.project(h * self._c[layer])
            self._inputs.append(h)
            self._outputs.append(z)
            h = z * self._g[layer]
            if layer < len(self._weights) - 1:
                h = h.relu_()
        return h.transpose(1, 2)

    def representations(self, images: Tensor) -> Tensor:
        """v_L ⊙ h_(L−1); R_L follows.

        Parameters
        ----------
        images : Tensor
            [T, B, D], on which the pixel maps are still due: uint8, or float32 from 0 to 1.

        Returns
        -------
        Tensor
            float32 [T, B, n].
        """
        self.logits(images)
        return self._inputs[-1] * (self._c[-1] * self._g[-1])

    def learn_from(self, errors: Tensor, *, more: bool) -> None:
        """Propagate errors back through the layers.

        Parameters
        ----------
        errors : Tensor
            dL/dlogits of the latest logits, float32 [T, K, B].
        more : bool
            Whether to add to earlier ones, or to forget them.
        """
        if not more:
            self._sum.zero_()
        delta = errors.transpose(1, 2)
        for layer in reversed(range(len(self._weights))):
            h = self._inputs[layer]
            self._g_sums[layer] += torch.einsum("tbn,tbn->t", delta, self._outputs[layer])[:, None, None]
            e = self._weights[layer].back(delta * self._g[layer])
            self._c_sums[layer] += (e * h).sum(dim=1, keepdim=True)
            if layer:
                delta = e.mul_(self._c[layer]).mul_(h > 0)

    def gradient(self, out: Tensor) -> None:
        """Gradients of all c_l and g_l, added up.

        Parameters
        ----------
        out : Tensor
            float32 [T, P], overwritten.
        """
        out.copy_(self._sum)

    def _by_layer(self, flat: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Views of [T, P]: c_l [T, 1, n] and g_l [T, 1, 1] of every layer."""
        c, g, start = [], [], 0
        for width in self._widths:
            stop = start + width
            c.append(flat[:, None, start:stop])
            g.append(flat[:, None, stop : stop + 1])
            start = stop + 1
        return c, g
