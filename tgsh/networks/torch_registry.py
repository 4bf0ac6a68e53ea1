"""The protocol of networks that learn in torch, and the choice by random base."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from tgsh.datasets.base import Normalisation
from tgsh.networks.flynet_torch import FlyNetLearner
from tgsh.networks.gsh_torch import GshNets, TgshNets
from tgsh.networks.neuromodnet_torch import NeuroModNets
from tgsh.networks.registry import FlyNetBase, GshBase, NeuroModNetBase, RandomBase, TgshBase
from tgsh.networks.torch_base import FrozenWeights, frozen_weights
from tgsh.suites.pixel_maps import PixelMap


class Networks(Protocol):
    """T networks of one kind on one random base, on one device."""

    def load_parameters(self, parameters: Tensor) -> None:
        """Work with these parameters from now on.

        Parameters
        ----------
        parameters : Tensor
            float32 [T, P], a task a row, in their context's order.
        """

    def logits(self, images: Tensor) -> Tensor:
        """Logits of images.

        Parameters
        ----------
        images : Tensor
            [T, B, D], on which the pixel maps are still due: uint8, or float32 from 0 to 1.

        Returns
        -------
        Tensor
            float32 [T, K, B].
        """

    def representations(self, images: Tensor) -> Tensor:
        """r_t(x), what a readout makes logits of.

        Parameters
        ----------
        images : Tensor
            [T, B, D], on which the pixel maps are still due: uint8, or float32 from 0 to 1.

        Returns
        -------
        Tensor
            float32 [T, B, R].
        """


class Learner(Networks, Protocol):
    """Networks that learn.

    A step is `load_parameters`, then for every chunk of a batch `logits` and `learn_from`, then `gradient`.
    """

    def learn_from(self, errors: Tensor, *, more: bool) -> None:
        """Add the gradient of the latest logits.

        Parameters
        ----------
        errors : Tensor
            dL/dlogits of the latest logits, float32 [T, K, B].
        more : bool
            Whether to add to earlier ones, or to forget them.
        """

    def gradient(self, out: Tensor) -> None:
        """dL/dparameters of all that was learned from since `more` was last false.

        Parameters
        ----------
        out : Tensor
            float32 [T, P], overwritten.
        """


def learner(
    base: RandomBase,
    maps: Sequence[PixelMap],
    indices: Sequence[int],
    device: torch.device,
    normalisations: Sequence[Normalisation] = (),
) -> Learner:
    """The networks of T tasks.

    Parameters
    ----------
    base : RandomBase
        The frozen weights.
    maps : Sequence[PixelMap]
        T pixel maps, through which the networks see images.
    indices : Sequence[int]
        The tasks' places in their suite.
    device : torch.device
        Where weights and buffers lie.
    normalisations : Sequence[Normalisation], default=()
        Of each one's pixels; the paper's where there are none.

    Returns
    -------
    Learner
        Without parameters yet.
    """
    match base:
        case FlyNetBase():
            return FlyNetLearner(base, maps, device, normalisations)
        case NeuroModNetBase():
            return NeuroModNets(base, maps, device, normalisations)
        case TgshBase():
            return TgshNets(base, maps, device, normalisations)
        case GshBase():
            return GshNets(base, maps, indices, device, normalisations)


def frozen_weights_of(base: RandomBase, device: torch.device) -> list[FrozenWeights]:
    """The weights that networks of a base share on a device, where they stay while they are kept.

    Parameters
    ----------
    base : RandomBase
        The frozen weights.
    device : torch.device
        Where weights and buffers lie.

    Returns
    -------
    list[FrozenWeights]
        Empty for networks that wire them to the pixels of a task, or have their own.
    """
    match base:
        case NeuroModNetBase():
            return [frozen_weights(weights, device) for weights in base.weights]
        case TgshBase():
            return [frozen_weights(base.input_weights, device)]
        case FlyNetBase() | GshBase():
            return []
