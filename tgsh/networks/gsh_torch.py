"""T-GSH and GSH networks of several tasks in one batch, in torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tgsh.datasets.base import Normalisation
from tgsh.networks.gsh import GshBase, TgshBase
from tgsh.networks.torch_base import FrozenWeights, Pixels, frozen_weights
from tgsh.suites.pixel_maps import PixelMap


class TgshNets:
    """T hashes over one C and one R (Eq. 1 of the paper).

    Parameters
    ----------
    base : TgshBase
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
        base: TgshBase,
        maps: Sequence[PixelMap],
        device: torch.device,
        normalisations: Sequence[Normalisation] = (),
    ) -> None:
        self._pixels, self._decay = Pixels(maps, device, normalisations), base.weight_decay
        self._input_weights = frozen_weights(base.input_weights, device)
        self._readout = torch.tensor(base.readout, device=device)
        shape = (len(maps), base.readout.shape[1], len(base.input_weights))
        self._sum = torch.zeros(shape, device=device)

    def load_parameters(self, parameters: Tensor) -> None:
        """Work with these parameters.

        Parameters
        ----------
        parameters : Tensor
            float32 [T, P], a task a row, in their context's order. The rows of B.
        """
        self._parameters, self._b = parameters, parameters.view(self._sum.shape)

    def logits(self, images: Tensor) -> Tensor:
        """R B φ.

        Parameters
        ----------
        images : Tensor
            [T, B, D], on which the pixel maps are still due: uint8, or float32 from 0 to 1.

        Returns
        -------
        Tensor
            float32 [T, K, B].
        """
        return self._readout @ self._hashes(images)

    def representations(self, images: Tensor) -> Tensor:
        """B φ; R follows.

        Parameters
        ----------
        images : Tensor
            [T, B, D], on which the pixel maps are still due: uint8, or float32 from 0 to 1.

        Returns
        -------
        Tensor
            float32 [T, B, rank].
        """
        return self._hashes(images).transpose(1, 2)

    def learn_from(self, errors: Tensor, *, more: bool) -> None:
        """dL/dB = (Rᵀ·errors) φᵀ.

        Parameters
        ----------
        errors : Tensor
            dL/dlogits of the latest logits, float32 [T, K, B].
        more : bool
            Whether to add to earlier ones, or to forget them.
        """
        self._sum.baddbmm_(self._readout.T @ errors, self._phi, beta=1.0 if more else 0.0)

    def gradient(self, out: Tensor) -> None:
        """Gradients that were added up, and the weight decay's.

        Parameters
        ----------
        out : Tensor
            float32 [T, P], overwritten.
        """
        torch.add(self._sum.view(out.shape), self._parameters, alpha=self._decay, out=out)

    def _hashes(self, images: Tensor) -> Tensor:
        self._phi = self._input_weights.project(self._pixels.normalised(images)).relu_()
        return torch.bmm(self._b, self._phi.transpose(1, 2))


class _InputLayer:
    """C_t x of T tasks, each with a C of its own: on a GPU one batched product.

    On a processor a task is computed alone (`tgsh.training.torch_backend`), by the product of FrozenWeights.

    Parameters
    ----------
    weights : Sequence[np.ndarray]
        T arrays, float32 [H, D].
    device : torch.device
        Where products are computed.
    """

    def __init__(self, weights: Sequence[np.ndarray], device: torch.device) -> None:
        self._alone = [FrozenWeights(each, device) for each in weights] if device.type == "cpu" else []
        if not self._alone:
            size = len(weights), *weights[0].shape
            self._together = torch.empty(size, device=device)
            for row, each in zip(self._together, weights, strict=True):  # the host never holds all of them
                row.copy_(torch.tensor(each, device=device))

    def project(self, pixels: Tensor) -> Tensor:
        """C_t x.

        Parameters
        ----------
        pixels : Tensor
            float32 [T, B, D].

        Returns
        -------
        Tensor
            float32 [T, B, H].
        """
        if not self._alone:
            return torch.bmm(pixels, self._together.transpose(1, 2))
        hidden = [weights.project(rows) for weights, rows in zip(self._alone, pixels, strict=True)]
        return hidden[0][None] if len(hidden) == 1 else torch.stack(hidden)


class GshNets:
    """T hashes that share no weights.

    Parameters
    ----------
    base : GshBase
        The frozen weights.
    maps : Sequence[PixelMap]
        T pixel maps, through which the networks see images.
    indices : Sequence[int]
        The tasks' places in their suite.
    device : torch.device
        Where weights and buffers lie.
    normalisations : Sequence[Normalisation], default=()
        Of each one's pixels; the paper's where there are none.
    """

    def __init__(
        self,
        base: GshBase,
        maps: Sequence[PixelMap],
        indices: Sequence[int],
        device: torch.device,
        normalisations: Sequence[Normalisation] = (),
    ) -> None:
        self._pixels, self._decay = Pixels(maps, device, normalisations), base.weight_decay
        self._input_layer = _InputLayer([base.input_weights(index) for index in indices], device)
        self._b_sum = torch.zeros(len(maps), base.rank, base.hidden, device=device)
        self._a_sum = torch.zeros(len(maps), base.classes, base.rank, device=device)

    def load_parameters(self, parameters: Tensor) -> None:
        """Work with these parameters.

        Parameters
        ----------
        parameters : Tensor
            float32 [T, P], a task a row, in their context's order. The rows of B, then those of A.
        """
        middle = self._b_sum[0].numel()
        self._parameters = parameters
        self._b = parameters[:, :middle].view(self._b_sum.shape)
        self._a = parameters[:, middle:].view(self._a_sum.shape)

    def logits(self, images: Tensor) -> Tensor:
        """A B φ.

        Parameters
        ----------
        images : Tensor
            [T, B, D], on which the pixel maps are still due: uint8, or float32 from 0 to 1.

        Returns
        -------
        Tensor
            float32 [T, K, B].
        """
        self._phi = self._input_layer.project(self._pixels.normalised(images)).relu_()
        self._hashes = torch.bmm(self._b, self._phi.transpose(1, 2))
        return torch.bmm(self._a, self._hashes)

    def representations(self, images: Tensor) -> Tensor:
        """B φ; A follows.

        Parameters
        ----------
        images : Tensor
            [T, B, D], on which the pixel maps are still due: uint8, or float32 from 0 to 1.

        Returns
        -------
        Tensor
            float32 [T, B, rank].
        """
        self.logits(images)
        return self._hashes.transpose(1, 2)

    def learn_from(self, errors: Tensor, *, more: bool) -> None:
        """dL/dA = errors (Bφ)ᵀ and dL/dB = (Aᵀ·errors) φᵀ.

        Parameters
        ----------
        errors : Tensor
            dL/dlogits of the latest logits, float32 [T, K, B].
        more : bool
            Whether to add to earlier ones, or to forget them.
        """
        beta = 1.0 if more else 0.0
        self._a_sum.baddbmm_(errors, self._hashes.transpose(1, 2), beta=beta)
        self._b_sum.baddbmm_(torch.bmm(self._a.transpose(1, 2), errors), self._phi, beta=beta)

    def gradient(self, out: Tensor) -> None:
        """Gradients that were added up, and the weight decay's.

        Parameters
        ----------
        out : Tensor
            float32 [T, P], overwritten.
        """
        torch.cat([self._b_sum.flatten(1), self._a_sum.flatten(1)], dim=1, out=out)
        out.add_(self._parameters, alpha=self._decay)
