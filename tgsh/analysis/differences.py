"""Differences of similarities and of grid cells over replicates, with Holm's correction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tgsh.analysis.replicate_design import Over, Replicates
from tgsh.analysis.replicates import estimate

Pair = tuple[int, int]

NO_SPREAD = "all replicates have the same difference: there is no spread to judge it by"


@dataclass(frozen=True)
class MeanDifference:
    """A mean difference over replicates, and whether it is more than chance.

    Attributes
    ----------
    difference : float | None
        Mean over replicates; None where none has it.
    low : float | None
        Lower end of its interval, not corrected for the number of differences; None as `reason` says.
    high : float | None
        Upper end.
    p : float | None
        Two-sided p of the t test that there is no difference.
    p_holm : float | None
        The same, corrected for the number of differences that were asked for together.
    distinguishable : bool | None
        Whether p_holm is at most 1 − level; None where there is no p.
    replicates : int
        Replicates that have both sides of the difference.
    reason : str | None
        Why numbers are missing.
    """

    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    distinguishable: bool | None
    replicates: int
    reason: str | None


@dataclass(frozen=True)
class PairDifference:
    """Difference of the similarities of two pairs of tasks.

    Attributes
    ----------
    pairs : tuple[Pair, Pair]
        Places of the tasks: similarity of the first pair less that of the second.
    result : MeanDifference
        The difference with its interval and p.
    """

    pairs: tuple[Pair, Pair]
    result: MeanDifference


@dataclass(frozen=True)
class CellEffect:
    """Difference of a grid cell from the reference cell, in one quantity.

    Attributes
    ----------
    cell : int
        Place of the cell.
    reference : int
        Place of the reference cell.
    quantity : int
        Place of the quantity, such as a task's accuracy.
    result : MeanDifference
        Value in the cell less value in the reference cell, replicate by replicate.
    """

    cell: int
    reference: int
    quantity: int
    result: MeanDifference


def holm(p_values: np.ndarray) -> np.ndarray:
    """Correct p-values for their number by Holm's step-down procedure (Holm 1979).

    The chance that any true null hypothesis is rejected at a level is at most that level, however the tests
    depend on one another.

    Parameters
    ----------
    p_values : np.ndarray
        float [n], 0 to 1; NaN for tests that could not be made, which do not count.

    Returns
    -------
    np.ndarray
        float64 [n], max over j ≤ i of min(1, (n − j)·p₍ⱼ₎), j from 0 in rising order of p; NaN where p is.
    """
    p_values = np.asarray(p_values, np.float64)
    corrected = np.full(len(p_values), np.nan)
    made = np.flatnonzero(np.isfinite(p_values))
    order = made[np.argsort(p_values[made], kind="stable")]
    steps = p_values[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1, np.maximum.accumulate(steps))
    return corrected


def pair_differences(
    matrices: np.ndarray,
    pairs: Sequence[tuple[Pair, Pair]],
    replicates: Replicates,
    over: Over | None = None,
    level: float = 0.95,
) -> list[PairDifference]:
    """Test whether pairs of tasks differ in their similarity.

    Differences are taken within each replicate, so that what a seed or base does to both does not count.
    Intervals and p are those of `replicates.estimate`; Holm's correction is over all that are given.

    Parameters
    ----------
    matrices : np.ndarray
        Similarities, float [R, T, T], one matrix a replicate; NaN where a replicate has no such task.
    pairs : Sequence[tuple[Pair, Pair]]
        ((i, j), (k, l)): similarity of i and j less that of k and l.
    replicates : Replicates
        R replicates.
    over : Over | None, default=None
        What intervals and tests generalise over, as `replicates.estimate` takes it.
    level : float, default=0.95
        Confidence of the intervals; 1 − level is the error rate of all tests together.

    Returns
    -------
    list[PairDifference]
        One a pair of pairs, in their order.

    Raises
    ------
    ValueError
        If shapes do not fit, or there is no such task.
    """
    tasks = matrices.shape[-1]
    if matrices.ndim != 3 or matrices.shape[1] != tasks:
        raise ValueError(f"{matrices.shape} is not the shape of one matrix a replicate")
    places = np.array(pairs, np.int64).reshape(-1, 2, 2)
    if places.size and (places.min() < 0 or places.max() >= tasks):
        raise ValueError(f"a pair names a task that is not one of {tasks}")
    values = matrices[:, places[..., 0], places[..., 1]]  # [R, pairs of pairs, 2]
    results = _tested(values[..., 0] - values[..., 1], replicates, over, level)
    return [
        PairDifference(((int(one[0]), int(one[1])), (int(other[0]), int(other[1]))), result)
        for (one, other), result in zip(places, results, strict=True)
    ]


def cell_effects(
    values: np.ndarray,
    replicates: Replicates,
    reference: int = 0,
    over: Over | None = None,
    level: float = 0.95,
) -> list[CellEffect]:
    """Compare every cell of a grid with a reference cell, paired by replicate.

    Intervals and p are those of `replicates.estimate` on the differences; Holm's correction is over all rows.

    Parameters
    ----------
    values : np.ndarray
        float [C, R] or [C, R, Q]: Q quantities of C cells in R replicates; NaN where there is no value.
    replicates : Replicates
        R replicates, the same in all cells.
    reference : int, default=0
        Place of the reference cell.
    over : Over | None, default=None
        What intervals and tests generalise over, as `replicates.estimate` takes it.
    level : float, default=0.95
        Confidence of the intervals; 1 − level is the error rate of all tests together.

    Returns
    -------
    list[CellEffect]
        (C − 1)·Q rows: cell after cell, in each the quantities, of the replicates that have both cells.

    Raises
    ------
    ValueError
        If shapes do not fit, or there is no such cell.
    """
    values = np.asarray(values, np.float64)
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim != 3 or values.shape[1] != len(replicates):
        raise ValueError(f"values of shape {values.shape} are not cells of {len(replicates)} replicates")
    if not 0 <= reference < len(values):
        raise ValueError(f"{reference} is not one of {len(values)} cells")
    cells = [cell for cell in range(len(values)) if cell != reference]
    differences = np.moveaxis(values[cells] - values[reference], 0, 1)  # [R, C − 1, Q]
    results = iter(_tested(differences.reshape(len(replicates), -1), replicates, over, level))
    quantities = range(values.shape[2])
    return [CellEffect(cell, reference, quantity, next(results)) for cell in cells for quantity in quantities]


def _tested(
    differences: np.ndarray, replicates: Replicates, over: Over | None, level: float
) -> list[MeanDifference]:
    """Estimate and test differences [R, n]."""
    if not differences.shape[1]:
        return []
    means = estimate(differences, replicates, over, level)
    p_values = means.p_values()
    corrected = holm(p_values)

    def result(place: int) -> MeanDifference:
        p, p_holm = _or_none(p_values[place]), _or_none(corrected[place])
        reason = None
        if p is None:
            reason = NO_SPREAD if means.standard_error[place] == 0 else means.reason
        return MeanDifference(
            _or_none(means.mean[place]),
            _or_none(means.low[place]),
            _or_none(means.high[place]),
            p,
            p_holm,
            None if p_holm is None else p_holm <= 1 - level,
            int(means.counts[place]),
            reason,
        )

    return [result(place) for place in range(differences.shape[1])]


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
