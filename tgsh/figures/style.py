"""Style that all figures share: fonts, frames, labels and their placement, rendering to bytes."""

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

from tgsh.figures import options
from tgsh.figures.options import points
from tgsh.task_names import MAX_NAME, shortened

FONT = "DejaVu Sans"  # ships with matplotlib: the same glyphs on every machine
INK, FAINT, MISSING, PAPER = "#222222", "#8a8a8a", "#d9d9d9", "white"
MEASURES = {"cosine": "cosine similarity", "correlation": "correlation", "update": "cosine of v − v₀"}

LABEL_SIZE = 8  # size of a label, typographic points
MAX_LABELS = 40  # every task is named up to here; beyond, round steps

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


def text(size: float, colour: str | None = None) -> dict[str, Any]:
    """Make the properties of a text; `$` is a character like any other.

    Parameters
    ----------
    size : float
        Font size, typographic points.
    colour : str | None, default=None
        Colour as matplotlib takes it; None: ink.

    Returns
    -------
    dict[str, Any]
        Keyword arguments of matplotlib's text functions.
    """
    colour = colour or options.rc_choice("text.color") or INK
    return {"fontsize": points(size), "color": colour, "fontfamily": font_family(), "parse_math": False}


def font_family() -> str | list[str]:
    """Choose the font: the one that ships with matplotlib, or what rcParams say where they are obeyed.

    Returns
    -------
    str | list[str]
        As matplotlib takes it.
    """
    chosen: list[str] | None = options.rc_choice("font.family")
    return FONT if chosen is None else chosen


def printable(line: str, longest: int = MAX_NAME) -> str:
    """Shorten a text to one line that the font can show.

    Parameters
    ----------
    line : str
        Any text; line breaks and runs of spaces become one space.
    longest : int, default=MAX_NAME
        Most characters; a longer line ends in an ellipsis.

    Returns
    -------
    str
        The line; characters without a glyph become U+FFFD.
    """
    line = shortened(line, longest)
    font = get_font(findfont(FontProperties(family=font_family())))
    return "".join(c if font.get_char_index(ord(c)) else "\N{REPLACEMENT CHARACTER}" for c in line)


def width_of(line: str, size: float) -> float:
    """Measure a line in the figures' font.

    Parameters
    ----------
    line : str
        One line.
    size : float
        Font size, typographic points.

    Returns
    -------
    float
        Width, typographic points.
    """
    width, _, _ = TextToPath().get_text_width_height_descent(
        line, FontProperties(family=font_family(), size=size), False
    )
    return float(width)


def format_number(value: float, digits: int = 2) -> str:
    """Write a number with a minus sign that is as wide as a plus; nothing that rounds to 0 has one.

    Parameters
    ----------
    value : float
        Any finite number.
    digits : int, default=2
        Decimals.

    Returns
    -------
    str
        The rounded number.
    """
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def write_title(axes: Axes, title: str, width: float) -> None:
    """Write a title of one or two lines over axes.

    Parameters
    ----------
    axes : Axes
        Axes of a figure.
    title : str
        Title, taken literally.
    width : float
        Width of the axes, inches.
    """
    if shown := options.titled(title):
        axes.set_title(wrapped(shown, width), loc="left", pad=8, **text(10))


def write_panel_name(axes: Axes, name: str, width: float) -> None:
    """Write what a panel shows over its axes; it stays where a figure's title is switched off.

    Parameters
    ----------
    axes : Axes
        Axes of a figure.
    name : str
        Name, taken literally.
    width : float
        Width of the axes, inches.
    """
    axes.set_title(wrapped(name, width), loc="left", pad=8, **text(10))


def wrapped(title: str, width: float) -> str:
    """Wrap a title in the large font size into one or two lines.

    Parameters
    ----------
    title : str
        Any text.
    width : float
        Greatest width, inches.

    Returns
    -------
    str
        The lines; what does not fit gives way to an ellipsis.
    """
    letters = max(8, int(11 * width * options.widening()))
    lines = textwrap.wrap(printable(title, 200), letters, max_lines=2, placeholder=" …")
    return "\n".join(lines)


def thin_frame(axes: Axes) -> None:
    """Thin ticks and spines, so that the data stand out.

    Parameters
    ----------
    axes : Axes
        Axes of a figure.
    """
    axes.tick_params(length=2.5, width=0.6, color=FAINT, pad=2)
    for spine in axes.spines.values():
        spine.set(linewidth=0.6, edgecolor=FAINT)


