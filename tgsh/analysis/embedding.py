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


CLOSED_GAP = 1.5
"""Of the median gap between neighbours on a circle: a larger one is no step of the suite."""

FEWEST_ON_A_CIRCLE = 4


@dataclass(frozen=True)
class TaskScale:
    """The parameter that orders tasks, such as an angle.

    Attributes
    ----------
    values : tuple[float, ...]
        Parameter of each of T tasks, such as degrees or pixels.
    period : float | None
        Of the parameter, where the tasks go all the way round; None where they do not.
    """

    values: tuple[float, ...]
    period: float | None

    @property
    def shares(self) -> np.ndarray:
        """Place of each task on the scale, float64 [T] from 0 to 1; on a circle 1 is 0 again."""
        values = np.array(self.values, np.float64)
        if self.period is not None:
            return np.asarray(values % self.period / self.period)
        low, high = (values.min(), values.max()) if len(values) else (0.0, 0.0)
        return np.asarray((values - low) / (high - low or 1.0))

    @property
    def path(self) -> tuple[int, ...]:
        """Rows of the tasks in their order; on a circle without a gap, the first again at the end."""
        rows = tuple(np.argsort(self.shares, kind="stable").tolist())
        if self.period is not None and goes_round(self.values, self.period):
            return (*rows, rows[0])
        return rows


def goes_round(values: Sequence[float], period: float) -> bool:
    """Test if values lie on all of a circle, in nearly equal steps.

    Parameters
    ----------
    values : Sequence[float]
        Values, such as degrees.
    period : float
        Length of the circle, such as 360.

    Returns
    -------
    bool
        False for fewer than FEWEST_ON_A_CIRCLE places, or where a gap is longer than CLOSED_GAP median ones.
    """
    places = np.unique(np.round(np.array(values, np.float64) % period, 9) % period)
    if len(places) < FEWEST_ON_A_CIRCLE:
        return False
    gaps = np.diff(places, append=places[0] + period)
    return bool(gaps.max() <= CLOSED_GAP * np.median(gaps))


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
        fix_signs(points)
    points.flags.writeable = False
    return points, tuple(explained.tolist()), positive


def fix_signs(points: np.ndarray) -> None:
    """Make the first of each axis's farthest points positive: an eigenvector has no sign of its own.

    Parameters
    ----------
    points : np.ndarray
        float64 [T, dimensions]; changed in place.
    """
    for axis in points.T:
        far = np.abs(axis)
        first = int(np.argmax(far >= (1 - 1e-9) * far.max()))  # equals differ by rounding
        if axis[first] < 0:
            axis *= -1


def _stress(points: np.ndarray, distances: np.ndarray) -> float:
    if not distances.any():
        return 0.0
    return float(np.linalg.norm(scipy.spatial.distance.pdist(points) - distances) / np.linalg.norm(distances))
