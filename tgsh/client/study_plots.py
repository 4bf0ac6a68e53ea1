"""Matplotlib figures of studies and of comparisons, registered with `tgsh.client.plotting`."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tgsh import figures, schemas
from tgsh.analysis.clustering import ClusterTree
from tgsh.client.plotting import draw, figure
from tgsh.client.results.comparison import Comparison
from tgsh.figures.dendrogram import draw_named_tree
from tgsh.figures.heatmaps import add_colour_bar, draw_heatmap, similarity_scale
from tgsh.figures.style import rotate_crowded_labels
from tgsh.task_names import MAX_NAME, told_apart

CORRELATION = "correlation"


@figure.register
def _(value: schemas.StudySimilarity) -> Figure:
    title = f"{value.study_id}: {value.statistic} of similarities"
    names = told_apart(value.labels, value.tasks, MAX_NAME)
    if value.statistic == "sd":
        return figures.spread_figure(_square(value), names, title=title)
    return figures.similarity_figure(_square(value), names, title=title, measure=value.measure)


@draw.register
def _(value: schemas.StudySimilarity, axes: Axes) -> None:
    _draw_square(axes, _square(value), told_apart(value.labels, value.tasks, MAX_NAME), value.measure)


@figure.register
def _(value: schemas.StudyDendrogram) -> Figure:
    return figures.tree_figure(_tree(value), title=f"{value.study_id}: tree of the mean similarities")


@draw.register
def _(value: schemas.StudyDendrogram, axes: Axes) -> None:
    draw_named_tree(axes, _tree(value))


@figure.register
def _(value: schemas.StudyAccuracy) -> Figure:
    longest = max(value.cells, key=lambda cell: len(cell.tasks), default=None)
    if longest is None or not longest.tasks:
        raise ValueError("no accuracy is known yet")
    names = [", ".join(f"{path} {each}" for path, each in cell.values.items()) for cell in value.cells]
    intervals = [
        np.array([(task.mean, task.low, task.high) for task in cell.tasks], np.float64).reshape(-1, 3)
        for cell in value.cells
    ]
    tasks = longest.tasks
    labels = told_apart([task.label for task in tasks], [task.index for task in tasks], MAX_NAME)
    return figures.accuracy_intervals_figure(intervals, labels, names, title=value.study_id)


@draw.register
def _(value: schemas.StudyAccuracy, axes: Axes) -> None:
    """Means with their intervals, one colour a cell."""
    for cell in value.cells:
        numbers = np.array([(task.mean, task.low, task.high) for task in cell.tasks], np.float64)
        ends = 100 * np.abs(numbers[:, 1:] - numbers[:, :1]).T
        tasks = cell.tasks
        labels = told_apart([task.label for task in tasks], [task.index for task in tasks], MAX_NAME)
        axes.errorbar(labels, 100 * numbers[:, 0], ends, fmt="o", markersize=3, label=f"cell {cell.cell}")
    axes.set_ylabel("test accuracy (%)")
    rotate_crowded_labels(axes)


@figure.register
def _(value: Comparison) -> Figure:
    title = f"correlations of similarities ({value.measure})"
    return figures.similarity_figure(value.to_numpy(), value.names, title=title, measure=CORRELATION)


@draw.register
def _(value: Comparison, axes: Axes) -> None:
    _draw_square(axes, value.to_numpy(), value.names, CORRELATION)


def _draw_square(axes: Axes, values: np.ndarray, labels: list[str], measure: str) -> None:
    scale = similarity_scale(measure).chosen(values)
    draw_heatmap(axes, values, labels, scale)
    rotate_crowded_labels(axes)
    drawn = axes.get_figure(root=True)
    if drawn is not None:
        add_colour_bar(drawn, axes, scale)


def _square(value: schemas.StudySimilarity) -> np.ndarray:
    return np.array(value.values, np.float64).reshape(len(value.tasks), len(value.tasks))


def _tree(value: schemas.StudyDendrogram) -> ClusterTree:
    return ClusterTree(
        linkage=np.array(value.linkage, np.float64).reshape(-1, 4),
        leaves=tuple(value.leaves),
        cophenetic=value.cophenetic_correlation,
        method=value.method,
        labels=tuple(value.labels),
        tasks=tuple(value.tasks),
    )
