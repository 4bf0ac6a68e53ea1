"""FlyNets that learn c and g."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from tgsh.datasets.normalisation import Normalisation
from tgsh.networks.flynet import FlyNets
from tgsh.networks.flynet_base import FlyNetBase
from tgsh.suites.pixelmap import PixelMap


class FlyNetLearner:
    """The learner of T FlyNets; parameters [T, H + 1] are c, then g."""

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

    def take(self, parameters: Tensor) -> None:
        """Work with these parameters."""
        self._c, self._g = parameters[:, :-1], parameters[:, -1:]
        self.nets.modulate(torch.mul(self._c, self._g, out=self._v))

    def logits(self, images: Tensor) -> Tensor:
        """W (v ⊙ φ), [T, K, B]."""
        # The latest features go before the next ones come: with both alive at once their memory goes back
        # to the system with every batch, and taking it again costs as much as the arithmetic.
        self._features = self._none
        self._features = self.nets.features(images)
        return self.nets.logits(self._features)

    def representations(self, images: Tensor) -> Tensor:
        """v ⊙ φ, [T, B, H]; W follows."""
        return self.nets.features(images).transpose(1, 2) * (self._v * self.nets.scales).unsqueeze(1)

    def learn_from(self, errors: Tensor, *, more: bool) -> None:
        """Correlate errors with features."""
        self.nets.correlate(errors, self._features, more=more)

    def gradient(self, out: Tensor) -> None:
        """As v = g·c: dL/dc = g·dL/dv and dL/dg = ⟨c, dL/dv⟩."""
        self.nets.gradient(out=self._v_gradient)
        torch.mul(self._v_gradient, self._g, out=out[:, :-1])
        torch.sum(self._v_gradient.mul_(self._c), 1, keepdim=True, out=out[:, -1:])
