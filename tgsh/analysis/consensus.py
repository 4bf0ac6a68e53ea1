"""Consensus of replicated similarity matrices: mean, tree with support, embedding with spread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy  # its parts are loaded when they are used: the service starts without them

from tgsh.analysis.clustering import ClusterTree, dendrogram, linkage
from tgsh.analysis.embedding import classical_mds
from tgsh.analysis.replicate_design import Over, Replicates
from tgsh.analysis.replicates import ReplicateEstimate, estimate
from tgsh.analysis.similarity import Measure, SimilarityMatrix
from tgsh.rng import rng_for

Resampling = Literal["replicates", "jackknife", "bootstrap"]

ALIGNED_AXES = 10
"""Axes in which embeddings are turned onto one another, so that an axis that is hidden in one replicate and
shown in another is found."""

TIED = 1e-12
"""Difference of the distances of two joins that are one join of three groups."""

MOST_TURNS = 100
CONVERGED = 1e-10
"""Relative change of the consensus at which generalised Procrustes analysis ends."""


def mean_similarity(
    matrices: np.ndarray, replicates: Replicates, over: Over | None = None, level: float = 0.95
) -> ReplicateEstimate:
    """Estimate the mean similarity of every two tasks over replicates, with intervals.

    `replicates.estimate` of the entries on and above the diagonal, with intervals cut off at −1 and 1. Of
    matrices that are too large to hold R of, estimate blocks of rows one after the other instead.

    Parameters
    ----------
    matrices : np.ndarray
        float [R, T, T], symmetric, one matrix a replicate; NaN where a replicate lacks a task.
    replicates : Replicates
        R replicates.
    over : Over | None, default=None
        What intervals generalise over, as `replicates.estimate` takes it.
    level : float, default=0.95
        Confidence of the intervals.

    Returns
    -------
    ReplicateEstimate
        Arrays [T, T], exactly symmetric; on the diagonal means are 1 without spread.

    Raises
    ------
    ValueError
        If shapes do not fit, or a value is infinite.
    """
    tasks = _task_count(matrices)
    upper = np.triu_indices(tasks)
    found = estimate(matrices[:, upper[0], upper[1]], replicates, over, level, (-1.0, 1.0))

    def whole(entries: np.ndarray) -> np.ndarray:
        matrix = np.empty((tasks, tasks), entries.dtype)
        matrix[upper] = entries
        matrix.T[upper] = entries
        return matrix

    return found.mapped(whole)


def _task_count(matrices: np.ndarray) -> int:
    if matrices.ndim != 3 or matrices.shape[1] != matrices.shape[2]:
        raise ValueError(f"{matrices.shape} is not the shape of one matrix a replicate")
    return int(matrices.shape[1])


@dataclass(frozen=True, eq=False)
class SupportedTree:
    """The tree of the mean similarities, and how often its groups are found again.

    Attributes
    ----------
    tree : ClusterTree
        Of the mean; its leaves are the consensus order.
    support : tuple[float | None, ...]
        T − 1 shares, 0 to 1, one a row of the tree's linkage: trees that have exactly this group, of the
        trees that could; None where none could. The last, of all tasks, is 1.
    trees : int
        Trees that were compared.
    resampling : Resampling
        What they are the trees of: single replicates, means without one, means of replicates drawn anew.
    reason : str | None
        Why there is no support.
    """

    tree: ClusterTree
    support: tuple[float | None, ...]
    trees: int
    resampling: Resampling
    reason: str | None


def supported_tree(
    matrices: np.ndarray,
    mean: SimilarityMatrix,
    replicates: Replicates,
    method: str = "average",
    resampling: Resampling = "replicates",
    resamples: int = 1_000,
    seed: int = 0,
) -> SupportedTree:
    """Cluster the mean similarities, and count in how many replicates each group is found.

    ``"replicates"`` clusters each replicate; ``"jackknife"`` the means of all but one; ``"bootstrap"`` the
    means of replicates that are drawn with replacement (Felsenstein 1985), seeds and bases each for
    themselves where they are crossed. A group that only ties make, as where all similarities are equal, is
    none. A replicate that lacks tasks speaks about the groups of which it has two tasks or more, without
    those that it lacks.

    Parameters
    ----------
    matrices : np.ndarray
        float [R, T, T], symmetric, one matrix a replicate; NaN where a replicate lacks a task.
    mean : SimilarityMatrix
        Mean similarities of the T tasks, as of `mean_similarity`.
    replicates : Replicates
        R replicates.
    method : str, default="average"
        Distance of two groups, one of `clustering.METHODS`.
    resampling : Resampling, default="replicates"
        What is clustered for the support.
    resamples : int, default=1_000
        Of ``"bootstrap"``.
    seed : int, default=0
        Of ``"bootstrap"``.

    Returns
    -------
    SupportedTree
        The tree and the support of its groups.

    Raises
    ------
    ValueError
        If shapes do not fit, or the method is not one of METHODS.
    """
    tasks = _task_count(matrices)
    if len(mean.tasks) != tasks or len(matrices) != len(replicates):
        raise ValueError(f"{matrices.shape} similarities, {len(mean.tasks)} tasks do not fit")
    resampled = _resampled(matrices, replicates, resampling, resamples, seed)
    return _supported(mean, method, len(matrices), resampled, resampling)


def streamed_tree(
    matrices: Iterable[np.ndarray], count: int, mean: SimilarityMatrix, method: str = "average"
) -> SupportedTree:
    """Do as `supported_tree` with the trees of single replicates, of matrices that come one after another.

    Parameters
    ----------
    matrices : Iterable[np.ndarray]
        float [T, T], symmetric, one a replicate; each is read once, and only one is held.
    count : int
        Number of replicates.
    mean : SimilarityMatrix
        Mean similarities of the T tasks.
    method : str, default="average"
        Distance of two groups, one of `clustering.METHODS`.

    Returns
    -------
    SupportedTree
        The tree and the support of its groups.
    """
    return _supported(mean, method, count, matrices, "replicates")


def _supported(
    mean: SimilarityMatrix,
    method: str,
    replicates: int,
    resampled: Iterable[np.ndarray],
    resampling: Resampling,
) -> SupportedTree:
    """The tree of the mean with the share of the trees of matrices that have each of its groups."""
    tree = dendrogram(mean, method)
    groups = _groups(tree.linkage, len(mean.tasks))
    if replicates < 2:
        reason = "one replicate: whether another one has the same groups is not known"
        return SupportedTree(tree, (None,) * len(groups), 0, resampling, reason)
    found, possible, trees = np.zeros(len(groups)), np.zeros(len(groups)), 0
    for values in resampled:
        present = np.flatnonzero(np.isfinite(np.diagonal(values)))
        present = present[np.isfinite(values[np.ix_(present, present)]).all(axis=1)]
        if len(present) < 2:
            continue
        chosen = values[np.ix_(present, present)]
        names = ("",) * len(present)
        own = linkage(SimilarityMatrix(chosen, names, tuple(present.tolist()), "cosine"), method)
        packed = {row.tobytes() for row in _groups(own, len(present))[_is_apart(own)]}
        restricted = groups[:, present]
        able = restricted.sum(axis=1) > 1
        possible += able
        found += [bool(can) and row.tobytes() in packed for can, row in zip(able, restricted, strict=True)]
        trees += 1
    support = tuple(float(n / of) if of else None for n, of in zip(found, possible, strict=True))
    return SupportedTree(tree, support, trees, resampling, None)


def _groups(tree: np.ndarray, tasks: int) -> np.ndarray:
    """Members of each joined group: bool [T − 1, T]."""
    members = np.zeros((tasks + len(tree), tasks), bool)
    members[:tasks] = np.eye(tasks, dtype=bool)
    for row, (left, right) in enumerate(tree[:, :2].astype(np.int64)):
        members[tasks + row] = members[left] | members[right]
    return members[tasks:]


def _is_apart(tree: np.ndarray) -> np.ndarray:
    """Test which joined groups lie below the next join, bool [T − 1]; others are ties, in any order."""
    above = np.full(len(tree), np.inf)
    for row, children in enumerate(tree[:, :2].astype(np.int64) - len(tree) - 1):
        above[children[children >= 0]] = tree[row, 2]
    return np.asarray(above - tree[:, 2] > TIED)


def _resampled(
    matrices: np.ndarray, replicates: Replicates, resampling: Resampling, resamples: int, seed: int
) -> Iterator[np.ndarray]:
    """Matrices [T, T] to cluster."""
    if resampling == "replicates":
        yield from matrices
        return
    if resampling == "jackknife":
        weights = 1 - np.eye(len(matrices))
    else:
        weights = _bootstrap_weights(replicates, resamples, seed)
    values, present = np.nan_to_num(matrices), np.isfinite(matrices).astype(np.float64)
    for row in weights:
        if row.any():
            with np.errstate(invalid="ignore"):
                yield np.tensordot(row, values, 1) / np.tensordot(row, present, 1)


def _bootstrap_weights(replicates: Replicates, resamples: int, seed: int) -> np.ndarray:
    """Draws of each replicate, [resamples, R]; seeds of one base only are drawn with their base."""
    rng = rng_for(seed, "tree support")
    bases_of_seed, seeds_of_base = (
        max(Counter(levels).values()) for levels in (replicates.seeds, replicates.base_seeds)
    )
    weights = np.ones((resamples, len(replicates)))
    if seeds_of_base > 1 and (bases_of_seed > 1 or replicates.varying == "seeds"):
        weights *= _drawn(replicates.seeds, resamples, rng)
    if replicates.varying != "seeds":
        weights *= _drawn(replicates.base_seeds, resamples, rng)
    return weights


def _drawn(levels: Sequence[int], resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Draws of each replicate's level: [resamples, R]."""
    found, which = np.unique(np.array(levels), return_inverse=True)
    counts = rng.multinomial(len(found), np.full(len(found), 1 / len(found)), size=resamples)
    return np.asarray(counts[:, which.reshape(-1)], np.float64)


