"""Noise ceilings of replicated similarity matrices, and agreement of two studies against it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy  # its parts are loaded when they are used: the service starts without them

from tgsh.analysis.comparison import DIGITS, FEWEST, Correlation, correlations, entries_above, unit_scores
from tgsh.analysis.replicate_design import Over, Replicates
from tgsh.rng import rng_for


@dataclass(frozen=True)
class NoiseCeiling:
    """Agreement that the best possible matrix could have with single replicates.

    Attributes
    ----------
    over : Over
        What the replicates that are compared differ in.
    correlation : Correlation
        How matrices are compared.
    lower : float | None
        Mean agreement of each replicate with the pooled others; None as `reason` says.
    upper : float | None
        Mean agreement of each replicate with all pooled, itself among them.
    between : float | None
        Mean agreement of two single replicates.
    replicates : int
        Replicates that have others to be compared with.
    tasks : int
        Tasks that all replicates have.
    reason : str | None
        Why there is no ceiling.
    """

    over: Over
    correlation: Correlation
    lower: float | None
    upper: float | None
    between: float | None
    replicates: int
    tasks: int
    reason: str | None


def common_tasks(*matrices: np.ndarray) -> list[int]:
    """Find the tasks that all matrices have.

    Parameters
    ----------
    *matrices : np.ndarray
        float [..., T, T]; the rows of a task that is missing are NaN.

    Returns
    -------
    list[int]
        Places of the tasks whose similarities with each other are numbers in all of them. A task that is
        only missing beside others goes before them: the one that lacks most first.
    """
    tasks = matrices[0].shape[-1]
    missing = np.zeros((tasks, tasks), bool)
    for each in matrices:
        missing |= ~np.isfinite(each).reshape(-1, tasks, tasks).all(axis=0)
    places = list(range(tasks))
    while missing[np.ix_(places, places)].any():
        lacking = missing[np.ix_(places, places)].sum(axis=1)
        del places[int(lacking.argmax())]
    return places


def pooled(entries: np.ndarray, correlation: Correlation) -> np.ndarray:
    """Pool matrices into the one that agrees best with all of them on average.

    The mean after scaling each to length 1 (Nili et al. 2014): centred for Pearson, ranks for Spearman and,
    which is near the best but not quite, for Kendall.

    Parameters
    ----------
    entries : np.ndarray
        float [..., R, n], entries of R matrices.
    correlation : Correlation
        How they are compared.

    Returns
    -------
    np.ndarray
        float64 [..., n]; NaN where one of them has no correlation with anything.
    """
    return np.asarray(_poolable(entries, correlation).mean(axis=-2))


def _poolable(entries: np.ndarray, correlation: Correlation) -> np.ndarray:
    """Entries [..., R, n] scaled so that their mean is the pooled matrix."""
    scores = unit_scores(entries, correlation)
    if correlation in ("spearman", "kendall"):  # not scaled: means that are equal would differ by rounding
        scores = np.where(np.isfinite(scores), scipy.stats.rankdata(entries, axis=-1), np.nan)
    return scores


def noise_ceiling(
    matrices: np.ndarray,
    replicates: Replicates,
    over: Over | None = None,
    correlation: Correlation = "pearson",
) -> NoiseCeiling:
    """Compute the noise ceiling (Nili et al. 2014), as `rsatoolbox.inference.boot_noise_ceiling` does.

    Over ``"seeds"``, replicates are pooled and compared among those of the same base, over ``"base_seeds"``
    among those of the same seed; all count the same. Over ``"both"`` the lower end compares each replicate
    with those that share neither seed nor base with it.

    Parameters
    ----------
    matrices : np.ndarray
        Similarities, float [R, T, T], symmetric; NaN where a replicate lacks a task.
    replicates : Replicates
        R replicates.
    over : Over | None, default=None
        What replicates differ in; None for what varies.
    correlation : Correlation, default="pearson"
        How the entries above the diagonals are compared.

    Returns
    -------
    NoiseCeiling
        Lower and upper end, of the tasks that all replicates have.

    Raises
    ------
    ValueError
        If shapes do not fit.
    """
    if matrices.ndim != 3 or matrices.shape[1] != matrices.shape[2] or len(matrices) != len(replicates):
        raise ValueError(f"{matrices.shape} similarities are not those of {len(replicates)} replicates")
    over = over or replicates.varying
    places = common_tasks(matrices)
    if len(places) < FEWEST:
        reason = f"fewer than {FEWEST} tasks are in all replicates"
        return NoiseCeiling(over, correlation, None, None, None, 0, len(places), reason)
    entries = entries_above(matrices[:, places][:, :, places])
    seeds, bases = np.array(replicates.seeds), np.array(replicates.base_seeds)
    same_seed, same_base = seeds[:, None] == seeds, bases[:, None] == bases
    # Whom each replicate is pooled with, itself among them, and which of these are others.
    among = {"seeds": same_base, "base_seeds": same_seed, "both": np.ones_like(same_seed)}[over]
    others = among & ~(same_seed & same_base)
    if over == "both":
        others = ~same_seed & ~same_base
    compared = np.flatnonzero(others.any(axis=1))
    if not len(compared):
        differing = {"seeds": "the seed", "base_seeds": "the base", "both": "both seed and base"}[over]
        reason = f"no two replicates differ in {differing}" + (" only" if over != "both" else "")
        return NoiseCeiling(over, correlation, None, None, None, 0, len(places), reason)
    scores = _poolable(entries, correlation)
    if not np.isfinite(scores).all():
        reason = "a replicate has similarities that are all equal"
        return NoiseCeiling(over, correlation, None, None, None, len(compared), len(places), reason)

    def mean_agreement(chosen: np.ndarray) -> float:
        pools = np.stack([scores[chosen[r]].mean(axis=0) for r in compared])
        if correlation == "kendall":
            pairs = zip(entries[compared], pools, strict=True)
            return float(np.mean([correlations(one[None], pool[None], correlation) for one, pool in pairs]))
        own = unit_scores(entries[compared], correlation)
        products = np.einsum("rn,rn->r", own, unit_scores(pools, correlation))
        return float(np.clip(products, -1, 1).mean())

    single = correlations(entries, entries, correlation)
    between = float(single[others].mean())
    return NoiseCeiling(
        over,
        correlation,
        mean_agreement(others),
        mean_agreement(among),
        between,
        len(compared),
        len(places),
        None,
    )


@dataclass(frozen=True)
class StudyAgreement:
    """Agreement of the mean matrices of two studies, against the noise of their replicates.

    Attributes
    ----------
    correlation : Correlation
        How matrices are compared.
    tasks : int
        Tasks that all replicates of both have.
    ceilings : tuple[NoiseCeiling, NoiseCeiling]
        Of either study.
    agreement : float | None
        Of the two pooled matrices; None as `reason` says.
    one_by_other : float | None
        Mean agreement of the first study's replicates with the other's pooled matrix: to be read against
        the first ceiling.
    other_by_one : float | None
        Likewise of the other, against the second ceiling.
    between : float | None
        Mean agreement of single replicates (units) of different studies.
    within : float | None
        Mean agreement of single replicates (units) of the same study.
    p : float | None
        That replicates of different studies differ no more than those of the same: a permutation test of
        within − between. None where there is nothing to permute.
    least_p : float | None
        Smallest p that so few replicates can give.
    permutations : int
        Assignments that were tried, without the given one; all there are where these are few.
    as_alike : bool | None
        Whether the studies are as alike as replicates are: p is above 1 − level. None where even
        the smallest p is, so that nothing could be seen.
    reason : str | None
        Why numbers are missing.
    """

    correlation: Correlation
    tasks: int
    ceilings: tuple[NoiseCeiling, NoiseCeiling]
    agreement: float | None = None
    one_by_other: float | None = None
    other_by_one: float | None = None
    between: float | None = None
    within: float | None = None
    p: float | None = None
    least_p: float | None = None
    permutations: int = 0
    as_alike: bool | None = None
    reason: str | None = None


def study_agreement(
    ones: np.ndarray,
    others: np.ndarray,
    replicates: tuple[Replicates, Replicates],
    correlation: Correlation = "pearson",
    permutations: int = 9_999,
    level: float = 0.95,
    seed: int = 0,
    ceilings: tuple[NoiseCeiling, NoiseCeiling] | None = None,
) -> StudyAgreement:
    """Ask whether two studies of the same tasks differ more than their replicates do.

    The units that are exchanged between the studies are the random bases where either study has several,
    each with the mean of its seeds, and the seeds otherwise. A base that both studies have is exchanged with
    itself only, and not compared with itself.

    Parameters
    ----------
    ones : np.ndarray
        Similarities of the first study, float [R₁, T, T]; NaN where a replicate lacks a task.
    others : np.ndarray
        Of the other, float [R₂, T, T], the same tasks in the same order.
    replicates : tuple[Replicates, Replicates]
        Replicates of either.
    correlation : Correlation, default="pearson"
        How the entries above the diagonals are compared.
    permutations : int, default=9_999
        Assignments of units to studies; all of them where there are no more.
    level : float, default=0.95
        1 − level is the p up to which studies count as different.
    seed : int, default=0
        Of the permutations.
    ceilings : tuple[NoiseCeiling, NoiseCeiling] | None, default=None
        Of either study, of the tasks that all replicates of both have, where they are known; None computes
        them.

    Returns
    -------
    StudyAgreement
        Agreement, ceilings and p.

    Raises
    ------
    ValueError
        If shapes do not fit.
    """
    if ones.shape[1:] != others.shape[1:]:
        raise ValueError(f"{ones.shape} and {others.shape} are not matrices of the same tasks")
    places = common_tasks(ones, others)
    studies = [values[:, places][:, :, places] for values in (ones, others)]
    if ceilings is None:
        first, second = (
            noise_ceiling(values, own, None, correlation)
            for values, own in zip(studies, replicates, strict=True)
        )
        ceilings = first, second
    result = StudyAgreement(correlation, len(places), ceilings)
    if len(places) < FEWEST:
        return replace(result, reason=f"fewer than {FEWEST} tasks are in all replicates of both")
    entries = [entries_above(values) for values in studies]
    means = [pooled(each, correlation) for each in entries]
    if not all(np.isfinite(each).all() for each in means):
        return replace(result, reason="a replicate has similarities that are all equal")
    result = replace(
        result,
        agreement=float(correlations(means[0][None], means[1][None], correlation)[0, 0]),
        one_by_other=float(correlations(entries[0], means[1][None], correlation).mean()),
        other_by_one=float(correlations(entries[1], means[0][None], correlation).mean()),
    )
    by_base = any(own.varying != "seeds" for own in replicates)
    units, names, sides = _units(entries, replicates, by_base)
    test = _permutation_test(correlations(units, units, correlation), names, sides, permutations, seed)
    if test is None:
        unit = "random base" if by_base else "seed"
        reason = f"one {unit} in each study: there are no replicates to judge the difference by"
        return replace(result, reason=reason)
    between, within, p, least_p, tried = test
    result = replace(result, between=between, within=within, p=p, least_p=least_p, permutations=tried)
    if least_p > 1 - level:
        return replace(result, reason=f"so few replicates cannot give a p below {least_p:.3g}")
    return replace(result, as_alike=p > 1 - level)


def _units(
    entries: Sequence[np.ndarray], replicates: Sequence[Replicates], by_base: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means of each base (or seed) of each study, [n, entries], its name, and its side, ±1."""
    units, names, sides = [], [], []
    for side, each, own in zip((1.0, -1.0), entries, replicates, strict=True):
        levels = np.array(own.base_seeds if by_base else own.seeds)
        for name in np.unique(levels):
            units.append(each[levels == name].mean(axis=0))
            names.append(int(name))
            sides.append(side)
    return np.array(units), np.array(names), np.array(sides)


