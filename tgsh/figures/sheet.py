"""Small grey images in rows and columns: reconstructions, samples of a suite."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tgsh.figures.rendering import DPI, Picture
from tgsh.figures.text import FAINT, name_columns, name_rows, text, write_title

GAP = 2  # pixels between images
INCHES = 0.34  # side of an image
MOST_INCHES = 11.0  # of the sheet's longer side
CONTRAST = (1, 99)  # percentiles that become black and white where images have no common scale


def image_sheet(
    images: NDArray[np.floating],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    title: str,
    across: str,
    scale: tuple[float, float] | None = None,
) -> Figure:
    """Draw images [R, C, height, width] as R named rows of C named columns.

    across: what columns are. scale: the values that are black and white; None where images have no common
    scale, as reconstructions, and each gets its own contrast. Raises ValueError where shapes do not fit.
    """
    if images.ndim != 4 or images.shape[:2] != (len(rows), len(columns)) or not images.size:
        raise ValueError(f"images of shape {images.shape} are no {len(rows)} × {len(columns)} sheet")
    side = min(INCHES, MOST_INCHES / max(len(rows), len(columns)))
    width, height = side * len(columns), side * len(rows)
    figure = Picture(figsize=(max(width, 2.4) + 1.2, height + 1.0), dpi=DPI, facecolor="white")
    figure.set_layout_engine("compressed", w_pad=0.07, h_pad=0.07)
    axes = figure.add_subplot(facecolor="white")
    draw_sheet(axes, images, rows, columns, across=across, scale=scale)
    write_title(axes, title, max(width, 2.4))
    return figure


def draw_sheet(
    axes: Axes,
    images: NDArray[np.floating],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    across: str,
    scale: tuple[float, float] | None = None,
) -> None:
    """The same into axes."""
    # Extent in units of images, so that labels stand at 0, 1, …
    edges = (-0.5, len(columns) - 0.5, len(rows) - 0.5, -0.5)
    mosaic = _mosaic(_grey(images, scale))
    axes.imshow(mosaic, cmap="gray", vmin=0, vmax=1, extent=edges, aspect="equal", interpolation="none")
    name_rows(axes, rows)
    name_columns(axes, columns)
    axes.set_xlabel(across, **text(9))
    axes.tick_params(length=0, pad=2, color=FAINT)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _grey(images: NDArray[np.floating], scale: tuple[float, float] | None) -> NDArray[np.floating]:
    """The images from 0, black, to 1, white."""
    low, high = scale or np.percentile(images, CONTRAST, axis=(2, 3), keepdims=True)
    return np.clip((images - low) / np.where(high > low, high - low, 1), 0, 1)


def _mosaic(images: NDArray[np.floating]) -> NDArray[np.float32]:
    """All images in one, with white gaps: [R·(height + GAP), C·(width + GAP)]."""
    before, after = GAP // 2, GAP - GAP // 2
    padded = np.pad(images, ((0, 0), (0, 0), (before, after), (before, after)), constant_values=1)
    rows, columns, height, width = padded.shape
    return padded.transpose(0, 2, 1, 3).reshape(rows * height, columns * width).astype(np.float32)
