"""What the drawing child is asked for: each imports its figure only there, as matplotlib comes along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tgsh.analysis.clustering import Dendrogram
from tgsh.analysis.courses import Course
from tgsh.analysis.embedding import Embedding
from tgsh.analysis.similarity import SimilarityMatrix
from tgsh.schemas import AccuracyMatrix, Geometry

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def similarity(matrix: SimilarityMatrix, title: str) -> Figure:
    """The matrix as a heatmap."""
    from tgsh.figures import similarity_figure

    return similarity_figure(matrix.values, matrix.labels, title=title, measure=matrix.measure)


def reconstructions(images: np.ndarray, rows: list[str], columns: list[str], title: str) -> Figure:
    """Images [T, K, height, width(, 3)], a row a task, a column a class."""
    from tgsh.figures import image_sheet

    return image_sheet(images, rows, columns, title=title, across="class")


def samples(images: np.ndarray, rows: list[str], columns: list[str], title: str) -> Figure:
    """Images [T, n, height, width(, 3)], a row a task, a column an image; pixels are shown as they are."""
    from tgsh.figures import image_sheet

    return image_sheet(images, rows, columns, title=title, across="class of the image", scale=(0, 1))


def dataset_samples(images: np.ndarray, rows: list[str], columns: list[str], title: str) -> Figure:
    """Images [K, n, height, width(, 3)], a row a class, a column an example."""
    from tgsh.figures import image_sheet

    return image_sheet(images, rows, columns, title=title, across="training image of the class", scale=(0, 1))


def geometry(measured: Geometry, title: str) -> Figure:
    """Intra and inter cosines, untrained contexts over trained ones; a baseline's to their right."""
    from tgsh.figures import geometry_figure

    return geometry_figure(measured, title=title)


def before_after(before: SimilarityMatrix, after: SimilarityMatrix, title: str) -> Figure:
    """What training made of the similarities."""
    from tgsh.figures import before_after_figure

    return before_after_figure(before, after, title=title)


def dendrogram(tree: Dendrogram, matrix: SimilarityMatrix, title: str) -> Figure:
    """The tree beside the ordered heatmap."""
    from tgsh.figures import dendrogram_figure

    return dendrogram_figure(tree, matrix, title=title)


def embedding(found: Embedding, title: str) -> Figure:
    """The tasks as points."""
    from tgsh.figures import embedding_figure

    return embedding_figure(found, title=title)


def courses(found: Sequence[Course], measure: str, title: str) -> Figure:
    """Similarity over the epochs."""
    from tgsh.figures import courses_figure

    return courses_figure(found, title=title, measure=measure)


def accuracy(values: Sequence[float], labels: Sequence[str], title: str) -> Figure:
    """The accuracy of each task, their mean and range."""
    from tgsh.figures import accuracy_figure

    return accuracy_figure(values, labels, title=title)


def accuracy_matrix(found: AccuracyMatrix, title: str) -> Figure:
    """The accuracy of each context on every task."""
    from tgsh.figures import accuracy_matrix_figure

    return accuracy_matrix_figure(found.values, found.labels, title=title)
