"""Agreement of similarities with a geometry that is stated: representational similarity analysis."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast, get_args

import numpy as np
import scipy  # its parts are loaded when they are used: the service starts without them

from tgsh.analysis.comparison import (
    DIGITS,
    FEWEST,
    Alternative,
    Correlation,
    correlations,
    entries_above,
    unit_scores,
)
from tgsh.analysis.noise_ceilings import NoiseCeiling, common_tasks, noise_ceiling, pooled
from tgsh.analysis.replicate_design import Over, Replicates
from tgsh.analysis.replicates import estimate
from tgsh.rng import rng_for

FormulaFunction = Literal["circular", "abs", "same"]

LONGEST_FORMULA = 200

BATCH_NUMBERS = 2**22
"""Entries of permuted matrices in memory at a time: 32 MB."""

MOST_FOR_KENDALL = 100
"""Tasks up to which Kendall's correlation is permuted."""

KENDALL_PERMUTATIONS = 999
"""Orders in which it is, at most: one takes a millisecond for 36 tasks."""

_FORMULA = re.compile(
    r"\s*(?P<function>[a-z]+)\s*\(\s*(?P<parameter>[A-Za-z_][\w.-]*)\s*"
    r"(?:,\s*(?P<period>[0-9]+(?:\.[0-9]+)?)\s*)?\)\s*"
)


@dataclass(frozen=True)
class GeometryFormula:
    """A geometry as a function of one parameter of the tasks.

    Attributes
    ----------
    function : FormulaFunction
        ``"circular"``, ``"abs"`` or ``"same"``.
    parameter : str
        Name of the parameter.
    period : float | None
        Of ``"circular"``, in the parameter's unit, where the formula says it.
    """

    function: FormulaFunction
    parameter: str
    period: float | None


def parse_formula(text: str) -> GeometryFormula:
    """Read a formula: ``circular(angle)``, ``circular(hour, 24)``, ``abs(shift)`` or ``same(group)``.

    Nothing is evaluated: a formula is the name of a function and that of a parameter.

    Parameters
    ----------
    text : str
        The formula.

    Returns
    -------
    GeometryFormula
        Its parts.

    Raises
    ------
    ValueError
        If it is no such formula, in words for who wrote it.
    """
    functions = get_args(FormulaFunction)
    match = _FORMULA.fullmatch(text) if len(text) <= LONGEST_FORMULA else None
    if match is None or match["function"] not in functions:
        raise ValueError(
            f"{text[:LONGEST_FORMULA]!r} is no formula: write one of {', '.join(functions)}, "
            "and a parameter of the tasks in parentheses, such as circular(angle)"
        )
    period = None if match["period"] is None else float(match["period"])
    if period is not None and match["function"] != "circular":
        raise ValueError(f"{match['function']} has no period: only circular(parameter, period) has")
    if period is not None and not 0 < period < math.inf:
        raise ValueError("a period is greater than 0")
    return GeometryFormula(cast(FormulaFunction, match["function"]), match["parameter"], period)


