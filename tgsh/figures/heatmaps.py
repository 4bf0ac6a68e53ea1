"""Heatmaps of matrices: similarity, before and after training, accuracy, context vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from tgsh.analysis.similarity import SimilarityMatrix
from tgsh.colours import DIVERGING, SHARES, off_diagonal, rounded_ends
from tgsh.figures import options
from tgsh.figures.style import (
    FAINT,
    INK,
    MEASURES,
    MISSING,
    NotebookFigure,
    format_number,
    label_columns,
    label_rows,
    paper,
    printable,
    text,
    thin_frame,
    wrapped,
    write_panel_name,
    write_title,
)
from tgsh.task_names import MAX_NAME, told_apart

SIDES = (3.0, 5.2)  # inches, of few and of many tasks: labels not counted
PIXELS = 1024  # more rows than this are averaged: no page and no screen shows them apart
MAX_MARKED = 60  # rows; in more cells a dot would cover what it marks
MAX_NUMBERS = 10  # values are written into the cells up to here
DARK = 0.5  # luma below which white can be read better than ink
VECTORS_WIDTH = 6.4  # inches
VECTORS_PERCENTILE = 99  # of magnitudes, where colours end: few large weights must not hide the others


@dataclass(frozen=True)
class Scale:
    """A colour scale: one of matplotlib's maps over a range, and how values in it are written.

    The range does not depend on the values, so that two figures can be compared by eye; NaN is grey.

    Attributes
    ----------
    map : str
        Name of matplotlib's colour map.
    range : tuple[float, float]
        Values at the two ends of the map.
    ticks : tuple[float, ...]
        Values that are marked at the colour bar.
    name : str
        Title of the colour bar.
    digits : int
        Decimals of values that are written into cells.
    extend : Literal["neither", "min", "max", "both"], default="neither"
        Ends of the colour bar that are pointed, as values lie beyond.
    """

    map: str
    range: tuple[float, float]
    ticks: tuple[float, ...]
    name: str
    digits: int
    extend: Literal["neither", "min", "max", "both"] = "neither"

    def chosen(self, *matrices: NDArray[Any]) -> Scale:
        """Choose range and colours as the options of the figure ask for them.

        A diverging scale stays centred at 0 where the range follows the values.

        Parameters
        ----------
        *matrices : NDArray[Any]
            float [T, T], all that is drawn in this scale.

        Returns
        -------
        Scale
            This one where nothing is asked for.
        """
        scale = self
        if (map := options.asked("cmap") or options.rc_choice("image.cmap")) is not None:
            scale = replace(scale, map=map)
        if (asked := options.asked("range")) is None:
            return scale
        values = np.concatenate([off_diagonal(matrix) for matrix in matrices])
        low, high = rounded_ends(values, self.range) if asked == "auto" else asked
        if options.asked("diagonal") is None:
            values = np.concatenate([matrix[np.isfinite(matrix)] for matrix in matrices])
        below, above = bool((values < low).any()), bool((values > high).any())
        extend: Literal["neither", "min", "max", "both"] = (
            "both" if below and above else "min" if below else "max" if above else "neither"
        )
        ticks = tuple(float(tick) for tick in MaxNLocator(4).tick_values(low, high) if low <= tick <= high)
        return replace(scale, range=(low, high), ticks=ticks, extend=extend)

    def colours(self) -> ScalarMappable:
        """Make the mapping from values to colours.

        Returns
        -------
        ScalarMappable
            Matplotlib's mapping, without data.
        """
        return ScalarMappable(Normalize(*self.range), colormaps[self.map].with_extremes(bad=MISSING))


PERCENT = Scale(SHARES, (0, 100), (0, 25, 50, 75, 100), "test accuracy (%)", digits=0)


def similarity_scale(measure: str) -> Scale:
    """Make the scale of similarities: diverging, centred at 0, always from −1 to 1.

    Parameters
    ----------
    measure : str
        Measure of the values, written at the colour bar.

    Returns
    -------
    Scale
        Scale from −1 to 1.
    """
    name = MEASURES.get(measure, printable(measure))
    return Scale(DIVERGING, (-1, 1), (-1, -0.5, 0, 0.5, 1), name, digits=2)


def side_of(tasks: int) -> float:
    """Choose the size of a matrix.

    Parameters
    ----------
    tasks : int
        T.

    Returns
    -------
    float
        Width and height of the drawn matrix, inches.
    """
    return min(SIDES[1], max(SIDES[0], 1.2 + 0.6 * tasks))


def margin_of(labels: Sequence[str]) -> float:
    """Choose the room for labels beside a matrix: long names must not squeeze it.

    Parameters
    ----------
    labels : Sequence[str]
        One or more names.

    Returns
    -------
    float
        Room on each labelled side, inches.
    """
    return 0.06 * min(MAX_NAME, max(map(len, labels)))


def draw_heatmap(
    axes: Axes,
    matrix: NDArray[Any],
    labels: Sequence[str],
    scale: Scale,
    *,
    is_named: bool = True,
    has_numbers: bool = True,
) -> None:
    """Draw a T×T matrix with its labels on both axes, the first task at the top left.

    Parameters
    ----------
    axes : Axes
        Axes of a figure.
    matrix : NDArray[Any]
        float [T, T], in units of the scale; NaN is drawn grey.
    labels : Sequence[str]
        T names, taken literally (no mathtext).
    scale : Scale
        Colours of the values.
    is_named : bool, default=True
        Whether tasks are named at the axes.
    has_numbers : bool, default=True
        Whether values are written into the cells of a small matrix.

    Raises
    ------
    ValueError
        If shapes do not fit, or there is nothing to draw.
    """
    if matrix.ndim != 2 or matrix.shape != (len(labels), len(labels)) or not len(labels):
        raise ValueError(f"a matrix of shape {matrix.shape} does not fit {len(labels)} labels")
    edges = (-0.5, len(labels) - 0.5, len(labels) - 0.5, -0.5)
    axes.imshow(_pixels(matrix, scale.colours()), extent=edges, interpolation="none", aspect="equal")
    if is_named:
        label_columns(axes, labels)
        label_rows(axes, labels)
    else:
        axes.set(xticks=[], yticks=[])
    thin_frame(axes)
    if has_numbers:
        _write_values(axes, matrix, scale)


def add_colour_bar(figure: Figure, axes: Axes | list[Axes], scale: Scale, pad: float = 0.03) -> None:
    """Add the colour bar of a scale beside axes.

    Parameters
    ----------
    figure : Figure
        Figure of the axes.
    axes : Axes | list[Axes]
        Axes that the bar stands beside.
    scale : Scale
        Colours and their values.
    pad : float, default=0.03
        Space between axes and bar, share of the axes' width.
    """
    bar = figure.colorbar(scale.colours(), ax=axes, shrink=0.6, aspect=22, pad=pad, extend=scale.extend)
    bar.set_ticks(scale.ticks, labels=[f"{tick:g}".replace("-", "−") for tick in scale.ticks], **text(8))
    bar.set_label(scale.name, labelpad=4, **text(9))
    bar.ax.tick_params(length=2.5, width=0.6, color=FAINT, pad=2)
    bar.outline.set(linewidth=0.6, edgecolor=FAINT)


def _pixels(matrix: NDArray[Any], colours: ScalarMappable) -> NDArray[np.uint8]:
    """T×T values as P×P×4 RGBA pixels, P near PIXELS.

    Few tasks become whole squares of pixels, because viewers of SVG and PDF blur small images; many are
    averaged in nearly equal blocks, row by row, so that no second matrix of full size is made.
    """
    tasks = len(matrix)
    if tasks > PIXELS:
        starts = np.linspace(0, tasks, PIXELS, endpoint=False).astype(int)
        counts = np.diff(starts, append=tasks)
        rows = np.split(matrix, starts[1:])
        columns = np.stack([row.mean(axis=0, dtype=np.float64) for row in rows])
        matrix = np.add.reduceat(columns, starts, axis=1) / counts
    rgba: NDArray[np.uint8] = colours.to_rgba(np.ma.masked_invalid(matrix), bytes=True)
    if options.asked("diagonal") is not None:
        rgba[np.eye(len(rgba), dtype=bool), 3] = 0
    times = max(1, PIXELS // tasks)
    return rgba.repeat(times, axis=0).repeat(times, axis=1)


def _write_values(axes: Axes, matrix: NDArray[Any], scale: Scale) -> None:
    """Write the values of a small matrix into its cells: white on dark ones, ink on light ones."""
    if len(matrix) > MAX_NUMBERS:
        return
    colours, is_masked = scale.colours(), options.asked("diagonal") is not None
    numbers = []
    for (row, column), value in np.ndenumerate(matrix):
        if np.isfinite(value) and not (is_masked and row == column):
            red, green, blue, _ = colours.to_rgba(value)
            is_dark = 0.299 * red + 0.587 * green + 0.114 * blue < DARK
            written = format_number(float(value), scale.digits)
            style = text(8, "white" if is_dark else INK)
            numbers.append(axes.text(column, row, written, ha="center", va="center", **style))
    options.note_cells(axes, len(matrix), numbers)


def similarity_figure(
    values: ArrayLike,
    labels: Sequence[str],
    *,
    title: str,
    measure: str,
    note: str = "",
    marks: ArrayLike | None = None,
) -> Figure:
    """Draw a similarity matrix with its task labels on both axes, the first task at the top left.

    Colours are centred at 0 and always span −1 to 1, so that two figures can be compared by eye.

    Parameters
    ----------
    values : ArrayLike
        float [T, T], similarities, dimensionless, −1 to 1; NaN is drawn grey.
    labels : Sequence[str]
        T names, taken literally (no mathtext).
    title : str
        Title, taken literally.
    measure : str
        Measure of the values, written at the colour bar.
    note : str, default=""
        Sentence below the matrix, taken literally.
    marks : ArrayLike | None, default=None
        bool [T, T], cells with a dot in their upper right corner; of very many tasks none is drawn.

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
    axes, matrix = figure.add_subplot(facecolor=paper()), np.asarray(values)
    scale = similarity_scale(measure).chosen(matrix)
    draw_heatmap(axes, matrix, labels, scale)
    if marks is not None and len(labels) <= MAX_MARKED:
        _mark(axes, np.asarray(marks, bool), len(labels))
    write_title(axes, title, side)
    if note:
        axes.set_xlabel(wrapped(note, side), loc="left", labelpad=6, **text(8))
    add_colour_bar(figure, axes, scale)
    return figure


