"""Grids of small images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tgsh.figures.style import FAINT, NotebookFigure, label_columns, label_rows, paper, text, write_title

GAP = 2  # pixels between images
INCHES = 0.34  # longer side of an image
MAX_INCHES = 11.0  # of the sheet's longer side
CONTRAST = (1, 99)  # percentiles that become black and white where images have no common scale


def image_grid(
    images: NDArray[np.floating],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    title: str,
    across: str,
    scale: tuple[float, float] | None = None,
) -> Figure:
    """Draw small images as R named rows of C named columns.

    Parameters
    ----------
    images : NDArray[np.floating]
        float [R, C, height, width], or [R, C, height, width, 3] in colour.
    rows : Sequence[str]
        R names, taken literally.
    columns : Sequence[str]
        C names, taken literally.
    title : str
        Title, taken literally.
    across : str
        Name of the horizontal axis: what columns are.
    scale : tuple[float, float] | None, default=None
        Values that are black and white; None where images have no common scale, as reconstructions, and each
        gets its own contrast.

    Returns
    -------
    Figure
        New figure.

    Raises
    ------
    ValueError
        If shapes do not fit, or there is no image.
    """
    if images.ndim not in (4, 5) or images.shape[:2] != (len(rows), len(columns)) or not images.size:
        raise ValueError(f"images of shape {images.shape} are no {len(rows)} × {len(columns)} sheet")
    tall, wide = (size + GAP for size in images.shape[2:4])
    a_pixel = min(INCHES / max(tall, wide), MAX_INCHES / max(len(rows) * tall, len(columns) * wide))
    width, height = a_pixel * wide * len(columns), a_pixel * tall * len(rows)
    figure = NotebookFigure(figsize=(max(width, 2.4) + 1.2, height + 1.0))
    figure.set_layout_engine("compressed", w_pad=0.07, h_pad=0.07)
    axes = figure.add_subplot(facecolor=paper())
    draw_image_grid(axes, images, rows, columns, across=across, scale=scale)
    write_title(axes, title, max(width, 2.4))
    return figure


def draw_image_grid(
    axes: Axes,
    images: NDArray[np.floating],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    across: str,
    scale: tuple[float, float] | None = None,
) -> None:
    """Draw small images into axes, as `image_grid` does.

    Parameters
    ----------
    axes : Axes
        Axes of a figure.
    images : NDArray[np.floating]
        float [R, C, height, width], or [R, C, height, width, 3] in colour.
    rows : Sequence[str]
        R names, taken literally.
    columns : Sequence[str]
        C names, taken literally.
    across : str
        Name of the horizontal axis: what columns are.
    scale : tuple[float, float] | None, default=None
        Values that are black and white; None: each image gets its own contrast.
    """
    tall, wide = (size + GAP for size in images.shape[2:4])
    # Extent in units of images, so that labels stand at 0, 1, …
    edges = (-0.5, len(columns) - 0.5, len(rows) - 0.5, -0.5)
    mosaic = _mosaic(_from_black_to_white(images, scale))
    axes.imshow(mosaic, cmap="gray", vmin=0, vmax=1, extent=edges, aspect=tall / wide, interpolation="none")
    label_rows(axes, rows)
    label_columns(axes, columns)
    axes.set_xlabel(across, **text(9))
    axes.tick_params(length=0, pad=2, color=FAINT)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _from_black_to_white(
    images: NDArray[np.floating], scale: tuple[float, float] | None
) -> NDArray[np.floating]:
    """The images from 0, black, to 1, white; channels keep their relation."""
    of_an_image = tuple(range(2, images.ndim))
    low, high = scale or np.percentile(images, CONTRAST, axis=of_an_image, keepdims=True)
    return np.clip((images - low) / np.where(high > low, high - low, 1), 0, 1)


def _mosaic(images: NDArray[np.floating]) -> NDArray[np.float32]:
    """All images in one, with white gaps: [R·(height + GAP), C·(width + GAP)], or with three channels."""
    gap = (GAP // 2, GAP - GAP // 2)
    around = [(0, 0), (0, 0), gap, gap, *[(0, 0)] * (images.ndim - 4)]
    padded = np.pad(images, around, constant_values=1)
    rows, columns, height, width, *channels = padded.shape
    turned = np.moveaxis(padded, 2, 1).reshape(rows * height, columns * width, *channels)
    return turned.astype(np.float32)
