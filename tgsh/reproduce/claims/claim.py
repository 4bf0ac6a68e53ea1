"""What a claim is, and what is found of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Finding:
    """What was measured, and whether the criterion is met.

    measured: numbers, as JSON has them. shown: the same in a line or a few, for a table.
    """

    holds: bool
    measured: Mapping[str, Any]
    shown: str


class NotMeasured(Exception):
    """An answer lacks what the claim is about; says what."""


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper that a measurement can contradict.

    id: stays the same from version to version, as records are compared by it. text: the sentence; claims
    with the same text are one claim about several experiments. where: in the paper. criterion: what must be
    measured for it to hold. expected: numbers that are expected, or nothing. about: names of experiments;
    `measure` is called with their Answers, in that order.
    """

    id: str
    text: str
    where: str
    criterion: str
    expected: str
    about: tuple[str, ...]
    measure: Callable[..., Finding]


def number(value: float, digits: int = 2) -> str:
    """A number for a table: with a minus sign, and no −0.00."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")
