"""Bootstrap over test images: intervals of accuracies, of means and of reconstruction scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy  # its parts are loaded when they are used: the service starts without them

from tgsh.analysis import confusion, reconstruction
from tgsh.rng import rng_for

RESAMPLES = 2_000

LEVEL = 0.95
"""Confidence of the intervals that are told."""

RARE = 10
"""Images of the rarer outcome, right or wrong, below which percentiles of resamples cover too little."""

MOST_TASKS = 100
"""Tasks up to which the right one of them is looked for in every resample."""

BATCH_NUMBERS = 2**23
"""Numbers in memory at a time: 64 MB."""


def seed_from(digest: str) -> int:
    """Derive the seed of resamples from the digest of a spec: equal experiments have equal intervals.

    Parameters
    ----------
    digest : str
        SHA-256, hexadecimal.

    Returns
    -------
    int
        The first 64 bits.
    """
    return int(digest[:16], 16)


@dataclass(frozen=True, eq=False)
class ImageIntervals:
    """Ends of intervals: values that other test images of the same kind would give.

    Attributes
    ----------
    low : np.ndarray
        float64, lower ends; NaN where there is no value.
    high : np.ndarray
        float64, upper ends.
    """

    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True, eq=False)
class AccuracyIntervals:
    """Intervals of the accuracies that follow from confusion counts.

    Attributes
    ----------
    accuracy : ImageIntervals
        [...], of the share of images that are recognised.
    balanced : ImageIntervals
        [...], of the mean recall of the classes that have images.
    per_class : ImageIntervals
        [..., K], of the recalls.
    """

    accuracy: ImageIntervals
    balanced: ImageIntervals
    per_class: ImageIntervals


def accuracy_intervals(
    counts: np.ndarray, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> AccuracyIntervals:
    """Bootstrap the accuracies of confusion counts over images.

    Images drawn anew from those that are counted are counts drawn from a multinomial distribution: single
    images are not needed. The ends are percentiles of the resamples. Where fewer than RARE images are right,
    or wrong, percentiles cover too little (nothing at all beside an accuracy of 1), and the ends are Wilson's
    (1927); of balanced accuracy, Wilson's of the classes combined (Zou & Donner 2008).

    Parameters
    ----------
    counts : np.ndarray
        int [..., K, K], images by class (row) and recognised class, one image or more.
    level : float, default=0.95
        Confidence, between 0 and 1.
    resamples : int, default=RESAMPLES
        Resamples of the images.
    seed : int, default=0
        Seed of the resamples; they are the same for equal counts, whatever others are beside them.

    Returns
    -------
    AccuracyIntervals
        Ends of accuracy, balanced accuracy and recalls, from 0 to 1.

    Raises
    ------
    ValueError
        If the shape does not fit, or there is no image.
    """
    if counts.ndim < 2 or counts.shape[-1] != counts.shape[-2]:
        raise ValueError(f"{counts.shape} is not the shape of confusion counts")
    classes = counts.shape[-1]
    tables = counts.reshape(-1, classes, classes)
    ends = np.array([_accuracy_ends(table, level, resamples, seed) for table in tables])
    ends = ends.reshape(*counts.shape[:-2], 2, classes + 2)
    low, high = ends[..., 0, :], ends[..., 1, :]
    return AccuracyIntervals(
        ImageIntervals(low[..., 0], high[..., 0]),
        ImageIntervals(low[..., 1], high[..., 1]),
        ImageIntervals(low[..., 2:], high[..., 2:]),
    )


def _accuracy_ends(table: np.ndarray, level: float, resamples: int, seed: int) -> np.ndarray:
    """Ends [2, 2 + K] of accuracy, balanced accuracy and recalls."""
    images, right = table.sum(axis=1), np.diagonal(table)
    total = int(images.sum())
    if not total:
        raise ValueError("accuracies of no images")
    recalls = confusion.recall(table)
    rng = rng_for(seed, "image bootstrap")
    drawn = rng.multinomial(total, images / total, size=resamples)
    hits = rng.binomial(drawn, np.nan_to_num(recalls))
    shares = np.full(drawn.shape, np.nan)
    np.divide(hits, drawn, out=shares, where=drawn > 0)
    values = np.column_stack([hits.sum(axis=1) / total, np.nanmean(shares, axis=1), shares])
    tails = [(1 - level) / 2, (1 + level) / 2]
    ends = np.full((2, values.shape[1]), np.nan)
    defined = np.isfinite(values).any(axis=0)
    ends[:, defined] = np.nanquantile(values[:, defined], tails, axis=0)
    wilson = _wilson(np.append(right.sum(), right), np.append(total, images), level)
    rare = np.minimum(right, images - right) < RARE
    ends[:, 2:] = np.where(rare, wilson[:, 1:], ends[:, 2:])
    wrong = total - int(right.sum())
    if min(int(right.sum()), wrong) < RARE:
        ends[:, 0] = wilson[:, 0]
        present = images > 0
        away = np.sqrt(((wilson[:, 1:] - recalls)[:, present] ** 2).sum(axis=1)) / present.sum()
        ends[:, 1] = confusion.balanced_accuracy(table) + away * [-1, 1]
    return ends


def _wilson(right: np.ndarray, images: np.ndarray, level: float) -> np.ndarray:
    """Wilson's score interval of shares: [2, n]; NaN where there is no image."""
    z = float(scipy.special.ndtri((1 + level) / 2))
    images = np.where(images > 0, images, np.nan)
    share = right / images
    centre = (share + z**2 / (2 * images)) / (1 + z**2 / images)
    half = z / (1 + z**2 / images) * np.sqrt(share * (1 - share) / images + (z / images) ** 2 / 4)
    ends = np.stack([centre - half, centre + half])
    ends[0, (right == 0) & (images > 0)] = 0  # not what rounding leaves
    ends[1, right == images] = 1
    return np.asarray(ends)


