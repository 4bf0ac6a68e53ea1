"""Pearson, Spearman, Mantel."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy  # its parts are loaded when they are used: the service starts without them

from tgsh.analysis.similarity import Measure, in_float64

Alternative = Literal["greater", "less", "two-sided"]

FEWEST = 3
"""Tasks that can be compared: two have one similarity, and that has no order."""

PERMUTATION_BATCH = 1_000
"""Permutations in memory."""

DIGITS = 12
"""Of numbers that count: what differs in later ones is rounding, and equal."""


@dataclass(frozen=True)
class Mantel:
    """statistic: Pearson's correlation of the entries above the diagonals.

    p_value: (1 + count)/(1 + permutations), count of the permutations whose statistic is as large
    ("greater"), or as small ("less"); "two-sided" is twice the smaller of the two, at most 1. Where no more
    orders of the tasks exist than were asked for, permutations are all others, and p_value is exact.
    """

    statistic: float
    p_value: float
    permutations: int
    alternative: Alternative


@dataclass(frozen=True)
class MatrixAgreement:
    """Correlations of the entries above the diagonals; None where a matrix is constant there."""

    tasks: int
    pearson: float | None
    spearman: float | None
    mantel: Mantel | None


def aligned(names: Sequence[Sequence[str]]) -> tuple[list[str], list[list[int]]]:
    """The names that all of these have, as the first orders them, and where each has them.

    Of a name that comes several times, the first is the first of the others, and so on.
    """
    places = [{name: place for place, name in enumerate(_with_occurrence(sequence))} for sequence in names]
    common = [name for name in _with_occurrence(names[0]) if all(name in place_of for place_of in places)]
    return [name for name, _ in common], [[place_of[name] for name in common] for place_of in places]


def _with_occurrence(names: Sequence[str]) -> list[tuple[str, int]]:
    seen: Counter[str] = Counter()
    occurrences = []
    for name in names:
        occurrences.append((name, seen[name]))
        seen[name] += 1
    return occurrences


def agreement(
    one: np.ndarray, other: np.ndarray, permutations: int, alternative: Alternative, seed: int
) -> MatrixAgreement:
    """How far two symmetric matrices [T, T] of the same T ≥ 3 tasks agree. The seed decides the permutations.

    Raises ValueError where shapes do not fit.
    """
    if one.shape != other.shape or one.ndim != 2 or one.shape[0] != one.shape[1] or len(one) < FEWEST:
        raise ValueError(f"{one.shape} and {other.shape} are not matrices of the same {FEWEST} or more tasks")
    above = np.triu_indices(len(one), 1)
    ones, others = one[above], other[above]
    if min(np.ptp(ones), np.ptp(others)) <= 10.0**-DIGITS:
        return MatrixAgreement(len(one), None, None, None)
    return MatrixAgreement(
        len(one),
        float(scipy.stats.pearsonr(ones, others).statistic),
        float(scipy.stats.spearmanr(ones, others).statistic),
        _mantel(one, other, permutations, alternative, seed),
    )


def _mantel(
    one: np.ndarray, other: np.ndarray, permutations: int, alternative: Alternative, seed: int
) -> Mantel:
    fixed, permuted = np.triu(_standardised(one), 1), _standardised(other)

    def correlation(order: np.ndarray) -> float:
        # No BLAS: its threads wait for one another where other processes have the cores.
        return round(float(np.einsum("ij,ij", fixed, permuted[order][:, order])), DIGITS)

    result = scipy.stats.permutation_test(
        (np.arange(len(one)),),
        correlation,
        permutation_type="pairings",
        vectorized=False,
        n_resamples=permutations,
        batch=PERMUTATION_BATCH,
        alternative=alternative,
        rng=np.random.default_rng(seed),
    )
    orders = math.factorial(len(one))  # scipy takes all of them where they are no more than asked for
    tried = orders - 1 if orders <= permutations else permutations
    return Mantel(float(result.statistic), float(result.pvalue), tried, alternative)


def _standardised(matrix: np.ndarray) -> np.ndarray:
    """The matrix with its entries above the diagonal centred and their squares summing to 1."""
    above = matrix[np.triu_indices(len(matrix), 1)]
    centred = matrix - above.mean()
    return np.asarray(centred / np.linalg.norm(above - above.mean()))


def row_similarities(ones: np.ndarray, others: np.ndarray, measure: Measure) -> np.ndarray:
    """The similarity of each row of [T, H] with that row of another [T, H], as `similarity`; float64 [T]."""
    left, right = (in_float64(rows, measure == "correlation") for rows in (ones, others))
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    products = np.einsum("th,th->t", left, right)
    cosines = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    return np.asarray(np.clip(cosines, -1, 1))