@dataclass(frozen=True, eq=False)
class ConsensusMap:
    """Tasks as points: the mean of the replicates' embeddings, and how far these lie from it.

    Attributes
    ----------
    points : np.ndarray
        float64 [T, dimensions], centred, on its own principal axes.
    replicates : np.ndarray
        float64 [R, T, dimensions], each replicate's embedding turned, mirrored and moved onto the mean, not
        scaled; NaN where it lacks a task.
    covariances : np.ndarray
        float64 [T, dimensions, dimensions], of each task's points over replicates (divisor n − 1); NaN for
        fewer than two.
    spread : np.ndarray
        float64 [T], root of the trace of the covariance, over the axes shown.
    reason : str | None
        Why there is no spread.
    """

    points: np.ndarray
    replicates: np.ndarray
    covariances: np.ndarray
    spread: np.ndarray
    reason: str | None


def consensus_map(matrices: Iterable[np.ndarray], dimensions: int = 2) -> ConsensusMap:
    """Embed every replicate by classical MDS, and superimpose the embeddings.

    Parameters
    ----------
    matrices : Iterable[np.ndarray]
        R matrices, float [T, T], symmetric, one a replicate, each read once: an array [R, T, T], or what
        yields them; NaN where a replicate lacks a task.
    dimensions : int, default=2
        Dimensions of the points that are shown.

    Returns
    -------
    ConsensusMap
        In units of 1 − similarity.

    Raises
    ------
    ValueError
        If shapes do not fit.
    """
    embedded: list[np.ndarray] = []
    for values in matrices:
        if values.ndim != 2 or values.shape[0] != values.shape[1]:
            raise ValueError(f"{values.shape} is not the shape of the matrix of a replicate")
        axes = max(dimensions, min(ALIGNED_AXES, len(values) - 1))
        points = np.full((len(values), axes), np.nan)
        embedded.append(points)
        present = np.flatnonzero(np.isfinite(np.diagonal(values)))
        chosen = values[np.ix_(present, present)]
        matrix = SimilarityMatrix(chosen, ("",) * len(present), tuple(present.tolist()), "cosine")
        points[present] = classical_mds(matrix, axes).points
    return superimposed(np.stack(embedded), dimensions)