def formula_geometry(
    formula: GeometryFormula,
    parameters: Mapping[str, Sequence[float | str | None]],
    periods: Mapping[str, float] | None = None,
) -> np.ndarray:
    """Compute the similarities that a formula states.

    ``abs``: 1 − |a − b|/d, with d the greatest distance of two tasks; ``circular``: the same with the
    distance on a circle and d half its length; ``same``: 1 for equal values, else 0.

    Parameters
    ----------
    formula : GeometryFormula
        As of `parse_formula`.
    parameters : Mapping[str, Sequence[float | str | None]]
        T values of each parameter, by its name; None or NaN for a task that has none.
    periods : Mapping[str, float] | None, default=None
        Length of the circle of each parameter that has one, such as 360 of an angle in degrees.

    Returns
    -------
    np.ndarray
        float64 [T, T], 0 to 1, symmetric, 1 on the diagonal; NaN for tasks that have no value.

    Raises
    ------
    ValueError
        If there is no such parameter, it is no number where one is needed, or its period is not known.
    """
    if formula.parameter not in parameters:
        known = ", ".join(sorted(parameters)) or "none"
        raise ValueError(f"tasks have no parameter {formula.parameter!r}; they have: {known}")
    values = parameters[formula.parameter]
    if formula.function == "same":
        keys = [None if value is None or value != value else value for value in values]  # NaN is not itself
        similar = np.array([[float(a == b) for b in keys] for a in keys]).reshape(len(keys), len(keys))
        missing = np.array([key is None for key in keys], bool)
    else:
        if any(isinstance(value, str) for value in values):
            raise ValueError(
                f"{formula.parameter} is a name, not a number: same({formula.parameter}) compares it"
            )
        numbers = np.array([np.nan if value is None else value for value in values], np.float64)
        missing = ~np.isfinite(numbers)
        numbers[missing] = 0
        distances = np.abs(numbers[:, None] - numbers)
        if formula.function == "circular":
            period = formula.period or (periods or {}).get(formula.parameter)
            if period is None:
                raise ValueError(
                    f"the period of {formula.parameter} is not known: say it, as in "
                    f"circular({formula.parameter}, 360)"
                )
            distances %= period
            similar = 1 - np.minimum(distances, period - distances) / (period / 2)
        else:
            greatest = distances[~missing][:, ~missing].max(initial=0)
            similar = 1 - distances / (greatest or 1)
    similar[missing] = similar[:, missing] = np.nan
    return np.asarray(similar)


@dataclass(frozen=True)
class GeometryAgreement:
    """Agreement of the similarities of one experiment or study with a stated geometry.

    Numbers are None where they are not defined, as `reason` says.

    Attributes
    ----------
    correlation : Correlation
        How the entries above the diagonals are compared.
    tasks : tuple[int, ...]
        Places of the tasks that were compared: those that all replicates and the geometries have.
    agreement : float | None
        Mean over replicates of the correlation with the geometry.
    partial : float | None
        Mean over replicates of the partial correlation, the other geometry held constant; None without one.
    low : float | None
        Lower end of the interval over replicates, of `partial` where there is one, else of `agreement`.
    high : float | None
        Upper end.
    values : tuple[float, ...]
        What the interval is of, replicate by replicate.
    p : float | None
        Of the same, by permuting the tasks of the geometry: (1 + count)/(1 + permutations), as
        `comparison.Mantel` has it; exact where all orders were tried. Tests the matrix of all replicates
        pooled.
    permutations : int
        Orders of the tasks that were tried, without the given one.
    alternative : Alternative
        ``"greater"``, ``"less"`` or ``"two-sided"``.
    ceiling : NoiseCeiling
        What the best possible geometry could have, for `agreement`.
    within_ceiling : bool | None
        Whether `agreement` reaches the lower end of the ceiling.
    reason : str | None
        Why numbers are missing.
    """

    correlation: Correlation
    tasks: tuple[int, ...]
    agreement: float | None
    partial: float | None
    low: float | None
    high: float | None
    values: tuple[float, ...]
    p: float | None
    permutations: int
    alternative: Alternative
    ceiling: NoiseCeiling
    within_ceiling: bool | None
    reason: str | None


