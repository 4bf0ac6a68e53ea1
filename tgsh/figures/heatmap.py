"""A labelled matrix of similarities in colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tgsh.figures.text import (
    FAINT,
    INK,
    LONGEST_LABEL,
    MEASURES,
    MISSING,
    name_columns,
    name_rows,
    number,
    printable,
    text,
    trim,
)

SIDES = (3.0, 5.2)  # inches, of few and of many tasks: labels not counted
PIXELS = 1024  # more rows than this are averaged: no page and no screen shows them apart
MOST_NUMBERS = 10  # values are written into the cells up to here


def colours() -> ScalarMappable:
    """Centred at 0 and always from −1 to 1, so that two figures can be compared by eye; NaN is grey."""
    return ScalarMappable(Normalize(-1, 1), colormaps["RdBu_r"].with_extremes(bad=MISSING))


def side_of(tasks: int) -> float:
    """How wide and high a matrix is drawn, inches."""
    return min(SIDES[1], max(SIDES[0], 1.2 + 0.6 * tasks))


def margin_of(labels: Sequence[str]) -> float:
    """Room that labels take beside it, inches: long names must not squeeze the matrix."""
    return 0.06 * min(LONGEST_LABEL, max(map(len, labels)))


def draw_heatmap(axes: Axes, matrix: NDArray[Any], labels: Sequence[str]) -> None:
    """A T×T matrix with its labels on both axes, the first task at the top left.

    Raises ValueError where shapes do not fit, or there is nothing to draw.
    """
    if matrix.ndim != 2 or matrix.shape != (len(labels), len(labels)) or not len(labels):
        raise ValueError(f"a matrix of shape {matrix.shape} does not fit {len(labels)} labels")
    edges = (-0.5, len(labels) - 0.5, len(labels) - 0.5, -0.5)
    axes.imshow(_pixels(matrix, colours()), extent=edges, interpolation="none", aspect="equal")
    name_columns(axes, labels)
    name_rows(axes, labels)
    trim(axes)
    _write_values(axes, matrix)


def add_colour_bar(figure: Figure, axes: Axes | list[Axes], measure: str, pad: float = 0.03) -> None:
    """What the colours mean, beside the axes."""
    bar = figure.colorbar(colours(), ax=axes, shrink=0.6, aspect=22, pad=pad)
    bar.set_ticks([-1, -0.5, 0, 0.5, 1], labels=["−1", "−0.5", "0", "0.5", "1"], **text(8))
    bar.set_label(MEASURES.get(measure, printable(measure)), labelpad=4, **text(9))
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
    times = max(1, PIXELS // tasks)
    return rgba.repeat(times, axis=0).repeat(times, axis=1)


def _write_values(axes: Axes, matrix: NDArray[Any]) -> None:
    """Small matrices are read number by number; white on dark cells, ink on light ones."""
    if len(matrix) > MOST_NUMBERS:
        return
    for (row, column), value in np.ndenumerate(matrix):
        if np.isfinite(value):
            colour = "white" if abs(float(value)) > 0.6 else INK
            axes.text(column, row, number(float(value)), ha="center", va="center", **text(8, colour))