def open_frame(axes: Axes) -> None:
    """Leave only the left and the lower spine; write the numbers at the ticks in the small font size.

    Parameters
    ----------
    axes : Axes
        Axes of a figure.
    """
    thin_frame(axes)
    axes.spines[["top", "right"]].set_visible(False)
    style_ticks(axes)


def paper() -> str:
    """Choose what axes are drawn on.

    Returns
    -------
    str
        Colour as matplotlib takes it.
    """
    return options.rc_choice("axes.facecolor") or PAPER


def style_ticks(axes: Axes) -> None:
    """Write the numbers at the ticks in the small font size.

    Parameters
    ----------
    axes : Axes
        Axes of a figure.
    """
    style = text(8)
    axes.tick_params(
        labelsize=style["fontsize"], labelcolor=style["color"], labelfontfamily=style["fontfamily"]
    )


def legend_font(size: float) -> dict[str, Any]:
    """Make the font of a legend.

    Parameters
    ----------
    size : float
        Font size, typographic points.

    Returns
    -------
    dict[str, Any]
        As `prop` of a legend.
    """
    return {"family": font_family(), "size": points(size)}


def label_columns(axes: Axes, labels: Sequence[str]) -> None:
    """Write task labels under the axes at 0, 1, … T − 1; upright where they would not fit side by side.

    Parameters
    ----------
    axes : Axes
        Axes of a figure.
    labels : Sequence[str]
        T names, one or more.
    """
    names = visible_labels(labels)
    if not names:
        axes.set_xticks([])
        return
    options.note_task_axis(axes, "x", [printable(label) for label in labels])
    room = min(50, 16 + 6 * len(names))  # characters that fit side by side under the axes
    upright = max(map(len, names.values())) * len(names) > room
    axes.set_xticks(
        list(names), list(names.values()), rotation=90 if upright else 0, **text(_label_size(names))
    )


def rotate_crowded_labels(axes: Axes) -> None:
    """Turn labels under axes of any width upright, where they would touch.

    Parameters
    ----------
    axes : Axes
        Axes of a figure, with labels.
    """
    figure = axes.get_figure(root=True)
    needed: float = sum(width_of(tick.get_text() + " ", LABEL_SIZE) for tick in axes.get_xticklabels())
    if figure is not None and needed > 72 * axes.get_window_extent().width / figure.dpi:
        axes.tick_params(axis="x", rotation=90)


def label_rows(axes: Axes, labels: Sequence[str]) -> None:
    """Write task labels beside the axes at 0, 1, … T − 1.

    Parameters
    ----------
    axes : Axes
        Axes of a figure.
    labels : Sequence[str]
        T names.
    """
    names = visible_labels(labels)
    if not names:
        axes.set_yticks([])
        return
    options.note_task_axis(axes, "y", [printable(label) for label in labels])
    axes.set_yticks(list(names), list(names.values()), **text(_label_size(names)))


def visible_labels(labels: Sequence[str]) -> dict[int, str]:
    """Choose the labels that there is room for.

    Parameters
    ----------
    labels : Sequence[str]
        T names.

    Returns
    -------
    dict[int, str]
        Printable labels by their place: all up to MAX_LABELS, else at round steps; none where they are off.
    """
    wanted = options.asked("labels")
    if wanted == "off":
        return {}
    step = 1 if wanted == "all" else _label_step(len(labels))
    return {place: printable(labels[place]) for place in range(0, len(labels), step)}


def _label_size(names: dict[int, str]) -> int:
    return LABEL_SIZE if len(names) <= 20 else 6


def _label_step(tasks: int) -> int:
    """1 while every task can be labelled, else the first round number that leaves 25 labels or fewer."""
    if tasks <= MAX_LABELS:
        return 1
    round_numbers: Iterator[int] = (digit * 10**power for power in itertools.count() for digit in (1, 2, 5))
    return next(step for step in round_numbers if tasks <= 25 * step)


@dataclass(frozen=True)
class LabelPosition:
    """Position of a label: its centre relative to its point.

    Attributes
    ----------
    index : int
        Number of the point.
    right : float
        Way to the right, typographic points.
    up : float
        Way up, typographic points.
    is_far : bool, default=False
        Whether a line has to lead there.
    """

    index: int
    right: float
    up: float
    is_far: bool = False


