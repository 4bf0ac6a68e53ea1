"""What benchmarks answer, and how it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

FASTER_IS_MORE = ("/s",)


@dataclass(frozen=True)
class Row:
    """One comparison: medians of ours and of a baseline in one unit; floor: what nobody could undercut."""

    name: str
    unit: str
    ours: float
    baseline: float | None = None
    against: str = ""
    floor: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times better than the baseline."""
        if not self.baseline or not self.ours:
            return None
        return self.ours / self.baseline if self.unit in FASTER_IS_MORE else self.baseline / self.ours

    def document(self) -> dict[str, object]:
        """For programs."""
        return {**asdict(self), "ratio": self.ratio}


def table(rows: Sequence[Row]) -> str:
    """For people, as Markdown."""
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
