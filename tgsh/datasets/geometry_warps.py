"""Bilinear warps of batches of images, each image by coordinates of its own."""

from __future__ import annotations

from typing import Literal

import numpy as np

Coordinates = tuple[np.ndarray, np.ndarray]
"""Rows and columns of the image that each pixel of the result is read from, float [n, height, width]."""


def warped(
    images: np.ndarray, coordinates: Coordinates, mode: Literal["constant", "reflect"] = "constant"
) -> np.ndarray:
    """Sample images bilinearly.

    Parameters
    ----------
    images : np.ndarray
        float32 [n, height, width, channels].
    coordinates : Coordinates
        Rows and columns, in pixels; 0 is the centre of the first.
    mode : Literal["constant", "reflect"], default="constant"
        What lies outside: zeros, or the image mirrored at the centres of its outermost pixels.

    Returns
    -------
    np.ndarray
        float32 [n, height, width, channels].
    """
    height, width = images.shape[1:3]
    rows, columns = coordinates
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    down, right = (rows - top).astype(np.float32), (columns - left).astype(np.float32)
    numbers = np.arange(len(images))[:, None, None]
    result = np.zeros_like(images)
    for step_down, step_right in ((0, 0), (0, 1), (1, 0), (1, 1)):
        y, x = top + step_down, left + step_right
        weight = (down if step_down else 1 - down) * (right if step_right else 1 - right)
        if mode == "constant":
            weight = weight * ((y >= 0) & (y < height) & (x >= 0) & (x < width))
            y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
        else:
            y, x = _mirrored(y, height), _mirrored(x, width)
        result += weight[..., None] * images[numbers, y, x]
    return result


def _mirrored(places: np.ndarray, side: int) -> np.ndarray:
    period = 2 * (side - 1)
    within = places % period
    return np.where(within >= side, period - within, within)


def affine_coordinates(matrices: np.ndarray, height: int, width: int) -> Coordinates:
    """Compute the coordinates of affine maps.

    Parameters
    ----------
    matrices : np.ndarray
        float [n, 2, 3], from (column, row, 1) of the result to (column, row) of the image.
    height : int
        Pixels.
    width : int
        Pixels.

    Returns
    -------
    Coordinates
        Rows and columns.
    """
    rows, columns = np.mgrid[:height, :width]
    points = np.stack([columns.ravel(), rows.ravel(), np.ones(rows.size)])
    mapped = (matrices @ points).reshape(len(matrices), 2, height, width)
    return mapped[:, 1], mapped[:, 0]


def centred_affine(images: np.ndarray, linear: np.ndarray, offset: np.ndarray | None = None) -> np.ndarray:
    """Warp images by linear maps about their centres, zeros outside.

    Parameters
    ----------
    images : np.ndarray
        float32 [n, height, width, channels].
    linear : np.ndarray
        float [2, 2, n], from (column, row) of the result to the image's, both from the centre.
    offset : np.ndarray | None, default=None
        float [2, n], pixels added to columns and rows.

    Returns
    -------
    np.ndarray
        float32 [n, height, width, channels].
    """
    height, width = images.shape[1:3]
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    matrices = np.moveaxis(linear, 2, 0)
    shift = centre - matrices @ centre
    if offset is not None:
        shift = shift + offset.T
    return warped(
        images, affine_coordinates(np.concatenate([matrices, shift[:, :, None]], axis=2), height, width)
    )
