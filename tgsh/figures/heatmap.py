"""A labelled matrix in colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
DARK = 0.5  # luma below which white can be read better than ink


@dataclass(frozen=True)
class Scale:
    """What colours mean: one of matplotlib's maps over a range, and how values in it are written.

    The range does not depend on the values, so that two figures can be compared by eye; NaN is grey.
    """

    map: str
    range: tuple[float, float]
    ticks: tuple[float, ...]
    name: str
    digits: int

    def colours(self) -> ScalarMappable:
        """From values to colours."""
        return ScalarMappable(Normalize(*self.range), colormaps[self.map].with_extremes(bad=MISSING))


def similarity_scale(measure: str) -> Scale:
    """Centred at 0 and always from −1 to 1."""
    name = MEASURES.get(measure, printable(measure))
    return Scale("RdBu_r", (-1, 1), (-1, -0.5, 0, 0.5, 1), name, digits=2)


def side_of(tasks: int) -> float:
    """How wide and high a matrix is drawn, inches."""
    return min(SIDES[1], max(SIDES[0], 1.2 + 0.6 * tasks))


def margin_of(labels: Sequence[str]) -> float:
    """Room that labels take beside it, inches: long names must not squeeze the matrix."""
    return 0.06 * min(LONGEST_LABEL, max(map(len, labels)))


def draw_heatmap(axes: Axes, matrix: NDArray[Any], labels: Sequence[str], scale: Scale) -> None:
    """A T×T matrix with its labels on both axes, the first task at the top left.

    Raises ValueError where shapes do not fit, or there is nothing to draw.
    """
    if matrix.ndim != 2 or matrix.shape != (len(labels), len(labels)) or not len(labels):
        raise ValueError(f"a matrix of shape {matrix.shape} does not fit {len(labels)} labels")
    edges = (-0.5, len(labels) - 0.5, len(labels) - 0.5, -0.5)
    axes.imshow(_pixels(matrix, scale.colours()), extent=edges, interpolation="none", aspect="equal")
    name_columns(axes, labels)
    name_rows(axes, labels)
    trim(axes)
    _write_values(axes, matrix, scale)


def add_colour_bar(figure: Figure, axes: Axes | list[Axes], scale: Scale, pad: float = 0.03) -> None:
    """What the colours mean, beside the axes."""
    bar = figure.colorbar(scale.colours(), ax=axes, shrink=0.6, aspect=22, pad=pad)
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
    times = max(1, PIXELS // tasks)
    return rgba.repeat(times, axis=0).repeat(times, axis=1)


def _write_values(axes: Axes, matrix: NDArray[Any], scale: Scale) -> None:
    """Small matrices are read number by number; white on dark cells, ink on light ones."""
    if len(matrix) > MOST_NUMBERS:
        return
    colours = scale.colours()
    for (row, column), value in np.ndenumerate(matrix):
        if np.isfinite(value):
            red, green, blue, _ = colours.to_rgba(value)
            is_dark = 0.299 * red + 0.587 * green + 0.114 * blue < DARK
            written = number(float(value), scale.digits)
            axes.text(column, row, written, ha="center", va="center", **text(8, "white" if is_dark else INK))
