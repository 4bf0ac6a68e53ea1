"""Figures of compared experiments: matrices side by side, the difference of two, correlations of all."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from tgsh.figures import options
from tgsh.figures.heatmaps import Scale, add_colour_bar, draw_heatmap, margin_of, side_of, similarity_scale
from tgsh.figures.style import (
    MEASURES,
    NotebookFigure,
    paper,
    printable,
    text,
    write_panel_name,
    write_title,
)

MANY = 6  # more matrices than this are small, without names and numbers
COLUMNS, MANY_COLUMNS = 3, 8
SMALL_SIDE, LARGEST_SIDE = 1.2, 4.2  # inches
LEAST_EDGE = 0.05  # of the colours of a difference: rounding must not look like a finding


def matrices_figure(
    matrices: Sequence[ArrayLike], labels: Sequence[str], names: Sequence[str], *, title: str, measure: str
) -> Figure:
    """Draw similarity matrices of the same tasks side by side, in one colour scale.

    Parameters
    ----------
    matrices : Sequence[ArrayLike]
        n similarity matrices, float [T, T], dimensionless, −1 to 1; NaN is drawn grey.
    labels : Sequence[str]
        T names of tasks, taken literally.
    names : Sequence[str]
        n names of the matrices, taken literally.
    title : str
        Title, taken literally.
    measure : str
        Measure of the values, written at the colour bar.

    Returns
    -------
    Figure
        New figure.

    Raises
    ------
    ValueError
        If shapes do not fit, or there is nothing to draw.
    """
    arrays = [np.asarray(each, np.float64) for each in matrices]
    if not arrays or len(arrays) != len(names):
        raise ValueError(f"{len(arrays)} matrices do not fit {len(names)} names")
    is_many = len(arrays) > MANY
    is_named = not is_many or options.asked("labels") in ("all", "some")
    columns = min(len(arrays), MANY_COLUMNS if is_many else COLUMNS)
    rows = math.ceil(len(arrays) / columns)
    side = SMALL_SIDE if is_many else min(side_of(len(labels)), LARGEST_SIDE)
    margin = margin_of(labels or [""]) if is_named else 0.0
    width, height = columns * (side + 0.1) + margin + 1.0, rows * (side + 0.45) + margin + 0.5
    figure = NotebookFigure(figsize=(width, height))
    figure.set_layout_engine("compressed", w_pad=0.07, h_pad=0.07)
    scale = similarity_scale(measure).chosen(*arrays)
    panels = []
    for place, (matrix, name) in enumerate(zip(arrays, names, strict=True)):
        axes = figure.add_subplot(rows, columns, place + 1, facecolor=paper())
        draw_heatmap(axes, matrix, labels, scale, is_named=is_named, has_numbers=not is_many)
        # Names stand where nothing is beside or below.
        axes.tick_params(labelleft=place % columns == 0, labelbottom=place + columns >= len(arrays))
        if is_many:
            axes.set_title(printable(name, int(15 * side * options.widening())), loc="left", pad=3, **text(7))
        else:
            write_panel_name(axes, name, side)
        panels.append(axes)
    add_colour_bar(figure, panels, scale)
    if shown := options.titled(title):
        line = printable(shown, int(11 * width * options.widening()))
        figure.suptitle(line, x=0.01, ha="left", **text(10))
    return figure


def difference_figure(values: ArrayLike, labels: Sequence[str], *, title: str, measure: str) -> Figure:
    """Draw the difference of two similarity matrices, on a scale of its own that is centred at 0.

    Parameters
    ----------
    values : ArrayLike
        float [T, T], differences, dimensionless; NaN is drawn grey.
    labels : Sequence[str]
        T names of tasks, taken literally.
    title : str
        Title, taken literally.
    measure : str
        Measure of the similarities, written at the colour bar.

    Returns
    -------
    Figure
        New figure.

    Raises
    ------
    ValueError
        If shapes do not fit, or there is nothing to draw.
    """
    side, margin = side_of(len(labels)), margin_of(labels or [""])
    figure = NotebookFigure(figsize=(side + margin + 0.6, side + margin))
    figure.set_layout_engine("compressed", w_pad=0.07, h_pad=0.07)
    axes, matrix = figure.add_subplot(facecolor=paper()), np.asarray(values, np.float64)
    scale = _difference_scale(matrix, measure).chosen(matrix)
    draw_heatmap(axes, matrix, labels, scale)
    write_title(axes, title, side)
    add_colour_bar(figure, axes, scale)
    return figure


def _difference_scale(matrix: np.ndarray, measure: str) -> Scale:
    finite = np.abs(matrix[np.isfinite(matrix)])
    most = max(LEAST_EDGE, float(finite.max(initial=0.0)))
    step = 10.0 ** (math.floor(math.log10(most)) - 1)
    edge = round(math.ceil(most / step - 1e-9) * step, 6)
    name = f"difference of {MEASURES.get(measure, printable(measure))}"
    return Scale("RdBu_r", (-edge, edge), (-edge, 0, edge), name, digits=2 if edge >= 0.1 else 3)
