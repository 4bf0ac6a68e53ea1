"""Sketches: short random projections of context vectors, and the nearest of many by them.

A sketch keeps angles (Johnson and Lindenstrauss, 1984): of two vectors with the cosine c, that of their
sketches of k numbers is c with a deviation of about (1 − c²)/√k, so like vectors are told apart best.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

from tgsh.rng import rng_for

SKETCH_WIDTH = 1024
"""Numbers of a sketch; see decision 10 for what fewer and more are worth."""

SEED = 0
"""Of the projection: one for all, as sketches are compared with one another only."""


@lru_cache(maxsize=2)
def projection(width: int, size: int = SKETCH_WIDTH) -> np.ndarray:
    """Draw the random matrix that makes sketches.

    Parameters
    ----------
    width : int
        H, numbers of a vector.
    size : int, default=SKETCH_WIDTH
        k, numbers of a sketch.

    Returns
    -------
    np.ndarray
        float32 [H, k], read-only: N(0, 1) from the generator of its shape.
    """
    matrix = rng_for(SEED, "sketch", width, size).standard_normal((width, size), dtype=np.float32)
    matrix.flags.writeable = False
    return matrix


def sketches(vectors: np.ndarray, size: int = SKETCH_WIDTH) -> np.ndarray:
    """Project vectors and scale them to length 1.

    Parameters
    ----------
    vectors : np.ndarray
        float32 [T, H]; may be memory-mapped.
    size : int, default=SKETCH_WIDTH
        k, numbers of a sketch.

    Returns
    -------
    np.ndarray
        float32 [T, min(H, k)]; vectors of at most k numbers are their own sketches. Zeros stay zeros.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    made = _directions(vectors, np.float32)
    if vectors.shape[1] > size:
        made = _directions(made @ projection(vectors.shape[1], size), np.float32)
    return made


def _directions(vectors: np.ndarray, kind: type[np.floating]) -> np.ndarray:
    """Rows of length 1."""
    rows = np.asarray(vectors, np.float64)
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    if not np.isfinite(lengths).all():
        raise ValueError("vectors hold a number that is not finite")
    lengths[lengths == 0] = 1.0
    return np.asarray(rows / lengths[:, None], kind)


def most_alike(vectors: np.ndarray, vector: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the vectors with the greatest cosines with one, computed in float64.

    Parameters
    ----------
    vectors : np.ndarray
        float32 [n, H].
    vector : np.ndarray
        float32 [H].
    count : int
        How many to find.

    Returns
    -------
    tuple[np.ndarray, np.ndarray]
        int64 [min(n, count)], their rows, the most alike first, of equals the first; float64, their cosines,
        −1 to 1, 0 where one of the two is zero.

    Raises
    ------
    ValueError
        If a number of `vector` or of what is near it is not finite.
    """
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    lengths[lengths == 0] = 1.0
    rough = (vectors @ vector) / lengths
    rows = np.sort(best(rough, max(2 * count, 64)))  # float32 errs in the sixth digit
    direction = _directions(vector[None], np.float64)[0]
    values = np.clip(_directions(vectors[rows], np.float64) @ direction, -1, 1)
    chosen = best(values, count)
    return rows[chosen], values[chosen]


def estimates(parts: Iterable[np.ndarray], sketch: np.ndarray, rows: int) -> np.ndarray:
    """Estimate the cosines of many vectors with one from their sketches.

    Parameters
    ----------
    parts : Iterable[np.ndarray]
        Sketches, float32 [n, k] each.
    sketch : np.ndarray
        float32 [k].
    rows : int
        Sketches of all parts together.

    Returns
    -------
    np.ndarray
        float32 [rows], in the order of the parts.
    """
    found = np.empty(rows, np.float32)
    start = 0
    for part in parts:
        np.dot(part, sketch, out=found[start : start + len(part)])
        start += len(part)
    return found


def best(values: np.ndarray, count: int) -> np.ndarray:
    """Find the greatest values; of equals, those that come first.

    Parameters
    ----------
    values : np.ndarray
        float [n].
    count : int
        How many.

    Returns
    -------
    np.ndarray
        int64 [min(n, count)], their places, the greatest first.
    """
    if count < len(values):
        least = np.partition(values, len(values) - count)[len(values) - count]
        above = np.flatnonzero(values > least)
        equal = np.flatnonzero(values == least)[: count - len(above)]
        places = np.concatenate([above, equal])
    else:
        places = np.arange(len(values))
    places.sort()
    return np.asarray(places[np.argsort(-values[places], kind="stable")])


def spread_evenly(total: int, count: int) -> Sequence[int]:
    """Choose evenly spread places.

    Parameters
    ----------
    total : int
        Places that there are.
    count : int
        How many to choose.

    Returns
    -------
    Sequence[int]
        Rising, from 0 to total − 1; all of them where there are no more.
    """
    if total <= count:
        return range(total)
    return [place * total // count for place in range(count)]
