"""Rectangles and corners that torchvision's random transforms draw, for many images at once."""

from __future__ import annotations

import numpy as np

ATTEMPTS = 10
"""Rectangles that torchvision draws at most until one fits."""


def crops(
    rng: np.random.Generator,
    count: int,
    size: tuple[int, int],
    scale: tuple[float, float],
    ratio: tuple[float, float],
) -> np.ndarray:
    """Rectangles of torchvision's RandomResizedCrop.

    Parameters
    ----------
    rng : np.random.Generator
        Generator of the parameters.
    count : int
        N, images.
    size : tuple[int, int]
        Height and width of an image, in pixels.
    scale : tuple[float, float]
        Lowest and highest share of the image's area.
    ratio : tuple[float, float]
        Lowest and highest width/height.

    Returns
    -------
    np.ndarray
        int64 [N, 4]: top, left, height, width, in pixels.
    """
    height, width = size
    w, h = _sides(rng, count, height * width, scale, ratio)
    fits, h, w = _first(h, w, (h > 0) & (h <= height) & (w > 0) & (w <= width))
    h, w = (np.where(fits, side, whole) for side, whole in zip((h, w), _central(size, ratio), strict=True))
    top = np.where(fits, rng.integers(0, height - h + 1), (height - h) // 2)
    left = np.where(fits, rng.integers(0, width - w + 1), (width - w) // 2)
    return np.stack([top, left, h, w], axis=1)


def erasures(
    rng: np.random.Generator,
    count: int,
    size: tuple[int, int],
    scale: tuple[float, float],
    ratio: tuple[float, float],
) -> np.ndarray:
    """Rectangles of torchvision's RandomErasing; empty where none would fit.

    Parameters
    ----------
    rng : np.random.Generator
        Generator of the parameters.
    count : int
        N, images.
    size : tuple[int, int]
        Height and width of an image, in pixels.
    scale : tuple[float, float]
        Lowest and highest share of the image's area.
    ratio : tuple[float, float]
        Lowest and highest width/height.

    Returns
    -------
    np.ndarray
        int64 [N, 4]: top, left, height, width, in pixels.
    """
    height, width = size
    h, w = _sides(rng, count, height * width, scale, ratio)
    fits, h, w = _first(h, w, (h < height) & (w < width))
    h, w = np.where(fits, h, 0), np.where(fits, w, 0)
    return np.stack([rng.integers(0, height - h + 1), rng.integers(0, width - w + 1), h, w], axis=1)


def corners(rng: np.random.Generator, count: int, size: tuple[int, int], distortion: float) -> np.ndarray:
    """End points of torchvision's RandomPerspective.

    Parameters
    ----------
    rng : np.random.Generator
        Generator of the parameters.
    count : int
        N, images.
    size : tuple[int, int]
        Height and width of an image, in pixels.
    distortion : float
        Share of half the image that a corner moves at most.

    Returns
    -------
    np.ndarray
        int64 [N, 4, 2]: x and y, from the top left corner clockwise, in pixels.
    """
    height, width = size
    across, down = int(distortion * (width // 2)), int(distortion * (height // 2))
    x, y = rng.integers(0, across + 1, (count, 4)), rng.integers(0, down + 1, (count, 4))
    # torchvision's low ends are width − across − 1 and height − down − 1: the mirror image of the others.
    x[:, 1:3] += width - across - 1
    y[:, 2:4] += height - down - 1
    return np.stack([x, y], axis=2)


def _sides(
    rng: np.random.Generator, count: int, area: int, scale: tuple[float, float], ratio: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """√(area·aspect) and √(area/aspect), rounded to even as Python does: int64 [N, ATTEMPTS] each."""
    areas = area * rng.uniform(*scale, (count, ATTEMPTS))
    aspects = np.exp(rng.uniform(np.log(ratio[0]), np.log(ratio[1]), (count, ATTEMPTS)))
    return (
        np.rint(np.sqrt(areas * aspects)).astype(np.int64),
        np.rint(np.sqrt(areas / aspects)).astype(np.int64),
    )


def _first(h: np.ndarray, w: np.ndarray, fits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True where an attempt fits, and the sides of the first that does."""
    rows, first = np.arange(len(fits)), fits.argmax(axis=1)
    return np.any(fits, axis=1), h[rows, first], w[rows, first]


def _central(size: tuple[int, int], ratio: tuple[float, float]) -> tuple[int, int]:
    """The crop of last resort: as much as the aspect ratio allows; (height, width)."""
    height, width = size
    if width / height < ratio[0]:
        return round(width / ratio[0]), width
    if width / height > ratio[1]:
        return height, round(height * ratio[1])
    return height, width
