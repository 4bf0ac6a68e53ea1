"""Figure rendering and analysis of many tasks in child processes.

The functions that run there are found by their module path, so they stand at the top level of this file.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache, partial
from itertools import combinations
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeVar

import numpy as np

from tgsh.analysis.clustering import ClusterTree, cluster_order, dendrogram
from tgsh.analysis.comparison import correlated
from tgsh.analysis.consensus import SupportedTree
from tgsh.analysis.embedding import TaskMap, TaskScale, classical_mds, pca
from tgsh.analysis.placements import interpolated_point
from tgsh.analysis.similarity import SimilarityMatrix, Trajectory, similarity
from tgsh.schemas import (
    AccuracyMatrix,
    EmbeddingMethod,
    Geometry,
    HashProperties,
    Measure,
    Scenarios,
    TransferFit,
)
from tgsh.specs.figure_options import FigureOptions
from tgsh.store.artifacts import Artifacts
from tgsh.store.results import StageRef, load_stage
from tgsh.system import end_with_parent
from tgsh.task_names import MAX_NAME, told_apart

if TYPE_CHECKING:
    from matplotlib.figure import Figure

P = ParamSpec("P")
T = TypeVar("T")

FigureFormat = Literal["png", "svg", "pdf"]

FIGURE_FORMATS: dict[str, FigureFormat] = {"png": "png", "svg": "svg", "pdf": "pdf"}
"""The formats of figures, by name."""

FIGURES_A_CHILD = 200
"""Figures after which the child is replaced: matplotlib keeps some memory of each."""

CALLS_A_CHILD = 20
"""Analyses after which the child is replaced: the memory of a large matrix goes back to the system."""

CHILD_PROCESS_TASKS = 300
"""Tasks from which on an analysis runs in the child: it would hold the interpreter lock for too long."""


class ChildProcess:
    """A child process that is started by the first call and runs one call at a time.

    calls: number of calls after which the process is replaced, as libraries keep memory.
    """

    def __init__(self, calls: int) -> None:
        self._calls = calls
        self._pool: ProcessPoolExecutor | None = None
        self._lock = threading.Lock()

    def call(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work`, a top-level function of a module, in the child; returns or raises what it does."""
        try:
            return self._open().submit(work, *args, **kwargs).result()
        except BrokenProcessPool:  # the child was killed: run the call again
            self.close()
            return self._open().submit(work, *args, **kwargs).result()

    def close(self) -> None:
        """Stop the process."""
        with self._lock:
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def _open(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._pool is None:
                context = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(
                    1, context, _follow_the_parent, max_tasks_per_child=self._calls
                )
            return self._pool


def _follow_the_parent() -> None:
    """In the child: Ctrl-C is the parent's business, and its end is ours."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()


class FigureProcess:
    """Renders figures in a child process, one at a time."""

    def __init__(self) -> None:
        self._child = ChildProcess(FIGURES_A_CHILD)

    def render(
        self, draw: Callable[..., Figure], format: FigureFormat, options: FigureOptions, /, *args: Any
    ) -> bytes:
        """The bytes of a figure. draw: one of the `draw_*` functions; args: its arguments.

        Raises InvalidSpec for options that the figure cannot use, or that leave it no room.
        """
        return self._child.call(_render, draw, format, options, *args)

    def close(self) -> None:
        """Stop the child process."""
        self._child.close()


def _render(draw: Callable[..., Figure], format: FigureFormat, options: FigureOptions, *args: Any) -> bytes:
    from tgsh.figures import draw_figure, render

    return render(draw_figure(partial(draw, *args), options), format)


class AnalysisProcess:
    """Runs analyses of context vectors: of few tasks in this process, of many in a child, one at a time."""

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts
        self._child = ChildProcess(CALLS_A_CHILD)

    def run(
        self,
        work: Callable[Concatenate[np.ndarray, StageRef, P], T],
        ref: StageRef,
        part: slice,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run `work`, a function of this module, on the columns `part` of the context vectors [T, H]."""
        if len(ref.tasks) < CHILD_PROCESS_TASKS:
            return work(load_stage(self._artifacts, ref)[:, part], ref, *args, **kwargs)
        folder = self._artifacts.local_copies(ref.sources)  # the child needs no credentials of the store
        return self._child.call(_run_in_child, folder, work, ref, part, *args, **kwargs)

    def call(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work`, a top-level function of a module, in the child."""
        return self._child.call(work, *args, **kwargs)

    def close(self) -> None:
        """Stop the child process."""
        self._child.close()


def compute_embedding(
    vectors: np.ndarray, ref: StageRef, method: EmbeddingMethod, dimensions: int, measure: Measure
) -> TaskMap:
    """Coordinates of the tasks by PCA or classical MDS."""
    if method == "pca":
        return pca(vectors, ref.labels, ref.tasks, dimensions)
    return classical_mds(similarity(vectors, ref.labels, ref.tasks, measure), dimensions)


def compute_placed_map(vectors: np.ndarray, ref: StageRef, placed: np.ndarray) -> tuple[TaskMap, np.ndarray]:
    """Classical MDS of the tasks, and the point [2] of new data with these similarities."""
    matrix = similarity(vectors, ref.labels, ref.tasks, "cosine")
    task_map = classical_mds(matrix, 2)
    return task_map, interpolated_point(task_map.points, matrix.values, placed)


def compute_dendrogram(vectors: np.ndarray, ref: StageRef, method: str, measure: Measure) -> ClusterTree:
    """Hierarchical clustering of the tasks by 1 − similarity. method: the linkage."""
    return dendrogram(similarity(vectors, ref.labels, ref.tasks, measure), method)


def compute_clustered_similarity(vectors: np.ndarray, ref: StageRef, measure: Measure) -> SimilarityMatrix:
    """The similarity matrix in cluster order."""
    matrix = similarity(vectors, ref.labels, ref.tasks, measure)
    return matrix.reordered(cluster_order(matrix))


def _run_in_child(
    folder: str,
    work: Callable[Concatenate[np.ndarray, StageRef, P], T],
    ref: StageRef,
    part: slice,
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    return work(load_stage(_artifacts(folder), ref)[:, part], ref, *args, **kwargs)


@lru_cache(maxsize=1)
def _artifacts(folder: str) -> Artifacts:
    return Artifacts(folder)


def draw_warned(draw: Callable[..., Figure], args: tuple[Any, ...], warnings: Sequence[str]) -> Figure:
    """A figure with warnings below it. draw: one of the other `draw_*` functions; args: its arguments."""
    from tgsh.figures import add_warnings

    figure = draw(*args)
    add_warnings(figure, warnings)
    return figure


def draw_similarity(matrix: SimilarityMatrix, title: str, note: str = "") -> Figure:
    """Heatmap of a similarity matrix. note: written below it."""
    from tgsh.figures import similarity_figure

    names = told_apart(matrix.labels, matrix.tasks, MAX_NAME)
    return similarity_figure(matrix.values, names, title=title, measure=matrix.measure, note=note)


def draw_reconstructions(images: np.ndarray, rows: list[str], columns: list[str], title: str) -> Figure:
    """Grid of images [T, K, height, width(, 3)]: a row for each task, a column for each class."""
    from tgsh.figures import image_grid

    return image_grid(images, rows, columns, title=title, across="class")


def draw_samples(images: np.ndarray, rows: list[str], columns: list[str], title: str) -> Figure:
    """Grid of images [T, n, height, width(, 3)]: a row for each task; pixel values are not rescaled."""
    from tgsh.figures import image_grid

    return image_grid(images, rows, columns, title=title, across="class of the image", scale=(0, 1))


def draw_dataset_samples(images: np.ndarray, rows: list[str], columns: list[str], title: str) -> Figure:
    """Grid of images [K, n, height, width(, 3)]: a row for each class, a column for each example."""
    from tgsh.figures import image_grid

    return image_grid(images, rows, columns, title=title, across="training image of the class", scale=(0, 1))


def draw_geometry(geometry: Geometry, title: str) -> Figure:
    """Histograms of intra and inter cosines, before over after training; a baseline at the right."""
    from tgsh.figures import geometry_figure

    return geometry_figure(geometry, title=title)


def draw_before_after(before: SimilarityMatrix, after: SimilarityMatrix, title: str) -> Figure:
    """Heatmaps of similarity before and after training."""
    from tgsh.figures import before_after_figure

    return before_after_figure(before, after, title=title)


def draw_dendrogram(tree: ClusterTree, matrix: SimilarityMatrix, title: str) -> Figure:
    """Dendrogram beside the heatmap in its order."""
    from tgsh.figures import dendrogram_figure

    return dendrogram_figure(tree, matrix, title=title)


def draw_placed_map(
    task_map: TaskMap, scale: TaskScale | None, point: np.ndarray, name: str, title: str
) -> Figure:
    """Scatter plot of the tasks with the point of new data."""
    from tgsh.figures import embedding_figure

    return embedding_figure(task_map, title=title, scale=scale, new=(point, name))


def draw_embedding(task_map: TaskMap, scale: TaskScale | None, title: str) -> Figure:
    """Scatter plot of the tasks. scale: their parameter; None: they are in no order."""
    from tgsh.figures import embedding_figure

    return embedding_figure(task_map, title=title, scale=scale)


def draw_trajectories(trajectories: Sequence[Trajectory], measure: str, title: str) -> Figure:
    """Curves of similarity over epochs."""
    from tgsh.figures import trajectories_figure

    return trajectories_figure(trajectories, title=title, measure=measure)


def draw_accuracy(
    values: Sequence[float],
    labels: Sequence[str],
    balanced: Sequence[float] | None,
    chance: Sequence[float] | None,
    intervals: Sequence[tuple[float | None, float | None]] | None,
    title: str,
) -> Figure:
    """Accuracy of each task and its interval, with mean and range, beside balanced accuracy and chance."""
    from tgsh.figures import accuracy_figure

    ends = None if intervals is None else np.array(intervals, np.float64)
    return accuracy_figure(values, labels, title=title, balanced=balanced, chance=chance, intervals=ends)


def draw_confusion(counts: np.ndarray, class_names: Sequence[str], title: str) -> Figure:
    """Heatmap of what the test images of each class were taken for."""
    from tgsh.figures import confusion_figure

    return confusion_figure(counts, class_names, title=title)


def draw_accuracy_matrix(matrix: AccuracyMatrix, title: str) -> Figure:
    """Heatmap of the accuracy of each context on every task."""
    from tgsh.figures import accuracy_matrix_figure

    names = told_apart(matrix.labels, matrix.tasks, MAX_NAME)
    return accuracy_matrix_figure(matrix.values, names, title=title)


def draw_similarity_values(
    values: np.ndarray,
    labels: Sequence[str],
    title: str,
    measure: str,
    note: str,
    marks: np.ndarray | None = None,
) -> Figure:
    """Heatmap of numbers on the scale of similarities; NaN is grey. marks: cells with a dot."""
    from tgsh.figures import similarity_figure

    return similarity_figure(values, labels, title=title, measure=measure, note=note, marks=marks)


def draw_compared(
    matrices: Sequence[np.ndarray],
    labels: Sequence[str],
    names: Sequence[str],
    title: str,
    measure: str,
    notes: Sequence[str],
) -> Figure:
    """Heatmaps of several experiments side by side. notes: written below them."""
    from tgsh.figures import add_warnings, matrices_figure

    figure = matrices_figure(matrices, labels, names, title=title, measure=measure)
    add_warnings(figure, notes)
    return figure


def draw_difference(
    values: np.ndarray, labels: Sequence[str], title: str, measure: str, notes: Sequence[str]
) -> Figure:
    """Heatmap of the difference of two similarity matrices."""
    from tgsh.figures import add_warnings, difference_figure

    figure = difference_figure(values, labels, title=title, measure=measure)
    add_warnings(figure, notes)
    return figure


def draw_correlations(
    matrices: Sequence[np.ndarray], names: Sequence[str], title: str, notes: Sequence[str]
) -> Figure:
    """Heatmap of Pearson's correlations of every two similarity matrices; NaN where one is constant."""
    from tgsh.figures import add_warnings, similarity_figure

    values = np.eye(len(matrices))
    for (row, one), (column, other) in combinations(enumerate(matrices), 2):
        pearson = correlated(one, other).pearson
        values[row, column] = values[column, row] = np.nan if pearson is None else pearson
    figure = similarity_figure(values, names, title=title, measure="correlation")
    add_warnings(figure, notes)
    return figure


def draw_spread(values: np.ndarray, labels: Sequence[str], title: str, note: str) -> Figure:
    """Heatmap of standard deviations over replicates."""
    from tgsh.figures import spread_figure

    return spread_figure(values, labels, title=title, note=note)


def draw_intervals(intervals: np.ndarray, names: Sequence[str], title: str, axis: str) -> Figure:
    """Means with intervals [n, 3], a row each."""
    from tgsh.figures import intervals_figure

    return intervals_figure(intervals, names, title=title, axis=axis)


def draw_ceilings(ceilings: np.ndarray, names: Sequence[str], title: str, note: str) -> Figure:
    """Noise ceilings [n, 3]: lower, upper, between two replicates; a row each."""
    from tgsh.figures import ceilings_figure

    return ceilings_figure(ceilings, names, title=title, note=note)


def draw_accuracy_intervals(
    intervals: Sequence[np.ndarray], labels: Sequence[str], cells: Sequence[str], title: str
) -> Figure:
    """Accuracies with intervals [T, 3] of each cell."""
    from tgsh.figures import accuracy_intervals_figure

    return accuracy_intervals_figure(intervals, labels, cells, title=title)


def draw_supported_tree(found: SupportedTree, matrix: SimilarityMatrix, title: str) -> Figure:
    """Dendrogram of mean similarities with the support of its groups."""
    from tgsh.figures import supported_tree_figure

    return supported_tree_figure(found, matrix, title=title)


def draw_spread_map(task_map: TaskMap, replicates: np.ndarray, scale: TaskScale | None, title: str) -> Figure:
    """Scatter plot of the tasks with the points of single replicates."""
    from tgsh.figures import spread_map_figure

    return spread_map_figure(task_map, replicates, title=title, scale=scale)


def draw_transfer(
    similarities: np.ndarray, accuracies: np.ndarray, fit: TransferFit | None, title: str
) -> Figure:
    """Scatter plot of accuracies under other contexts by similarity."""
    from tgsh.figures import transfer_figure

    return transfer_figure(similarities, accuracies, fit, title=title)


def draw_scenarios(scenarios: Scenarios, title: str) -> Figure:
    """Accuracies of the settings of continual learning by images a batch."""
    from tgsh.figures import scenarios_figure

    return scenarios_figure(scenarios, title=title)


def draw_hash_curves(properties: HashProperties, title: str) -> Figure:
    """Agreement of codes by cosine, and precision of retrieval."""
    from tgsh.figures import hash_figure

    return hash_figure(properties, title=title)


def draw_atlas(
    points: np.ndarray,
    groups: Sequence[str],
    title: str,
    summary: str,
    axes: Sequence[str],
    stars: Sequence[int],
) -> Figure:
    """Scatter plot of the tasks of many experiments, coloured by group; placements are stars."""
    from tgsh.figures import atlas_figure

    return atlas_figure(points, groups, title=title, summary=summary, axes=axes, stars=stars)
