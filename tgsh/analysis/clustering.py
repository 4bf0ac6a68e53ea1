"""Like beside like: hierarchical clustering of tasks on the distance 1 − similarity."""

from __future__ import annotations

import numpy as np
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from tgsh.analysis.similarity import SimilarityMatrix

MOST_ORDERED = 500
"""Optimal leaf ordering takes cubic time; larger trees keep the order in which SciPy draws them."""


def linkage(matrix: SimilarityMatrix, method: str = "average") -> np.ndarray:
    """SciPy linkage, float64 [T − 1, 4], on 1 − similarity; no rows for fewer than two tasks.

    method: one of SciPy's that need only distances: single, complete, average, weighted.
    Raises ValueError for others.
    """
    if method not in ("single", "complete", "average", "weighted"):
        raise ValueError(f"method {method!r} does not work on similarities")
    if len(matrix.tasks) < 2:
        return np.empty((0, 4))
    return np.asarray(hierarchy.linkage(_distances(matrix), method))


def cluster_order(matrix: SimilarityMatrix, method: str = "average") -> list[int]:
    """Places of the tasks, left to right under their dendrogram, neighbours as alike as the tree allows."""
    tree = linkage(matrix, method)
    if len(tree) < 2:
        return list(range(len(matrix.tasks)))
    if len(tree) < MOST_ORDERED:
        tree = hierarchy.optimal_leaf_ordering(tree, _distances(matrix))
    return [int(place) for place in hierarchy.leaves_list(tree)]


def _distances(matrix: SimilarityMatrix) -> np.ndarray:
    """Condensed, float64 [T(T − 1)/2]."""
    return np.asarray(squareform(1 - matrix.values, checks=False))
