"""Options of figures: size, type, title, labels, colours; what they may be, and which a figure can use."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tgsh.errors import InvalidSpec

Labels = Literal["all", "some", "off"]
ColourRange = Literal["auto"] | tuple[float, float]

SEQUENTIAL_MAPS = ("cividis", "viridis", "plasma", "inferno", "magma", "Greys", "Blues", "Oranges", "Purples")
DIVERGING_MAPS = ("RdBu_r", "RdBu", "PuOr_r", "PuOr", "BrBG", "PiYG", "PRGn", "coolwarm", "bwr", "seismic")
CYCLIC_MAPS = ("twilight", "twilight_shifted")
COLOUR_MAPS = (*SEQUENTIAL_MAPS, *DIVERGING_MAPS, *CYCLIC_MAPS)
"""Matplotlib's colour maps that figures are drawn in."""

MILLIMETRES = (20.0, 600.0)
POINTS = (4.0, 36.0)
DPI = (50, 1200)
LONGEST_TITLE = 200

MOST_PIXELS = 60_000_000
"""Of a png: 240 MB while it is drawn."""

DEFAULT_DPI = 200


DESCRIPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "width": "of a picture, mm: {:g} to {:g}".format(*MILLIMETRES),
        "height": "of a picture, mm: {:g} to {:g}; follows the width".format(*MILLIMETRES),
        "font": "size of all text in a picture, points: {:g} to {:g}".format(*POINTS),
        "title": "of a picture: on, off, or a text of your own",
        "labels": "names of tasks in a picture: all, some (as there is room) or off",
        "range": "ends of the colour scale: auto (of the cells without the diagonal), or LOW,HIGH",
        "diagonal": "of a matrix: show, or mask, which leaves it unpainted",
        "cmap": f"colour map of matplotlib: {', '.join(COLOUR_MAPS)}",
        "dpi": f"pixels an inch of a png: {DPI[0]} to {DPI[1]}; {DEFAULT_DPI}",
        "svg_text": "letters of an svg: text, to be searched and edited, or paths, the same everywhere",
    }
)
"""Sentences for the API page, the command line and the form, in the order in which they are shown."""