def place_labels(
    points: np.ndarray,
    names: Sequence[str],
    side: float,
    size: float,
    gap: float,
    far: Sequence[float] = (),
) -> list[LabelPosition]:
    """Place as many labels as there is room for, in a square frame.

    Labels lie outward, seen from the middle of all points, where they can; one that would cover another, a
    point or the frame is left out. All lengths are in typographic points (1/72 inch).

    Parameters
    ----------
    points : np.ndarray
        float [T, 2], from the frame's lower left corner.
    names : Sequence[str]
        T names.
    side : float
        Width and height of the frame.
    size : float
        Font size.
    gap : float
        Distance of a point and its label.
    far : Sequence[float], default=()
        Distances, in gaps, at which a label may lie that has no room beside its point.

    Returns
    -------
    list[LabelPosition]
        Positions in the order of the points; none beyond MAX_PLACED_LABELS points.
    """
    if len(points) > MAX_PLACED_LABELS:
        return []
    outward = points - points.mean(axis=0)
    taken = np.column_stack([points - gap / 2, points + gap / 2])  # boxes: left, low, right, high
    placed: list[LabelPosition] = []
    for index, name in enumerate(names):
        half = ((width_of(name, size) + size / 4) / 2, LINE_HEIGHT * size / 2)
        for reach, right, up in _candidate_positions(outward[index], half, gap, far):
            centre = points[index] + (right, up)
            box = np.concatenate([centre - half, centre + half])
            others = np.delete(taken, index, axis=0)
            if box.min() >= 0 and box.max() <= side and not _overlaps(box, others):
                taken = np.vstack([taken, box])
                placed.append(LabelPosition(index, right, up, reach in far))
                break
    return placed


def _candidate_positions(
    outward: np.ndarray, half: tuple[float, float], gap: float, far: Sequence[float] = ()
) -> list[tuple[float, float, float]]:
    best = math.atan2(outward[1], outward[0])
    angles = [best + turn * math.pi / 4 for turn in LABEL_TURNS]
    return [
        (reach, math.cos(angle) * (gap * reach + half[0]), math.sin(angle) * (gap * reach + half[1]))
        for reach in (*LABEL_REACHES, *far)
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
    """A figure that a notebook shows by itself, without pyplot, which would keep it alive.

    Its size, its pixels and the letters of its svg are as the options of the drawing say.
    """

    def __init__(self, *, figsize: tuple[float, float], **kwargs: Any) -> None:
        dpi = options.asked("dpi") or options.rc_choice("figure.dpi") or DPI
        ground = options.rc_choice("figure.facecolor") or PAPER
        super().__init__(figsize=options.sized(*figsize), dpi=dpi, facecolor=ground, **kwargs)
        self.svg_text: str | None = options.asked("svg_text")

    def savefig(self, fname: Any, **kwargs: Any) -> None:
        """Write the figure as matplotlib does; letters of an svg are kept where that was asked for.

        Parameters
        ----------
        fname : Any
            File, or its path.
        **kwargs : Any
            As matplotlib takes them.
        """
        if self.svg_text is None:
            super().savefig(fname, **kwargs)
            return
        table: Any = matplotlib.rcParams
        before, table["svg.fonttype"] = table["svg.fonttype"], "none"
        try:
            super().savefig(fname, **kwargs)
        finally:
            table["svg.fonttype"] = before

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        return render(self, "png"), display_size(self)

    def _ipython_display_(self) -> None:
        """Preferred by IPython: once pyplot is imported, its printer for figures would show every pixel."""
        from IPython.display import display

        content, size = self._repr_png_()
        page = {"image/png": b64encode(content).decode(), "text/plain": str(self)}
        display(page, raw=True, metadata={"image/png": size})  # type: ignore[no-untyped-call]


def display_size(figure: Figure) -> dict[str, int]:
    """Compute the size of a figure on a page: its many pixels are for screens that have them.

    Parameters
    ----------
    figure : Figure
        Any figure.

    Returns
    -------
    dict[str, int]
        ``width`` and ``height``, CSS pixels.
    """
    width, height = figure.get_size_inches()
    return {"width": round(DISPLAY_PPI * width), "height": round(DISPLAY_PPI * height)}


def render(figure: Figure, format: FigureFormat) -> bytes:
    """Render a figure into a file's bytes; equal figures give equal bytes. Safe in several threads.

    Parameters
    ----------
    figure : Figure
        Any figure.
    format : FigureFormat
        ``"png"``, ``"svg"`` or ``"pdf"``.

    Returns
    -------
    bytes
        Content of the file.
    """
    buffer = io.BytesIO()
    with _RENDER_LOCK, _rc_options():
        figure.savefig(buffer, format=format, dpi=figure.dpi, metadata=_METADATA[format])
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
