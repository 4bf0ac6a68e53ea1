"""Fonts, labels, label placement, savefig."""

from __future__ import annotations

import io
import itertools
import math
import textwrap
import threading
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import TextToPath

FONT = "DejaVu Sans"  # ships with matplotlib: the same glyphs on every machine
INK, FAINT, MISSING = "#222222", "#8a8a8a", "#d9d9d9"
MEASURES = {"cosine": "cosine similarity", "correlation": "correlation"}

LABEL_SIZE = 8  # size of a label, typographic points
MAX_LABELS = 40  # every task is named up to here; beyond, round steps
MAX_LABEL_LENGTH = 24

LINE_HEIGHT = 1.2  # of a line, in font sizes
LABEL_TURNS = (0, 1, -1, 2, -2, 3, -3, 4)  # eighths of a full turn from where a name should be, best first
LABEL_REACHES = (1.0, 2.2)  # how far away from its point, in gaps
MAX_PLACED_LABELS = 400  # beyond, points are too many for names, and trying takes long

FigureFormat = Literal["png", "svg", "pdf"]

DPI = 200

_METADATA: dict[FigureFormat, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
}
_RC_OPTIONS = {
    "svg.hashsalt": "tgsh",  # element ids from content, not from a random salt
    "svg.fonttype": "path",  # looks the same where the font is missing
    "pdf.fonttype": 42,  # TrueType: many journals refuse Type 3 fonts
    "axes.unicode_minus": True,
}
_RENDER_LOCK = threading.Lock()  # matplotlib's renderers share caches and options that know no threads


DISPLAY_PPI = 80
"""Pixels of a page that an inch takes in a notebook."""


def text(size: float, colour: str = INK) -> dict[str, Any]:
    """Properties of a text; `$` is a character like any other."""
    return {"fontsize": size, "color": colour, "fontfamily": FONT, "parse_math": False}


def printable(line: str, longest: int = MAX_LABEL_LENGTH) -> str:
    """One line of at most `longest` characters; one that the font has no glyph for becomes U+FFFD."""
    line = " ".join(line.split())
    if len(line) > longest:
        line = line[: longest - 1].rstrip() + "…"
    font = get_font(findfont(FONT))
    return "".join(c if font.get_char_index(ord(c)) else "\N{REPLACEMENT CHARACTER}" for c in line)


def width_of(line: str, size: float) -> float:
    """How wide a line is in our font, in typographic points."""
    width, _, _ = TextToPath().get_text_width_height_descent(
        line, FontProperties(family=FONT, size=size), False
    )
    return float(width)