def geometry_agreement(
    matrices: np.ndarray,
    geometry: np.ndarray,
    replicates: Replicates,
    *,
    other: np.ndarray | None = None,
    correlation: Correlation = "pearson",
    over: Over | None = None,
    level: float = 0.95,
    permutations: int = 9_999,
    alternative: Alternative = "greater",
    seed: int = 0,
) -> GeometryAgreement:
    """Correlate similarities with a geometry (Kriegeskorte, Mur & Bandettini 2008).

    With another geometry Z, the partial correlation (r_SG − r_SZ·r_GZ)/√((1 − r_SZ²)(1 − r_GZ²)), of ranks
    for ``"spearman"``. Its p permutes the tasks of what Z leaves of S (Legendre 2000, method of residuals);
    Kendall's has no residuals and gets none.

    Parameters
    ----------
    matrices : np.ndarray
        Similarities S, float [R, T, T], symmetric, one a replicate; NaN where a replicate lacks a task.
    geometry : np.ndarray
        Similarities G that are stated, float [T, T], symmetric; NaN for tasks that have no place in it.
        A matrix of distances d is stated as −d.
    replicates : Replicates
        R replicates; one for an experiment.
    other : np.ndarray | None, default=None
        Another geometry Z [T, T], which is partialled out.
    correlation : Correlation, default="pearson"
        How the entries above the diagonals are compared.
    over : Over | None, default=None
        What interval and ceiling generalise over; None for what varies.
    level : float, default=0.95
        Confidence of the interval.
    permutations : int, default=9_999
        Orders of the tasks that are tried; all T! of them where there are no more. For ``"kendall"`` at
        most KENDALL_PERMUTATIONS.
    alternative : Alternative, default="greater"
        Alternative hypothesis of the test.
    seed : int, default=0
        Of the permutations.

    Returns
    -------
    GeometryAgreement
        Agreement with interval, p and ceiling.

    Raises
    ------
    ValueError
        If shapes do not fit.
    """
    geometries = [geometry] if other is None else [geometry, other]
    if matrices.ndim != 3 or any(each.shape != matrices.shape[1:] for each in geometries):
        raise ValueError(f"{matrices.shape} similarities and {geometry.shape} geometry do not fit")
    ceiling = noise_ceiling(matrices, replicates, over, correlation)
    places = common_tasks(matrices, *geometries)
    nothing = GeometryAgreement(
        correlation, tuple(places), *(None,) * 4, (), None, 0, alternative, ceiling, None, None
    )
    if len(places) < FEWEST:
        return replace(nothing, reason=f"fewer than {FEWEST} tasks have both similarities and a place")
    chosen = np.ix_(places, places)
    entries = entries_above(matrices[:, places][:, :, places])
    stated = entries_above(np.stack([each[chosen] for each in geometries]))
    own = correlations(entries, stated, correlation)  # [R, 1 or 2]
    if not np.isfinite(own[:, 0]).all():
        flat = "the geometry" if np.ptp(stated[0]) <= 10.0**-DIGITS else "a replicate"
        return replace(nothing, reason=f"{flat} has similarities that are all equal")
    agreement = float(own[:, 0].mean())
    values, reason = own[:, 0], None
    if other is not None:
        between = float(correlations(stated[:1], stated[1:], correlation)[0, 0])
        values = _partial(own[:, 0], own[:, 1], between)
        if not np.isfinite(values).all():
            reason = "the other geometry leaves nothing of this one, or of the similarities"
    of_replicates = estimate(values, replicates, over, level, (-1.0, 1.0))
    result = replace(
        nothing,
        agreement=agreement,
        partial=None if other is None or reason else float(values.mean()),
        low=_or_none(float(of_replicates.low)),
        high=_or_none(float(of_replicates.high)),
        values=() if reason else tuple(values.tolist()),
        within_ceiling=None if ceiling.lower is None else agreement >= ceiling.lower,
        reason=reason or of_replicates.reason,
    )
    if reason:
        return replace(result, low=None, high=None)
    if correlation == "kendall" and (other is not None or len(places) > MOST_FOR_KENDALL):
        why = "Kendall's correlation has no residuals to permute" if other is not None else "too many tasks"
        return replace(result, reason="; ".join(filter(None, (result.reason, f"no p: {why}"))))
    pool = pooled(entries, correlation)
    p, tried = _permuted(pool, stated, len(places), correlation, permutations, alternative, seed)
    return replace(result, p=p, permutations=tried)


