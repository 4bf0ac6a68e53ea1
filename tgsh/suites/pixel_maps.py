"""Pixel maps: rotation, roll, flip, permutation, affine."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin, tan

import numpy as np
from PIL import Image

from tgsh.rng import rng_for
from tgsh.specs.transforms import Affine

WHITE = 255
"""The highest grey level."""


@dataclass(frozen=True, eq=False)
class PixelMap:
    """A transform that only moves pixels: pixel d of the result is pixel source[d] of the image.

    Attributes
    ----------
    source : np.ndarray
        int32 [D], read-only: pixel numbers, D where the result is zero, and D + g where it is the grey level
        g of 255.

    Raises
    ------
    ValueError
        If a number is not in 0 … D + 255.
    """

    source: np.ndarray

    def __post_init__(self) -> None:
        source = np.array(self.source, np.int32)
        if source.ndim != 1 or source.min(initial=0) < 0 or source.max(initial=0) > source.size + WHITE:
            raise ValueError(
                f"a pixel map of shape {source.shape} must hold values from 0 to {source.size}, and up to "
                f"{WHITE} more for greys"
            )
        source.flags.writeable = False
        object.__setattr__(self, "source", source)

    @classmethod
    def identity(cls, pixels: int) -> PixelMap:
        """Make the map that changes nothing.

        Parameters
        ----------
        pixels : int
            D.

        Returns
        -------
        PixelMap
            source = 0 … D − 1.
        """
        return cls(np.arange(pixels, dtype=np.int32))

    @property
    def fills(self) -> bool:
        """True where the result has pixels of another grey than black, which no network can be wired to."""
        return bool((self.source > self.source.size).any())

    def apply(self, images: np.ndarray) -> np.ndarray:
        """Transform images.

        Parameters
        ----------
        images : np.ndarray
            [N, D], integers from 0 to 255 or floats from 0 to 1.

        Returns
        -------
        np.ndarray
            Transformed copies [N, D], of the same dtype.

        Raises
        ------
        ValueError
            If images do not have D pixels.
        """
        if images.ndim != 2 or images.shape[1] != self.source.size:
            raise ValueError(f"images of shape {images.shape} do not have {self.source.size} pixels")
        outside = self.source >= self.source.size
        transformed = images[:, np.where(outside, 0, self.source)]
        levels = self.source[outside] - self.source.size
        transformed[:, outside] = levels if images.dtype.kind in "iu" else levels / WHITE
        return transformed

    def then(self, other: PixelMap) -> PixelMap:
        """Compose this map with another on its result.

        Parameters
        ----------
        other : PixelMap
            Map of as many pixels.

        Returns
        -------
        PixelMap
            This map first, then the other.

        Raises
        ------
        ValueError
            If the sizes differ.
        """
        if other.source.size != self.source.size:
            raise ValueError("maps of different sizes cannot be composed")
        greys = np.arange(self.source.size, self.source.size + WHITE + 1, dtype=np.int32)
        return PixelMap(np.append(self.source, greys)[other.source])

    def of_channels(self, channels: int) -> PixelMap:
        """Extend the map to images with several numbers a pixel, which move together.

        Parameters
        ----------
        channels : int
            Numbers a pixel, side by side.

        Returns
        -------
        PixelMap
            int32 [D·channels].
        """
        if channels == 1:
            return self
        numbers = self.source[:, None] * np.int32(channels) + np.arange(channels, dtype=np.int32)
        levels = self.source[:, None] - self.source.size
        return PixelMap(np.where(levels >= 0, self.source.size * channels + levels, numbers).ravel())


def pixel_numbers(height: int, width: int) -> np.ndarray:
    """Make an image of pixel numbers from 1 for a transform to move; 0 then means outside.

    Parameters
    ----------
    height : int
        Pixels.
    width : int
        Pixels.

    Returns
    -------
    np.ndarray
        int32 [height, width].
    """
    return np.arange(1, height * width + 1, dtype=np.int32).reshape(height, width)


def map_from_numbers(moved: object, fill: float = 0.0) -> PixelMap:
    """Read a pixel map from an image of pixel numbers that a transform moved.

    Parameters
    ----------
    moved : object
        Array or PIL image [height, width], made of `pixel_numbers`.
    fill : float, default=0.0
        Grey of pixels outside, from 0 to 1; becomes the nearest of 256 levels.

    Returns
    -------
    PixelMap
        The map of that transform.
    """
    numbers = np.asarray(moved).ravel()
    return PixelMap(np.where(numbers == 0, numbers.size + round(WHITE * fill), numbers - 1))


def rotation_map(degrees: float, height: int, width: int, channels: int = 1, fill: float = 0.0) -> PixelMap:
    """Rotate counter-clockwise about the centre, nearest neighbour: PIL's `Image.rotate`.

    That is what torchvision.transforms.functional.rotate calls for a PIL image. Here it rotates an image of
    pixel numbers.

    Parameters
    ----------
    degrees : float
        Angle, degrees.
    height : int
        Pixels.
    width : int
        Pixels.
    channels : int, default=1
        Numbers a pixel.
    fill : float, default=0.0
        Grey of pixels outside, from 0 to 1.

    Returns
    -------
    PixelMap
        int32 [height·width·channels].
    """
    picture = Image.fromarray(pixel_numbers(height, width))
    rotated = picture.rotate(degrees, Image.Resampling.NEAREST, fillcolor=0)
    return map_from_numbers(rotated, fill).of_channels(channels)


def roll_map(right: int, down: int, height: int, width: int, channels: int = 1) -> PixelMap:
    """Shift with periodic boundary: numpy.roll.

    Parameters
    ----------
    right : int
        Pixels to the right.
    down : int
        Pixels down.
    height : int
        Pixels.
    width : int
        Pixels.
    channels : int, default=1
        Numbers a pixel.

    Returns
    -------
    PixelMap
        int32 [height·width·channels].
    """
    numbers = np.arange(height * width, dtype=np.int32).reshape(height, width)
    return PixelMap(np.roll(numbers, (down, right), axis=(0, 1)).ravel()).of_channels(channels)


def flip_map(axis: int, height: int, width: int) -> PixelMap:
    """Flip along an axis: numpy.flip.

    Parameters
    ----------
    axis : int
        0 (upside down) or 1 (mirrored).
    height : int
        Pixels.
    width : int
        Pixels.

    Returns
    -------
    PixelMap
        int32 [height·width].
    """
    return PixelMap(np.flip(np.arange(height * width).reshape(height, width), axis).ravel())


def permutation_map(seed: int, index: int, pixels: int, channels: int = 1) -> PixelMap:
    """Permute pixels at random.

    Parameters
    ----------
    seed : int
        Seed of the permutations.
    index : int
        Number of the permutation, each from its own generator; 0 is the identity.
    pixels : int
        H·W.
    channels : int, default=1
        Numbers a pixel, which move together.

    Returns
    -------
    PixelMap
        int32 [pixels·channels].
    """
    if index == 0:
        return PixelMap.identity(pixels * channels)
    return PixelMap(rng_for(seed, "permutation", index).permutation(pixels)).of_channels(channels)


def affine_map(step: Affine, height: int, width: int) -> PixelMap:
    """Transform affinely, nearest neighbour.

    That is torchvision.transforms.functional.affine on a PIL image.

    Parameters
    ----------
    step : Affine
        Angle in degrees, translation in pixels, scale, shear in degrees, fill from 0 to 1.
    height : int
        Pixels.
    width : int
        Pixels.

    Returns
    -------
    PixelMap
        int32 [height·width].
    """
    matrix = inverse_matrix(step, (width * 0.5, height * 0.5))
    picture = Image.fromarray(pixel_numbers(height, width))
    moved = picture.transform(
        (width, height), Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST, fillcolor=0
    )
    return map_from_numbers(moved, step.fill)


def inverse_matrix(step: Affine, center: tuple[float, float]) -> tuple[float, ...]:
    """Compute the inverse of an affine transform, from a pixel of the result to one of the image.

    The inverse of T·C·R(angle)·S(scale)·SHy·SHx·C⁻¹, as in torchvision's _get_inverse_affine_matrix.

    Parameters
    ----------
    step : Affine
        Angle in degrees, translation in pixels, scale, shear in degrees.
    center : tuple[float, float]
        (x, y), pixels.

    Returns
    -------
    tuple[float, ...]
        a, b, c, d, e, f with x = au + bv + c, y = du + ev + f.
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
