"""Place of new data among known tasks: ranking with intervals, percentile, novelty.

Cosines of contexts that were learned from few images are lower than those of the same data with many. So the
highest one is divided by what samples of the same size of known tasks reach with their own tasks (as Spearman
corrected correlations for attenuation, 1904) before it is compared with similarities of the experiment.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from tgsh.analysis.similarity import in_float64

LEVEL = 0.95
CHANCE = 0.05
"""Share of dealings of the classes, at most, that may do as well as the true one; else the data are novel."""

TYPICAL_SHARE = 0.05
"""Quantile of the known tasks' nearest similarities that data are measured by."""

NOVEL_SHARE = 0.5
"""Share of that quantile below which data are novel."""

BLOCK = 512
"""Tasks whose vectors are compared at a time."""


@dataclass(frozen=True, eq=False)
class PlacementRanking:
    """Place of new data among T tasks.

    Attributes
    ----------
    order : np.ndarray
        int64 [T], places of the tasks, most alike first.
    similarity : np.ndarray
        float64 [T], mean cosine over replicates, in the tasks' own order.
    half_width : np.ndarray | None
        float64 [T], of the interval of each; None of one replicate.
    expected : float | None
        Median cosine of samples of known tasks, as small as the placed one, with their own tasks.
    corrected : float | None
        The highest similarity divided by `expected`: an estimate of what many images would have.
    percentile : float | None
        Share of similarities between two tasks that are below `corrected` (or the highest similarity, where
        nothing is expected), from 0 to 1; None of one task.
    threshold : float | None
        NOVEL_SHARE of what 95 % of the known tasks have at least with the one that they are most like; None
        of one task.
    p : float | None
        Share of the ways to deal out the classes, the true one among them, whose highest cosine is at least
        the true one's; None where there are too few ways to tell, or none were tried.
    novel : bool | None
        True if `corrected` is below `threshold` or p above CHANCE; None where neither is known.
    """

    order: np.ndarray
    similarity: np.ndarray
    half_width: np.ndarray | None
    expected: float | None
    corrected: float | None
    percentile: float | None
    threshold: float | None
    p: float | None
    novel: bool | None