def superimposed(points: np.ndarray, dimensions: int) -> ConsensusMap:
    """Turn, mirror and move embeddings onto their mean: generalised Procrustes analysis (Gower 1975).

    Without scaling: lengths mean the same in all replicates. The mean is turned onto its principal axes.

    Parameters
    ----------
    points : np.ndarray
        float [R, T, D], an embedding a replicate; all-NaN rows for tasks that a replicate lacks.
    dimensions : int
        Axes that are kept in the end, at most D.

    Returns
    -------
    ConsensusMap
        Mean and replicates in one frame.

    Raises
    ------
    ValueError
        If the shape does not fit, or no replicate has a point of some task.
    """
    if points.ndim != 3 or not len(points) or dimensions > points.shape[2]:
        raise ValueError(f"{points.shape} is not the shape of embeddings in {dimensions} dimensions")
    present = np.isfinite(points).all(axis=2)
    if not present.any(axis=0).all():
        raise ValueError("no replicate has a point of some task")
    # The replicate with the most tasks first: the others are turned onto what is known of them.
    order = np.argsort(-present.sum(axis=1), kind="stable")
    turned = points - np.nanmean(points[order[0]], axis=0)
    mean = turned[order[0]].copy()
    for place in order[1:]:
        turned[place] = _turned(turned[place], mean)
        mean = np.where(np.isfinite(mean), mean, turned[place])
    for _ in range(MOST_TURNS):
        previous = mean
        mean = np.nanmean(turned, axis=0)
        turned = _all_turned(turned, mean) if present.all() else np.stack([_turned(p, mean) for p in turned])
        if np.linalg.norm(mean - previous) <= CONVERGED * np.linalg.norm(mean):
            break
    mean = np.nanmean(turned, axis=0)
    centre = mean.mean(axis=0)
    frame = _principal_frame(mean - centre)[:, :dimensions]
    turned, mean = (turned - centre) @ frame, (mean - centre) @ frame
    counts = present.sum(axis=0)
    away = np.nan_to_num(turned - mean)
    with np.errstate(invalid="ignore", divide="ignore"):
        covariances = (
            np.einsum("rti,rtj->tij", away, away) / np.where(counts > 1, counts - 1, np.nan)[:, None, None]
        )
    spread = np.sqrt(np.trace(covariances, axis1=1, axis2=2))
    reason = None if (counts > 1).all() else "one replicate of a task: where another would lie is not known"
    return ConsensusMap(mean, turned, covariances, spread, reason)


