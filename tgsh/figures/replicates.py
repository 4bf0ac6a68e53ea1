"""Figures of numbers over replicates: spread, intervals, support of a tree, clouds of points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from tgsh.analysis.consensus import SupportedTree
from tgsh.analysis.embedding import TaskMap, TaskScale
from tgsh.analysis.similarity import SimilarityMatrix
from tgsh.colours import SHARES
from tgsh.figures.curves import COLOURS, HEIGHT, WIDTHS
from tgsh.figures.dendrogram import brackets_of, dendrogram_figure
from tgsh.figures.embedding import embedding_figure
from tgsh.figures.heatmaps import Scale, add_colour_bar, draw_heatmap, margin_of, side_of
from tgsh.figures.style import (
    FAINT,
    INK,
    NotebookFigure,
    label_columns,
    label_rows,
    legend_font,
    open_frame,
    paper,
    text,
    wrapped,
    write_title,
)

ROW = 0.26
"""Height of an interval's row, inches."""

LONGEST = 60
"""Characters of an interval's name that have room."""

MAX_WRITTEN_SUPPORT = 60
"""Groups of a tree whose support is written; more would cover each other."""


def spread_figure(values: ArrayLike, labels: Sequence[str], *, title: str, note: str = "") -> Figure:
    """Draw standard deviations of similarities; colours go from 0 to the greatest.

    Parameters
    ----------
    values : ArrayLike
        float [T, T], at least 0; NaN is drawn grey.
    labels : Sequence[str]
        T names, taken literally.
    title : str
        Title, taken literally.
    note : str, default=""
        Sentence below the matrix.

    Returns
    -------
    Figure
        New figure.

    Raises
    ------
    ValueError
        If shapes do not fit.
    """
    spread = np.asarray(values, np.float64)
    greatest = float(np.nanmax(spread, initial=0.0, where=np.isfinite(spread))) or 1.0
    side, margin = side_of(len(labels)), margin_of(labels or [""])
    figure = NotebookFigure(figsize=(side + margin + 0.6, side + margin))
    figure.set_layout_engine("compressed", w_pad=0.07, h_pad=0.07)
    ticks = (0.0, greatest / 2, greatest)
    scale = Scale(SHARES, (0.0, greatest), ticks, "standard deviation over replicates", digits=3)
    scale = scale.chosen(spread)
    axes = figure.add_subplot(facecolor=paper())
    draw_heatmap(axes, spread, labels, scale)
    write_title(axes, title, side)
    if note:
        axes.set_xlabel(wrapped(note, side), loc="left", labelpad=6, **text(8))
    add_colour_bar(figure, axes, scale)
    return figure


def intervals_figure(intervals: ArrayLike, names: Sequence[str], *, title: str, axis: str) -> Figure:
    """Draw means with their intervals, one a row, and a line at zero.

    Parameters
    ----------
    intervals : ArrayLike
        float [n, 3]: mean, low, high; NaN where there is none.
    names : Sequence[str]
        n names, taken literally.
    title : str
        Title, taken literally.
    axis : str
        What the numbers are.

    Returns
    -------
    Figure
        New figure.

    Raises
    ------
    ValueError
        If shapes do not fit, or there is nothing to draw.
    """
    rows = np.asarray(intervals, np.float64)
    if rows.shape != (len(names), 3) or not len(names):
        raise ValueError(f"intervals of shape {rows.shape} do not fit {len(names)} names")
    margin = 0.06 * min(LONGEST, max(map(len, names)))
    width = WIDTHS[0] + margin
    figure = NotebookFigure(figsize=(width, 1.1 + ROW * len(names)))
    figure.set_layout_engine("constrained", w_pad=0.07, h_pad=0.07)
    axes = figure.add_subplot(facecolor=paper())
    draw_intervals(axes, rows, names, axis=axis)
    write_title(axes, title, width - 0.6)
    return figure


