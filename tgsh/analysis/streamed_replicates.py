"""Mean similarities over more replicates of more tasks than fit into memory, by blocks of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from tgsh.analysis.replicate_design import Over, Replicates
from tgsh.analysis.replicates import ReplicateEstimate, estimate
from tgsh.analysis.similarity import Measure, in_float64

HELD_NUMBERS = 10_000_000
"""Similarities of all replicates that are held at a time (80 MB)."""

PART_BYTES = 16 * 2**20
"""Of the vectors of one replicate that are in float64 at a time."""

ARRAYS = (
    "mean",
    "sd",
    "standard_error",
    "degrees",
    "low",
    "high",
    "seed_variance",
    "base_variance",
    "residual_variance",
    "counts",
)
"""Arrays of an estimate."""


def streamed_similarity(
    load: Callable[[int], np.ndarray],
    tasks: int,
    replicates: Replicates,
    measure: Measure = "cosine",
    over: Over | None = None,
    level: float = 0.95,
    held: int = HELD_NUMBERS,
) -> ReplicateEstimate:
    """Estimate the mean similarity of every two tasks, as `consensus.mean_similarity` does, from vectors.

    R matrices are never held: rows are estimated some at a time, each pass reading the vectors of every
    replicate once. Values differ from `consensus.mean_similarity` by rounding only, about 1e-15.

    Parameters
    ----------
    load : Callable[[int], np.ndarray]
        Place of a replicate to its vectors, float [T, H], finite; may be memory-mapped.
    tasks : int
        T.
    replicates : Replicates
        R replicates.
    measure : Measure, default="cosine"
        Similarity of two vectors; for ``"update"`` the vectors are v − v₀.
    over : Over | None, default=None
        What intervals generalise over, as `replicates.estimate` takes it.
    level : float, default=0.95
        Confidence of the intervals.
    held : int, default=HELD_NUMBERS
        Similarities of all replicates that are held at a time; at least R·T are.

    Returns
    -------
    ReplicateEstimate
        Arrays [T, T], exactly symmetric; on the diagonal means are 1 without spread.

    Raises
    ------
    ValueError
        If vectors are not of T tasks, or hold a number that is not finite.
    """
    found: ReplicateEstimate | None = None
    lengths = np.empty((len(replicates), tasks))
    whole: dict[str, np.ndarray] = {}
    reasons: dict[str, None] = {}  # a set in order
    for top, bottom in row_blocks(tasks, len(replicates), held):
        values = np.empty((len(replicates), bottom - top, tasks - top))
        for place in range(len(replicates)):
            vectors = load(place)
            if len(vectors) != tasks:
                raise ValueError(f"replicate {place} has {len(vectors)} vectors, not {tasks}")
            _fill(values[place], vectors, lengths[place], top, measure)
        found = estimate(values, replicates, over, level, (-1.0, 1.0))
        if found.reason:
            reasons[found.reason] = None
        for name in ARRAYS:
            block: np.ndarray = getattr(found, name)
            array = whole.setdefault(name, np.empty((tasks, tasks), block.dtype))
            own = np.triu(block[:, : bottom - top])
            block[:, : bottom - top] = own + np.triu(own, 1).T  # the upper half is mirrored
            array[top:bottom, top:] = block
            array[top:, top:bottom] = block.T
    if found is None:
        return estimate(np.empty((len(replicates), 0, 0)), replicates, over, level)
    return ReplicateEstimate(
        mean=whole["mean"],
        sd=whole["sd"],
        standard_error=whole["standard_error"],
        degrees=whole["degrees"],
        low=whole["low"],
        high=whole["high"],
        seed_variance=whole["seed_variance"],
        base_variance=whole["base_variance"],
        residual_variance=whole["residual_variance"],
        counts=whole["counts"],
        over=found.over,
        level=level,
        reason="; ".join(reasons) or None,
    )


def _fill(block: np.ndarray, vectors: np.ndarray, lengths: np.ndarray, top: int, measure: Measure) -> None:
    """Similarities of rows from `top` on with all rows from there on, [n, T − top].

    lengths: of the vectors [T], which are taken with the first rows; a row without direction has infinite
    length. Raises ValueError.
    """
    centred = measure == "correlation"
    rows = in_float64(vectors[top : top + len(block)], centred)
    step = max(1, PART_BYTES // (8 * max(vectors.shape[1], 1)))
    for left in range(top, len(vectors), step):
        part = in_float64(vectors[left : left + step], centred)
        if top == 0:
            own = np.sqrt(np.einsum("th,th->t", part, part))
            if not np.isfinite(own).all():
                raise ValueError("vectors hold a number that is not finite")
            lengths[left : left + step] = np.where(own == 0, np.inf, own)
        np.matmul(rows, part.T, out=block[:, left - top : left - top + len(part)])
    block /= lengths[top:]
    block /= lengths[top : top + len(block), None]
    np.clip(block, -1, 1, out=block)
    block[np.arange(len(block)), np.arange(len(block))] = 1


def row_blocks(tasks: int, replicates: int, held: int) -> Iterator[tuple[int, int]]:
    """Divide the rows of a symmetric matrix so that no block of all replicates has too many numbers.

    Parameters
    ----------
    tasks : int
        Rows.
    replicates : int
        Matrices.
    held : int
        Most numbers of a block, which begins at the diagonal; a block has one row at least.

    Yields
    ------
    tuple[int, int]
        First row, and the one after the last.
    """
    top = 0
    while top < tasks:
        bottom = min(tasks, top + max(1, held // (replicates * (tasks - top))))
        yield top, bottom
        top = bottom