def cosines_between(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Compute cosines of every vector with every other; those of a vector of zeros are 0.

    Parameters
    ----------
    one : np.ndarray
        float32 [R, V].
    other : np.ndarray
        float32 [T, V], may be memory-mapped.

    Returns
    -------
    np.ndarray
        float64 [R, T], in [−1, 1].
    """
    left = _directions(one)
    blocks = [left @ _directions(other[start : start + BLOCK]).T for start in range(0, len(other), BLOCK)]
    return np.asarray(np.clip(np.concatenate(blocks, axis=1), -1.0, 1.0))


def _directions(vectors: np.ndarray) -> np.ndarray:
    rows = in_float64(np.asarray(vectors), centred=False)
    lengths = np.sqrt((rows**2).sum(axis=1, keepdims=True))
    return np.asarray(np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0))


def standard_error(samples: np.ndarray, drawn: int, images: int) -> np.ndarray:
    """Estimate the standard error of a mean over replicates that draw from the same images.

    With independent samples it is s/√R. Samples without replacement of m from N images overlap, and their
    mean varies at least as a statistic of all N does: s·√(m/(N − m)) (delete-d jackknife; Shao and Wu, 1989).
    The larger one is taken; with N = R·m both are nearly equal.

    Parameters
    ----------
    samples : np.ndarray
        float64 [R, …], R > 1.
    drawn : int
        m.
    images : int
        N > m.

    Returns
    -------
    np.ndarray
        float64 […].
    """
    share = max(1 / len(samples), drawn / (images - drawn))
    return np.asarray(samples.std(axis=0, ddof=1) * math.sqrt(share))


def place(
    cosines: np.ndarray,
    dealt: np.ndarray,
    known: np.ndarray,
    tasks: np.ndarray,
    drawn: int,
    images: int,
) -> PlacementRanking:
    """Rank tasks by their cosines with new data, and judge whether these are like any of them.

    Parameters
    ----------
    cosines : np.ndarray
        float64 [R, T], of R replicates with T tasks.
    dealt : np.ndarray
        float64 [P, T], of the first replicate's images with classes dealt out at random; P is 0 where that
        tells nothing, as classes were matched so that they are alike.
    known : np.ndarray
        float64 [S], of samples of known tasks with the tasks that they are from.
    tasks : np.ndarray
        float64 [T, T], similarities of the tasks with each other.
    drawn : int
        Images of a replicate.
    images : int
        Images that they were drawn from, more than `drawn`.

    Returns
    -------
    PlacementRanking
        Ranking, percentile and novelty.
    """
    similarity = cosines.mean(axis=0)
    half_width = None
    if len(cosines) > 1:
        factor = float(stdtrit(len(cosines) - 1, (1 + LEVEL) / 2))
        half_width = factor * standard_error(cosines, drawn, images)
    best = float(similarity.max())
    expected = float(np.median(known)) if len(known) else None
    corrected = best / expected if expected is not None and expected > 0 else None
    told = best if corrected is None else corrected
    between = tasks[~np.eye(len(tasks), dtype=bool)]
    percentile = float((between < told).mean()) if len(between) else None
    threshold = None
    if len(tasks) > 1:
        others = np.where(np.eye(len(tasks), dtype=bool), -np.inf, tasks)
        threshold = NOVEL_SHARE * float(np.quantile(others.max(axis=1), TYPICAL_SHARE))
    p = _share_as_good(cosines[0], dealt)
    signs = []
    if threshold is not None and corrected is not None:
        signs.append(corrected < threshold)
    if p is not None:
        signs.append(p > CHANCE)
    return PlacementRanking(
        np.argsort(-similarity, kind="stable"),
        similarity,
        half_width,
        expected,
        corrected,
        percentile,
        threshold,
        p,
        any(signs) if signs else None,
    )


def _share_as_good(own: np.ndarray, dealt: np.ndarray) -> float | None:
    """Permutation test of the highest cosine; None where no outcome could be below CHANCE."""
    ways = len(dealt) + 1
    if 1 / ways > CHANCE:
        return None
    return float(1 + (dealt.max(axis=1) >= own.max()).sum()) / ways


def interpolated_point(points: np.ndarray, tasks: np.ndarray, similarity: np.ndarray) -> np.ndarray:
    """Place new data in a map of tasks by classical MDS, which stays as it is.

    Gower's formula (1968): y = −½ Λ⁻¹ Xᵀ (d² − mean of the rows of D²), with D = 1 − similarity and X the
    points, whose columns have the squared lengths Λ.

    Parameters
    ----------
    points : np.ndarray
        float64 [T, dimensions], of the tasks.
    tasks : np.ndarray
        float64 [T, T], similarities that they were made from.
    similarity : np.ndarray
        float64 [T], of the new data with the tasks.

    Returns
    -------
    np.ndarray
        float64 [dimensions]; 0 on an axis that the tasks lack.
    """
    squares = (1 - similarity) ** 2 - ((1 - tasks) ** 2).mean(axis=0)
    lengths = (points**2).sum(axis=0)
    away = -0.5 * (points.T @ squares)
    return np.asarray(np.divide(away, lengths, out=np.zeros_like(away), where=lengths > 1e-12))


def interpolated_parameter(
    parameters: np.ndarray, similarity: np.ndarray, period: float | None
) -> float | None:
    """Estimate the parameter of new data between those of known tasks: the top of a parabola.

    It goes through the most alike task and its two neighbours in the parameter.

    Parameters
    ----------
    parameters : np.ndarray
        float64 [T], of the tasks.
    similarity : np.ndarray
        float64 [T].
    period : float | None
        Of the parameter; None where it is no angle or the like.

    Returns
    -------
    float | None
        The parameter, within the period where there is one; None where the best task has no two neighbours.
    """
    best = int(similarity.argmax())
    away = parameters - parameters[best]
    if period is not None:
        away = (away + period / 2) % period - period / 2
    below, above = np.flatnonzero(away < 0), np.flatnonzero(away > 0)
    if not len(below) or not len(above):
        return None
    sides = [int(below[away[below].argmax()]), best, int(above[away[above].argmin()])]
    curvature, slope, _ = np.polyfit(away[sides], similarity[sides], 2)
    if not curvature < 0:
        return float(parameters[best])
    top = float(np.clip(-slope / (2 * curvature), away[sides[0]], away[sides[2]]))
    value = float(parameters[best]) + top
    return value if period is None else value % period
