"""What all figures share in their texts, lines and task labels."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import TextToPath

FONT = "DejaVu Sans"  # ships with matplotlib: the same glyphs on every machine
INK, FAINT, MISSING = "#222222", "#8a8a8a", "#d9d9d9"
MEASURES = {"cosine": "cosine similarity", "correlation": "correlation"}

NAMED = 8  # size of a label, typographic points
MOST_LABELS = 40  # every task is named up to here; beyond, round steps
LONGEST_LABEL = 24


def text(size: float, colour: str = INK) -> dict[str, Any]:
    """Properties of a text; `$` is a character like any other."""
    return {"fontsize": size, "color": colour, "fontfamily": FONT, "parse_math": False}


def printable(line: str, longest: int = LONGEST_LABEL) -> str:
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


def number(value: float, digits: int = 2) -> str:
    """A number with a minus sign that is as wide as a plus; nothing that is shown as 0 has one."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def write_title(axes: Axes, title: str, width: float) -> None:
    """A title of one or two lines over axes that are `width` inches wide."""
    axes.set_title(wrapped(title, width), loc="left", pad=8, **text(10))


def wrapped(title: str, width: float) -> str:
    """A title in the large size as one or two lines, at most `width` inches wide."""
    lines = textwrap.wrap(printable(title, 200), int(11 * width), max_lines=2, placeholder=" …")
    return "\n".join(lines)


def trim(axes: Axes) -> None:
    """Thin ticks and spines, so that the data are what is seen."""
    axes.tick_params(length=2.5, width=0.6, color=FAINT, pad=2)
    for spine in axes.spines.values():
        spine.set(linewidth=0.6, edgecolor=FAINT)


def open_frame(axes: Axes) -> None:
    """Only the left and the lower spine; numbers at the ticks in the small size."""
    trim(axes)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, labelcolor=INK, labelfontfamily=FONT)


def name_columns(axes: Axes, labels: Sequence[str]) -> None:
    """Write task labels under the axes at 0, 1, … T − 1; upright where they would not fit side by side."""
    names = shown_labels(labels)
    room = min(50, 16 + 6 * len(names))  # characters that fit side by side under the axes
    upright = max(map(len, names.values())) * len(names) > room
    axes.set_xticks(list(names), list(names.values()), rotation=90 if upright else 0, **text(_size(names)))


def turn_crowded_names(axes: Axes) -> None:
    """Turn labels under axes of any width upright, where they would touch."""
    figure = axes.get_figure(root=True)
    needed: float = sum(width_of(tick.get_text() + " ", NAMED) for tick in axes.get_xticklabels())
    if figure is not None and needed > 72 * axes.get_window_extent().width / figure.dpi:
        axes.tick_params(axis="x", rotation=90)


def name_rows(axes: Axes, labels: Sequence[str]) -> None:
    """Write task labels beside the axes at 0, 1, … T − 1."""
    names = shown_labels(labels)
    axes.set_yticks(list(names), list(names.values()), **text(_size(names)))


def shown_labels(labels: Sequence[str]) -> dict[int, str]:
    """The labels that there is room for, by their place, ready to be written."""
    return {place: printable(labels[place]) for place in range(0, len(labels), _label_step(len(labels)))}


def _size(names: dict[int, str]) -> int:
    return NAMED if len(names) <= 20 else 6


def _label_step(tasks: int) -> int:
    """1 while every task can be named, else the first round number that leaves 25 labels or fewer."""
    if tasks <= MOST_LABELS:
        return 1
    round_numbers: Iterator[int] = (digit * 10**power for power in itertools.count() for digit in (1, 2, 5))
    return next(step for step in round_numbers if tasks <= 25 * step)
