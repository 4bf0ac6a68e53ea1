"""Cells and differences of studies in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.dashboard.traces import number
from tgsh.analysis.differences import MeanDifference

Labels = Sequence[Sequence[str]]
"""Names of the two tasks of each of the two pairs."""


def path_words(path: str) -> str:
    """A path of a spec as the form calls it."""
    return path.replace("_", " ").replace(".", ": ", 1).replace(".", " ")


def cell_words(values: Mapping[str, Any]) -> str:
    """The values of a cell; "" where the grid has none."""
    return ", ".join(f"{path_words(path)} = {value_words(value)}" for path, value in values.items())


def value_words(value: Any) -> str:
    """A value of a grid."""
    if isinstance(value, list | tuple):
        return " × ".join(map(value_words, value))
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def difference_sentence(labels: Labels, result: MeanDifference, level: float, asked: int) -> str:
    """Sentence on whether two pairs of tasks differ. asked: differences that p is corrected for.

    That they do not is said of the replicates that there are: others may tell them apart.
    """
    first, second = (" with ".join(pair) for pair in labels)
    if result.distinguishable is None:
        return f"{first}, and {second}: whether they differ cannot be told, as {result.reason or 'unknown'}."
    numbers = f"difference {number(result.difference, 3)}, {_interval(result, level)}, {_p(result, asked)}"
    if not result.distinguishable:
        told = f"{first}, and {second}: these two pairs do not differ ({numbers})."
        return f"{told} More replicates than {result.replicates} may tell them apart."
    more = "more" if (result.difference or 0) > 0 else "less"
    return f"{first} are {more} alike than {second}: these two pairs differ ({numbers})."


def _interval(result: MeanDifference, level: float) -> str:
    return f"{100 * level:g}\N{NO-BREAK SPACE}% interval {number(result.low, 3)} to {number(result.high, 3)}"


def _p(result: MeanDifference, asked: int) -> str:
    p = result.p_holm
    words = "p unknown" if p is None else "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    return words if asked == 1 else f"{words} after Holm’s correction for {asked} comparisons"
