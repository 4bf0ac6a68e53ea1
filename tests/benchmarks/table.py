"""Rows of benchmarks, and their table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

RATE_UNITS = ("/s",)


@dataclass(frozen=True)
class Row:
    """Medians of tgsh and of a baseline in one unit; floor: a lower bound of any implementation."""

    name: str
    unit: str
    ours: float
    baseline: float | None = None
    against: str = ""
    floor: float | None = None

    @property
    def ratio(self) -> float | None:
        """Factor by which tgsh is better than the baseline."""
        if not self.baseline or not self.ours:
            return None
        return self.ours / self.baseline if self.unit in RATE_UNITS else self.baseline / self.ours

    def document(self) -> dict[str, object]:
        """Row as a JSON object."""
        return {**asdict(self), "ratio": self.ratio}


def table(rows: Sequence[Row]) -> str:
    """Markdown table."""
    lines = ["| what | tgsh | baseline | ratio | floor | against |", "|---|--:|--:|--:|--:|---|"]
    for row in rows:
        cells = [f"{row.name}, {row.unit}", *map(_number, (row.ours, row.baseline, row.ratio, row.floor))]
        lines.append(f"| {' | '.join([*cells, row.against])} |")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
