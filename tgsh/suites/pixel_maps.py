"""PixelMap and the maps: rotation, roll, flip, permutation, affine."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin, tan

import numpy as np
from PIL import Image

from tgsh.rng import rng_for
from tgsh.specs.transforms import Affine


@dataclass(frozen=True, eq=False)
class PixelMap:
    """Pixel d of the result is pixel source[d] of the image, or zero where that is D. source: int32 [D]."""

    source: np.ndarray

    def __post_init__(self) -> None:
        source = np.array(self.source, np.int32)
        if source.ndim != 1 or source.min(initial=0) < 0 or source.max(initial=0) > source.size:
            raise ValueError(f"a pixel map of shape {source.shape} must hold values from 0 to {source.size}")
        source.flags.writeable = False
        object.__setattr__(self, "source", source)

    @classmethod
    def identity(cls, pixels: int) -> PixelMap:
        """The map that changes nothing."""
        return cls(np.arange(pixels, dtype=np.int32))

    def apply(self, images: np.ndarray) -> np.ndarray:
        """Transformed copies of images [N, D], of the same type."""
        if images.ndim != 2 or images.shape[1] != self.source.size:
            raise ValueError(f"images of shape {images.shape} do not have {self.source.size} pixels")
        outside = self.source == self.source.size
        moved = images[:, np.where(outside, 0, self.source)]
        moved[:, outside] = 0
        return moved

    def then(self, other: PixelMap) -> PixelMap:
        """This map first, the other on its result."""
        if other.source.size != self.source.size:
            raise ValueError("maps of different sizes cannot be composed")
        return PixelMap(np.append(self.source, self.source.size)[other.source])

    def of_channels(self, channels: int) -> PixelMap:
        """The map of images with so many numbers a pixel, which move together: int32 [D·channels]."""
        if channels == 1:
            return self
        numbers = self.source[:, None] * np.int32(channels) + np.arange(channels, dtype=np.int32)
        outside = self.source[:, None] == self.source.size
        return PixelMap(np.where(outside, self.source.size * channels, numbers).ravel())


def pixel_numbers(height: int, width: int) -> np.ndarray:
    """An image [height, width] of pixel numbers from 1, int32, for a transform to move; 0 means outside."""
    return np.arange(1, height * width + 1, dtype=np.int32).reshape(height, width)


def map_from_numbers(moved: object) -> PixelMap:
    """The map that moved a pixel_numbers image (an array, or an image of PIL)."""
    numbers = np.asarray(moved).ravel()
    return PixelMap(np.where(numbers == 0, numbers.size, numbers - 1))


def rotation_map(degrees: float, height: int, width: int, channels: int = 1) -> PixelMap:
    """Counter-clockwise about the centre, nearest neighbour, zero outside: PIL's own `Image.rotate`.

    That is what torchvision.transforms.functional.rotate calls for a PIL image. Here it rotates an image
    that holds pixel numbers.
    """
    picture = Image.fromarray(pixel_numbers(height, width))
    rotated = picture.rotate(degrees, Image.Resampling.NEAREST, fillcolor=0)
    return map_from_numbers(rotated).of_channels(channels)


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
    return PixelMap(rng_for(seed, "permutation", index).permutation(pixels)).of_channels(channels)


def affine_map(step: Affine, height: int, width: int) -> PixelMap:
    """torchvision.transforms.functional.affine on a PIL image, nearest neighbour, zero fill."""
    matrix = inverse_matrix(step, (width * 0.5, height * 0.5))
    picture = Image.fromarray(pixel_numbers(height, width))
    moved = picture.transform(
        (width, height), Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST, fillcolor=0
    )
    return map_from_numbers(moved)


def inverse_matrix(step: Affine, center: tuple[float, float]) -> tuple[float, ...]:
    """From a pixel of the result to one of the image: a, b, c, d, e, f with x = au + bv + c, y = du + ev + f.

    The inverse of T·C·R(angle)·S(scale)·SHy·SHx·C⁻¹, as in torchvision's _get_inverse_affine_matrix.
    """
    rotation, (shear_x, shear_y) = radians(step.degrees), map(radians, step.shear)
    a = cos(rotation - shear_y) / cos(shear_y)
    b = -a * tan(shear_x) - sin(rotation)
    c = sin(rotation - shear_y) / cos(shear_y)
    d = -c * tan(shear_x) + cos(rotation)
    linear = [value / step.scale for value in (d, -b, -c, a)]
    (cx, cy), (tx, ty) = center, step.translate
    x = linear[0] * (-cx - tx) + linear[1] * (-cy - ty) + cx
    y = linear[2] * (-cx - tx) + linear[3] * (-cy - ty) + cy
    return (linear[0], linear[1], x, linear[2], linear[3], y)