class FigureOptions(BaseModel):
    """Options of one figure, whatever it shows.

    width, height : mm; None: as the figure is designed. A height that is not given follows the width.
    font : size of all text, typographic points.
    title : "on", "off" or a text.
    labels : "all" tasks are named, "some" as there is room, or none; None: as there is room by number.
    range : values at the ends of the colour scale; "auto": those of the cells, without the diagonal.
    diagonal : "mask" leaves it unpainted.
    cmap : one of matplotlib's colour maps.
    dpi : pixels an inch, of a png.
    svg_text : "text" keeps letters that can be searched and edited, "paths" looks the same everywhere.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    width: float | None = Field(None, description=DESCRIPTIONS["width"])
    height: float | None = Field(None, description=DESCRIPTIONS["height"])
    font: float | None = Field(None, description=DESCRIPTIONS["font"])
    title: str = Field("on", description=DESCRIPTIONS["title"])
    labels: Labels | None = Field(None, description=DESCRIPTIONS["labels"])
    range: ColourRange | None = Field(None, description=DESCRIPTIONS["range"])
    diagonal: Literal["show", "mask"] = Field("show", description=DESCRIPTIONS["diagonal"])
    cmap: str | None = Field(None, description=DESCRIPTIONS["cmap"])
    dpi: int | None = Field(None, description=DESCRIPTIONS["dpi"])
    svg_text: Literal["text", "paths"] = Field("paths", description=DESCRIPTIONS["svg_text"])

    @property
    def chosen(self) -> dict[str, Any]:
        """The options that are not as by default."""
        return self.model_dump(exclude_defaults=True)


SHAPE = frozenset({"width", "height", "font", "title", "dpi", "svg_text"})
"""Options of every figure."""

NAMED = SHAPE | {"labels"}
"""Of figures that name tasks."""

COLOURED = NAMED | {"cmap"}
"""Of maps whose points are coloured."""

MATRIX = COLOURED | {"range", "diagonal"}
"""Of square matrices."""

CANNOT_USE: Mapping[str, str] = MappingProxyType(
    {
        "labels": "this figure writes no task's name at an axis",
        "range": "this figure has no colour scale",
        "cmap": "this figure has no colour scale",
        "diagonal": "this figure is no square matrix",
    }
)


def read_figure_options(
    given: Mapping[str, Any], takes: Collection[str], format: str | None = None
) -> FigureOptions:
    """Read options as they come in a query, from a command line or from a call.

    Parameters
    ----------
    given : Mapping[str, Any]
        Values by name, text or numbers; None where there is none.
    takes : Collection[str]
        Names of the options that the figure can use.
    format : str | None, default=None
        Format of the file; None where there is none yet.

    Returns
    -------
    FigureOptions
        The options.

    Raises
    ------
    InvalidSpec
        If a value is none that the option has, or the figure cannot use an option: all of them at once.
    """
    read: dict[str, Any] = {}
    problems: list[tuple[str, str]] = []
    for name, value in given.items():
        if value is None:
            continue
        reason = _unusable(name, takes, format)
        if reason:
            problems.append((name, reason))
            continue
        try:
            read[name] = _READERS[name](value)
        except (ValueError, TypeError, OverflowError) as error:
            problems.append((name, str(error)))
    if problems:
        raise InvalidSpec(*problems[0], problems[1:])
    return FigureOptions(**read)


def _unusable(name: str, takes: Collection[str], format: str | None) -> str:
    """Reason why an option changes nothing here; "" where it does."""
    if name not in _READERS:
        return f"figures have no such option; they have {', '.join(_READERS)}"
    if format not in (None, "png", "svg", "pdf"):
        return f"an option of pictures, and {format} is none; ask for png, svg or pdf"
    if name not in takes:
        return CANNOT_USE.get(name, "this figure cannot use it")
    if name == "dpi" and format in ("svg", "pdf"):
        return f"an option of png; {format} is drawn without pixels"
    if name == "svg_text" and format in ("png", "pdf"):
        return f"an option of svg; {format} keeps its letters as it is"
    return ""


def _number(low: float, high: float, unit: str) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        try:
            number = float(value)
        except (ValueError, TypeError):
            number = math.nan
        if not low <= number <= high:
            raise ValueError(f"{value!s:.40} is no size from {low:g} to {high:g} {unit}")
        return number

    return read


def _word(*words: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in words:
            raise ValueError(f"{value!s:.40} is none of {', '.join(words)}")
        return str(value)

    return read


def _read_title(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a title is on, off or a text; write off for none")
    if len(value) > LONGEST_TITLE:
        raise ValueError(f"{len(value)} characters are more than the {LONGEST_TITLE} that a title has")
    return value


def _read_range(value: Any) -> ColourRange:
    if value == "auto":
        return "auto"
    parts = value.split(",") if isinstance(value, str) else value
    try:
        low, high = (float(part) for part in parts)
    except (ValueError, TypeError):
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"{value!s:.40} is no range: write auto, or the lower and the higher end: -0.2,0.8")
    return low, high


def _read_dpi(value: Any) -> int:
    try:
        dpi = int(str(value))
    except ValueError:
        dpi = 0
    if not DPI[0] <= dpi <= DPI[1]:
        raise ValueError(f"{value!s:.40} is no whole number from {DPI[0]} to {DPI[1]}")
    return dpi


_READERS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "width": _number(*MILLIMETRES, "mm"),
        "height": _number(*MILLIMETRES, "mm"),
        "font": _number(*POINTS, "points"),
        "title": _read_title,
        "labels": _word("all", "some", "off"),
        "range": _read_range,
        "diagonal": _word("show", "mask"),
        "cmap": _word(*COLOUR_MAPS),
        "dpi": _read_dpi,
        "svg_text": _word("text", "paths"),
    }
)
