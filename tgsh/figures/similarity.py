"""Similarity matrices as heatmaps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from tgsh.figures.heatmap import add_colour_bar, draw_heatmap, margin_of, side_of
from tgsh.figures.rendering import DPI
from tgsh.figures.text import write_title


def similarity_figure(values: ArrayLike, labels: Sequence[str], *, title: str, measure: str) -> Figure:
    """Draw a T×T similarity matrix with its task labels on both axes, the first task at the top left.

    values: similarities, dimensionless, −1…1; NaN is drawn grey. Colours are centred at 0 and always span
    −1…1, so that two figures can be compared by eye. labels: T names, taken literally (no mathtext).
    measure: what the values are, written at the colour bar. Raises ValueError where shapes do not fit.
    """
    side, margin = side_of(len(labels)), margin_of(labels or [""])
    figure = Figure(figsize=(side + margin + 0.6, side + margin), dpi=DPI, facecolor="white")
    figure.set_layout_engine("compressed", w_pad=0.07, h_pad=0.07)
    axes = figure.add_subplot(facecolor="white")
    draw_heatmap(axes, np.asarray(values), labels)
    write_title(axes, title, side)
    add_colour_bar(figure, axes, measure)
    return figure
