"""Agreement of two similarity matrices: Pearson, Spearman, Mantel test."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import scipy  # its parts are loaded when they are used: the service starts without them

from tgsh.analysis.similarity import Measure, in_float64

Alternative = Literal["greater", "less", "two-sided"]

Correlation = Literal["pearson", "spearman", "kendall", "cosine"]
"""Correlations of two matrices' entries above their diagonals; ``"kendall"`` is τ-b."""

FEWEST = 3
"""Tasks that can be compared: two have one similarity, and that has no order."""

PERMUTATION_BATCH = 1_000
"""Permutations in memory."""

DIGITS = 12
"""Of numbers that count: what differs in later ones is rounding, and equal."""


@dataclass(frozen=True)
class Mantel:
    """Result of a Mantel test: a permutation test of the correlation of two matrices.

    Attributes
    ----------
    statistic : float
        Pearson's correlation of the entries above the diagonals.
    p_value : float
        (1 + count)/(1 + permutations), count of the permutations whose statistic is as large ("greater"), or
        as small ("less"); "two-sided" is twice the smaller of the two, at most 1, as SciPy has it. Exact
        where no more orders of the tasks exist than were requested. scikit-bio's two-sided `mantel` counts
        the permutations whose |statistic| is as large: another p where they are not symmetric about 0.
    permutations : int
        Permutations that were tried; all others than the identity where p_value is exact.
    alternative : Alternative
        ``"greater"``, ``"less"`` or ``"two-sided"``.
    """

    statistic: float
    p_value: float
    permutations: int
    alternative: Alternative


@dataclass(frozen=True)
class MatrixAgreement:
    """Correlations of the entries above the diagonals; None where a matrix is constant there.

    Attributes
    ----------
    tasks : int
        Tasks that were compared.
    pearson : float | None
        Pearson's correlation.
    spearman : float | None
        Spearman's rank correlation.
    mantel : Mantel | None
        Mantel test of Pearson's correlation.
    """

    tasks: int
    pearson: float | None
    spearman: float | None
    mantel: Mantel | None


def aligned(names: Sequence[Sequence[str]]) -> tuple[list[str], list[list[int]]]:
    """Find the names that several sequences have in common.

    Of a name that comes several times, the first is the first of the others, and so on.

    Parameters
    ----------
    names : Sequence[Sequence[str]]
        One or more sequences of names.

    Returns
    -------
    tuple[list[str], list[list[int]]]
        The common names, as the first sequence orders them, and their places in each sequence.
    """
    places = [{name: place for place, name in enumerate(_with_occurrence(sequence))} for sequence in names]
    common = [name for name in _with_occurrence(names[0]) if all(name in place_of for place_of in places)]
    return [name for name, _ in common], [[place_of[name] for name in common] for place_of in places]


def alignable(names: Sequence[Sequence[str]], fewest: int = FEWEST) -> list[int]:
    """Choose sequences that have enough names in common, leaving out as few as that takes.

    One after the other goes without which the others have most in common; of equals, that which shares the
    fewest names with others, and then the last.

    Parameters
    ----------
    names : Sequence[Sequence[str]]
        Sequences of names.
    fewest : int, default=FEWEST
        Names that the chosen ones have in common at least.

    Returns
    -------
    list[int]
        Places of two or more sequences, in their order; none where no two have enough in common.
    """
    members = [set(_with_occurrence(sequence)) for sequence in names]
    counts = Counter(name for each in members for name in each)
    kept = list(range(len(names)))
    while len(kept) > 1:
        in_all = sum(count == len(kept) for count in counts.values())
        if in_all >= fewest:
            return kept
        in_all_but_one = {name for name, count in counts.items() if count == len(kept) - 1}
        gains = {
            place: (
                len(in_all_but_one - members[place]),
                -sum(counts[name] - 1 for name in members[place]),
                place,
            )
            for place in kept
        }
        odd = max(gains, key=gains.__getitem__)
        kept.remove(odd)
        counts -= Counter(members[odd])
    return []


def _with_occurrence(names: Sequence[str]) -> list[tuple[str, int]]:
    """Each name with how often it came before."""
    counts: Counter[str] = Counter()
    occurrences = []
    for name in names:
        occurrences.append((name, counts[name]))
        counts[name] += 1
    return occurrences


def agreement(
    one: np.ndarray, other: np.ndarray, permutations: int, alternative: Alternative, seed: int
) -> MatrixAgreement:
    """Correlate two symmetric matrices of the same tasks.

    `scipy.stats.pearsonr`, `scipy.stats.spearmanr`, and a Mantel test by `scipy.stats.permutation_test`.

    Parameters
    ----------
    one : np.ndarray
        float [T, T], symmetric, T ≥ 3.
    other : np.ndarray
        float [T, T], symmetric, the same tasks in the same order.
    permutations : int
        Permutations of the Mantel test.
    alternative : Alternative
        Alternative hypothesis of the Mantel test.
    seed : int
        Seed of the permutations.

    Returns
    -------
    MatrixAgreement
        Three correlations of the T(T − 1)/2 entries above the diagonals.

    Raises
    ------
    ValueError
        If shapes do not fit, there are fewer than three tasks, or a number is not finite.
    """
    found = correlated(one, other)
    if found.pearson is None:
        return found
    return replace(found, mantel=_mantel(one, other, permutations, alternative, seed))