def draw_intervals(axes: Axes, intervals: ArrayLike, names: Sequence[str], *, axis: str) -> None:
    """Draw means with their intervals into axes, one a row, and a line at zero.

    Parameters
    ----------
    axes : Axes
        Axes of a figure.
    intervals : ArrayLike
        float [n, 3]: mean, low, high; NaN where there is none.
    names : Sequence[str]
        n names, taken literally.
    axis : str
        What the numbers are.
    """
    rows = np.asarray(intervals, np.float64)
    axes.axvline(0, color=FAINT, linewidth=0.8)
    places = np.arange(len(names))
    axes.hlines(places, rows[:, 1], rows[:, 2], color=COLOURS[0], linewidth=1.4)
    axes.plot(rows[:, 0], places, linestyle="", marker="o", markersize=4, color=COLOURS[0])
    axes.set_ylim(len(names) - 0.5, -0.5)
    open_frame(axes)
    label_rows(axes, names)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel(axis, **text(9))


def ceilings_figure(ceilings: ArrayLike, names: Sequence[str], *, title: str, note: str = "") -> Figure:
    """Draw noise ceilings as bars from the lower to the upper one, and how far two replicates agree.

    Parameters
    ----------
    ceilings : ArrayLike
        float [n, 3], correlations: lower ceiling, upper ceiling, mean of two single replicates; NaN where
        there is none.
    names : Sequence[str]
        n names, taken literally.
    title : str
        Title, taken literally.
    note : str, default=""
        Sentence below the axis.

    Returns
    -------
    Figure
        New figure.

    Raises
    ------
    ValueError
        If shapes do not fit, or there is nothing to draw.
    """
    rows = np.asarray(ceilings, np.float64)
    if rows.shape != (len(names), 3) or not len(names):
        raise ValueError(f"ceilings of shape {rows.shape} do not fit {len(names)} names")
    width = WIDTHS[0] + 0.06 * min(LONGEST, max(map(len, names)))
    figure = NotebookFigure(figsize=(width, 1.5 + ROW * len(names)))
    figure.set_layout_engine("constrained", w_pad=0.07, h_pad=0.07)
    axes = figure.add_subplot(facecolor=paper())
    places = np.arange(len(names))
    # With an edge, so that a bar can be seen where both are equal.
    axes.barh(
        places,
        rows[:, 1] - rows[:, 0],
        height=0.5,
        left=rows[:, 0],
        color=COLOURS[0],
        edgecolor=COLOURS[0],
        linewidth=1.2,
        label="noise ceiling",
    )
    axes.plot(
        rows[:, 2],
        places,
        linestyle="",
        marker="D",
        markersize=4.5,
        color=COLOURS[1],
        label="two replicates",
    )
    ends = rows[np.isfinite(rows)]
    if len(ends):
        pad = max(0.08 * float(np.ptp(ends)), 0.0005)
        axes.set_xlim(float(ends.min()) - pad, float(ends.max()) + pad)
    axes.set_ylim(len(names) - 0.5, -0.5)
    open_frame(axes)
    label_rows(axes, names)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel("\n".join(filter(None, ("correlation", wrapped(note, width) if note else ""))), **text(9))
    figure.legend(loc="outside lower left", frameon=False, prop=legend_font(8), ncols=2)
    write_title(axes, title, width - 0.6)
    return figure


