"""Line and point plots: similarity over epochs, accuracy per task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from tgsh.analysis.similarity import Trajectory
from tgsh.colours import PALETTE
from tgsh.errors import InvalidSpec
from tgsh.figures.options import NARROWEST, asked, margin, points, titled
from tgsh.figures.style import (
    FAINT,
    MEASURES,
    NotebookFigure,
    format_number,
    label_columns,
    open_frame,
    paper,
    printable,
    text,
    width_of,
    write_title,
)
from tgsh.task_names import told_apart

COLOURS = (*PALETTE, "#000000")
STYLES = ("-", "--", ":")
MAX_LINES = len(COLOURS) * len(STYLES)

FRAME = (4.4, 3.2)  # inches; higher where the names of the lines need it
LEFT, BELOW, ABOVE = 0.75, 0.55, 0.45
NAME = 8.0  # size of a line's name, typographic points
LINE = 1.35 * NAME  # from name to name
MAX_MARKED_EPOCHS = 20  # epochs; beyond, marks would hide the line

WIDTHS = (3.4, 6.4)  # inches, of accuracies of few and of many tasks
HEIGHT = 3.0
NEAR_CHANCE = 20.0  # percent; chance farther below all accuracies is told, not drawn
MARKS: Mapping[str, tuple[str, str]] = {"balanced": ("D", "◇"), "chance": ("_", "–")}  # drawn, and written
MAX_MARKED_TASKS = 200  # beyond, points touch and are drawn smaller


def trajectories_figure(trajectories: Sequence[Trajectory], *, title: str, measure: str) -> Figure:
    """Plot the similarity of pairs of tasks over epochs, a line a pair, named at its end.

    Parameters
    ----------
    trajectories : Sequence[Trajectory]
        Similarities over epochs, up to MAX_LINES; those without any value yet are left out.
    title : str
        Title, taken literally.
    measure : str
        Measure of the values, written at the axis.

    Returns
    -------
    Figure
        New figure; epoch 0 is before training.

    Raises
    ------
    ValueError
        If there is nothing to draw, or there are more lines than can be told apart.
    """
    trajectories = [trajectory for trajectory in trajectories if not np.isnan(trajectory.values).all()]
    if not trajectories:
        raise ValueError("there is no trajectory to draw")
    if len(trajectories) > MAX_LINES:
        raise ValueError(f"{len(trajectories)} lines cannot be told apart; {MAX_LINES} can")
    names = [f"{printable(one)} · {printable(other)}" for one, other in _pairs(trajectories)]
    left, below, above = margin(LEFT), margin(BELOW), margin(ABOVE)
    needed = len(names) * LINE * points(NAME) / NAME / 72
    right = 0.5 + max(width_of(name, points(NAME)) for name in names) / 72
    figure = NotebookFigure(figsize=(left + FRAME[0] + right, below + max(FRAME[1], needed) + above))
    size = figure.get_size_inches()
    across, height = size[0] - left - right, size[1] - below - above
    if across < NARROWEST or height < max(NARROWEST, needed):
        field = "width" if across < NARROWEST or asked("height") is None else "height"
        raise InvalidSpec(field, "leaves no room beside the names of the lines; take more, or a smaller font")
    frame = (left / size[0], below / size[1], across / size[0], height / size[1])
    axes = figure.add_axes(frame, facecolor=paper())
    draw_trajectories(axes, trajectories, measure)
    _label_lines(axes, trajectories, names, height)
    if shown := titled(title):
        line = printable(shown, int(12 * (size[0] - left) * 8 / points(8)))
        figure.text(left / size[0], 1 - margin(0.28) / size[1], line, va="baseline", **text(10))
    return figure


def _pairs(trajectories: Sequence[Trajectory]) -> list[tuple[str, str]]:
    """Names of the two tasks of each trajectory."""
    labels = {
        task: label for each in trajectories for task, label in zip(each.tasks, each.labels, strict=True)
    }
    names = dict(zip(labels, told_apart(list(labels.values()), list(labels)), strict=True))
    return [(names[one], names[other]) for one, other in (each.tasks for each in trajectories)]


def draw_trajectories(axes: Axes, trajectories: Sequence[Trajectory], measure: str) -> None:
    """Plot the lines of `trajectories_figure` into axes, without their names.

    Parameters
    ----------
    axes : Axes
        Axes of a figure.
    trajectories : Sequence[Trajectory]
        Similarities over epochs, at least one.
    measure : str
        Measure of the values, written at the axis.
    """
    _draw_lines(axes, trajectories)
    open_frame(axes)
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    axes.set_xlabel("epoch (0: before training)", **text(9))
    axes.set_ylabel(MEASURES.get(measure, printable(measure)), **text(9))


def _draw_lines(axes: Axes, trajectories: Sequence[Trajectory]) -> None:
    values = np.concatenate([[0.0], *(trajectory.values for trajectory in trajectories)])
    low, high = np.nanmin(values), np.nanmax(values)
    pad = 0.06 * (high - low or 1)
    epochs = max(len(trajectory.values) for trajectory in trajectories) - 1
    axes.set_xlim(-0.02 * epochs, 1.02 * epochs)
    axes.set_ylim(low - pad, high + pad)
    axes.axhline(0, color=FAINT, linewidth=0.6, zorder=1)
    for place, (trajectory, pair) in enumerate(zip(trajectories, _pairs(trajectories), strict=True)):
        axes.plot(
            trajectory.values,
            label=" · ".join(pair),
            color=_line_colour(place),
            linestyle=STYLES[place // len(COLOURS)],
            linewidth=1.3,
            marker="o" if epochs <= MAX_MARKED_EPOCHS else "",
            markersize=3,
            zorder=2,
        )


def _label_lines(axes: Axes, trajectories: Sequence[Trajectory], names: Sequence[str], height: float) -> None:
    """Write names at the right, level with the ends of the lines where that leaves room between the names."""
    low, high = axes.get_ylim()
    ends = [_last_value(trajectory) for trajectory in trajectories]
    levels = (np.array([end[1] for end in ends]) - low) / (high - low) * 72 * height
    for place, level in enumerate(_separated(levels, LINE * points(NAME) / NAME, 72 * height)):
        (epoch, value), at = ends[place], low + level / (72 * height) * (high - low)
        edge = axes.get_xlim()[1]
        leader = 0.045 * (edge - axes.get_xlim()[0])
        way = [epoch, edge, edge + leader], [value, value, at]
        axes.plot(*way, color=_line_colour(place), linewidth=0.5, clip_on=False, zorder=1)
        axes.text(edge + 1.3 * leader, at, names[place], va="center_baseline", **text(NAME))


def _last_value(trajectory: Trajectory) -> tuple[int, float]:
    last = int(np.flatnonzero(~np.isnan(trajectory.values))[-1])
    return last, float(trajectory.values[last])


def _separated(levels: np.ndarray, gap: float, height: float) -> np.ndarray:
    """The nearest levels in the same order that are `gap` apart and within the height."""
    order = np.argsort(levels, kind="stable")
    steps = gap * np.arange(len(levels))
    # With the steps taken off, levels that keep the gap never fall; pooled means are the nearest such.
    pooled: list[list[float]] = []
    for level in levels[order] - steps:
        pooled.append([float(level)])
        while len(pooled) > 1 and np.mean(pooled[-2]) > np.mean(pooled[-1]):
            pooled[-2:] = [pooled[-2] + pooled[-1]]
    flat = np.concatenate([np.full(len(pool), np.mean(pool)) for pool in pooled])
    spread = np.empty(len(levels))
    spread[order] = np.clip(flat, gap / 2, max(gap / 2, height - gap / 2 - steps[-1])) + steps
    return spread


def _line_colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]


def accuracy_figure(
    values: ArrayLike,
    labels: Sequence[str],
    *,
    title: str,
    balanced: ArrayLike | None = None,
    chance: ArrayLike | None = None,
    intervals: ArrayLike | None = None,
) -> Figure:
    """Plot the test accuracy of T tasks, with a line at the mean and a band from the least to the greatest.

    The axis spans the range, not 0 to 100 %: points, unlike bars, are read by position.

    Parameters
    ----------
    values : ArrayLike
        float [T], shares of test images classified right, 0 to 1.
    labels : Sequence[str]
        T names, taken literally.
    title : str
        Title, taken literally.
    balanced : ArrayLike | None, default=None
        float [T], balanced accuracies, drawn as hollow diamonds; None where they were not counted.
    chance : ArrayLike | None, default=None
        float [T], shares of the commonest class, drawn as dashes where they are not far below.
    intervals : ArrayLike | None, default=None
        float [T, 2], ends of the intervals of the values over test images, drawn as bars; NaN where there are
        none.

    Returns
    -------
    Figure
        New figure; the axis is in percent.

    Raises
    ------
    ValueError
        If values and labels do not fit, or there are none.
    """
    shares = np.asarray(values, dtype=np.float64)
    if shares.shape != (len(labels),) or not len(labels):
        raise ValueError(f"accuracies of shape {shares.shape} do not fit {len(labels)} labels")
    width = min(WIDTHS[1], max(WIDTHS[0], 1.6 + 0.14 * len(labels)))
    longest = max(map(len, labels))
    figure = NotebookFigure(figsize=(width, HEIGHT + min(0.06 * longest, 1.4)))
    figure.set_layout_engine("constrained", w_pad=0.07, h_pad=0.07)
    axes = figure.add_subplot(facecolor=paper())
    draw_accuracy(axes, shares, labels, balanced, chance, intervals)
    write_title(axes, title, width - 0.6)
    return figure


def draw_accuracy(
    axes: Axes,
    shares: np.ndarray,
    labels: Sequence[str],
    balanced: ArrayLike | None = None,
    chance: ArrayLike | None = None,
    intervals: ArrayLike | None = None,
) -> None:
    """Plot accuracies into axes, as `accuracy_figure` does.

    Parameters
    ----------
    axes : Axes
        Axes of a figure.
    shares : np.ndarray
        float [T], shares of test images classified right, 0 to 1.
    labels : Sequence[str]
        T names, taken literally.
    balanced : ArrayLike | None, default=None
        float [T], balanced accuracies.
    chance : ArrayLike | None, default=None
        float [T], shares of the commonest class.
    intervals : ArrayLike | None, default=None
        float [T, 2], ends of the intervals of the accuracies.
    """
    beside = {
        name: 100 * np.asarray(numbers, np.float64)
        for name, numbers in (("balanced", balanced), ("chance", chance))
        if numbers is not None and len(shares)
    }
    ends = None if intervals is None else 100 * np.asarray(intervals, np.float64).reshape(-1, 2)
    _draw_points(axes, 100 * shares, beside, ends)
    open_frame(axes)
    label_columns(axes, labels)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(lambda tick, _: f"{tick:g}" if tick <= 100 else "")
    axes.set_ylabel("test accuracy (%)", **text(9))


def _draw_points(
    axes: Axes, percent: np.ndarray, beside: Mapping[str, np.ndarray], ends: np.ndarray | None
) -> None:
    low, mean, high = percent.min(), percent.mean(), percent.max()
    axes.axhspan(low, high, color=COLOURS[0], alpha=0.08, linewidth=0)
    axes.axhline(mean, color=FAINT, linewidth=0.8)
    size = 4 if len(percent) <= MAX_MARKED_TASKS else 1
    axes.plot(percent, linestyle="", marker="o", markersize=size, color=COLOURS[0], clip_on=False)
    summary = f"mean {format_number(mean, 1)} %, from {format_number(low, 1)} to {format_number(high, 1)} %"
    if ends is not None and np.isfinite(ends).any():
        places = np.arange(len(percent))
        axes.vlines(places, *ends.T, color=COLOURS[0], alpha=0.55, linewidth=size / 3, clip_on=False)
        low, high = min(low, np.nanmin(ends)), max(high, np.nanmax(ends))
        summary += "\n| 95 % interval over test images"
    for name, marks in beside.items():
        summary += f"\n{MARKS[name][1]} {name} {format_number(marks.mean(), 1)} %"
        if name == "chance" and marks.max() < low - NEAR_CHANCE:
            continue  # far below: the axis would show nothing else
        axes.plot(
            marks,
            linestyle="",
            marker=MARKS[name][0],
            markersize=size + 1,
            markerfacecolor="none",
            color=COLOURS[1],
            clip_on=False,
        )
        low, high = min(low, marks.min()), max(high, marks.max())
    pad = max(0.12 * (high - low), 0.5)
    lines = len(beside) + (ends is not None)
    axes.set_ylim(max(low - pad, 0), high + (2.2 + 1.2 * lines) * pad)
    axes.set_xlim(-0.6, len(percent) - 0.4)
    axes.text(0.99, 0.97, summary, transform=axes.transAxes, ha="right", va="top", **text(8))
