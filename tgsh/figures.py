"""Results drawn as matplotlib figures: no pyplot, no files, the same bytes for the same values.

The API renders in threads, so nothing here touches a global style: fonts and sizes are given to every text,
and the few options that matplotlib reads only from its global table are set under a lock, in `render`.
"""

from __future__ import annotations

import io
import itertools
import textwrap
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from numpy.typing import ArrayLike, NDArray

FigureFormat = Literal["png", "svg", "pdf"]

FONT = "DejaVu Sans"  # ships with matplotlib: the same glyphs on every machine
INK, FAINT, MISSING = "#222222", "#8a8a8a", "#d9d9d9"
MEASURES = {"cosine": "cosine similarity", "correlation": "correlation"}

SIDES = (3.0, 5.2)  # inches, of few and of many tasks: labels not counted
DPI = 200
PIXELS = 1024  # more rows than this are averaged: no page and no screen shows them apart
MOST_LABELS = 40  # every task is named up to here; beyond, round steps
MOST_NUMBERS = 10  # values are written into the cells up to here
LONGEST_LABEL = 24

_METADATA: dict[FigureFormat, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
}
_OPTIONS = {
    "svg.hashsalt": "tgsh",  # element ids from content, not from a random salt
    "svg.fonttype": "path",  # looks the same where the font is missing
    "pdf.fonttype": 42,  # TrueType: many journals refuse Type 3 fonts
    "axes.unicode_minus": True,
}
_DRAWING = threading.Lock()  # matplotlib's renderers share caches and options that know no threads


def similarity_figure(values: ArrayLike, labels: Sequence[str], *, title: str, measure: str) -> Figure:
    """Draw a T×T similarity matrix with its task labels on both axes, the first task at the top left.

    values: similarities, dimensionless, −1…1; NaN is drawn grey. Colours are centred at 0 and always span
    −1…1, so that two figures can be compared by eye. labels: T names, taken literally (no mathtext).
    measure: what the values are, written at the colour bar. Raises ValueError where shapes do not fit.
    """
    matrix = np.asarray(values)
    if matrix.ndim != 2 or matrix.shape != (len(labels), len(labels)) or not len(labels):
        raise ValueError(f"a matrix of shape {matrix.shape} does not fit {len(labels)} labels")
    colours = ScalarMappable(Normalize(-1, 1), colormaps["RdBu_r"].with_extremes(bad=MISSING))
    side = min(SIDES[1], max(SIDES[0], 1.2 + 0.6 * len(labels)))
    margin = 0.06 * min(LONGEST_LABEL, max(map(len, labels)))  # long names must not squeeze the matrix
    figure = Figure(figsize=(side + margin + 0.6, side + margin), dpi=DPI, facecolor="white")
    figure.set_layout_engine("compressed", w_pad=0.07, h_pad=0.07)
    axes = figure.add_subplot(facecolor="white")
    edges = (-0.5, len(labels) - 0.5, len(labels) - 0.5, -0.5)
    axes.imshow(_pixels(matrix, colours), extent=edges, interpolation="none", aspect="equal")
    _write_labels(axes, labels)
    _write_values(axes, matrix)
    lines = textwrap.wrap(_printable(title, 200), int(11 * side), max_lines=2, placeholder=" …")
    axes.set_title("\n".join(lines), loc="left", pad=8, **_text(10))
    _add_colour_bar(figure, axes, colours, MEASURES.get(measure, _printable(measure, LONGEST_LABEL)))
    return figure


def render(figure: Figure, format: FigureFormat) -> bytes:
    """Turn a figure into a file's bytes; equal figures give equal bytes. Safe in several threads."""
    buffer = io.BytesIO()
    with _DRAWING, _options():
        figure.savefig(buffer, format=format, dpi=DPI, metadata=_METADATA[format])
    return buffer.getvalue()


@contextmanager
def _options() -> Iterator[None]:
    """Set our options and put back only these: `rc_context` would undo what other threads set meanwhile."""
    table: Any = matplotlib.rcParams
    before = {name: table[name] for name in _OPTIONS}
    table.update(_OPTIONS)
    try:
        yield
    finally:
        table.update(before)


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


def _write_labels(axes: Axes, labels: Sequence[str]) -> None:
    tasks = len(labels)
    shown = range(0, tasks, _label_step(tasks))
    names = [_printable(labels[i], LONGEST_LABEL) for i in shown]
    size = 8 if len(names) <= 20 else 6
    room = min(50, 16 + 6 * len(names))  # characters that fit side by side under the matrix
    upright = max(map(len, names)) * len(names) > room
    axes.set_xticks(shown, names, rotation=90 if upright else 0, **_text(size))
    axes.set_yticks(shown, names, **_text(size))
    axes.tick_params(length=2.5, width=0.6, color=FAINT, pad=2)
    for spine in axes.spines.values():
        spine.set(linewidth=0.6, color=FAINT)


def _label_step(tasks: int) -> int:
    """1 while every task can be named, else the first round number that leaves 25 labels or fewer."""
    if tasks <= MOST_LABELS:
        return 1
    round_numbers: Iterator[int] = (digit * 10**power for power in itertools.count() for digit in (1, 2, 5))
    return next(step for step in round_numbers if tasks <= 25 * step)


def _write_values(axes: Axes, matrix: NDArray[Any]) -> None:
    """Small matrices are read number by number; white on dark cells, ink on light ones."""
    if len(matrix) > MOST_NUMBERS:
        return
    for (row, column), value in np.ndenumerate(matrix):
        if np.isfinite(value):
            colour = "white" if abs(float(value)) > 0.6 else INK
            axes.text(
                column, row, f"{value:.2f}".replace("-", "−"), ha="center", va="center", **_text(8, colour)
            )


def _add_colour_bar(figure: Figure, axes: Axes, colours: ScalarMappable, name: str) -> None:
    bar = figure.colorbar(colours, ax=axes, shrink=0.6, aspect=22, pad=0.03)
    bar.set_ticks([-1, -0.5, 0, 0.5, 1], labels=["−1", "−0.5", "0", "0.5", "1"], **_text(8))
    bar.set_label(name, labelpad=4, **_text(9))
    bar.ax.tick_params(length=2.5, width=0.6, color=FAINT, pad=2)
    bar.outline.set(linewidth=0.6, edgecolor=FAINT)


def _text(size: float, colour: str = INK) -> dict[str, Any]:
    """Properties of a text; `$` is a character like any other."""
    return {"fontsize": size, "color": colour, "fontfamily": FONT, "parse_math": False}


def _printable(text: str, longest: int) -> str:
    """One line of at most `longest` characters; one that the font has no glyph for becomes U+FFFD."""
    line = " ".join(text.split())
    if len(line) > longest:
        line = line[: longest - 1].rstrip() + "…"
    font = get_font(findfont(FONT))
    return "".join(c if font.get_char_index(ord(c)) else "\N{REPLACEMENT CHARACTER}" for c in line)