def _permutation_test(
    agreements: np.ndarray, names: np.ndarray, sides: np.ndarray, permutations: int, seed: int
) -> tuple[float, float, float, float, int] | None:
    """Between, within, p, least p, assignments tried, of units [n] on sides ±1; None where none differ."""
    paired = [np.flatnonzero(names == name) for name in np.unique(names) if (names == name).sum() == 2]
    single = np.array([place for place, name in enumerate(names) if (names == name).sum() == 1], np.int64)
    firsts = int((sides[single] > 0).sum())
    total = 2 ** len(paired) * math.comb(len(single), firsts)
    exact = total <= permutations + 1
    if exact:
        swaps = np.array([*itertools.product((1.0, -1.0), repeat=len(paired))]).reshape(2 ** len(paired), -1)
        chosen = list(itertools.combinations(range(len(single)), firsts))
        halves = -np.ones((len(chosen), len(single)))
        for row, first in zip(halves, chosen, strict=True):
            row[list(first)] = 1
        swaps, halves = np.repeat(swaps, len(halves), axis=0), np.tile(halves, (len(swaps), 1))
    else:
        rng = rng_for(seed, "study agreement")
        swaps = rng.choice([1.0, -1.0], (permutations, len(paired)))
        halves = rng.permuted(np.tile(sides[single], (permutations, 1)), axis=1)
    assigned = np.empty((len(swaps), len(names)))
    assigned[:, single] = halves
    for column, pair in zip(swaps.T, paired, strict=True):
        assigned[:, pair] = column[:, None] * sides[pair]
    comparable = np.triu(names[:, None] != names, 1)
    agreements = np.where(comparable, agreements, 0)

    def means(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        product, count = (
            np.einsum("ai,ij,aj->a", rows, matrix, rows, optimize=True) for matrix in (agreements, comparable)
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            return (agreements.sum() - product) / (comparable.sum() - count), (agreements.sum() + product) / (
                comparable.sum() + count
            )

    (between,), (within,) = means(sides[None])
    if not np.isfinite(between - within) or total < 2:
        return None
    apart = means(assigned)
    differences = np.nan_to_num((apart[1] - apart[0]).round(DIGITS), nan=-np.inf)
    extreme = int((differences >= round(float(within - between), DIGITS)).sum())
    alike = 2 if not len(single) or 2 * firsts == len(single) else 1  # the same with both studies exchanged
    if exact:
        return float(between), float(within), extreme / total, alike / total, total - 1
    return (
        float(between),
        float(within),
        (1 + extreme) / (1 + permutations),
        1 / (1 + permutations),
        permutations,
    )
