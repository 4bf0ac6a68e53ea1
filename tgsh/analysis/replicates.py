"""Mean, spread and interval over replicates: seeds, random bases, or both crossed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import scipy  # its parts are loaded when they are used: the service starts without them

from tgsh.analysis.replicate_design import ROUNDING, Over, Replicates, replicate_design

BLOCK_NUMBERS = 2**22
"""Numbers of all replicates that are centred at a time: 32 MB."""


@dataclass(frozen=True, eq=False)
class ReplicateEstimate:
    """Means of values over replicates, how far single replicates lie from them, and their intervals.

    All arrays are float64 in the shape of one replicate's values, NaN where undefined.

    Attributes
    ----------
    mean : np.ndarray
        Mean over replicates. Where some are missing, each seed and each base still counts the same (the
        least-squares mean of the additive model).
    sd : np.ndarray
        Standard deviation of one replicate when what `over` names is drawn anew.
    standard_error : np.ndarray
        Of the mean, for further draws of what `over` names.
    degrees : np.ndarray
        Degrees of freedom of the standard error (Satterthwaite's, where sources are crossed).
    low : np.ndarray
        Lower end of the interval of the mean.
    high : np.ndarray
        Upper end.
    seed_variance : np.ndarray
        Component of variance of the seeds; 0 where its unbiased estimate is below. It holds the residual
        where that is not told apart (`residual_variance` is NaN).
    base_variance : np.ndarray
        Component of variance of the random bases, likewise.
    residual_variance : np.ndarray
        What seed and base do together.
    counts : np.ndarray
        int64, replicates that have a value.
    over : Over
        What the interval generalises over.
    level : float
        Confidence of the interval.
    reason : str | None
        Why intervals are missing, where some are.
    """

    mean: np.ndarray
    sd: np.ndarray
    standard_error: np.ndarray
    degrees: np.ndarray
    low: np.ndarray
    high: np.ndarray
    seed_variance: np.ndarray
    base_variance: np.ndarray
    residual_variance: np.ndarray
    counts: np.ndarray
    over: Over
    level: float
    reason: str | None

    @property
    def includes_zero(self) -> np.ndarray:
        """Mask of the intervals that hold 0: bool, False where there is none."""
        is_there: np.ndarray = (self.low <= 0) & (self.high >= 0)  # NaN is neither
        return is_there

    def mapped(self, function: Callable[[np.ndarray], np.ndarray]) -> ReplicateEstimate:
        """Rearrange the values.

        Parameters
        ----------
        function : Callable[[np.ndarray], np.ndarray]
            Applied to each array.

        Returns
        -------
        ReplicateEstimate
            The same with what it returned.
        """
        return replace(
            self,
            mean=function(self.mean),
            sd=function(self.sd),
            standard_error=function(self.standard_error),
            degrees=function(self.degrees),
            low=function(self.low),
            high=function(self.high),
            seed_variance=function(self.seed_variance),
            base_variance=function(self.base_variance),
            residual_variance=function(self.residual_variance),
            counts=function(self.counts),
        )

    def p_values(self, null: float = 0.0) -> np.ndarray:
        """Test whether each mean differs from a number: t test, two-sided.

        Parameters
        ----------
        null : float, default=0.0
            The number.

        Returns
        -------
        np.ndarray
            float64, 0 to 1; 1 where all replicates are that number, NaN where they are all another one (no
            spread to judge it by) or there is no interval.
        """
        away = np.abs(self.mean - null)
        equal = away <= ROUNDING * max(1.0, abs(null))
        with np.errstate(divide="ignore", invalid="ignore"):
            p = 2 * scipy.stats.t.sf(away / self.standard_error, self.degrees)
        p = np.where(self.standard_error == 0, np.where(equal, 1.0, np.nan), p)
        return np.asarray(p)


def estimate(
    values: np.ndarray,
    replicates: Replicates,
    over: Over | None = None,
    level: float = 0.95,
    bounds: tuple[float, float] | None = None,
) -> ReplicateEstimate:
    """Estimate means over replicates with intervals.

    The model is y_ij = μ + s_i + b_j + e_ij, a random seed s and a random base b crossed without repetition
    (Searle, Casella & McCulloch 1992, chapter 4). Over ``"seeds"`` the bases are those given and only other
    seeds are drawn: an ordinary t interval where there is one base, or all bases have all seeds. Likewise
    ``"base_seeds"``. Over ``"both"``, components of variance are told apart by Henderson's method 3 (the
    analysis of variance where nothing is missing), negative ones are 0, and the interval of the mean is
    Satterthwaite's t with no fewer degrees of freedom than the rarer source has. It is wider than it need
    be where there are few replicates and their variance is mostly residual. Where seeds and bases are not
    crossed but fall into groups that share neither (seed k with base k only), the groups are the replicates.

    Values may be blocks of a larger array: each is treated for itself.

    Parameters
    ----------
    values : np.ndarray
        float [R, ...], one value or array a replicate; NaN where a replicate has none.
    replicates : Replicates
        R replicates.
    over : Over | None, default=None
        What the interval generalises over: ``"seeds"``, ``"base_seeds"`` or ``"both"``; None for what varies.
    level : float, default=0.95
        Confidence of the intervals, between 0 and 1.
    bounds : tuple[float, float] | None, default=None
        Least and greatest possible value, at which intervals are cut off.

    Returns
    -------
    ReplicateEstimate
        Means, standard deviations, intervals, components of variance, and the reason where there are none.

    Raises
    ------
    ValueError
        If shapes do not fit, a value is infinite, or the level is not between 0 and 1.
    """
    values = np.asarray(values, np.float64)
    if values.ndim < 1 or len(values) != len(replicates) or not len(values):
        raise ValueError(f"values of shape {values.shape} are not those of {len(replicates)} replicates")
    if np.isinf(values).any():
        raise ValueError("a replicate has a value that is infinite")
    if not 0 < level < 1:
        raise ValueError(f"a level of {level} is not between 0 and 1")
    over = over or replicates.varying
    flat = values.reshape(len(values), -1)
    rows = np.full((9, flat.shape[1]), np.nan)
    reasons: dict[str, None] = {}  # a set in order
    for present, columns in _patterns(flat):
        if not present:
            reasons["no replicate has a value"] = None
            continue
        design = replicate_design(replicates.chosen(present), over)
        if design.reason:
            reasons[design.reason] = None
        step = max(1, BLOCK_NUMBERS // len(present))
        for start in range(0, len(columns), step):
            block = columns[start : start + step]
            rows[:, block] = design.summarise(flat[np.ix_(np.array(present), block)], level)
    if bounds is not None:
        rows[4:6] = np.clip(rows[4:6], *bounds)
    return ReplicateEstimate(
        mean=rows[0],
        sd=rows[1],
        standard_error=rows[2],
        degrees=rows[3],
        low=rows[4],
        high=rows[5],
        seed_variance=rows[6],
        base_variance=rows[7],
        residual_variance=rows[8],
        counts=np.asarray(np.isfinite(flat).sum(axis=0, dtype=np.int64)),
        over=over,
        level=level,
        reason="; ".join(reasons) or None,
    ).mapped(lambda row: row.reshape(values.shape[1:]))


def _patterns(flat: np.ndarray) -> list[tuple[list[int], np.ndarray]]:
    """Replicates that have a value, and the columns of which that is true; flat [R, n]."""
    present = np.isfinite(flat)
    if present.all():
        return [(list(range(len(flat))), np.arange(flat.shape[1]))]
    kinds, which = np.unique(present, axis=1, return_inverse=True)
    which = which.reshape(-1)
    return [
        (np.flatnonzero(kind).tolist(), np.flatnonzero(which == number))
        for number, kind in enumerate(kinds.T)
    ]