def accuracy_intervals_figure(
    intervals: Sequence[ArrayLike], labels: Sequence[str], cells: Sequence[str], *, title: str
) -> Figure:
    """Draw the accuracies of T tasks with their intervals, one colour a cell.

    Parameters
    ----------
    intervals : Sequence[ArrayLike]
        float [T, 3] of each cell: mean, low, high, 0 to 1; NaN where there is none.
    labels : Sequence[str]
        T names, taken literally.
    cells : Sequence[str]
        A name a cell.
    title : str
        Title, taken literally.

    Returns
    -------
    Figure
        New figure; the axis is in percent.

    Raises
    ------
    ValueError
        If there is nothing to draw.
    """
    if not len(labels) or not len(cells):
        raise ValueError("there is no accuracy to draw")
    width = min(WIDTHS[1], max(WIDTHS[0], 1.6 + 0.14 * len(labels)))
    height = HEIGHT + min(0.06 * max(map(len, labels)), 1.4) + 0.18 * len(cells)
    figure = NotebookFigure(figsize=(width, height))
    figure.set_layout_engine("constrained", w_pad=0.07, h_pad=0.07)
    axes = figure.add_subplot(facecolor=paper())
    shift = 0.6 / max(len(cells), 1)
    for number, (cell, values) in enumerate(zip(cells, intervals, strict=True)):
        percent = 100 * np.asarray(values, np.float64)
        places = np.arange(len(percent)) + (number - (len(cells) - 1) / 2) * shift
        colour = COLOURS[number % len(COLOURS)]
        axes.vlines(places, percent[:, 1], percent[:, 2], color=colour, linewidth=1.2)
        axes.plot(
            places, percent[:, 0], linestyle="", marker="o", markersize=3.5, color=colour, label=cell or None
        )
    open_frame(axes)
    label_columns(axes, labels)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.set_ylabel("test accuracy (%)", **text(9))
    if any(cells):
        figure.legend(loc="outside lower left", frameon=False, prop=legend_font(8))
    write_title(axes, title, width - 0.6)
    return figure


def supported_tree_figure(found: SupportedTree, matrix: SimilarityMatrix, *, title: str) -> Figure:
    """Draw a tree beside the mean matrix in its order, with the support of each group at its joint.

    Parameters
    ----------
    found : SupportedTree
        Tree over T tasks and the support of its groups.
    matrix : SimilarityMatrix
        The mean similarities [T, T], in task order.
    title : str
        Title, taken literally.

    Returns
    -------
    Figure
        New figure.

    Raises
    ------
    ValueError
        If shapes do not fit.
    """
    figure = dendrogram_figure(found.tree, matrix, title=title)
    axes = cast("Axes", figure.axes[0].child_axes[0])
    if len(found.support) <= MAX_WRITTEN_SUPPORT:
        _write_support(axes, found)
    return figure


def _write_support(axes: Axes, found: SupportedTree) -> None:
    for joint, share in zip(brackets_of(found.tree)[:-1], found.support, strict=False):  # not the root
        if share is not None:
            distance, row = joint[1, 0], (joint[1, 1] + joint[2, 1]) / 2
            axes.annotate(
                f"{100 * share:.0f}",
                (distance, row),
                (-2, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                **text(6, COLOURS[1]),
            )


def spread_map_figure(
    embedding: TaskMap, replicates: np.ndarray, *, title: str, scale: TaskScale | None = None
) -> Figure:
    """Draw the map of the tasks, and around every point those of the single replicates.

    Parameters
    ----------
    embedding : TaskMap
        Mean points [T, 2] or [T, 3].
    replicates : np.ndarray
        float [R, T, dimensions], in the same frame; NaN where a replicate lacks a task.
    title : str
        Title, taken literally.
    scale : TaskScale | None, default=None
        Parameter of the T tasks; None where they are in no order.

    Returns
    -------
    Figure
        New figure.

    Raises
    ------
    ValueError
        If there is no point.
    """
    figure = embedding_figure(embedding, title=title, scale=scale)
    for panel, axes in enumerate(figure.axes):
        low, high = axes.get_xlim(), axes.get_ylim()
        for task in range(replicates.shape[1]):
            points = replicates[:, task][:, [0, panel + 1]]
            centre = embedding.points[task, [0, panel + 1]]
            for point in points[np.isfinite(points).all(axis=1)]:
                axes.plot(*np.stack([centre, point]).T, color=FAINT, linewidth=0.4, zorder=0.5)
            axes.plot(*points.T, linestyle="", marker=".", markersize=2.5, color=INK, alpha=0.5, zorder=1.5)
        axes.set_xlim(low)
        axes.set_ylim(high)
    return figure
