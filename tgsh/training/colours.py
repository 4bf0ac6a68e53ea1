"""Torchvision's ColorJitter in batches, each image by factors and an order of its own."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tgsh.specs.transforms import ColorJitter

LUMA = (0.2989, 0.587, 0.114)
"""Weights of red, green and blue in torchvision's grey."""

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)


class Jitters(NamedTuple):
    """Parameters of N images.

    Attributes
    ----------
    factors : np.ndarray
        float64 [N, 4]: of brightness, contrast and saturation, and the turn of the hue.
    order : np.ndarray
        int64 [N, 4]: which of them is first, second, …
    """

    factors: np.ndarray
    order: np.ndarray


def jitters(rng: np.random.Generator, count: int, step: ColorJitter) -> Jitters:
    """Draw the parameters of images.

    Parameters
    ----------
    rng : np.random.Generator
        Generator of the parameters.
    count : int
        N, images.
    step : ColorJitter
        Their ranges.

    Returns
    -------
    Jitters
        Of N images.
    """
    ranges = [(max(0.0, 1 - each), 1 + each) for each in (step.brightness, step.contrast, step.saturation)]
    low, high = np.array([*ranges, (-step.hue, step.hue)]).T
    return Jitters(
        rng.uniform(low, high, (count, 4)), rng.permuted(np.tile(np.arange(4), (count, 1)), axis=1)
    )


class Jittered:
    """torchvision.transforms.functional's adjust_brightness, _contrast, _saturation and _hue.

    Parameters
    ----------
    parameters : Jitters
        Of every image.
    channels : int
        1 or 3.
    device : torch.device
        Where it is computed.
    """

    def __init__(self, parameters: Jitters, channels: int, device: torch.device) -> None:
        self._factors = torch.tensor(parameters.factors, dtype=torch.float32, device=device)
        self._order = torch.tensor(parameters.order, device=device)
        self._luma = torch.tensor(LUMA, device=device)[:, None, None]
        self._channels = channels
        self._kinds = range(4 if channels == 3 else 2)  # greys have neither saturation nor hue

    def __call__(self, images: Tensor, chosen: Tensor) -> Tensor:
        """Transform images.

        Parameters
        ----------
        images : Tensor
            float32 [C·B, H, W], pixels from 0 to 1, the first channel's first.
        chosen : Tensor
            int64 [C·B], rows of the parameters.

        Returns
        -------
        Tensor
            float32 [C·B, H, W].
        """
        planes = images.view(self._channels, -1, *images.shape[1:]).transpose(0, 1).clone()
        own = chosen[: len(planes)]
        factors, order = self._factors[own], self._order[own]
        step = self._chosen_rows if images.device.type == "cpu" else self._all_rows
        for place in range(4):
            planes = step(planes, order[:, place], factors)
        return planes.transpose(0, 1).reshape(images.shape)

    def _chosen_rows(self, planes: Tensor, kind_of: Tensor, factors: Tensor) -> Tensor:
        """Images [B, C, H, W], each adjusted by its kind; in place."""
        for kind in self._kinds:
            rows = torch.nonzero(kind_of == kind).squeeze(1)
            if len(rows):
                planes[rows] = self._adjusted(planes[rows], kind, factors[rows, kind, None, None, None])
        return planes

    def _all_rows(self, planes: Tensor, kind_of: Tensor, factors: Tensor) -> Tensor:
        """The same by adjusting all images by every kind: how many have one, only the device knows."""
        adjusted = planes
        for kind in self._kinds:
            of_kind = self._adjusted(planes, kind, factors[:, kind, None, None, None])
            adjusted = torch.where((kind_of == kind)[:, None, None, None], of_kind, adjusted)
        return adjusted

    def _adjusted(self, x: Tensor, kind: int, factor: Tensor) -> Tensor:
        """Images [B, C, H, W] under one adjustment; factor: [B, 1, 1, 1]."""
        if kind == BRIGHTNESS:
            return (x * factor).clamp_(0, 1)
        if kind == HUE:
            return _turned(x, factor.squeeze(1))
        grey = x if x.shape[1] == 1 else (x * self._luma).sum(dim=1, keepdim=True)
        if kind == CONTRAST:
            grey = grey.mean(dim=(1, 2, 3), keepdim=True)
        return (x * factor + grey * (1 - factor)).clamp_(0, 1)


def _turned(x: Tensor, turn: Tensor) -> Tensor:
    """Images [B, 3, H, W] whose hue is turned by a share of the circle, [B, 1, 1]."""
    red, green, blue = x.unbind(dim=1)
    value, least = x.amax(dim=1), x.amin(dim=1)
    spread = value - least
    divisor = torch.where(spread > 0, spread, 1)
    sector = torch.where(
        value == red,
        (green - blue) / divisor % 6,
        torch.where(value == green, (blue - red) / divisor + 2, (red - green) / divisor + 4),
    )
    hue = torch.where(spread > 0, sector, 0) + 6 * turn
    # A channel falls from the value to the least and rises again with the hue's distance from its own place.
    channels = []
    for place in (5, 3, 1):
        k = (place + hue) % 6
        channels.append(value - spread * torch.minimum(k, 4 - k).clamp_(0, 1))
    return torch.stack(channels, dim=1)
