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
from tgsh.suites.pixel_maps import PixelMap


class Networks(Protocol):
    """T networks of one kind on one random base, on one device."""

    def load_parameters(self, parameters: Tensor) -> None:
        """Work with these parameters from now on: float32 [T, P], a task a row, in their context's order."""

    def logits(self, images: Tensor) -> Tensor:
        """Logits [T, K, B] of images [T, B, D] on which the maps are still due: uint8, or float32 0 to 1."""

    def representations(self, images: Tensor) -> Tensor:
        """r_t(x), what a readout makes logits of: float32 [T, B, R], of the same images as `logits` takes."""


class Learner(Networks, Protocol):
    """Networks that learn.

    A step is `take`, then for every part of a batch `logits` and `learn_from`, then `gradient`.
    """

    def learn_from(self, errors: Tensor, *, more: bool) -> None:
        """Add what errors [T, K, B] = dL/d(the latest logits) mean; without `more`, forget earlier ones."""

    def gradient(self, out: Tensor) -> None:
        """dL/dparameters, [T, P], of all that was learned from since `more` was last false."""


def learner(
    base: RandomBase,
    maps: Sequence[PixelMap],
    indices: Sequence[int],
    device: torch.device,
    normalisations: Sequence[Normalisation] = (),
) -> Learner:
    """The networks of tasks of these indices, which see images through these maps.

    normalisations: of each one's pixels; the paper's where none are given.
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