def score_intervals(
    scores: np.ndarray, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> ImageIntervals:
    """Bootstrap means of scores over images, the same images for all scores.

    Differences of two scores, or means of several, are scores: as columns of their own they have intervals
    that know that their images are the same.

    Parameters
    ----------
    scores : np.ndarray
        float [N, ...]: scores of N images, such as 1 where a task recognises it.
    level : float, default=0.95
        Confidence, between 0 and 1.
    resamples : int, default=RESAMPLES
        Resamples of the images.
    seed : int, default=0
        Seed of the resamples.

    Returns
    -------
    ImageIntervals
        Ends [...], percentiles widened for few images (Hesterberg 2015); NaN for a single image.

    Raises
    ------
    ValueError
        If there is no image.
    """
    images = len(scores)
    if not images:
        raise ValueError("means of no images")
    flat = scores.reshape(images, -1).astype(np.float64)
    rng = rng_for(seed, "image bootstrap")
    means = [weights @ flat / images for weights in image_weights(rng, resamples, 1, images)]
    ends = bootstrap_ends(
        np.concatenate(means).reshape(resamples, -1), flat.mean(axis=0), images, images - 1, level
    )
    return ImageIntervals(*(end.reshape(scores.shape[1:]) for end in ends))


def image_weights(rng: np.random.Generator, resamples: int, groups: int, images: int) -> Iterator[np.ndarray]:
    """Draw images with replacement, within each group.

    Parameters
    ----------
    rng : np.random.Generator
        Where the draws come from.
    resamples : int
        Resamples.
    groups : int
        Groups of images, such as classes.
    images : int
        Images of each group.

    Yields
    ------
    np.ndarray
        float64 [b, groups · images]: how often each image is drawn, in b resamples.
    """
    step = max(1, BATCH_NUMBERS // (groups * images))
    for start in range(0, resamples, step):
        rows = min(step, resamples - start) * groups
        drawn = rng.integers(images, size=(rows, images)) + images * np.arange(rows)[:, None]
        counts = np.bincount(drawn.reshape(-1), minlength=rows * images)
        yield counts.reshape(-1, groups * images).astype(np.float64)


def bootstrap_ends(
    resampled: np.ndarray, estimate: np.ndarray, images: int, degrees: int, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Percentiles of resamples about the estimate, widened for few images of a group (Hesterberg 2015).

    Resamples of n images vary by (n − 1)/n less than new images would, and their own variance is not known
    exactly: the tails are those of √(n/(n − 1)) times Student's quantile. What the resamples are off on
    average (images that are drawn twice, compared with themselves) is taken off.

    Parameters
    ----------
    resampled : np.ndarray
        float [B, q], q scores in B resamples.
    estimate : np.ndarray
        float [q], the scores of all images.
    images : int
        Images of each group.
    degrees : int
        Images less groups.
    level : float
        Confidence, between 0 and 1.

    Returns
    -------
    tuple[np.ndarray, np.ndarray]
        Lower and upper ends, float64 [q]; NaN for one image.
    """
    if images < 2:
        return np.full(len(estimate), np.nan), np.full(len(estimate), np.nan)
    quantile = scipy.special.stdtrit(degrees, (1 + level) / 2) * np.sqrt(images / (images - 1))
    tail = float(scipy.special.ndtr(-quantile))
    shifted = resampled - resampled.mean(axis=0) + estimate
    low, high = np.quantile(shifted, [tail, 1 - tail], axis=0)
    return low, high


@dataclass(frozen=True)
class ScoreInterval:
    """Interval of one score over test images.

    Attributes
    ----------
    low : float
        Lower end.
    high : float
        Upper end.
    """

    low: float
    high: float


def resampled_means(images: np.ndarray, resamples: int = RESAMPLES, seed: int = 0) -> Iterator[np.ndarray]:
    """Compute mean images of each class over resamples of its images.

    Parameters
    ----------
    images : np.ndarray
        float [K, n, D]: n images of each class.
    resamples : int, default=RESAMPLES
        Resamples of the images, within each class.
    seed : int, default=0
        Seed of the resamples.

    Yields
    ------
    np.ndarray
        float32 [b, K, D], b resamples.
    """
    classes, count, width = images.shape
    pixels = images.astype(np.float32)
    for weights in image_weights(rng_for(seed, "image bootstrap"), resamples, classes, count):
        for rows in np.array_split(weights, -(-len(weights) * classes * width // BATCH_NUMBERS)):
            means = np.empty((len(rows), classes, width), np.float32)
            for label, weight in enumerate(rows.reshape(-1, classes, count).swapaxes(0, 1)):
                means[:, label] = weight.astype(np.float32) @ pixels[label] / count
            yield means


def reconstruction_intervals(
    reconstructions: np.ndarray,
    means: np.ndarray,
    resampled: Iterable[np.ndarray],
    sources: np.ndarray,
    images: int,
    level: float = 0.95,
) -> dict[str, ScoreInterval | None]:
    """Intervals of the scores of `reconstruction.agreement` over the images that class means are of.

    For tasks that only move pixels: the mean of moved images is then the moved mean, and an inner product
    with it is one of the mean with pixels that are moved back, so that no mean is moved 2,000 times.

    Parameters
    ----------
    reconstructions : np.ndarray
        float [T, K, D].
    means : np.ndarray
        float [K, D], mean image of each class, unmoved.
    resampled : Iterable[np.ndarray]
        float [b, K, D] each, the same of resampled images: `resampled_means`.
    sources : np.ndarray
        int [T, D], the pixel that each task moves to each place; D where it fills in a constant.
    images : int
        n, images of a class.
    level : float, default=0.95
        Confidence, between 0 and 1.

    Returns
    -------
    dict[str, ScoreInterval | None]
        Of ``"correlation"``, ``"right_class"`` and ``"right_task"``; None where the score is, or a class has
        one image, and of ``"right_task"`` for more than MOST_TASKS tasks.

    Raises
    ------
    ValueError
        If shapes do not fit, or a number is not finite.
    """
    names = ("correlation", "right_class", "right_task")
    tasks, classes, pixels = reconstructions.shape
    if means.shape != (classes, pixels) or sources.shape != (tasks, pixels):
        raise ValueError(f"{means.shape} means, {sources.shape} places do not fit {reconstructions.shape}")
    moved = np.pad(means, ((0, 0), (0, 1)))[:, sources].swapaxes(0, 1)
    whole = reconstruction.agreement(reconstructions, moved)
    if whole is None or images < 2:
        return dict.fromkeys(names)
    values = (whole.correlation, whole.right_class, whole.right_task)
    estimate = np.array([np.nan if value is None else value for value in values])
    directions = reconstruction.centred_directions(reconstructions)
    scores = np.concatenate([_reconstruction_scores(directions, each, sources) for each in resampled])
    ends = np.clip(bootstrap_ends(scores, estimate, images, classes * (images - 1), level), [[-1, 0, 0]], 1)
    return {
        name: ScoreInterval(float(low), float(high)) if np.isfinite(low) else None
        for name, low, high in zip(names, *ends, strict=True)
    }


def _reconstruction_scores(directions: np.ndarray, means: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Scores [b, 3] of directions [T, K, D], that sum to 0, against means [b, K, D] moved by T maps."""
    tasks, classes, pixels = directions.shape
    centred = np.asarray(means, np.float32) - means.mean(axis=1, keepdims=True, dtype=np.float32)
    # Moved pixels are the old ones, each as often as it is taken: their sum, and their squares', follow.
    taken = np.stack([np.bincount(source, minlength=pixels + 1)[:pixels] for source in sources])
    taken = taken.T.astype(np.float32)
    variances = (centred**2) @ taken - (centred @ taken) ** 2 / pixels
    scales = np.sqrt(np.maximum(variances, 0))  # [b, K, T]
    inverse = np.divide(1, scales, out=np.zeros_like(scales), where=scales > 0)
    correlation, right_class, right_task = (np.zeros(len(means)) for _ in range(3))
    for task in range(tasks):
        own = _moved_back(directions[task], sources[task])
        products = np.einsum("bjd,kd->bkj", centred, own, optimize=True) * inverse[:, None, :, task]
        correlation += np.einsum("bkk->b", products) / (tasks * classes)
        right_class += (products.argmax(axis=2) == np.arange(classes)).mean(axis=1) / tasks
        if 1 < tasks <= MOST_TASKS:
            back = np.stack([_moved_back(directions[task], source) for source in sources])  # [T, K, D]
            products = np.stack([centred[:, k] @ back[:, k].T for k in range(classes)], axis=1) * inverse
            right_task += (products.argmax(axis=2) == task).mean(axis=1) / tasks
    if not 1 < tasks <= MOST_TASKS:
        right_task[:] = np.nan
    return np.stack([correlation, right_class, right_task], axis=1)


def _moved_back(images: np.ndarray, source: np.ndarray) -> np.ndarray:
    """The transpose of a pixel map, of images [K, D]: float32."""
    count, pixels = images.shape
    places = source + (pixels + 1) * np.arange(count)[:, None]
    sums = np.bincount(places.reshape(-1), images.reshape(-1), minlength=count * (pixels + 1))
    return np.asarray(sums.reshape(count, pixels + 1)[:, :pixels], np.float32)
