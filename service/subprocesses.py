"""Figure rendering and heavy analysis in child processes."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from typing import TYPE_CHECKING, Concatenate, Literal, ParamSpec, TypeVar

import numpy as np

from tgsh.analysis.clustering import ClusterTree, cluster_order, dendrogram
from tgsh.analysis.embedding import TaskMap, classical_mds, pca
from tgsh.analysis.similarity import SimilarityMatrix, Trajectory, similarity
from tgsh.schemas import AccuracyMatrix, EmbeddingMethod, Geometry, Measure
from tgsh.store.artifacts import Artifacts
from tgsh.store.results import StageRef, load_stage

P = ParamSpec("P")
T = TypeVar("T")


class ChildProcess:
    """Does one thing at a time, in a process that is started with the first one.

    calls: after so many the process is replaced, as libraries keep memory with what they do.
    """

    def __init__(self, calls: int) -> None:
        self._calls = calls
        self._pool: ProcessPoolExecutor | None = None
        self._lock = threading.Lock()

    def call(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """What `work`, a function of a module, answers or raises there."""
        try:
            return self._open().submit(work, *args, **kwargs).result()
        except BrokenProcessPool:  # the child was killed; nothing was lost but its work
            self.close()
            return self._open().submit(work, *args, **kwargs).result()

    def close(self) -> None:
        """End the process."""
        with self._lock:
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def _open(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._pool is None:
                context = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(
                    1, context, _leave_signals_to_the_parent, max_tasks_per_child=self._calls
                )
            return self._pool


def _leave_signals_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


if TYPE_CHECKING:
    from matplotlib.figure import Figure


FigureFormat = Literal["png", "svg", "pdf"]

DRAWN: dict[str, FigureFormat] = {"png": "png", "svg": "svg", "pdf": "pdf"}
"""The formats that are pictures."""

FIGURES_A_CHILD = 200
"""Matplotlib keeps some memory with every figure."""


class FigureProcess:
    """Draws one figure at a time."""

    def __init__(self) -> None:
        self._child = ChildProcess(FIGURES_A_CHILD)

    def render(
        self, sketch: Callable[P, Figure], format: FigureFormat, /, *args: P.args, **kwargs: P.kwargs
    ) -> bytes:
        """The bytes of the figure that `sketch`, one of the functions below, draws of these values."""
        return self._child.call(_draw, sketch, format, *args, **kwargs)

    def close(self) -> None:
        """End the child."""
        self._child.close()


def _draw(sketch: Callable[P, Figure], format: FigureFormat, /, *args: P.args, **kwargs: P.kwargs) -> bytes:
    from tgsh.figures import render

    return render(sketch(*args, **kwargs), format)


MANY = 300
"""Tasks from which on a read holds the interpreter for longer than other requests should wait."""

CALLS_A_CHILD = 20
"""So that what a large matrix took goes back to the system."""


class AnalysisProcess:
    """Works on the vectors of a stage: here where tasks are few, else in its child, one at a time."""

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
        """What `work`, a function of this module, makes of this part of the vectors [T, H]."""
        if len(ref.tasks) < MANY:
            return work(load_stage(self._artifacts, ref)[:, part], ref, *args, **kwargs)
        folder = self._artifacts.local_copies(ref.sources)  # the child needs no right to fetch them
        return self._child.call(_elsewhere, folder, work, ref, part, *args, **kwargs)

    def call(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """What `work`, a function of a module, makes of values: in the child, as it takes long."""
        return self._child.call(work, *args, **kwargs)

    def close(self) -> None:
        """End the child."""
        self._child.close()


def embedding(
    vectors: np.ndarray, ref: StageRef, method: EmbeddingMethod, dimensions: int, measure: Measure
) -> TaskMap:
    """The tasks as points."""
    if method == "pca":
        return pca(vectors, ref.labels, ref.tasks, dimensions)
    return classical_mds(similarity(vectors, ref.labels, ref.tasks, measure), dimensions)


def tree(vectors: np.ndarray, ref: StageRef, method: str, measure: Measure) -> ClusterTree:
    """Which tasks belong together."""
    return dendrogram(similarity(vectors, ref.labels, ref.tasks, measure), method)


def clustered(vectors: np.ndarray, ref: StageRef, measure: Measure) -> SimilarityMatrix:
    """How alike the tasks are, like beside like."""
    matrix = similarity(vectors, ref.labels, ref.tasks, measure)
    return matrix.reordered(cluster_order(matrix))


def _elsewhere(
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


if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_similarity(matrix: SimilarityMatrix, title: str) -> Figure:
    """The matrix as a heatmap."""
    from tgsh.figures import similarity_figure

    return similarity_figure(matrix.values, matrix.labels, title=title, measure=matrix.measure)


def draw_reconstructions(images: np.ndarray, rows: list[str], columns: list[str], title: str) -> Figure:
    """Images [T, K, height, width(, 3)], a row a task, a column a class."""
    from tgsh.figures import image_grid

    return image_grid(images, rows, columns, title=title, across="class")


def draw_samples(images: np.ndarray, rows: list[str], columns: list[str], title: str) -> Figure:
    """Images [T, n, height, width(, 3)], a row a task, a column an image; pixels are shown as they are."""
    from tgsh.figures import image_grid

    return image_grid(images, rows, columns, title=title, across="class of the image", scale=(0, 1))


def draw_dataset_samples(images: np.ndarray, rows: list[str], columns: list[str], title: str) -> Figure:
    """Images [K, n, height, width(, 3)], a row a class, a column an example."""
    from tgsh.figures import image_grid

    return image_grid(images, rows, columns, title=title, across="training image of the class", scale=(0, 1))


def draw_geometry(measured: Geometry, title: str) -> Figure:
    """Intra and inter cosines, untrained contexts over trained ones; a baseline's to their right."""
    from tgsh.figures import geometry_figure

    return geometry_figure(measured, title=title)


def draw_before_after(before: SimilarityMatrix, after: SimilarityMatrix, title: str) -> Figure:
    """What training made of the similarities."""
    from tgsh.figures import before_after_figure

    return before_after_figure(before, after, title=title)


def draw_dendrogram(tree: ClusterTree, matrix: SimilarityMatrix, title: str) -> Figure:
    """The tree beside the ordered heatmap."""
    from tgsh.figures import dendrogram_figure

    return dendrogram_figure(tree, matrix, title=title)


def draw_embedding(found: TaskMap, title: str) -> Figure:
    """The tasks as points."""
    from tgsh.figures import embedding_figure

    return embedding_figure(found, title=title)


def draw_trajectories(found: Sequence[Trajectory], measure: str, title: str) -> Figure:
    """Similarity over the epochs."""
    from tgsh.figures import trajectories_figure

    return trajectories_figure(found, title=title, measure=measure)


def draw_accuracy(values: Sequence[float], labels: Sequence[str], title: str) -> Figure:
    """The accuracy of each task, their mean and range."""
    from tgsh.figures import accuracy_figure

    return accuracy_figure(values, labels, title=title)


def draw_accuracy_matrix(found: AccuracyMatrix, title: str) -> Figure:
    """The accuracy of each context on every task."""
    from tgsh.figures import accuracy_matrix_figure

    return accuracy_matrix_figure(found.values, found.labels, title=title)