def _all_turned(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """`_turned` of each of R embeddings [R, T, D] at once, where no task is missing."""
    own, other = points.mean(axis=1, keepdims=True), target.mean(axis=0)
    left, _, right = np.linalg.svd((points - own).transpose(0, 2, 1) @ (target - other))
    return np.asarray((points - own) @ (left @ right) + other)


def _turned(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Points [T, D] moved, turned and mirrored to lie as near as possible to a target [T, D]."""
    both = np.isfinite(points).all(axis=1) & np.isfinite(target).all(axis=1)
    if not both.any():
        return points
    own, other = points[both].mean(axis=0), target[both].mean(axis=0)
    left, _, right = scipy.linalg.svd((points[both] - own).T @ (target[both] - other))
    return np.asarray((points - own) @ (left @ right) + other)


def _principal_frame(points: np.ndarray) -> np.ndarray:
    """Principal axes of centred points as columns; the farthest point of each has a positive coordinate."""
    _, _, axes = np.linalg.svd(points, full_matrices=True)
    frame = np.asarray(axes.T)
    coordinates = points @ frame
    far = np.abs(coordinates)
    first = (far >= (1 - 1e-9) * far.max(axis=0)).argmax(axis=0)
    signs = np.where(coordinates[first, np.arange(frame.shape[1])] < 0, -1.0, 1.0)
    return frame * signs


def consensus_matrix(
    mean: np.ndarray, labels: Sequence[str], tasks: Sequence[int], measure: Measure
) -> tuple[SimilarityMatrix, list[int]]:
    """Make a similarity matrix of means, without tasks that lack a similarity.

    Parameters
    ----------
    mean : np.ndarray
        float [T, T], NaN where no replicate has both tasks.
    labels : Sequence[str]
        T names.
    tasks : Sequence[int]
        T indices in the suite.
    measure : Measure
        Of the similarities.

    Returns
    -------
    tuple[SimilarityMatrix, list[int]]
        The matrix, and the places of the tasks that it has: those that lack most are left out first.
    """
    places = list(range(len(mean)))
    missing = ~np.isfinite(mean)
    while missing[np.ix_(places, places)].any():
        lacking = missing[np.ix_(places, places)].sum(axis=1)
        del places[int(lacking.argmax())]
    values = np.clip(mean[np.ix_(places, places)], -1, 1)
    chosen = tuple(labels[place] for place in places)
    return SimilarityMatrix(values, chosen, tuple(tasks[place] for place in places), measure), places
