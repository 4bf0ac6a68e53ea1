"""Noise on images, a number for each of their pixels, by a counter-based generator on torch's devices.

A number follows from the key, the image, the channel and the pixel alone (SplitMix64: Steele, Lea & Flood
2014), so that the noise of an image depends neither on batches nor on the device, and none is kept.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

GOLDEN = -0x61C8864680B583EB
"""SplitMix64's increment, 2⁶⁴ over the golden ratio, as a signed number; products wrap around."""

FIRST, SECOND = -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15
"""SplitMix64's factors 0xBF58476D1CE4E5B9 and 0x94D049BB133111EB."""

HALF = (1 << 32) - 1


def noise_key(rng: np.random.Generator) -> int:
    """Draw the key of the noise on all images of a task and epoch.

    Parameters
    ----------
    rng : np.random.Generator
        Generator of the parameters.

    Returns
    -------
    int
        63 bits.
    """
    return int(rng.integers(0, 1 << 63))


def noise_bits(key: int, images: Tensor, numbers: int) -> Tensor:
    """Compute random bits.

    Parameters
    ----------
    key : int
        As `noise_key` draws it.
    images : Tensor
        int64 [B], numbers of images, below 2³¹.
    numbers : int
        Random numbers of an image, fewer than 2³².

    Returns
    -------
    Tensor
        int64 [B, numbers]; all 64 bits are random.
    """
    places = torch.arange(numbers, dtype=torch.int64, device=images.device)
    z = ((images << 32).unsqueeze(1) + places).mul_(GOLDEN).add_(key)
    z = (z ^ _shifted(z, 30)).mul_(FIRST)
    z = (z ^ _shifted(z, 27)).mul_(SECOND)
    return z ^ _shifted(z, 31)


def _shifted(z: Tensor, bits: int) -> Tensor:
    """Shift right and fill with zeros, as unsigned numbers are."""
    return (z >> bits).bitwise_and_((1 << (64 - bits)) - 1)


def uniform_pair(bits: Tensor) -> tuple[Tensor, Tensor]:
    """Make two uniform numbers of 64 random bits.

    Parameters
    ----------
    bits : Tensor
        int64, of any shape.

    Returns
    -------
    first : Tensor
        float32, above 0 and at most 1.
    second : Tensor
        float32, from 0 to 1.
    """
    first = (_shifted(bits, 32) + 1).to(torch.float64).mul_(2.0**-32).to(torch.float32)
    return first, (bits & HALF).to(torch.float64).mul_(2.0**-32).to(torch.float32)


def _planes(key: int, images: Tensor, chosen: Tensor, channels: int) -> Tensor:
    """Bits for images float32 [C·B, H, W] whose numbers are int64 [C·B], the first channel's first."""
    own = chosen[: len(chosen) // channels]
    bits = noise_bits(key, own, channels * images[0].numel())
    return bits.view(len(own), channels, *images.shape[1:]).transpose(0, 1).reshape(images.shape)


class GaussianNoised:
    """x + deviation·N(0, 1), cut to 0 … 1; normal numbers by Box and Muller.

    Parameters
    ----------
    deviation : float
        Standard deviation, where pixels go from 0 to 1.
    key : int
        As `noise_key` draws it.
    channels : int
        Channels of an image.
    """

    def __init__(self, deviation: float, key: int, channels: int) -> None:
        self._deviation, self._key, self._channels = deviation, key, channels

    def __call__(self, images: Tensor, chosen: Tensor) -> Tensor:
        """Transform images.

        Parameters
        ----------
        images : Tensor
            float32 [C·B, H, W], pixels from 0 to 1.
        chosen : Tensor
            int64 [C·B], numbers of the images.

        Returns
        -------
        Tensor
            float32 [C·B, H, W].
        """
        radius, angle = uniform_pair(_planes(self._key, images, chosen, self._channels))
        normal = radius.log_().mul_(-2).sqrt_().mul_(angle.mul_(2 * torch.pi).cos_())
        return images.add(normal, alpha=self._deviation).clamp_(0, 1)


class ImpulseNoised:
    """Salt and pepper.

    Parameters
    ----------
    share : float
        Of numbers that become 0 or 1, each half of it.
    key : int
        As `noise_key` draws it.
    channels : int
        Channels of an image.
    """

    def __init__(self, share: float, key: int, channels: int) -> None:
        self._share, self._key, self._channels = share, key, channels

    def __call__(self, images: Tensor, chosen: Tensor) -> Tensor:
        """Transform images.

        Parameters
        ----------
        images : Tensor
            float32 [C·B, H, W], pixels from 0 to 1.
        chosen : Tensor
            int64 [C·B], numbers of the images.

        Returns
        -------
        Tensor
            float32 [C·B, H, W].
        """
        hit, colour = uniform_pair(_planes(self._key, images, chosen, self._channels))
        return torch.where(hit <= self._share, (colour < 0.5).to(images.dtype), images)
