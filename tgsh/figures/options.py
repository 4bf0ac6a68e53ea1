"""Options of the figure that is being drawn: its size, its type, and labels that fit into it.

As matplotlib's `rc_context`: functions that draw ask here, and outside of `drawing` all is as by default.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from tgsh.errors import InvalidSpec
from tgsh.specs.figure_options import CANNOT_USE, DEFAULT_DPI, MOST_PIXELS, FigureOptions

MM = 25.4  # in an inch
TIGHT = 1.05  # from line to line of tick labels, in font sizes
PAD = 0.07  # inches around a figure
NARROWEST = 0.6  # inches of axes in which something can still be seen
DESIGNED_FONT = 8.0  # typographic points, of the text for which margins are designed
SHAPES = ("width", "height", "font", "dpi", "svg_text", "title")  # used by every figure of its own

T = TypeVar("T")


@dataclass(frozen=True)
class TaskAxis:
    """Axis at which tasks are named at 0, 1, … T − 1.

    Attributes
    ----------
    axes : Axes
        The axes.
    side : Literal["x", "y"]
        Which axis of them.
    names : Sequence[str]
        Printable names of all T tasks.
    """

    axes: Axes
    side: Literal["x", "y"]
    names: Sequence[str]


@dataclass
class Drawing:
    """A figure that is being drawn with options.

    Attributes
    ----------
    options : FigureOptions
        The options.
    obeys_rc : bool
        Whether matplotlib's rcParams decide fonts, and the size that no option gives.
    used : set[str]
        Names of options that something asked for.
    widening : float
        Width of the figure, in widths that it is designed for.
    task_axes : list[TaskAxis]
        Axes whose labels are fitted when the figure is laid out.
    cells : list[tuple[Axes, int, list[Text]]]
        Axes of matrices, their rows, and the numbers in their cells.
    is_finished : bool
        Whether all is fitted.
    """

    options: FigureOptions
    obeys_rc: bool = False
    used: set[str] = field(default_factory=set)
    widening: float = 1.0
    task_axes: list[TaskAxis] = field(default_factory=list)
    cells: list[tuple[Axes, int, list[Text]]] = field(default_factory=list)
    is_finished: bool = False

    @property
    def is_fitted(self) -> bool:
        """True if labels follow the room that there is, not only their number."""
        chosen = {"width", "height", "font", "labels"} & self.options.chosen.keys()
        return bool(chosen) or rc_choice("font.size") is not None or rc_choice("figure.figsize") is not None


_CURRENT: ContextVar[Drawing | None] = ContextVar("drawing", default=None)


@contextmanager
def drawing(options: FigureOptions, *, obey_rc: bool = False) -> Iterator[Drawing]:
    """Draw with these options what is drawn meanwhile.

    Parameters
    ----------
    options : FigureOptions
        The options.
    obey_rc : bool, default=False
        Whether matplotlib's rcParams are obeyed, as in a notebook.

    Yields
    ------
    Drawing
        The drawing.
    """
    begun = Drawing(options, obey_rc)
    token = _CURRENT.set(begun)
    try:
        yield begun
    finally:
        _CURRENT.reset(token)


def draw_figure(draw: Callable[[], Figure], options: FigureOptions, *, obey_rc: bool = False) -> Figure:
    """Draw a figure with options.

    Parameters
    ----------
    draw : Callable[[], Figure]
        Makes the figure.
    options : FigureOptions
        The options.
    obey_rc : bool, default=False
        Whether matplotlib's rcParams are obeyed.

    Returns
    -------
    Figure
        The figure.

    Raises
    ------
    InvalidSpec
        If the figure cannot use an option, or has no room.
    """
    with drawing(options, obey_rc=obey_rc) as begun:
        figure = draw()
        finish(figure)
    begun.used.update(SHAPES)
    require_used(begun)
    return figure


def require_used(drawn: Drawing) -> None:
    """Refuse options that changed nothing.

    Parameters
    ----------
    drawn : Drawing
        A drawing that is done.

    Raises
    ------
    InvalidSpec
        If nothing asked for an option.
    """
    unused = [name for name in drawn.options.chosen if name not in drawn.used]
    if unused:
        own = "axes of your own have their own size, title and file; leave ax out"
        first, *others = [(name, CANNOT_USE.get(name, own)) for name in unused]
        raise InvalidSpec(*first, others)


def asked(name: str) -> Any:
    """Ask for an option; None where it is as by default.

    Parameters
    ----------
    name : str
        Name of the option.

    Returns
    -------
    Any
        Its value.
    """
    current = _CURRENT.get()
    if current is None:
        return None
    current.used.add(name)
    return current.options.chosen.get(name)


def obeys_rc() -> bool:
    """Tell whether matplotlib's rcParams are obeyed.

    Returns
    -------
    bool
        True in a notebook.
    """
    current = _CURRENT.get()
    return current is not None and current.obeys_rc


def rc_choice(name: str) -> Any:
    """Look up one of matplotlib's rcParams that a person changed.

    Parameters
    ----------
    name : str
        Its name.

    Returns
    -------
    Any
        Its value; None where rcParams are not obeyed, or it is matplotlib's default.
    """
    if not obeys_rc():
        return None
    chosen: Any = matplotlib.rcParams
    default: Any = matplotlib.rcParamsDefault
    return None if chosen[name] == default[name] else chosen[name]


def points(size: float) -> float:
    """Choose the size of a text.

    Parameters
    ----------
    size : float
        As it is designed, typographic points.

    Returns
    -------
    float
        As it is drawn: all text has the size that was asked for.
    """
    font = asked("font")
    if font is not None:
        return float(font)
    chosen = rc_choice("font.size")
    return size if chosen is None else size * float(chosen) / 10


def margin(inches: float) -> float:
    """Room for text around axes.

    Parameters
    ----------
    inches : float
        As it is designed.

    Returns
    -------
    float
        Inches for text of the size that is drawn.
    """
    return inches * points(DESIGNED_FONT) / DESIGNED_FONT


def titled(title: str) -> str:
    """Choose the title.

    Parameters
    ----------
    title : str
        As the result names itself.

    Returns
    -------
    str
        The text that was asked for; "" for none.
    """
    chosen = asked("title")
    if chosen is None:
        return title
    return "" if chosen == "off" else str(chosen)


def widening() -> float:
    """Tell how much wider the figure is than designed, seen from its text.

    Returns
    -------
    float
        Factor of the characters that fit into a line.
    """
    current = _CURRENT.get()
    return 1.0 if current is None else current.widening * DESIGNED_FONT / points(DESIGNED_FONT)


def sized(width: float, height: float) -> tuple[float, float]:
    """Choose the size of a figure.

    Parameters
    ----------
    width : float
        As it is designed, inches.
    height : float
        As it is designed, inches.

    Returns
    -------
    tuple[float, float]
        Width and height, inches.
    """
    current = _CURRENT.get()
    if current is None:
        return width, height
    chosen = rc_choice("figure.figsize")
    wide, high = asked("width"), asked("height")
    if wide is None and high is None and chosen is not None:
        current.widening = chosen[0] / width
        return float(chosen[0]), float(chosen[1])
    across = width if wide is None else wide / MM
    current.widening = across / width
    if high is not None:
        return across, high / MM
    if wide is None:
        return across, height
    return across, height * (current.widening if current.widening > 1 else current.widening**0.5)


def set_following_height(figure: Figure, height: float) -> None:
    """Set the height where the width alone was asked for.

    Parameters
    ----------
    figure : Figure
        The figure.
    height : float
        What its content needs, inches.
    """
    if asked("width") is not None and asked("height") is None:
        figure.set_size_inches(figure.get_size_inches()[0], height)


def frame_side(width: float, height: float, panels: int = 1) -> float:
    """Side of square axes for which margins leave so much room.

    Parameters
    ----------
    width : float
        Inches for all of them.
    height : float
        Inches for each.
    panels : int, default=1
        How many are side by side.

    Returns
    -------
    float
        Inches.

    Raises
    ------
    InvalidSpec
        If nothing could be seen in it.
    """
    side = round(min(width / panels, height), 9)  # of the designed size exactly the designed one
    if side < NARROWEST:
        field = "width" if width / panels <= height else "height"
        raise InvalidSpec(field, "leaves no room beside the text; take more, or a smaller font")
    return side


def finish(figure: Figure) -> None:
    """Lay the figure out, and fit labels and height to the room that there is.

    Parameters
    ----------
    figure : Figure
        Figure that is drawn in a drawing; outside of one it is left as it is.

    Raises
    ------
    InvalidSpec
        If there is no room.
    """
    current = _CURRENT.get()
    if current is None or current.is_finished:
        return
    current.is_finished = True
    if not current.is_fitted:
        _check_pixels(figure)
        return
    follows = "width" in current.options.chosen and "height" not in current.options.chosen
    is_trimmed = follows and any(axes.get_aspect() != "auto" for axes in figure.axes)
    has_layout = figure.get_layout_engine() is not None
    if is_trimmed and has_layout:
        width, height = figure.get_size_inches()
        figure.set_size_inches(width, 1.6 * height + 1)
    _lay_out(figure)
    fit_labels()
    if is_trimmed and has_layout:
        _lay_out(figure)
        box = figure.get_tightbbox()
        figure.set_size_inches(figure.get_size_inches()[0], box.height + 2 * PAD)
        _lay_out(figure)
    _check_pixels(figure)


def _lay_out(figure: Figure) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*layout not applied.*")
        try:
            figure.draw_without_rendering()
        except UserWarning:
            raise InvalidSpec(
                "width", "leaves no room for anything but text; take more, or a smaller font"
            ) from None


def _check_pixels(figure: Figure) -> None:
    width, height = figure.get_size_inches()
    pixels = width * height * figure.dpi**2
    if pixels > MOST_PIXELS:
        dpi = int((MOST_PIXELS / (width * height)) ** 0.5)
        raise InvalidSpec(
            "dpi", f"{pixels / 1e6:,.0f} million pixels are too many; at this size {dpi} dpi are possible"
        )


def fit_labels() -> None:
    """Name as many tasks at the axes of the drawing as there is room for, and number cells where it fits."""
    current = _CURRENT.get()
    if current is None:
        return
    for each in current.task_axes:
        _fit(each, is_all=current.options.labels == "all")
    for axes, rows, numbers in current.cells:
        box, dpi = axes.get_window_extent(), _dpi(axes)
        needed = max((number.get_window_extent().width for number in numbers), default=0.0)
        if min(box.width, box.height) / rows < max(1.06 * needed, points(DESIGNED_FONT) * dpi / 72):
            for number in numbers:
                number.remove()
    current.cells.clear()


def _dpi(axes: Axes) -> float:
    figure = axes.get_figure(root=True)
    return DEFAULT_DPI if figure is None else float(figure.dpi)


def _fit(axis: TaskAxis, *, is_all: bool) -> None:
    from tgsh.figures.style import LABEL_SIZE, text, width_of

    box = axis.axes.get_window_extent()
    low, high = axis.axes.get_xlim() if axis.side == "x" else axis.axes.get_ylim()
    room = 72 / _dpi(axis.axes) * (box.width if axis.side == "x" else box.height) / abs(high - low)
    size = points(LABEL_SIZE)
    step = turned = 1 if is_all else _step(TIGHT * size / room)
    rotation = 0
    if axis.side == "x":
        widest = max((width_of(name, size) for name in axis.names), default=0.0) + size / 2
        flat = _step(widest / room)
        rotation = 90 if flat > turned else 0
    chosen = range(0, len(axis.names), step)
    set_ticks = axis.axes.set_xticks if axis.side == "x" else axis.axes.set_yticks
    set_ticks(list(chosen), [axis.names[place] for place in chosen], rotation=rotation, **text(LABEL_SIZE))


def _step(least: float) -> int:
    """The first round number of tasks that are at least so many rows apart."""
    if least <= 1:
        return 1
    rounds: Iterator[int] = (digit * 10**power for power in itertools.count() for digit in (1, 2, 3, 5))
    return next(step for step in rounds if step >= least)


def note_task_axis(axes: Axes, side: Literal["x", "y"], names: Sequence[str]) -> None:
    """Remember an axis whose labels are fitted when the figure is laid out.

    Parameters
    ----------
    axes : Axes
        The axes.
    side : Literal["x", "y"]
        Which axis of them.
    names : Sequence[str]
        Printable names of all T tasks.
    """
    current = _CURRENT.get()
    if current is not None and current.is_fitted:
        current.task_axes.append(TaskAxis(axes, side, names))


def note_cells(axes: Axes, rows: int, numbers: list[Text]) -> None:
    """Remember numbers in cells, which are left out where they do not fit.

    Parameters
    ----------
    axes : Axes
        Axes of a matrix.
    rows : int
        Rows of the matrix.
    numbers : list[Text]
        The numbers.
    """
    current = _CURRENT.get()
    if current is not None and current.is_fitted:
        current.cells.append((axes, rows, numbers))
