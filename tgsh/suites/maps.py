"""Pixel maps of transforms that move pixels and mix none. Rendered once, when a task is used."""

from __future__ import annotations

import numpy as np
from PIL import Image

from tgsh.streams import stream
from tgsh.suites.pixelmap import PixelMap, from_numbered, numbered


def rotation_map(degrees: float, height: int, width: int, channels: int = 1) -> PixelMap:
    """Counter-clockwise about the centre, nearest neighbour, zero outside: PIL's own `Image.rotate`.

    That is what torchvision.transforms.functional.rotate calls for a PIL image. Here it rotates an image
    that holds pixel numbers.
    """
    picture = Image.fromarray(numbered(height, width))
    rotated = picture.rotate(degrees, Image.Resampling.NEAREST, fillcolor=0)
    return from_numbered(rotated).of_channels(channels)


def roll_map(right: int, down: int, height: int, width: int, channels: int = 1) -> PixelMap:
    """So many pixels to the right and down, with periodic boundary: numpy.roll."""
    numbers = np.arange(height * width, dtype=np.int32).reshape(height, width)
    return PixelMap(np.roll(numbers, (down, right), axis=(0, 1)).ravel()).of_channels(channels)


def flip_map(axis: int, height: int, width: int) -> PixelMap:
    """The image read backwards along axis 0 (upside down) or 1 (mirrored)."""
    return PixelMap(np.flip(np.arange(height * width).reshape(height, width), axis).ravel())


def permutation_map(seed: int, index: int, pixels: int, channels: int = 1) -> PixelMap:
    """Permutation `index` of a seed, from its own stream; number 0 is the identity."""
    if index == 0:
        return PixelMap.identity(pixels * channels)
    return PixelMap(stream(seed, "permutation", index).permutation(pixels)).of_channels(channels)
