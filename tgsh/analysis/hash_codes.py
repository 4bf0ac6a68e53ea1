"""Hash codes of representations, their collisions against cosine, and what they retrieve."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np

from tgsh.rng import rng_for

HashKind = Literal["simhash", "top-share"]

HASH_KINDS: tuple[HashKind, ...] = get_args(HashKind)

PLANES_AT_ONCE = 64
"""Random planes in memory at a time; a code of more bits begins with the code of fewer."""

KEPT_SIZE = 2**14
"""Numbers of a vector up to which the latest planes are kept, 64 MB at most: drawing them takes longest."""

MOST_PAIRS = 20_000
"""Pairs of images behind a collision curve."""

CURVE_BINS = 20


def simhash(vectors: np.ndarray, bits: int, seed: int) -> np.ndarray:
    """SimHash: the signs of products with random planes (Charikar 2002).

    Two codes agree in a bit with probability 1 − θ/π, θ the angle of the vectors.

    Parameters
    ----------
    vectors : np.ndarray
        float [n, R].
    bits : int
        Bits of a code.
    seed : int
        Decides the planes, which follow from it and R alone.

    Returns
    -------
    np.ndarray
        bool [n, bits].
    """
    codes = np.empty((len(vectors), bits), bool)
    for start in range(0, bits, PLANES_AT_ONCE):
        size = vectors.shape[1]
        planes = (_kept_planes if size <= KEPT_SIZE else _planes)(seed, size, start)
        stop = min(start + PLANES_AT_ONCE, bits)
        codes[:, start:stop] = (vectors @ planes)[:, : stop - start] > 0
    return codes


def _planes(seed: int, size: int, start: int) -> np.ndarray:
    """PLANES_AT_ONCE random planes, float32 [size, PLANES_AT_ONCE], from bit `start` on."""
    planes = rng_for(seed, "simhash", size, start).standard_normal((size, PLANES_AT_ONCE), np.float32)
    planes.flags.writeable = False
    return planes


_kept_planes = lru_cache(maxsize=16)(_planes)


def top_share(vectors: np.ndarray, bits: int) -> np.ndarray:
    """FlyHash's code: the units with the largest numbers (Dasgupta, Stevens & Navlakha 2017).

    Parameters
    ----------
    vectors : np.ndarray
        float [n, R].
    bits : int
        Units that are set, less than R.

    Returns
    -------
    np.ndarray
        bool [n, R], `bits` of every row True; of equal numbers the first ones.

    Raises
    ------
    ValueError
        If there are not more units than bits.
    """
    units = vectors.shape[1]
    if not 0 < bits < units:
        raise ValueError(f"the {bits} largest of {units} units are no code")
    least = np.partition(vectors, units - bits, axis=1)[:, units - bits, None]
    codes = np.asarray(vectors >= least)
    for row in np.flatnonzero(codes.sum(axis=1) > bits):
        tied = np.flatnonzero(vectors[row] == least[row])
        codes[row, tied[len(tied) - (codes[row].sum() - bits) :]] = False
    return codes


def hash_codes(vectors: np.ndarray, kind: HashKind, bits: int, seed: int) -> np.ndarray:
    """Codes of vectors.

    Parameters
    ----------
    vectors : np.ndarray
        float [n, R].
    kind : HashKind
        "simhash" or "top-share".
    bits : int
        See `simhash` and `top_share`.
    seed : int
        Of the planes of a SimHash.

    Returns
    -------
    np.ndarray
        bool [n, bits], or [n, R] of a top share.

    Raises
    ------
    ValueError
        As `top_share` does.
    """
    return simhash(vectors, bits, seed) if kind == "simhash" else top_share(vectors, bits)


def shared_bits(ones: np.ndarray, others: np.ndarray, kind: HashKind) -> np.ndarray:
    """Agreement of codes: share of equal bits of a SimHash, share of common units of a top share.

    Parameters
    ----------
    ones : np.ndarray
        bool [n, bits].
    others : np.ndarray
        bool [m, bits].
    kind : HashKind
        Of the codes.

    Returns
    -------
    np.ndarray
        float32 [n, m], 0 to 1.
    """
    a, b = ones.astype(np.float32), others.astype(np.float32)
    both = a @ b.T
    if kind == "top-share":
        return np.asarray(both / a.sum(axis=1)[:, None])
    different = a.sum(axis=1)[:, None] + b.sum(axis=1) - 2 * both
    return np.asarray(1 - different / np.float32(ones.shape[1]))


def packed(codes: np.ndarray) -> np.ndarray:
    """Codes as bytes, eight bits a byte, the first bit highest; `numpy.unpackbits` reads them.

    Parameters
    ----------
    codes : np.ndarray
        bool [n, bits].

    Returns
    -------
    np.ndarray
        uint8 [n, ⌈bits/8⌉]; bits after the last are 0.
    """
    return np.packbits(codes, axis=1)


@dataclass(frozen=True, eq=False)
class CollisionCurve:
    """Agreement of codes by the cosine of what was hashed.

    Attributes
    ----------
    cosine : np.ndarray
        float64 [b], mean cosine of the pairs of each bin that has any.
    agreement : np.ndarray
        float64 [b], mean agreement of their codes.
    pairs : np.ndarray
        int64 [b].
    """

    cosine: np.ndarray
    agreement: np.ndarray
    pairs: np.ndarray


def theory(cosine: np.ndarray) -> np.ndarray:
    """Agreement that random planes give: 1 − θ/π, θ = arccos(cosine).

    Parameters
    ----------
    cosine : np.ndarray
        float, −1 to 1.

    Returns
    -------
    np.ndarray
        float64, 0 to 1.
    """
    return np.asarray(1 - np.arccos(np.clip(cosine, -1, 1)) / np.pi)


def collision_curve(cosine: np.ndarray, agreement: np.ndarray) -> CollisionCurve:
    """Means by equal bins of cosine from −1 to 1.

    Parameters
    ----------
    cosine : np.ndarray
        float [pairs].
    agreement : np.ndarray
        float [pairs], of the codes.

    Returns
    -------
    CollisionCurve
        Of the bins that have pairs.
    """
    places = np.clip(((cosine + 1) / 2 * CURVE_BINS).astype(int), 0, CURVE_BINS - 1)
    pairs = np.bincount(places, minlength=CURVE_BINS)
    has = pairs > 0
    sums = (np.bincount(places, values, CURVE_BINS)[has] for values in (cosine, agreement))
    x, y = (each / pairs[has] for each in sums)
    return CollisionCurve(x, y, pairs[has])


def pair_places(tasks: np.ndarray, *, within: bool, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of different images of one task, or of two: all, or MOST_PAIRS at random.

    Parameters
    ----------
    tasks : np.ndarray
        int [n], the task of every image.
    within : bool
        Whether both are of one task.
    seed : int
        Decides which.

    Returns
    -------
    one : np.ndarray
        Places of the images, int [pairs].
    other : np.ndarray
        Of the other images, each larger.
    """
    one, other = np.triu_indices(len(tasks), 1)
    wanted = np.flatnonzero((tasks[one] == tasks[other]) == within)
    if len(wanted) > MOST_PAIRS:
        wanted = np.sort(np.random.default_rng(seed).choice(wanted, MOST_PAIRS, replace=False))
    return one[wanted], other[wanted]


