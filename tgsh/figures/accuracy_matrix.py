"""How well the context of each task does on the data of every task, as a heatmap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from tgsh.figures.heatmap import Scale, add_colour_bar, draw_heatmap, margin_of, side_of
from tgsh.figures.rendering import DPI, Picture
from tgsh.figures.text import text, write_title

# Cividis is made to look the same to eyes that tell red from green and to those that do not.
PERCENT = Scale("cividis", (0, 100), (0, 25, 50, 75, 100), "test accuracy (%)", digits=0)


def accuracy_matrix_figure(values: ArrayLike, labels: Sequence[str], *, title: str) -> Figure:
    """Draw T×T test accuracies, a row a context and a column the data of a task, from 0 to 100 %.

    values: shares of test images classified right, 0…1. labels: T names, taken literally. Colours always
    span 0 to 100 %, so that two figures can be compared by eye. Raises ValueError where shapes do not fit.
    """
    side, margin = side_of(len(labels)), margin_of(labels or [""])
    figure = Picture(figsize=(side + margin + 0.8, side + margin + 0.2), dpi=DPI, facecolor="white")
    figure.set_layout_engine("compressed", w_pad=0.07, h_pad=0.07)
    axes = figure.add_subplot(facecolor="white")
    draw_accuracy_matrix(axes, values, labels)
    write_title(axes, title, side)
    add_colour_bar(figure, axes, PERCENT)
    return figure


def draw_accuracy_matrix(axes: Axes, values: ArrayLike, labels: Sequence[str]) -> None:
    """The same into axes, without the colour bar."""
    draw_heatmap(axes, 100 * np.asarray(values, np.float64), labels, PERCENT)
    axes.set_ylabel("context of", **text(9))
    axes.set_xlabel("data of", **text(9))
