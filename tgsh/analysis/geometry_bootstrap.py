"""Bootstrap over test images: intervals of the measures of Definition 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tgsh.analysis.geometry import BINS, PairCosines, pair_cosines
from tgsh.analysis.image_bootstrap import (
    BATCH_NUMBERS,
    RESAMPLES,
    ScoreInterval,
    bootstrap_ends,
    image_weights,
)
from tgsh.rng import rng_for

RANKS = 1_024
"""Inter cosines, evenly spread, between which ranks are told apart; of fewer, ranks are exact."""

GEOMETRY_SCORES = ("intra_mean", "inter_mean", "overlap", "p_intra_greater", "neighbour_mean")


def geometry_intervals(
    representations: np.ndarray, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, ScoreInterval | None]:
    """Bootstrap the measures of `geometry.geometry` over images, the same ones in all tasks.

    Parameters
    ----------
    representations : np.ndarray
        r_t(x), float32 [T, K, n, M]: the same n images of each of K classes as T tasks represent them.
    level : float, default=0.95
        Confidence, between 0 and 1.
    resamples : int, default=RESAMPLES
        Resamples of the images, within each class.
    seed : int, default=0
        Seed of the resamples.

    Returns
    -------
    dict[str, ScoreInterval | None]
        An interval for each of GEOMETRY_SCORES, fields of `geometry.CosineGeometry`; None where there is no
        pair of a kind, or a class has one image.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    return cosine_intervals(pair_cosines(representations), level, resamples, seed)