def correlated(one: np.ndarray, other: np.ndarray) -> MatrixAgreement:
    """Correlate two symmetric matrices of the same tasks, without a test.

    Parameters
    ----------
    one : np.ndarray
        float [T, T], symmetric, T ≥ 3.
    other : np.ndarray
        float [T, T], symmetric, the same tasks in the same order.

    Returns
    -------
    MatrixAgreement
        As of `agreement`; `mantel` is None.

    Raises
    ------
    ValueError
        If shapes do not fit, there are fewer than three tasks, or a number is not finite.
    """
    if one.shape != other.shape or one.ndim != 2 or one.shape[0] != one.shape[1] or len(one) < FEWEST:
        raise ValueError(f"{one.shape} and {other.shape} are not matrices of the same {FEWEST} or more tasks")
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        raise ValueError("a matrix holds a number that is not finite")
    above = np.triu_indices(len(one), 1)
    ones, others = one[above], other[above]
    if min(np.ptp(ones), np.ptp(others)) <= 10.0**-DIGITS:
        return MatrixAgreement(len(one), None, None, None)
    return MatrixAgreement(
        len(one),
        float(scipy.stats.pearsonr(ones, others).statistic),
        float(scipy.stats.spearmanr(ones, others).statistic),
        None,
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


def entries_above(matrices: np.ndarray) -> np.ndarray:
    """Take the entries above the diagonals.

    Parameters
    ----------
    matrices : np.ndarray
        [..., T, T].

    Returns
    -------
    np.ndarray
        [..., T(T − 1)/2], row after row.
    """
    above = np.triu_indices(matrices.shape[-1], 1)
    return np.asarray(matrices[..., above[0], above[1]])


def unit_scores(entries: np.ndarray, correlation: Correlation) -> np.ndarray:
    """Scale entries so that inner products of two rows are their correlation.

    Parameters
    ----------
    entries : np.ndarray
        float [..., n].
    correlation : Correlation
        ``"pearson"`` centres, ``"spearman"`` ranks and centres, ``"cosine"`` does neither. ``"kendall"`` is
        no inner product of n numbers: its rows are scaled as ``"spearman"``.

    Returns
    -------
    np.ndarray
        float64 [..., n], of length 1; NaN for a row that is constant, or 0 everywhere for ``"cosine"``.
    """
    scores = np.array(entries, np.float64)
    if not scores.shape[-1]:
        return scores
    constant = np.ptp(scores, axis=-1) <= 10.0**-DIGITS
    if correlation == "cosine":
        constant = np.abs(scores).max(axis=-1) <= 10.0**-DIGITS
    else:
        if correlation != "pearson":
            scores = scipy.stats.rankdata(scores, axis=-1)
        scores -= scores.mean(axis=-1, keepdims=True)
    lengths = np.where(constant, np.nan, np.linalg.norm(scores, axis=-1))
    return np.asarray(scores / lengths[..., None])


def correlations(ones: np.ndarray, others: np.ndarray, correlation: Correlation) -> np.ndarray:
    """Correlate the entries of every matrix with those of every other one.

    Parameters
    ----------
    ones : np.ndarray
        float [A, n], entries as of `entries_above`.
    others : np.ndarray
        float [B, n].
    correlation : Correlation
        Which one; ``"kendall"`` takes n·log n steps a pair, the others n.

    Returns
    -------
    np.ndarray
        float64 [A, B], −1 to 1; NaN where a row is constant.
    """
    if correlation != "kendall":
        return np.asarray(np.clip(unit_scores(ones, correlation) @ unit_scores(others, correlation).T, -1, 1))
    return np.array([[_kendall(one, other) for other in others] for one in ones]).reshape(
        len(ones), len(others)
    )


def _kendall(one: np.ndarray, other: np.ndarray) -> float:
    if min(np.ptp(one), np.ptp(other)) <= 10.0**-DIGITS:
        return np.nan
    return float(scipy.stats.kendalltau(one, other).statistic)


def row_similarities(ones: np.ndarray, others: np.ndarray, measure: Measure) -> np.ndarray:
    """Compute the similarity of each row of one array with the same row of another.

    Parameters
    ----------
    ones : np.ndarray
        float [T, H].
    others : np.ndarray
        float [T, H].
    measure : Measure
        ``"cosine"``, ``"correlation"`` or ``"update"``, as in `similarity.similarity`.

    Returns
    -------
    np.ndarray
        float64 [T], −1 to 1; 0 where a row has no direction.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    left, right = (in_float64(rows, measure == "correlation") for rows in (ones, others))
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        raise ValueError("vectors hold a number that is not finite")
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    products = np.einsum("th,th->t", left, right)
    cosines = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    return np.asarray(np.clip(cosines, -1, 1))