def _partial(of_geometry: np.ndarray, of_other: np.ndarray, between: float) -> np.ndarray:
    """Partial correlations of similarities with a geometry, the other held constant; NaN where undefined."""
    left = (1 - of_other**2) * (1 - between**2)
    partial = np.full(len(of_geometry), np.nan)
    np.divide(
        of_geometry - of_other * between, np.sqrt(np.abs(left)), out=partial, where=left > 10.0**-DIGITS
    )
    return np.asarray(np.clip(partial, -1, 1))


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value


def _permuted(
    pool: np.ndarray,
    stated: np.ndarray,
    tasks: int,
    correlation: Correlation,
    permutations: int,
    alternative: Alternative,
    seed: int,
) -> tuple[float, int]:
    """P-value and orders tried; pool [n] entries above the diagonal, stated [1 or 2, n]."""
    if correlation == "kendall":
        permutations = min(permutations, KENDALL_PERMUTATIONS)
    total = math.factorial(tasks) if tasks <= 12 else math.inf
    exact = total <= max(permutations, 1)
    if exact:
        orders = np.array(list(itertools.permutations(range(tasks))))
    else:
        rng = rng_for(seed, "geometry agreement")
        orders = np.argsort(rng.random((permutations, tasks)), axis=1)
    orders = np.vstack([np.arange(tasks), orders[1:] if exact else orders])
    if correlation == "kendall":
        values = _kendall_statistic(pool, stated[0], orders).round(DIGITS)
    else:
        values = _product_statistic(pool, stated, orders, correlation).round(DIGITS)
    counts = {"greater": int((values >= values[0]).sum()), "less": int((values <= values[0]).sum())}
    counts["two-sided"] = min(len(orders), 2 * min(counts["greater"], counts["less"]))
    return counts[alternative] / len(orders), len(orders) - 1


def _places_above(orders: np.ndarray, tasks: int) -> np.ndarray:
    """Places of the entries above the diagonal when tasks are in another order: int [orders, n]."""
    above = np.triu_indices(tasks, 1)
    place = np.zeros((tasks, tasks), np.int64)
    place[above] = place.T[above] = np.arange(len(above[0]))
    return np.asarray(place[orders[:, above[0]], orders[:, above[1]]])


def _batches(orders: np.ndarray, entries: int) -> list[np.ndarray]:
    return np.array_split(orders, max(1, math.ceil(len(orders) * entries / BATCH_NUMBERS)))


def _product_statistic(
    pool: np.ndarray, stated: np.ndarray, orders: np.ndarray, correlation: Correlation
) -> np.ndarray:
    """Correlation, or partial correlation, of the geometry with the pooled similarities in other orders.

    The pool is ranked for ``"spearman"`` already, and not again.
    """
    inner: Correlation = "cosine" if correlation == "cosine" else "pearson"
    own, scores = unit_scores(pool, inner), unit_scores(stated, correlation)
    target = scores[0]
    if len(scores) == 2:  # what the other geometry leaves of both
        own = own - (own @ scores[1]) * scores[1]
        own /= np.linalg.norm(own)
        target = target - (target @ scores[1]) * scores[1]
        target /= np.linalg.norm(target)
    values = []
    for batch in _batches(orders, len(pool)):
        permuted = own[_places_above(batch, orders.shape[1])]
        products = permuted @ target
        if len(scores) == 2:
            products /= np.sqrt(np.maximum(1 - (permuted @ scores[1]) ** 2, np.finfo(float).tiny))
        values.append(products)
    return np.concatenate(values)


def _kendall_statistic(pool: np.ndarray, geometry: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Kendall's correlation of the geometry with the pooled ranks in other orders."""
    values = [
        scipy.stats.kendalltau(pool[places], geometry).statistic
        for batch in _batches(orders, len(pool))
        for places in _places_above(batch, orders.shape[1])
    ]
    return np.array(values)
