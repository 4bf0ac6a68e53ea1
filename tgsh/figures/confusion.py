"""Heatmap of confusion counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from tgsh import colours
from tgsh.figures.heatmaps import Scale, add_colour_bar, draw_heatmap, margin_of, side_of
from tgsh.figures.style import NotebookFigure, paper, text, write_title

SHARES = Scale(colours.SHARES, (0, 100), (0, 25, 50, 75, 100), "of the images of the class (%)", digits=0)


def confusion_figure(counts: ArrayLike, class_names: Sequence[str], *, title: str) -> Figure:
    """Draw what the images of every class were taken for, as shares of the class.

    Shares, not counts, as a rare class would be dark whatever happens to it; a class without images is grey.

    Parameters
    ----------
    counts : ArrayLike
        int [K, K], images: a row a class, a column a recognised class.
    class_names : Sequence[str]
        K names, taken literally.
    title : str
        Title, taken literally.

    Returns
    -------
    Figure
        New figure; its colours are in percent.

    Raises
    ------
    ValueError
        If shapes do not fit, or there is nothing to draw.
    """
    side, margin = side_of(len(class_names)), margin_of(class_names or [""])
    figure = NotebookFigure(figsize=(side + margin + 0.8, side + margin + 0.2))
    figure.set_layout_engine("compressed", w_pad=0.07, h_pad=0.07)
    axes = figure.add_subplot(facecolor=paper())
    scale = draw_confusion(axes, counts, class_names)
    write_title(axes, title, side)
    add_colour_bar(figure, axes, scale)
    return figure


def draw_confusion(axes: Axes, counts: ArrayLike, class_names: Sequence[str]) -> Scale:
    """Draw confusion counts into axes, as `confusion_figure` does, without the colour bar.

    Parameters
    ----------
    axes : Axes
        Axes of a figure.
    counts : ArrayLike
        int [K, K], images.
    class_names : Sequence[str]
        K names, taken literally.

    Returns
    -------
    Scale
        Its colours, for a colour bar.

    Raises
    ------
    ValueError
        If shapes do not fit, or there is nothing to draw.
    """
    images = np.asarray(counts, np.float64)
    totals = images.sum(axis=-1, keepdims=True)
    shares = np.divide(100 * images, totals, out=np.full(images.shape, np.nan), where=totals > 0)
    scale = SHARES.chosen(shares)
    draw_heatmap(axes, shares, class_names, scale)
    axes.set_ylabel("class", **text(9))
    axes.set_xlabel("taken for", **text(9))
    return scale