def format_number(value: float, digits: int = 2) -> str:
    """A format_number with a minus sign that is as wide as a plus; nothing that is shown as 0 has one."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def write_title(axes: Axes, title: str, width: float) -> None:
    """A title of one or two lines over axes that are `width` inches wide."""
    axes.set_title(wrapped(title, width), loc="left", pad=8, **text(10))


def wrapped(title: str, width: float) -> str:
    """A title in the large size as one or two lines, at most `width` inches wide."""
    lines = textwrap.wrap(printable(title, 200), int(11 * width), max_lines=2, placeholder=" …")
    return "\n".join(lines)


def thin_frame(axes: Axes) -> None:
    """Thin ticks and spines, so that the data are what is seen."""
    axes.tick_params(length=2.5, width=0.6, color=FAINT, pad=2)
    for spine in axes.spines.values():
        spine.set(linewidth=0.6, edgecolor=FAINT)


def open_frame(axes: Axes) -> None:
    """Only the left and the lower spine; numbers at the ticks in the small size."""
    thin_frame(axes)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, labelcolor=INK, labelfontfamily=FONT)


def label_columns(axes: Axes, labels: Sequence[str]) -> None:
    """Write task labels under the axes at 0, 1, … T − 1; upright where they would not fit side by side."""
    names = visible_labels(labels)
    room = min(50, 16 + 6 * len(names))  # characters that fit side by side under the axes
    upright = max(map(len, names.values())) * len(names) > room
    axes.set_xticks(
        list(names), list(names.values()), rotation=90 if upright else 0, **text(_label_size(names))
    )


def rotate_crowded_labels(axes: Axes) -> None:
    """Turn labels under axes of any width upright, where they would touch."""
    figure = axes.get_figure(root=True)
    needed: float = sum(width_of(tick.get_text() + " ", LABEL_SIZE) for tick in axes.get_xticklabels())
    if figure is not None and needed > 72 * axes.get_window_extent().width / figure.dpi:
        axes.tick_params(axis="x", rotation=90)


def label_rows(axes: Axes, labels: Sequence[str]) -> None:
    """Write task labels beside the axes at 0, 1, … T − 1."""
    names = visible_labels(labels)
    axes.set_yticks(list(names), list(names.values()), **text(_label_size(names)))


def visible_labels(labels: Sequence[str]) -> dict[int, str]:
    """The labels that there is room for, by their place, ready to be written."""
    return {place: printable(labels[place]) for place in range(0, len(labels), _label_step(len(labels)))}


def _label_size(names: dict[int, str]) -> int:
    return LABEL_SIZE if len(names) <= 20 else 6


def _label_step(tasks: int) -> int:
    """1 while every task can be named, else the first round format_number that leaves 25 labels or fewer."""
    if tasks <= MAX_LABELS:
        return 1
    round_numbers: Iterator[int] = (digit * 10**power for power in itertools.count() for digit in (1, 2, 5))
    return next(step for step in round_numbers if tasks <= 25 * step)


@dataclass(frozen=True)
class LabelPosition:
    """Where a name is written: its centre relative to its point, in typographic points."""

    index: int
    right: float
    up: float


def place_labels(
    points: np.ndarray, names: Sequence[str], side: float, size: float, gap: float
) -> list[LabelPosition]:
    """Places for as many names as there is room for, in a square frame.

    points: [T, 2], from the frame's lower left corner; these, the frame's side, the font's size and the gap
    between a point and its name are in typographic points (1/72 inch). Names lie outward, seen from the
    middle of all points, where they can; one that would cover another, a point or the frame is left out.
    """
    if len(points) > MAX_PLACED_LABELS:
        return []
    outward = points - points.mean(axis=0)
    taken = np.column_stack([points - gap / 2, points + gap / 2])  # boxes: left, low, right, high
    placed: list[LabelPosition] = []
    for index, name in enumerate(names):
        half = ((width_of(name, size) + size / 4) / 2, LINE_HEIGHT * size / 2)
        for right, up in _candidate_positions(outward[index], half, gap):
            centre = points[index] + (right, up)
            box = np.concatenate([centre - half, centre + half])
            others = np.delete(taken, index, axis=0)
            if box.min() >= 0 and box.max() <= side and not _overlaps(box, others):
                taken = np.vstack([taken, box])
                placed.append(LabelPosition(index, right, up))
                break
    return placed


def _candidate_positions(
    outward: np.ndarray, half: tuple[float, float], gap: float
) -> list[tuple[float, float]]:
    best = math.atan2(outward[1], outward[0])
    angles = [best + turn * math.pi / 4 for turn in LABEL_TURNS]
    return [
        (math.cos(angle) * (gap * reach + half[0]), math.sin(angle) * (gap * reach + half[1]))
        for reach in LABEL_REACHES
        for angle in angles
    ]


def _overlaps(box: np.ndarray, others: np.ndarray) -> bool:
    return bool(
        np.any(
            (box[0] < others[:, 2])
            & (others[:, 0] < box[2])
            & (box[1] < others[:, 3])
            & (others[:, 1] < box[3])
        )
    )


class NotebookFigure(Figure):
    """A figure that a notebook shows by itself, without pyplot, which would keep it alive."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        return render(self, "png"), display_size(self)

    def _ipython_display_(self) -> None:
        """Goes first: once pyplot is imported, its printer for figures would show every pixel of ours."""
        from IPython.display import display

        content, size = self._repr_png_()
        page = {"image/png": b64encode(content).decode(), "text/plain": str(self)}
        display(page, raw=True, metadata={"image/png": size})  # type: ignore[no-untyped-call]


def display_size(figure: Figure) -> dict[str, int]:
    """Width and height on a page: its many pixels are for screens that have them."""
    width, height = figure.get_size_inches()
    return {"width": round(DISPLAY_PPI * width), "height": round(DISPLAY_PPI * height)}


def render(figure: Figure, format: FigureFormat) -> bytes:
    """Turn a figure into a file's bytes; equal figures give equal bytes. Safe in several threads."""
    buffer = io.BytesIO()
    with _RENDER_LOCK, _rc_options():
        figure.savefig(buffer, format=format, dpi=DPI, metadata=_METADATA[format])
    return buffer.getvalue()


@contextmanager
def _rc_options() -> Iterator[None]:
    """Set our options and put back only these: `rc_context` would undo what other threads set meanwhile."""
    table: Any = matplotlib.rcParams
    before = {name: table[name] for name in _RC_OPTIONS}
    table.update(_RC_OPTIONS)
    try:
        yield
    finally:
        table.update(before)