def cosine_intervals(
    cosines: PairCosines, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, ScoreInterval | None]:
    """Bootstrap the measures of `geometry.summarise` over images, the same ones in all tasks.

    Every measure is a sum over pairs of images. Pairs are summed over tasks once, so that a resample costs
    no more than products of its weights.

    Parameters
    ----------
    cosines : PairCosines
        Cosines of the same images in all tasks.
    level : float, default=0.95
        Confidence, between 0 and 1.
    resamples : int, default=RESAMPLES
        Resamples of the images, within each class.
    seed : int, default=0
        Seed of the resamples.

    Returns
    -------
    dict[str, ScoreInterval | None]
        As of `geometry_intervals`.
    """
    tasks, classes, images = cosines.shape
    intervals: dict[str, ScoreInterval | None] = dict.fromkeys(GEOMETRY_SCORES)
    if images < 2 or not tasks:
        return intervals
    intra, intra_pairs = _intra_cosines(cosines)
    inter, inter_pairs = _inter_cosines(cosines)
    neighbours = _neighbour_sums(inter, tasks)
    sums = _PairSums.of(intra), _PairSums.of(inter)
    greater = _greater(intra, inter)

    def measures(weights: np.ndarray) -> np.ndarray:
        # Of images weighted [K · n, b], the five measures [b, 5]; NaN where there is no pair.
        of_intra = weights[intra_pairs[0]] * weights[intra_pairs[1]]
        of_inter = weights[inter_pairs[0]] * weights[inter_pairs[1]]
        intra_total, inter_total = (
            each.sum(axis=0, dtype=np.float64) * pairs.per_pair
            for each, pairs in ((of_intra, sums[0]), (of_inter, sums[1]))
        )
        values = np.full((weights.shape[1], 5), np.nan)
        if intra.size:
            values[:, 0] = sums[0].cosines @ of_intra / intra_total
        if inter.size:
            values[:, 1] = sums[1].cosines @ of_inter / inter_total
            values[:, 4] = neighbours @ of_inter / (inter_total / sums[1].per_pair * (tasks - 1))
        if intra.size and inter.size:
            shares = (
                sums[0].histogram.T @ of_intra / intra_total,
                sums[1].histogram.T @ of_inter / inter_total,
            )
            values[:, 2] = np.minimum(*shares).sum(axis=0)
            above = np.einsum("vb,vb->b", greater.T @ of_intra, of_inter, dtype=np.float64)
            values[:, 3] = above / (intra_total * inter_total)
        return values

    estimate = measures(np.ones((classes * images, 1), np.float32))[0]
    rng = rng_for(seed, "image bootstrap")
    step = max(1, BATCH_NUMBERS // max(1, len(intra)))
    batches = [
        measures(np.ascontiguousarray(part.T, np.float32))
        for weights in image_weights(rng, resamples, classes, images)
        for part in np.array_split(weights, max(1, len(weights) // step))
    ]
    ends = bootstrap_ends(np.concatenate(batches), estimate, images, classes * (images - 1), level)
    low, high = np.clip(ends, [[-1, -1, 0, 0, -1]], 1)
    for name, value, *interval in zip(GEOMETRY_SCORES, estimate, low, high, strict=True):
        if not np.isnan(value):
            intervals[name] = ScoreInterval(float(interval[0]), float(interval[1]))
    return intervals


@dataclass(frozen=True, eq=False)
class _PairSums:
    """Sums over tasks, of each pair of images: of cosines [pairs], and counts a bin [pairs, BINS]."""

    cosines: np.ndarray
    histogram: np.ndarray
    per_pair: int

    @staticmethod
    def of(cosines: np.ndarray) -> _PairSums:
        """From cosines [pairs, n], which are n comparisons of each pair."""
        pairs, count = cosines.shape
        if not cosines.size:
            return _PairSums(np.zeros(pairs, np.float32), np.zeros((pairs, BINS), np.float32), count)
        edges = np.linspace(-1, 1, BINS + 1)
        bins = np.clip(np.searchsorted(edges, cosines, side="right") - 1, 0, BINS - 1)
        places = bins + BINS * np.arange(pairs)[:, None]
        histogram = np.bincount(places.reshape(-1), minlength=pairs * BINS).reshape(pairs, BINS)
        sums = cosines.sum(axis=1, dtype=np.float64)
        return _PairSums(sums.astype(np.float32), histogram.astype(np.float32), count)


def _intra_cosines(cosines: PairCosines) -> tuple[np.ndarray, np.ndarray]:
    """Cosines [pairs, T] of two images of different classes in one task; places of the images [2, pairs]."""
    _, classes, images = cosines.shape
    label = np.repeat(np.arange(classes), images)
    pairs = np.array(np.nonzero(label[:, None] < label))
    return np.clip(np.stack(cosines.intra, axis=1), -1, 1), pairs


def _inter_cosines(cosines: PairCosines) -> tuple[np.ndarray, np.ndarray]:
    """Cosines [pairs, T(T − 1)/2] of two images of one class in two tasks; places of the images [2, pairs].

    Both orders of two images are pairs: the first is seen by the task that comes first.
    """
    tasks, classes, images = cosines.shape
    above = np.triu_indices(tasks, 1)
    task = np.repeat(np.arange(tasks), images)
    is_pair = task[:, None] < task
    place = np.zeros(is_pair.shape, np.int64)
    place[is_pair] = np.arange(is_pair.sum())
    order = place.reshape(tasks, images, tasks, images).transpose(1, 3, 0, 2)[:, :, above[0], above[1]]
    values = [each[order.reshape(images**2, -1)] for each in cosines.inter]
    first, second = np.divmod(np.arange(images**2), images)
    starts = images * np.arange(classes)[:, None]
    pairs = np.stack([(starts + first).reshape(-1), (starts + second).reshape(-1)])
    together = np.concatenate(values) if values else np.zeros((0, len(above[0])), np.float32)
    return np.clip(together, -1, 1), pairs


def _neighbour_sums(inter: np.ndarray, tasks: int) -> np.ndarray:
    """Sums [pairs] of the cosines of tasks that follow one another, of the pairs of `_inter_cosines`."""
    first, second = np.triu_indices(tasks, 1)
    sums = inter[:, second == first + 1].sum(axis=1, dtype=np.float64)
    return np.asarray(sums, np.float32)


def _greater(intra: np.ndarray, inter: np.ndarray) -> np.ndarray:
    """Count of the cosines of an intra pair above those of an inter pair, ties half: [intra, inter] pairs.

    Float32. What lies between the same two of RANKS cosines counts as a tie.
    """
    counts = np.zeros((len(intra), len(inter)), np.float32)
    if not (intra.size and inter.size):
        return counts
    ordered = np.sort(inter, axis=None)
    marks = np.unique(ordered[np.linspace(0, len(ordered) - 1, min(RANKS, len(ordered))).round().astype(int)])
    ranks = 2 * len(marks) + 1
    places = _ranks(inter, marks) * len(inter) + np.arange(len(inter))[:, None]
    number = np.bincount(places.reshape(-1), minlength=ranks * len(inter)).reshape(ranks, len(inter))
    below = (number.cumsum(axis=0) - number / 2).astype(np.float32)
    for of_task in _ranks(intra, marks).T:
        counts += below[of_task]
    return counts


def _ranks(values: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """Even numbers for values between two marks, odd ones for values that are marks; ascending."""
    places = np.searchsorted(marks, values)
    return np.asarray(2 * places + (marks[np.minimum(places, len(marks) - 1)] == values))
