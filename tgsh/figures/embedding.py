"""Scatter plots of tasks embedded in two or three dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tgsh.analysis.embedding import TaskMap, TaskScale
from tgsh.figures.style import (
    DPI,
    FAINT,
    FONT,
    INK,
    NotebookFigure,
    place_labels,
    printable,
    text,
    thin_frame,
)

SIDE = 4.4  # inches of a panel's frame
LEFT, BELOW, ABOVE, BETWEEN, RIGHT = 0.75, 0.6, 0.7, 0.85, 0.2  # inches around the panels
NAME, GAP = 7.0, 6.0  # size of a task's name, and its way from its point, in typographic points
UNORDERED = "#0072B2"  # of tasks in no order: a scale of colours would say that there is one
NEW = "#D55E00"  # of data that are no task
SEQUENTIAL, CYCLIC = "cividis", "twilight_shifted"
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
    width = LEFT + panels * SIDE + (panels - 1) * BETWEEN + RIGHT
    height = BELOW + SIDE + ABOVE
    figure = NotebookFigure(figsize=(width, height), dpi=DPI, facecolor="white")
    for panel in range(panels):
        left = LEFT + panel * (SIDE + BETWEEN)
        frame = (left / width, BELOW / height, SIDE / width, SIDE / height)
        draw_points(figure.add_axes(frame, facecolor="white"), embedding, panel + 1, SIDE, scale, new)
    top = {"x": LEFT / width, "ha": "left", "va": "baseline"}
    line = printable(title, int(12 * (width - LEFT - RIGHT)))
    figure.text(y=1 - 0.3 / height, s=line, **top, **text(10))
    figure.text(y=1 - 0.52 / height, s=_fit_summary(embedding), **top, **text(8, FAINT))
    return figure


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
    labels = embedding.labels
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
        colours = colormaps[SEQUENTIAL if scale.period is None else CYCLIC](scale.shares)
    axes.scatter(points[:, 0], points[:, 1], s=26, c=colours, edgecolors=INK, linewidths=0.5, zorder=2)
    for axis, number in ((axes.xaxis, 0), (axes.yaxis, second)):
        share = 100 * embedding.explained[number]
        axis.set_label_text(f"axis {number + 1} ({share:.1f} %)", **text(9))
        axis.set_major_locator(MaxNLocator(5))
    thin_frame(axes)
    axes.tick_params(labelsize=8, labelcolor=INK, labelfontfamily=FONT)


def _set_limits(axes: Axes, points: np.ndarray) -> None:
    """Set square limits around all points."""
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    reach = float(np.ptp(points, axis=0).max()) / 2 / (1 - 2 * MARGIN) or 1.0
    axes.set_xlim(middle[0] - reach, middle[0] + reach)
    axes.set_ylim(middle[1] - reach, middle[1] + reach)


def _write_labels(axes: Axes, points: np.ndarray, labels: tuple[str, ...], side: float) -> None:
    corner = np.array([axes.get_xlim()[0], axes.get_ylim()[0]])
    scale = 72 * side / (axes.get_xlim()[1] - axes.get_xlim()[0])
    names = [printable(label) for label in labels]
    for place in place_labels((points - corner) * scale, names, 72 * side, NAME, GAP):
        axes.annotate(
            names[place.index],
            points[place.index],
            (place.right, place.up),
            textcoords="offset points",
            ha="center",
            va="center_baseline",
            **text(NAME),
        )
