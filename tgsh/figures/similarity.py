"""Similarity matrices as heatmaps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from tgsh.analysis.similarity import SimilarityMatrix
from tgsh.figures.heatmap import add_colour_bar, draw_heatmap, margin_of, side_of, similarity_scale
from tgsh.figures.rendering import DPI, Picture
from tgsh.figures.text import printable, text, write_title


def similarity_figure(values: ArrayLike, labels: Sequence[str], *, title: str, measure: str) -> Figure:
    """Draw a T×T similarity matrix with its task labels on both axes, the first task at the top left.

    values: similarities, dimensionless, −1…1; NaN is drawn grey. Colours are centred at 0 and always span
    −1…1, so that two figures can be compared by eye. labels: T names, taken literally (no mathtext).
    measure: what the values are, written at the colour bar. Raises ValueError where shapes do not fit.
    """
    side, margin = side_of(len(labels)), margin_of(labels or [""])
    figure = Picture(figsize=(side + margin + 0.6, side + margin), dpi=DPI, facecolor="white")
    figure.set_layout_engine("compressed", w_pad=0.07, h_pad=0.07)
    axes, scale = figure.add_subplot(facecolor="white"), similarity_scale(measure)
    draw_heatmap(axes, np.asarray(values), labels, scale)
    write_title(axes, title, side)
    add_colour_bar(figure, axes, scale)
    return figure


def before_after_figure(before: SimilarityMatrix, after: SimilarityMatrix, *, title: str) -> Figure:
    """Draw the similarities of the same tasks before and after training side by side, in one colour scale.

    Raises ValueError where the two are not of the same tasks and measure.
    """
    if (before.tasks, before.measure) != (after.tasks, after.measure):
        raise ValueError("the two matrices are not of the same tasks and measure")
    side, margin = side_of(len(after.labels)), margin_of(after.labels or ("",))
    height = side + margin + 0.9  # two lines of titles
    figure = Picture(figsize=(2 * side + margin + 1.0, height), dpi=DPI, facecolor="white")
    figure.set_layout_engine("compressed", w_pad=0.07, h_pad=0.07)
    panels = [figure.add_subplot(1, 2, place, facecolor="white") for place in (1, 2)]
    scale = similarity_scale(after.measure)
    for axes, matrix, when in zip(
        panels, (before, after), ("before training", "after training"), strict=True
    ):
        draw_heatmap(axes, matrix.values, matrix.labels, scale)
        write_title(axes, when, side)
    panels[1].tick_params(labelleft=False)  # as in the panel to its left
    add_colour_bar(figure, panels, scale)
    line = printable(title, int(22 * side))
    figure.suptitle(line, x=0.01, ha="left", **text(10))
    return figure