def _mark(axes: Axes, marks: NDArray[np.bool_], tasks: int) -> None:
    """Draw dots that can be seen on every colour, beside the numbers of small matrices."""
    if marks.shape != (tasks, tasks):
        raise ValueError(f"marks of shape {marks.shape} do not fit {tasks} labels")
    rows, columns = np.nonzero(marks)
    aside = 0.36 if tasks <= MAX_NUMBERS else 0.0
    size = 3.2 if tasks <= MAX_NUMBERS else max(1.2, 3.2 - 0.04 * tasks)
    axes.plot(
        columns + aside,
        rows - aside,
        linestyle="",
        marker="o",
        markersize=size,
        markerfacecolor="white",
        markeredgecolor=INK,
        markeredgewidth=0.6,
    )


def before_after_figure(before: SimilarityMatrix, after: SimilarityMatrix, *, title: str) -> Figure:
    """Draw the similarities of the same tasks before and after training side by side, in one colour scale.

    Parameters
    ----------
    before : SimilarityMatrix
        Similarities [T, T] before training.
    after : SimilarityMatrix
        Similarities [T, T] of the same tasks after training.
    title : str
        Title, taken literally.

    Returns
    -------
    Figure
        New figure.

    Raises
    ------
    ValueError
        If the two are not of the same tasks and measure.
    """
    if (before.tasks, before.measure) != (after.tasks, after.measure):
        raise ValueError("the two matrices are not of the same tasks and measure")
    names = told_apart(after.labels, after.tasks, MAX_NAME)
    side, margin = side_of(len(names)), margin_of(names or [""])
    height = side + margin + 0.9  # two lines of titles
    figure = NotebookFigure(figsize=(2 * side + margin + 1.0, height))
    figure.set_layout_engine("compressed", w_pad=0.07, h_pad=0.07)
    panels = [figure.add_subplot(1, 2, place, facecolor=paper()) for place in (1, 2)]
    scale = similarity_scale(after.measure).chosen(before.values, after.values)
    for axes, matrix, when in zip(
        panels, (before, after), ("before training", "after training"), strict=True
    ):
        draw_heatmap(axes, matrix.values, names, scale)
        write_panel_name(axes, when, side)
    panels[1].tick_params(labelleft=False)  # as in the panel to its left
    add_colour_bar(figure, panels, scale)
    if shown := options.titled(title):
        line = printable(shown, int(22 * side * options.widening()))
        figure.suptitle(line, x=0.01, ha="left", **text(10))
    return figure


