"""Numbers that criteria bound, their estimates over replicates, and the verdicts that follow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tgsh.analysis.replicate_design import Over, Replicates
from tgsh.analysis.replicates import estimate

Judgement = Literal["holds", "does not hold", "undecided"]
"""Of a criterion: undecided where an interval has values that meet it and values that do not."""

LEVEL = 0.95


@dataclass(frozen=True)
class Quantity:
    """A number that a criterion bounds, of one replicate.

    least, most: bounds that the number must keep to; None: no bound. is_strict: the bounds themselves do not
    meet the criterion. possible: least and greatest value that there can be, at which intervals are cut off.
    digits: after the decimal point, for people.
    """

    name: str
    value: float
    least: float | None = None
    most: float | None = None
    is_strict: bool = False
    possible: tuple[float, float] | None = None
    digits: int = 3

    def is_met_by(self, value: float) -> bool:
        """True if a value keeps to the bounds; NaN does not."""
        return not (math.isnan(value) or self._is_below(value) or self._is_above(value))

    def judge(self, low: float, high: float) -> Judgement:
        """Verdict on an interval: all of it must keep to the bounds, or none of it."""
        if math.isnan(low) or math.isnan(high):
            return "undecided"
        if self.is_met_by(low) and self.is_met_by(high):
            return "holds"
        return "does not hold" if self._is_below(high) or self._is_above(low) else "undecided"

    @property
    def needed(self) -> str:
        """The bounds in words, such as "above 0"."""
        if self.least is not None and self.most is not None:
            return f"{number(self.least, self.digits)} to {number(self.most, self.digits)}"
        if self.least is not None:
            return f"above {self.least:g}" if self.is_strict else f"{self.least:g} or more"
        return f"below {self.most:g}" if self.is_strict else f"{self.most:g} or less"

    def _is_below(self, value: float) -> bool:
        return self.least is not None and (value <= self.least if self.is_strict else value < self.least)

    def _is_above(self, value: float) -> bool:
        return self.most is not None and (value >= self.most if self.is_strict else value > self.most)


@dataclass(frozen=True)
class QuantityEstimate:
    """A quantity over replicates: its values, their mean and sd, and the interval of the mean.

    With one replicate, sd and interval are NaN, and `judgement` is that of the value. reason: why there is no
    interval.
    """

    quantity: Quantity
    values: tuple[float, ...]
    mean: float
    sd: float
    low: float
    high: float
    reason: str | None = None

    @property
    def judgement(self) -> Judgement:
        """Verdict on the interval, or on the value of a single replicate."""
        if len(self.values) == 1:
            return "holds" if self.quantity.is_met_by(self.values[0]) else "does not hold"
        return self.quantity.judge(self.low, self.high)

    @property
    def is_met_on_average(self) -> bool:
        """True if the mean keeps to the bounds."""
        return self.quantity.is_met_by(self.mean)

    @property
    def interval_text(self) -> str:
        """The interval for people; "" without one."""
        if math.isnan(self.low) or math.isnan(self.high):
            return ""
        return f"{number(self.low, self.quantity.digits)} to {number(self.high, self.quantity.digits)}"


def estimate_quantities(
    of_replicates: Sequence[Sequence[Quantity]],
    replicates: Replicates,
    over: Over | None = None,
    level: float = LEVEL,
) -> tuple[QuantityEstimate, ...]:
    """Estimate the quantities of a criterion over replicates.

    Parameters
    ----------
    of_replicates : Sequence[Sequence[Quantity]]
        The same quantities of R replicates; bounds are those of the first.
    replicates : Replicates
        R replicates.
    over : Over | None, default=None
        What the intervals generalise over; None for what varies.
    level : float, default=0.95
        Confidence of the intervals.

    Returns
    -------
    tuple[QuantityEstimate, ...]
        One a quantity.
    """
    found = []
    for same in zip(*of_replicates, strict=True):
        values = np.array([each.value for each in same], np.float64)
        first: Quantity = same[0]
        over_replicates = estimate(values, replicates, over, level, first.possible)
        mean, sd, low, high = (
            float(getattr(over_replicates, name)) for name in ("mean", "sd", "low", "high")
        )
        missing = int(np.isnan(values).sum())
        reason = f"{missing} of {len(values)} replicates have no value" if missing else over_replicates.reason
        if missing:
            low = high = math.nan
        found.append(QuantityEstimate(first, tuple(values.tolist()), mean, sd, low, high, reason))
    return tuple(found)


def judge_all(estimates: Sequence[QuantityEstimate]) -> Judgement:
    """Verdict on a criterion with several quantities: each must hold, and one that does not is enough."""
    judgements = {each.judgement for each in estimates}
    if "does not hold" in judgements:
        return "does not hold"
    return "undecided" if "undecided" in judgements else "holds"


def mean_of(values: Sequence[Any]) -> Any:
    """Mean of JSON values of the same form, number by number; None where they cannot be averaged."""
    first = values[0]
    if all(value == first for value in values):
        return first
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return math.fsum(values) / len(values)
    if all(isinstance(value, Mapping) and value.keys() == first.keys() for value in values):
        return {key: mean_of([value[key] for value in values]) for key in first}
    if all(isinstance(value, list | tuple) and len(value) == len(first) for value in values):
        return [mean_of(same) for same in zip(*values, strict=True)]
    return None


def number(value: float, digits: int = 2) -> str:
    """Text of a number for a table, with a typographic minus sign and no −0.00."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def count(value: float) -> str:
    """Text of a count, or of a mean of counts."""
    return number(value, 1).removesuffix(".0")
