"""Tasks as points in two or three dimensions: classical MDS of a similarity, PCA of vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy  # its parts are loaded when they are used: the service starts without them

from tgsh.analysis.similarity import SimilarityMatrix, inner_products

Method = Literal["mds", "pca"]


@dataclass(frozen=True, eq=False)
class TaskMap:
    """T tasks as points, and how faithful they are.

    Attributes
    ----------
    points : np.ndarray
        float64 [T, dimensions], read-only, centred; axes by falling eigenvalue; on every axis the task
        that is farthest out (the first of equals) has a positive coordinate. An axis that the data lack
        is 0.
    explained : tuple[float, ...]
        For each axis its share of all positive eigenvalues; for PCA, of the variance.
    positive : float
        Share of the positive eigenvalues of all, by absolute value; 1 where distances are Euclidean.
    stress : float
        Kruskal's stress-1 of the points against the distances; 0 where they show them exactly.
    method : Method
        ``"mds"`` or ``"pca"``.
    labels : tuple[str, ...]
        Names of the tasks.
    tasks : tuple[int, ...]
        Indices of the tasks in their suite.
    """

    points: np.ndarray
    explained: tuple[float, ...]
    positive: float
    stress: float
    method: Method
    labels: tuple[str, ...]
    tasks: tuple[int, ...]


def classical_mds(matrix: SimilarityMatrix, dimensions: int) -> TaskMap:
    """Scale the distances D = 1 − similarity classically (Torgerson): B = −½ J (D ∘ D) J, J = I − 1/T.

    Parameters
    ----------
    matrix : SimilarityMatrix
        Similarities [T, T].
    dimensions : int
        Dimensions of the points.

    Returns
    -------
    TaskMap
        Points [T, dimensions] in units of 1 − similarity.
    """
    distances = 1 - matrix.values
    axes = _principal_axes(_centred(distances**2) / -2, dimensions)
    stress = _stress(axes[0], scipy.spatial.distance.squareform(distances, checks=False))
    return TaskMap(*axes, stress, "mds", matrix.labels, matrix.tasks)


def pca(vectors: np.ndarray, labels: Sequence[str], tasks: Sequence[int], dimensions: int) -> TaskMap:
    """Project vectors on their principal components, from the T×T inner products in float64.

    The same scores as `sklearn.decomposition.PCA`, but for the signs.

    Parameters
    ----------
    vectors : np.ndarray
        float [T, H], not scaled.
    labels : Sequence[str]
        T names.
    tasks : Sequence[int]
        T indices in the suite.
    dimensions : int
        Dimensions of the points.

    Returns
    -------
    TaskMap
        The scores [T, dimensions] in units of the vectors; its stress is against their Euclidean distances.

    Raises
    ------
    ValueError
        If labels, tasks and vectors do not fit, or a number is not finite.
    """
    if vectors.ndim != 2 or not len(vectors) == len(tasks) == len(labels):
        raise ValueError(f"vectors of shape {vectors.shape} are not those of {len(tasks)} tasks")
    products = inner_products(vectors)
    if not np.isfinite(products).all():
        raise ValueError("vectors hold a number that is not finite")
    squares = np.diagonal(products)
    distances = np.sqrt(np.maximum(squares[:, None] + squares[None, :] - 2 * products, 0))
    points, explained, _ = _principal_axes(_centred(products), dimensions)
    stress = _stress(points, scipy.spatial.distance.squareform(distances, checks=False))
    return TaskMap(points, explained, 1.0, stress, "pca", tuple(labels), tuple(tasks))


def _centred(matrix: np.ndarray) -> np.ndarray:
    """J M J of a symmetric matrix, symmetric again."""
    if not len(matrix):
        return matrix
    means = matrix.mean(axis=0)
    return np.asarray(matrix - means[:, None] - means[None, :] + means.mean())


def _principal_axes(products: np.ndarray, dimensions: int) -> tuple[np.ndarray, tuple[float, ...], float]:
    """Points whose inner products are nearest to these; the shares of the axes; the positive share."""
    tasks = len(products)
    points, explained = np.zeros((tasks, dimensions)), np.zeros(dimensions)
    positive = 1.0
    if tasks:
        values, axes = scipy.linalg.eigh(products)
        values[np.abs(values) <= np.abs(values).max() * tasks * np.finfo(float).eps] = 0  # rounding
        above = np.maximum(values, 0)
        available = min(dimensions, tasks)
        points[:, :available] = (axes * np.sqrt(above))[:, ::-1][:, :available]
        if above.any():
            explained[:available] = above[::-1][:available] / above.sum()
            positive = float(above.sum() / np.abs(values).sum())
        _fix_signs(points)
    points.flags.writeable = False
    return points, tuple(explained.tolist()), positive


def _fix_signs(points: np.ndarray) -> None:
    """Make the first of each axis's farthest points positive: an eigenvector has no sign of its own."""
    for axis in points.T:
        far = np.abs(axis)
        first = int(np.argmax(far >= (1 - 1e-9) * far.max()))  # equals differ by rounding
        if axis[first] < 0:
            axis *= -1


def _stress(points: np.ndarray, distances: np.ndarray) -> float:
    if not distances.any():
        return 0.0
    return float(np.linalg.norm(scipy.spatial.distance.pdist(points) - distances) / np.linalg.norm(distances))