def cosines(vectors: np.ndarray) -> np.ndarray:
    """Cosines of all pairs of rows; 0 where one is zero.

    Parameters
    ----------
    vectors : np.ndarray
        float [n, R].

    Returns
    -------
    np.ndarray
        float [n, n].
    """
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(norms > 0, norms, 1)
    return np.asarray(unit @ unit.T)


@dataclass(frozen=True)
class Retrieval:
    """Shares of the nearest codes that are of the query's kind.

    Attributes
    ----------
    count : int
        k, the nearest codes that are looked at.
    same_task : float | None
        Of its task, among images of all tasks.
    same_class : float | None
        Of its class, among images of all tasks.
    same_class_within : float | None
        Of its class, among images of its own task.
    """

    count: int
    same_task: float | None
    same_class: float | None
    same_class_within: float | None


def retrieval(agreement: np.ndarray, tasks: np.ndarray, labels: np.ndarray, count: int) -> Retrieval:
    """Precision at k of every image among all others.

    Of codes that agree equally, as many as there is room for count with equal shares: no order among them is
    preferred.

    Parameters
    ----------
    agreement : np.ndarray
        float [n, n], of the codes.
    tasks : np.ndarray
        int [n], task of every image.
    labels : np.ndarray
        int [n], class of every image.
    count : int
        k; fewer where a query has fewer others.

    Returns
    -------
    Retrieval
        Means over queries; None where there is nothing to find.
    """
    same_task = tasks[:, None] == tasks
    same_class = labels[:, None] == labels
    others = ~np.eye(len(tasks), dtype=bool)
    return Retrieval(
        count,
        _precision(agreement, same_task, others, count),
        _precision(agreement, same_class, others, count),
        _precision(agreement, same_class, others & same_task, count),
    )


def _precision(agreement: np.ndarray, relevant: np.ndarray, among: np.ndarray, count: int) -> float | None:
    """Mean over queries of the share of the `count` nearest that is relevant."""
    shares = []
    for row, is_relevant, candidates in zip(agreement, relevant, among, strict=True):
        values, found = row[candidates], is_relevant[candidates]
        if not len(values):
            continue
        k = min(count, len(values))
        last = np.partition(values, len(values) - k)[len(values) - k]
        above, tied = values > last, values == last
        shares.append((found[above].sum() + found[tied].mean() * (k - above.sum())) / k)
    return float(np.mean(shares)) if shares else None


def nearest_templates(codes: np.ndarray, templates: np.ndarray, owners: np.ndarray, tasks: int) -> np.ndarray:
    """Agreement of every image with the nearest template of each task, SimHash codes both.

    Parameters
    ----------
    codes : np.ndarray
        bool [n, bits].
    templates : np.ndarray
        bool [m, bits].
    owners : np.ndarray
        int [m], the task of each template, 0 to T − 1; every task has one.
    tasks : int
        T.

    Returns
    -------
    np.ndarray
        float64 [n, T].
    """
    agreement = shared_bits(codes, templates, "simhash").astype(np.float64)
    return np.stack([agreement[:, owners == task].max(axis=1) for task in range(tasks)], axis=1)
