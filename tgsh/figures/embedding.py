"""Scatter plots of tasks embedded in two or three dimensions."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tgsh.analysis.embedding import TaskMap, TaskScale
from tgsh.colours import CYCLIC, PALETTE, SEQUENTIAL
from tgsh.figures import options
from tgsh.figures.options import margin
from tgsh.figures.style import (
    FAINT,
    INK,
    NotebookFigure,
    paper,
    place_labels,
    printable,
    style_ticks,
    text,
    thin_frame,
    width_of,
)
from tgsh.task_names import MAX_NAME, told_apart

SIDE = 4.4  # inches of a panel's frame
LEFT, BELOW, ABOVE, BETWEEN, RIGHT = 0.75, 0.6, 0.7, 0.85, 0.2  # inches around the panels
NAME, GAP = 7.0, 6.0  # size of a task's name, and its way from its point, in typographic points
UNORDERED = PALETTE[0]  # of tasks in no order: a scale of colours would say that there is one
NEW = PALETTE[1]  # of data that are no task
FAR_REACHES = (4.0, 6.0, 9.0, 13.0, 18.0)  # of names that have to be written, in gaps
LEADER = {"arrowstyle": "-", "color": FAINT, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2}
MARGIN = 0.14  # of the frame, on every side: room for the names of the outermost points


def embedding_figure(
    embedding: TaskMap,
    *,
    title: str,
    scale: TaskScale | None = None,
    new: tuple[np.ndarray, str] | None = None,
) -> Figure:
    """Plot the first two axes against each other; of three dimensions, the first and third beside them.

    Both axes of a panel have the same scale, so that distances can be read. A line and colours follow the
    tasks' parameter; where it goes all the way round, both close. The share that an axis explains is written
    at it, stress and positive share above.

    Parameters
    ----------
    embedding : TaskMap
        Points [T, 2] or [T, 3].
    title : str
        Title, taken literally.
    scale : TaskScale | None, default=None
        Parameter of the T tasks; None where they are in no order, and no line joins them.
    new : tuple[np.ndarray, str] | None, default=None
        Point [dimensions] and name of data that are no task of the map; drawn as a star.

    Returns
    -------
    Figure
        New figure.

    Raises
    ------
    ValueError
        If there is no point.
    """
    if not len(embedding.tasks):
        raise ValueError("there is no point to draw")
    panels = embedding.points.shape[1] - 1
    left, below, above, between = (margin(each) for each in (LEFT, BELOW, ABOVE, BETWEEN))
    if options.asked("title") == "off":
        above = RIGHT
    designed = left + panels * SIDE + (panels - 1) * between + RIGHT
    around = left + (panels - 1) * between + RIGHT
    figure = NotebookFigure(figsize=(designed, below + SIDE + above))
    letters = int(12 * (figure.get_size_inches()[0] - left - RIGHT) * 8 / options.points(8))
    summary = _lines(_fit_summary(embedding), 72 * (figure.get_size_inches()[0] - left))
    above += (len(summary) - 1) * margin(0.16)
    options.set_following_height(figure, below + (figure.get_size_inches()[0] - around) / panels + above)
    width, height = figure.get_size_inches()
    side = options.frame_side(width - around, height - below - above, panels)
    for panel in range(panels):
        at = left + panel * (side + between)
        frame = (at / width, below / height, side / width, side / height)
        draw_points(figure.add_axes(frame, facecolor=paper()), embedding, panel + 1, side, scale, new)
    if shown := options.titled(title):
        top = {"x": left / width, "ha": "left", "va": "baseline"}
        figure.text(y=1 - margin(0.3) / height, s=printable(shown, letters), **top, **text(10))
        for number, line in enumerate(summary):
            figure.text(y=1 - margin(0.52 + 0.16 * number) / height, s=line, **top, **text(8, FAINT))
    return figure


def _lines(line: str, room: float) -> list[str]:
    """One line, or several where it is wider than the room, typographic points."""
    width = width_of(line, options.points(8))
    return [line] if width <= room else textwrap.wrap(line, max(16, int(0.95 * len(line) * room / width)))


def _fit_summary(embedding: TaskMap) -> str:
    if embedding.method == "pca":
        return f"PCA; stress {embedding.stress:.2f}"
    share = f"{100 * embedding.positive:.0f} %"
    return f"classical MDS of 1 − similarity; stress {embedding.stress:.2f}, positive eigenvalues {share}"


def draw_points(
    axes: Axes,
    embedding: TaskMap,
    second: int,
    side: float,
    scale: TaskScale | None = None,
    new: tuple[np.ndarray, str] | None = None,
) -> None:
    """Plot the first axis against another.

    Parameters
    ----------
    axes : Axes
        Axes of a figure, `side` inches wide and high.
    embedding : TaskMap
        Points [T, 2] or [T, 3].
    second : int
        The other axis: 1 or 2.
    side : float
        Width and height of the axes, inches; decides which names there is room for.
    scale : TaskScale | None, default=None
        Parameter of the T tasks; None where they are in no order.
    new : tuple[np.ndarray, str] | None, default=None
        Point [dimensions] and name of data that are no task of the map; drawn as a star.
    """
    points = embedding.points[:, [0, second]]
    labels = told_apart(embedding.labels, embedding.tasks, MAX_NAME)
    if new is not None:
        star = np.asarray(new[0])[[0, second]]
        axes.scatter(star[:1], star[1:], s=170, marker="*", c=NEW, edgecolors=INK, linewidths=0.6, zorder=4)
        _set_limits(axes, np.vstack([points, star]))
        _write_labels(axes, np.vstack([points, star]), (*labels, new[1]), side)
    else:
        _set_limits(axes, points)
        _write_labels(axes, points, labels, side)
    colours: Any = UNORDERED
    if scale is not None:
        path = points[list(scale.path)]
        axes.plot(path[:, 0], path[:, 1], color=FAINT, linewidth=0.6, zorder=1)
        map = options.asked("cmap") or (SEQUENTIAL if scale.period is None else CYCLIC)
        colours = colormaps[map](scale.shares)
    axes.scatter(points[:, 0], points[:, 1], s=26, c=colours, edgecolors=INK, linewidths=0.5, zorder=2)
    for axis, number in ((axes.xaxis, 0), (axes.yaxis, second)):
        share = 100 * embedding.explained[number]
        axis.set_label_text(f"axis {number + 1} ({share:.1f} %)", **text(9))
        axis.set_major_locator(MaxNLocator(min(5, max(2, int(1.6 * side)))))
    thin_frame(axes)
    style_ticks(axes)


def _set_limits(axes: Axes, points: np.ndarray) -> None:
    """Set square limits around all points."""
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    reach = float(np.ptp(points, axis=0).max()) / 2 / (1 - 2 * MARGIN) or 1.0
    axes.set_xlim(middle[0] - reach, middle[0] + reach)
    axes.set_ylim(middle[1] - reach, middle[1] + reach)


def _write_labels(axes: Axes, points: np.ndarray, labels: Sequence[str], side: float) -> None:
    corner = np.array([axes.get_xlim()[0], axes.get_ylim()[0]])
    scale = 72 * side / (axes.get_xlim()[1] - axes.get_xlim()[0])
    wanted = options.asked("labels")
    if wanted == "off":
        return
    names, size = [printable(label) for label in labels], options.points(NAME)
    far = FAR_REACHES if wanted == "all" else ()
    for place in place_labels((points - corner) * scale, names, 72 * side, size, GAP, far):
        axes.annotate(
            names[place.index],
            points[place.index],
            (place.right, place.up),
            textcoords="offset points",
            ha="center",
            va="center_baseline",
            arrowprops=LEADER if place.is_far else None,
            **text(NAME),
        )
