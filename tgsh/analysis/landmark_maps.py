"""Maps of thousands of tasks: landmark MDS, PCA of directions, and UMAP where it is installed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy  # its parts are loaded when they are used: the service starts without them

from tgsh.analysis.embedding import fix_signs
from tgsh.analysis.sketches import spread_evenly
from tgsh.errors import MachineProblem

MapMethod = Literal["mds", "pca", "umap"]

LANDMARKS = 500
"""Tasks whose distances to one another decide the axes; all others are placed by theirs to these."""

NEIGHBOURS = 15
"""Of a task, which UMAP keeps near it: its own default."""

UMAP_PACKAGE = "umap-learn"


@dataclass(frozen=True, eq=False)
class LandmarkMap:
    """N tasks as points in a plane, and how faithful they are.

    Attributes
    ----------
    points : np.ndarray
        float64 [N, 2]; on each axis the task that is farthest out has a positive coordinate.
    explained : tuple[float, ...]
        For each axis its share of all positive eigenvalues; none for UMAP, which has no axes.
    stress : float
        Kruskal's stress-1 of the landmarks' points against their distances 1 − cosine.
    landmarks : int
        How many these are.
    method : MapMethod
        ``"mds"``, ``"pca"`` or ``"umap"``.
    """

    points: np.ndarray
    explained: tuple[float, ...]
    stress: float
    landmarks: int
    method: MapMethod


def task_plane(directions: np.ndarray, method: MapMethod) -> LandmarkMap:
    """Place tasks in a plane.

    mds: landmark MDS (de Silva and Tenenbaum, 2004) of the distances 1 − cosine. The landmarks' points are
    those of classical MDS; another task is put at −½ L⁺(δ² − mean δ²), with δ its distances to the landmarks
    and L⁺ the landmarks' axes over their eigenvalues. With no more tasks than landmarks it is classical MDS.
    pca: scores of the directions on their two principal components. umap: McInnes et al. (2018), cosine.

    Parameters
    ----------
    directions : np.ndarray
        float [N, k], rows of length 1 (or 0): vectors, or sketches of them.
    method : MapMethod
        ``"mds"``, ``"pca"`` or ``"umap"``.

    Returns
    -------
    LandmarkMap
        Points float64 [N, 2].

    Raises
    ------
    MachineProblem
        If UMAP is asked for and not installed.
    """
    rows = np.asarray(directions, np.float64)
    if not len(rows):
        return LandmarkMap(np.zeros((0, 2)), () if method == "umap" else (0.0, 0.0), 0.0, 0, method)
    chosen = list(spread_evenly(len(rows), LANDMARKS))
    distances = 1 - np.clip(rows[chosen] @ rows[chosen].T, -1, 1)
    np.fill_diagonal(distances, 0)
    if method == "mds":
        points, explained = _landmark_mds(rows, chosen, distances)
    elif method == "pca":
        points, explained = _principal_scores(rows)
    else:
        points, explained = _umap(rows), ()
    fix_signs(points)
    points.flags.writeable = False
    return LandmarkMap(points, explained, _stress(points[chosen], distances), len(chosen), method)


def _landmark_mds(
    rows: np.ndarray, chosen: list[int], distances: np.ndarray
) -> tuple[np.ndarray, tuple[float, ...]]:
    points = np.zeros((len(rows), 2))
    squares = distances**2
    mean = squares.mean(axis=0)
    products = (squares - mean[:, None] - mean[None, :] + mean.mean()) / -2
    values, axes = scipy.linalg.eigh(products)
    values[np.abs(values) <= np.abs(values).max() * len(values) * np.finfo(float).eps] = 0
    total = np.maximum(values, 0).sum()
    explained = []
    for axis in range(min(2, len(values))):
        value = values[-1 - axis]
        explained.append(float(value / total) if value > 0 else 0.0)
        if value > 0:
            pseudo = axes[:, -1 - axis] / np.sqrt(value)
            for start in range(0, len(rows), 10_000):
                block = 1 - np.clip(rows[start : start + 10_000] @ rows[chosen].T, -1, 1)
                points[start : start + 10_000, axis] = (block**2 - mean) @ pseudo / -2
    return points, tuple((*explained, 0.0, 0.0)[:2])


def _principal_scores(rows: np.ndarray) -> tuple[np.ndarray, tuple[float, ...]]:
    centred = rows - rows.mean(axis=0)
    few = len(rows) <= rows.shape[1]
    products = centred @ centred.T if few else centred.T @ centred
    values, axes = scipy.linalg.eigh(products)
    values = np.maximum(values[::-1], 0)
    axes = axes[:, ::-1][:, :2]
    points = np.zeros((len(rows), 2))
    scores = axes * np.sqrt(values[:2]) if few else centred @ axes
    points[:, : scores.shape[1]] = scores
    total = values.sum() or 1.0
    return points, tuple((*(values[:2] / total).tolist(), 0.0, 0.0)[:2])


def _umap(rows: np.ndarray) -> np.ndarray:
    try:
        import umap
    except ImportError as error:
        raise MachineProblem(f"umap needs a package: pip install {UMAP_PACKAGE}") from error
    few = max(2, min(NEIGHBOURS, len(rows) - 1))
    made = umap.UMAP(
        n_components=2, n_neighbors=few, metric="cosine", init="random", random_state=0, n_jobs=1
    )
    return np.asarray(made.fit_transform(rows.astype(np.float32)), np.float64)


def _stress(points: np.ndarray, distances: np.ndarray) -> float:
    if not distances.any():
        return 0.0
    apart = scipy.spatial.distance.squareform(scipy.spatial.distance.pdist(points))
    return float(np.linalg.norm(apart - distances) / np.linalg.norm(distances))
