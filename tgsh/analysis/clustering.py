"""Agglomerative clustering of tasks: linkage, leaf order, Newick."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # its parts are loaded when they are used: the service starts without them

from tgsh.analysis.similarity import SimilarityMatrix

METHODS = ("average", "single", "complete", "weighted")
"""SciPy's methods that need only distances."""

MOST_ORDERED = 500
"""Optimal leaf ordering takes cubic time; larger trees keep the order in which SciPy draws them."""

_UNQUOTED = re.compile(r"[A-Za-z0-9.+-]+")


@dataclass(frozen=True, eq=False)
class ClusterTree:
    """A tree over T tasks, and how well it keeps their distances.

    Attributes
    ----------
    linkage : np.ndarray
        SciPy's, float64 [T − 1, 4], read-only: row i joins two nodes at a distance into node T + i of so many
        tasks. Nodes below T are places in `labels` and `tasks`.
    leaves : tuple[int, ...]
        Those places, left to right.
    cophenetic : float | None
        Correlation of the tree's distances with the true ones; None where it is not defined: fewer than three
        tasks, or all distances equal.
    method : str
        Distance of two groups, one of METHODS.
    labels : tuple[str, ...]
        Names of the tasks.
    tasks : tuple[int, ...]
        Indices of the tasks in their suite.
    """

    linkage: np.ndarray
    leaves: tuple[int, ...]
    cophenetic: float | None
    method: str
    labels: tuple[str, ...]
    tasks: tuple[int, ...]


def dendrogram(matrix: SimilarityMatrix, method: str = "average") -> ClusterTree:
    """Cluster tasks by 1 − similarity, with the leaves in the order that puts similar tasks side by side.

    `scipy.cluster.hierarchy.linkage`, then `optimal_leaf_ordering` for up to MOST_ORDERED tasks.

    Parameters
    ----------
    matrix : SimilarityMatrix
        Similarities [T, T].
    method : str, default="average"
        Distance of two groups, one of METHODS.

    Returns
    -------
    ClusterTree
        The tree and its cophenetic correlation.

    Raises
    ------
    ValueError
        If the method is not one of METHODS.
    """
    tree = linkage(matrix, method)
    if 2 <= len(tree) < MOST_ORDERED:
        tree = np.asarray(scipy.cluster.hierarchy.optimal_leaf_ordering(tree, _distances(matrix)))
    tree.flags.writeable = False
    return ClusterTree(
        tree,
        _leaf_order(tree, len(matrix.tasks)),
        _cophenetic_correlation(tree, matrix),
        method,
        matrix.labels,
        matrix.tasks,
    )


def linkage(matrix: SimilarityMatrix, method: str = "average") -> np.ndarray:
    """Cluster tasks by 1 − similarity, leaves in SciPy's order.

    Parameters
    ----------
    matrix : SimilarityMatrix
        Similarities [T, T].
    method : str, default="average"
        Distance of two groups, one of METHODS.

    Returns
    -------
    np.ndarray
        `scipy.cluster.hierarchy.linkage`, float64 [T − 1, 4]; no rows for fewer than two tasks.

    Raises
    ------
    ValueError
        If the method is not one of METHODS.
    """
    if method not in METHODS:
        raise ValueError(f"method {method!r} does not work on similarities")
    if len(matrix.tasks) < 2:
        return np.empty((0, 4))
    return np.asarray(scipy.cluster.hierarchy.linkage(_distances(matrix), method))


def cluster_order(matrix: SimilarityMatrix, method: str = "average") -> list[int]:
    """Order tasks as under their dendrogram.

    Parameters
    ----------
    matrix : SimilarityMatrix
        Similarities [T, T].
    method : str, default="average"
        Distance of two groups, one of METHODS.

    Returns
    -------
    list[int]
        Places of the T tasks, left to right, neighbours as similar as the tree allows.

    Raises
    ------
    ValueError
        If the method is not one of METHODS.
    """
    return list(dendrogram(matrix, method).leaves)


def _leaf_order(tree: np.ndarray, tasks: int) -> tuple[int, ...]:
    if not len(tree):
        return tuple(range(tasks))
    return tuple(int(place) for place in scipy.cluster.hierarchy.leaves_list(tree))


def _cophenetic_correlation(tree: np.ndarray, matrix: SimilarityMatrix) -> float | None:
    distances = _distances(matrix)
    if len(tree) < 2 or np.ptp(distances) == 0:
        return None
    in_tree = scipy.cluster.hierarchy.cophenet(tree)
    return None if np.ptp(in_tree) == 0 else float(np.corrcoef(distances, in_tree)[0, 1])


def _distances(matrix: SimilarityMatrix) -> np.ndarray:
    """1 − similarity, condensed: float64 [T(T − 1)/2]."""
    condensed = np.asarray(scipy.spatial.distance.squareform(matrix.values, checks=False))
    np.subtract(1, condensed, out=condensed)
    return condensed


def newick(tree: ClusterTree, support: Sequence[float | None] = ()) -> str:
    """Write a tree in Newick; the path between two leaves is as long as their cophenetic distance.

    A group that was joined at distance d therefore lies d/2 above its leaves. No recursion: a chain of 10,000
    tasks is deep.

    Parameters
    ----------
    tree : ClusterTree
        The tree of T tasks.
    support : Sequence[float | None], default=()
        A share for each of the T − 1 groups, which becomes its label; None for no label.

    Returns
    -------
    str
        The tree with branch lengths, in units of 1 − similarity; ``;`` for no task.
    """
    tasks = len(tree.tasks)
    if not tasks:
        return ";"
    heights = [0.0] * tasks + [float(row[2]) / 2 for row in tree.linkage]
    pieces: list[str] = []
    stack: list[tuple[int, float] | str] = [(tasks + len(tree.linkage) - 1, heights[-1])]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            pieces.append(item)
            continue
        node, above = item
        height = heights[node]
        length = "" if not pieces and not stack else f":{max(above - height, 0.0):.17g}"  # the root has none
        if node < tasks:
            pieces.append(quoted(tree.labels[node]) + length)
            continue
        left, right = (int(child) for child in tree.linkage[node - tasks, :2])
        pieces.append("(")
        share = support[node - tasks] if support else None
        stack += [f"){'' if share is None else f'{share:.3g}'}{length}", (right, height), ",", (left, height)]
    return "".join(pieces) + ";"


def quoted(label: str) -> str:
    """Quote a label for Newick.

    Parameters
    ----------
    label : str
        Any text; line breaks and runs of spaces become one space.

    Returns
    -------
    str
        The label, in quotes unless it is plain, a quote inside doubled.
    """
    line = " ".join(label.split())  # a label ends with its line
    return line if _UNQUOTED.fullmatch(line) else "'" + line.replace("'", "''") + "'"