def accuracy_matrix_figure(values: ArrayLike, labels: Sequence[str], *, title: str) -> Figure:
    """Draw the accuracy of every context on the data of every task, from 0 to 100 %.

    Colours always span 0 to 100 %, so that two figures can be compared by eye.

    Parameters
    ----------
    values : ArrayLike
        float [T, T], shares of test images classified right, 0 to 1: a row a context, a column the data of a
        task.
    labels : Sequence[str]
        T names, taken literally.
    title : str
        Title, taken literally.

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
    figure = NotebookFigure(figsize=(side + margin + 0.8, side + margin + 0.2))
    figure.set_layout_engine("compressed", w_pad=0.07, h_pad=0.07)
    axes = figure.add_subplot(facecolor=paper())
    scale = draw_accuracy_matrix(axes, values, labels)
    write_title(axes, title, side)
    add_colour_bar(figure, axes, scale)
    return figure


def draw_accuracy_matrix(axes: Axes, values: ArrayLike, labels: Sequence[str]) -> Scale:
    """Draw an accuracy matrix into axes, as `accuracy_matrix_figure` does, without the colour bar.

    Parameters
    ----------
    axes : Axes
        Axes of a figure.
    values : ArrayLike
        float [T, T], shares of test images classified right, 0 to 1.
    labels : Sequence[str]
        T names, taken literally.

    Returns
    -------
    Scale
        Its colours, for a colour bar.

    Raises
    ------
    ValueError
        If shapes do not fit, or there is nothing to draw.
    """
    percent = 100 * np.asarray(values, np.float64)
    scale = PERCENT.chosen(percent)
    draw_heatmap(axes, percent, labels, scale)
    axes.set_ylabel("context of", **text(9))
    axes.set_xlabel("data of", **text(9))
    return scale


def vectors_figure(values: ArrayLike, labels: Sequence[str], *, title: str) -> Figure:
    """Draw context vectors as rows of colours centred at 0.

    Parameters
    ----------
    values : ArrayLike
        float [T, H], one context vector a task.
    labels : Sequence[str]
        T names, taken literally.
    title : str
        Title, taken literally.

    Returns
    -------
    Figure
        New figure.

    Raises
    ------
    ValueError
        If shapes do not fit, or there is nothing to draw.
    """
    height = 1.2 + 0.16 * min(max(len(labels), 4), 40)
    figure = NotebookFigure(figsize=(VECTORS_WIDTH, height))
    figure.set_layout_engine("constrained", w_pad=0.07, h_pad=0.07)
    axes = figure.add_subplot(facecolor=paper())
    draw_vectors(axes, values, labels)
    write_title(axes, title, VECTORS_WIDTH - 0.6)
    return figure


def draw_vectors(axes: Axes, values: ArrayLike, labels: Sequence[str]) -> None:
    """Draw context vectors into axes, as `vectors_figure` does.

    Parameters
    ----------
    axes : Axes
        Axes of a figure.
    values : ArrayLike
        float [T, H], one context vector a task.
    labels : Sequence[str]
        T names, taken literally.

    Raises
    ------
    ValueError
        If shapes do not fit, or there is nothing to draw.
    """
    vectors = np.asarray(values, np.float64)
    if vectors.ndim != 2 or len(vectors) != len(labels) or not vectors.size:
        raise ValueError(f"vectors of shape {vectors.shape} do not fit {len(labels)} labels")
    end = float(np.nanpercentile(np.abs(vectors), VECTORS_PERCENTILE)) or 1.0
    if isinstance(asked := options.asked("range"), tuple):
        low, high = asked
    else:
        low, high = -end, end
    map = options.asked("cmap") or options.rc_choice("image.cmap") or DIVERGING
    axes.imshow(vectors, cmap=map, vmin=low, vmax=high, aspect="auto", interpolation="antialiased")
    label_rows(axes, labels)
    thin_frame(axes)
    axes.tick_params(axis="x", labelsize=options.points(8))
    axes.set_xlabel(f"unit (colours from {low:.2g} to {high:.2g})".replace("-", "−"), **text(9))
