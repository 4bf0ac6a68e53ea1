"""Context vectors as they are: a row a task, a column a unit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from tgsh.figures.rendering import DPI, Picture
from tgsh.figures.text import name_rows, text, trim, write_title

WIDTH = 6.4  # inches
RANGE = 99  # percentile of magnitudes at which colours end: few large weights must not hide the others


def vectors_figure(values: ArrayLike, labels: Sequence[str], *, title: str) -> Figure:
    """Draw T×H vectors in colours centred at 0. Raises ValueError where shapes do not fit."""
    height = 1.2 + 0.16 * min(max(len(labels), 4), 40)
    figure = Picture(figsize=(WIDTH, height), dpi=DPI, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.07, h_pad=0.07)
    axes = figure.add_subplot(facecolor="white")
    draw_vectors(axes, values, labels)
    write_title(axes, title, WIDTH - 0.6)
    return figure


def draw_vectors(axes: Axes, values: ArrayLike, labels: Sequence[str]) -> None:
    """The same into axes."""
    vectors = np.asarray(values, np.float64)
    if vectors.ndim != 2 or len(vectors) != len(labels) or not vectors.size:
        raise ValueError(f"vectors of shape {vectors.shape} do not fit {len(labels)} labels")
    end = float(np.nanpercentile(np.abs(vectors), RANGE)) or 1.0
    axes.imshow(vectors, cmap="RdBu_r", vmin=-end, vmax=end, aspect="auto", interpolation="antialiased")
    name_rows(axes, labels)
    trim(axes)
    axes.tick_params(axis="x", labelsize=8)
    axes.set_xlabel(f"unit (colours from {-end:.2g} to {end:.2g})".replace("-", "−"), **text(9))
