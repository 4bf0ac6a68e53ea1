"""Matplotlib figures of results, by the functions of `tgsh.figures` that the service uses.

Imports matplotlib: `tgsh.client.results` imports it for plots only.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial, singledispatch
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tgsh import figures, schemas
from tgsh.analysis import clustering, embedding, similarity
from tgsh.figures.atlas import draw_atlas
from tgsh.figures.confusion import draw_confusion
from tgsh.figures.curves import draw_accuracy, draw_trajectories
from tgsh.figures.dendrogram import draw_named_tree
from tgsh.figures.embedding import draw_points
from tgsh.figures.heatmaps import (
    add_colour_bar,
    draw_accuracy_matrix,
    draw_heatmap,
    draw_vectors,
    similarity_scale,
)
from tgsh.figures.histograms import ACROSS, NAMES, draw_panel, stage_panel
from tgsh.figures.image_grid import draw_image_grid
from tgsh.figures.options import drawing, fit_labels, require_used
from tgsh.figures.replicates import draw_intervals
from tgsh.figures.reuse import draw_collisions, draw_scenarios, draw_sources
from tgsh.figures.style import display_size, legend_font, render, rotate_crowded_labels, text
from tgsh.specs.figure_options import MATRIX, read_figure_options
from tgsh.task_names import MAX_NAME, told_apart

LabelledTasks = (
    schemas.Similarity
    | schemas.ContextVectors
    | schemas.AccuracyMatrix
    | schemas.Reconstructions
    | schemas.Samples
)


def png(value: object) -> tuple[bytes, dict[str, int]]:
    """PNG of a result.

    Parameters
    ----------
    value : object
        Result of a client.

    Returns
    -------
    tuple[bytes, dict[str, int]]
        Content of the file, and its width and height on a page in CSS pixels.
    """
    result_figure = warned_figure(value)
    return render(result_figure, "png"), display_size(result_figure)


def warned_figure(value: object) -> Figure:
    """Figure of a result, with the result's warnings below it.

    Parameters
    ----------
    value : object
        Result of a client.

    Returns
    -------
    Figure
        New figure, which is not registered with pyplot.

    Raises
    ------
    TypeError
        If there is no figure of results of this type.
    ValueError
        If there is nothing to plot yet.
    """
    drawn = figure(value)
    figures.add_warnings(drawn, getattr(value, "warnings", ()))
    return drawn


def figure_with_options(value: object, given: Mapping[str, Any]) -> Figure:
    """Figure of a result as options and matplotlib's rcParams say.

    Parameters
    ----------
    value : object
        Result of a client.
    given : Mapping[str, Any]
        Options of the figure by name.

    Returns
    -------
    Figure
        New figure, which is not registered with pyplot.

    Raises
    ------
    TypeError
        If there is no figure of results of this type.
    InvalidSpec
        If options have no such values, or the figure cannot use them.
    ValueError
        If there is nothing to plot yet.
    """
    chosen = read_figure_options(given, MATRIX)
    return figures.draw_figure(partial(warned_figure, value), chosen, obey_rc=True)


def draw_with_options(value: object, axes: Axes, given: Mapping[str, Any]) -> None:
    """Draw a result into existing axes as options and matplotlib's rcParams say.

    Parameters
    ----------
    value : object
        Result of a client.
    axes : Axes
        Axes of a figure.
    given : Mapping[str, Any]
        Options of the figure by name.

    Raises
    ------
    TypeError
        If there is no figure of results of this type.
    InvalidSpec
        If options have no such values, or these axes cannot use them.
    ValueError
        If there is nothing to plot yet.
    """
    chosen = read_figure_options(given, MATRIX)
    with drawing(chosen, obey_rc=True) as begun:
        draw(value, axes)
        if given:
            fit_labels()
    begun.used.add("font")
    require_used(begun)


@singledispatch
def figure(value: object) -> Figure:
    """Figure of a result.

    Parameters
    ----------
    value : object
        Result of a client.

    Returns
    -------
    Figure
        New figure, which is not registered with pyplot.

    Raises
    ------
    TypeError
        If there is no figure of results of this type.
    ValueError
        If there is nothing to plot yet.
    """
    raise TypeError(f"a {type(value).__name__} has no picture")


@singledispatch
def draw(value: object, axes: Axes) -> None:
    """Draw a result into existing axes, without a title.

    Parameters
    ----------
    value : object
        Result of a client.
    axes : Axes
        Axes of a figure.

    Raises
    ------
    TypeError
        If there is no figure of results of this type.
    ValueError
        If there is nothing to plot yet.
    """
    raise TypeError(f"a {type(value).__name__} cannot be drawn into {axes}")


@figure.register
def _(value: schemas.Similarity) -> Figure:
    title = _title(value.experiment_id, value.stage, value.measure)
    return figures.similarity_figure(_matrix(value), _names(value), title=title, measure=value.measure)


@draw.register
def _(value: schemas.Similarity, axes: Axes) -> None:
    matrix = _matrix(value)
    scale = similarity_scale(value.measure).chosen(matrix)
    draw_heatmap(axes, matrix, _names(value), scale)
    rotate_crowded_labels(axes)
    add_colour_bar(_figure_of(axes), axes, scale)


@figure.register
def _(value: schemas.SimilarityEpochs) -> Figure:
    return figures.trajectories_figure(_trajectories(value), title=value.experiment_id, measure=value.measure)


@draw.register
def _(value: schemas.SimilarityEpochs, axes: Axes) -> None:
    draw_trajectories(axes, _trajectories(value), value.measure)
    axes.legend(frameon=False, prop=legend_font(8))


@figure.register
def _(value: schemas.Dendrogram) -> Figure:
    return figures.tree_figure(_tree(value), title=_title(value.experiment_id, value.stage, value.measure))


@draw.register
def _(value: schemas.Dendrogram, axes: Axes) -> None:
    draw_named_tree(axes, _tree(value))


@figure.register
def _(value: schemas.Embedding) -> Figure:
    title = _title(value.experiment_id, value.stage, value.measure)
    return figures.embedding_figure(_points(value), title=title, scale=_scale(value))


@draw.register
def _(value: schemas.Embedding, axes: Axes) -> None:
    """The first two coordinates."""
    box = axes.get_window_extent()
    draw_points(axes, _points(value), 1, min(box.width, box.height) / _figure_of(axes).dpi, _scale(value))
    axes.set_aspect("equal", adjustable="box")


@figure.register
def _(value: schemas.ContextVectors) -> Figure:
    title = _title(value.experiment_id, value.stage)
    return figures.vectors_figure(np.asarray(value.values), _names(value), title=title)


@draw.register
def _(value: schemas.ContextVectors, axes: Axes) -> None:
    draw_vectors(axes, np.asarray(value.values), _names(value))


@figure.register
def _(value: schemas.Accuracy) -> Figure:
    return figures.accuracy_figure(
        *_accuracies(value),
        title=value.experiment_id,
        balanced=_each(value, "balanced"),
        chance=_each(value, "chance"),
        intervals=_intervals(value),
    )


@draw.register
def _(value: schemas.Accuracy, axes: Axes) -> None:
    beside = (_each(value, "balanced"), _each(value, "chance"))
    draw_accuracy(axes, *_accuracies(value), *beside, _intervals(value))
    rotate_crowded_labels(axes)


@figure.register
def _(value: schemas.Placement) -> Figure:
    return figures.intervals_figure(*_ranking(value), title=value.name, axis=COSINE)


@draw.register
def _(value: schemas.Placement, axes: Axes) -> None:
    draw_intervals(axes, *_ranking(value), axis=COSINE)


@figure.register
def _(value: schemas.Confusion) -> Figure:
    title = f"{value.experiment_id}: {value.label}"
    return figures.confusion_figure(_counts(value), value.class_names, title=title)


@draw.register
def _(value: schemas.Confusion, axes: Axes) -> None:
    scale = draw_confusion(axes, _counts(value), value.class_names)
    rotate_crowded_labels(axes)
    add_colour_bar(_figure_of(axes), axes, scale)


@figure.register
def _(value: schemas.AccuracyMatrix) -> Figure:
    return figures.accuracy_matrix_figure(value.values, _names(value), title=value.experiment_id)


@draw.register
def _(value: schemas.AccuracyMatrix, axes: Axes) -> None:
    scale = draw_accuracy_matrix(axes, value.values, _names(value))
    rotate_crowded_labels(axes)
    add_colour_bar(_figure_of(axes), axes, scale)


@figure.register
def _(value: schemas.Geometry) -> Figure:
    return figures.geometry_figure(value, title=value.experiment_id)


@draw.register
def _(value: schemas.Geometry, axes: Axes) -> None:
    """The cosines after training."""
    draw_panel(axes, stage_panel(value.after, "after training"), np.asarray(value.edges), NAMES)
    axes.set_xlabel(ACROSS, **text(9))
    axes.legend(frameon=False, prop=legend_font(8))


@figure.register
def _(value: schemas.Reconstructions) -> Figure:
    title = _title(value.experiment_id, value.stage)
    return figures.image_grid(*_mean_images(value), title=title, across="class")


@draw.register
def _(value: schemas.Reconstructions, axes: Axes) -> None:
    draw_image_grid(axes, *_mean_images(value), across="class")


@figure.register
def _(value: schemas.Samples) -> Figure:
    title = value.experiment_id
    return figures.image_grid(*_images(value), title=title, across="class of the image", scale=(0, 1))


@draw.register
def _(value: schemas.Samples, axes: Axes) -> None:
    draw_image_grid(axes, *_images(value), across="class of the image", scale=(0, 1))


@figure.register
def _(value: schemas.ContextTransfer) -> Figure:
    return figures.sources_figure(value, title=value.experiment_id)


@draw.register
def _(value: schemas.ContextTransfer, axes: Axes) -> None:
    """Accuracies under the chosen contexts by similarity, with what is expected."""
    draw_sources(axes, value)


@figure.register
def _(value: schemas.Scenarios) -> Figure:
    return figures.scenarios_figure(value, title=value.experiment_id)


@draw.register
def _(value: schemas.Scenarios, axes: Axes) -> None:
    draw_scenarios(axes, value)


@figure.register
def _(value: schemas.HashProperties) -> Figure:
    return figures.hash_figure(value, title=value.experiment_id)


@draw.register
def _(value: schemas.HashProperties, axes: Axes) -> None:
    """The collision curves."""
    draw_collisions(axes, value)


def _title(experiment: str, stage: str, measure: str | None = None) -> str:
    when = f"{stage} training" if stage in {"before", "after"} else f"epoch {stage}"
    return f"{experiment}, updates v − v₀, {when}" if measure == "update" else f"{experiment}, {when}"


@figure.register
def _(value: schemas.AtlasMap) -> Figure:
    points, groups = _atlas_points(value)
    stars = _atlas_stars(value)
    counts = f"{len(points) - len(stars):,} tasks of {len(value.experiments):,} experiments; {value.method}"
    title = f"random base {value.base_id[:12]}: learned tasks"
    summary = f"{counts}; stress {value.stress:.2f}"
    return figures.atlas_figure(
        points, groups, title=title, summary=summary, axes=_atlas_axes(value), stars=stars
    )


@draw.register
def _(value: schemas.AtlasMap, axes: Axes) -> None:
    points, groups = _atlas_points(value)
    draw_atlas(axes, points, groups, axes=_atlas_axes(value), stars=_atlas_stars(value))


def _atlas_points(value: schemas.AtlasMap) -> tuple[np.ndarray, list[str]]:
    """Points [N, 2], and the experiment of each."""
    names = [each.name or each.id for each in value.experiments]
    points = np.array([(point.x, point.y) for point in value.points], np.float64).reshape(-1, 2)
    return points, [names[point.experiment] for point in value.points]


def _atlas_stars(value: schemas.AtlasMap) -> list[int]:
    return [row for row, point in enumerate(value.points) if point.kind == "placement"]


def _atlas_axes(value: schemas.AtlasMap) -> list[str]:
    names = [f"axis {number} ({share:.1%})" for number, share in enumerate(value.explained, start=1)]
    return names or ["", ""]


def _figure_of(axes: Axes) -> Figure:
    axes_figure = axes.get_figure(root=True)
    if axes_figure is None:
        raise ValueError("the axes belong to no figure")
    return axes_figure


def _names(value: LabelledTasks) -> list[str]:
    return told_apart(value.labels, value.tasks, MAX_NAME)


def _matrix(value: schemas.Similarity) -> np.ndarray:
    return np.asarray(value.values, np.float64)


def _trajectories(value: schemas.SimilarityEpochs) -> list[similarity.Trajectory]:
    def values(pair: schemas.SimilarityCourse) -> np.ndarray:
        return np.array([np.nan if number is None else number for number in pair.values], np.float64)

    return [similarity.Trajectory(pair.tasks, pair.labels, values(pair)) for pair in value.pairs]


def _tree(value: schemas.Dendrogram) -> clustering.ClusterTree:
    return clustering.ClusterTree(
        linkage=np.array(value.linkage, np.float64).reshape(-1, 4),
        leaves=tuple(value.leaves),
        cophenetic=value.cophenetic_correlation,
        method=value.method,
        labels=tuple(value.labels),
        tasks=tuple(value.tasks),
    )


def _points(value: schemas.Embedding) -> embedding.TaskMap:
    return embedding.TaskMap(
        points=np.array(value.values, np.float64).reshape(len(value.tasks), value.dimensions),
        explained=tuple(value.explained),
        positive=value.positive_eigenvalue_share,
        stress=value.stress,
        method=value.method,
        labels=tuple(value.labels),
        tasks=tuple(value.tasks),
    )


def _scale(value: schemas.Embedding) -> embedding.TaskScale | None:
    return None if value.parameter is None else embedding.TaskScale(tuple(value.parameter), value.period)


def _counts(value: schemas.Confusion) -> np.ndarray:
    return np.array(value.counts, np.int64).reshape(len(value.class_names), len(value.class_names))


def _accuracies(value: schemas.Accuracy) -> tuple[np.ndarray, list[str]]:
    return np.array([task.accuracy for task in value.tasks]), [task.label for task in value.tasks]


def _each(value: schemas.Accuracy, name: str) -> np.ndarray | None:
    """A number of every task; None where one has none."""
    numbers = [getattr(task, name) for task in value.tasks]
    return None if None in numbers else np.array(numbers, np.float64)


COSINE = "cosine, with 95 % interval over replicates"

MOST_RANKED = 40
"""Tasks of a ranking that is drawn, the most alike ones."""


def _ranking(value: schemas.Placement) -> tuple[np.ndarray, list[str]]:
    """Similarity and ends of the most alike tasks [n, 3], and their names. Raises ValueError for none."""
    rows = value.tasks[:MOST_RANKED]
    if not rows:
        raise ValueError(f"the placement is {value.status}, so there is nothing to draw")
    numbers = np.array([(row.similarity, row.low, row.high) for row in rows], np.float64)
    return numbers, [row.label for row in rows]


def _intervals(value: schemas.Accuracy) -> np.ndarray | None:
    """Ends of the intervals of every task [T, 2], NaN where there are none; None where no task has one."""
    ends = np.array([(task.low, task.high) for task in value.tasks], np.float64).reshape(-1, 2)
    return ends if np.isfinite(ends).any() else None


def _mean_images(value: schemas.Reconstructions) -> tuple[np.ndarray, list[str], list[str]]:
    """Mean over the samples of the noise, as in the figure of the service."""
    return np.asarray(value.images).mean(axis=2), _names(value), [str(number) for number in value.classes]


def _images(value: schemas.Samples) -> tuple[np.ndarray, list[str], list[str]]:
    return np.asarray(value.images), _names(value), [str(number) for number in value.classes]
