"""Judgement whether sizes stay flat: the first quarter of the samples after a warm-up beside the last."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from tests.soak.samples import (
    DATABASE,
    FILES,
    HANDLES,
    KEYS,
    LOG,
    MEMORY,
    OF_EXPERIMENTS,
    ROWS,
    STORED,
    SURPLUS,
    THREADS,
    Sample,
)

WARM_UP = 0.2
"""Share of the samples that are not looked at: caches and pools of connections fill."""

FEWEST = 8
"""Samples without which there is no judgement."""


@dataclass(frozen=True)
class Bound:
    """Growth that is no leak: a share of the size, or an amount. by_live: of the size per experiment kept."""

    share: float
    amount: float
    by_live: bool = False


BOUNDS = {
    MEMORY: Bound(0.1, 8.0),
    HANDLES: Bound(0.0, 4.0),
    THREADS: Bound(0.0, 3.0),
    STORED: Bound(0.1, 0.05, by_live=True),  # with the database, if it is SQLite
    FILES: Bound(0.02, 1.0, by_live=True),
    DATABASE: Bound(0.1, 0.05, by_live=True),
    SURPLUS: Bound(0.0, 4.0),
    KEYS: Bound(0.0, 4.0),
    LOG: Bound(0.0, 200.0),  # Redis itself rewrites it, at 64 MB and again when it has doubled
    f"{ROWS} of counters": Bound(0.0, 60.0),  # a row for each lane and label: of those there are so many
    ROWS: Bound(0.0, 4.0),
}
"""By the first words of a size's name, the first that fits. Owners, workers and removals that wait are few
however much was done."""

OF_LIVE = Bound(0.02, 1.0, by_live=True)
"""Of tables whose rows go with their experiments."""


@dataclass(frozen=True)
class Finding:
    """A size in the first and in the last quarter. a_thousand: its growth in a thousand jobs."""

    name: str
    early: float
    late: float
    most: float
    a_thousand: float

    @property
    def is_flat(self) -> bool:
        """Whether it grew no more than it may."""
        return self.late <= self.most


def judge(samples: Sequence[Sample]) -> list[Finding]:
    """What became of each size. Raises ValueError for samples that are too few to tell."""
    steady = samples[round(WARM_UP * len(samples)) :]
    if len(steady) < FEWEST:
        raise ValueError(f"{len(steady)} samples after the warm-up are too few, {FEWEST} are needed")
    quarter = len(steady) // 4
    early, late = steady[:quarter], steady[-quarter:]
    jobs = _jobs(late) - _jobs(early)
    findings = []
    for name in steady[0].sizes:
        bound = bound_of(name)
        before, after = (_median(quarter, name, by_live=bound.by_live) for quarter in (early, late))
        most = before + max(bound.share * abs(before), bound.amount)
        findings.append(Finding(name, before, after, most, 1e3 * (after - before) / max(jobs, 1)))
    return findings


def bound_of(name: str) -> Bound:
    """The growth that a size may have."""
    if name.removeprefix(f"{ROWS} of ") in OF_EXPERIMENTS and name != f"{ROWS} of experiments":
        return OF_LIVE
    return next(bound for words, bound in BOUNDS.items() if name.startswith(words))


def table(findings: Sequence[Finding]) -> str:
    """Markdown table, what is not flat marked."""
    lines = [
        "| what | first quarter | last quarter | at most | in 1,000 jobs | |",
        "|---|--:|--:|--:|--:|---|",
    ]
    for found in findings:
        name = f"{found.name}, for each experiment" if bound_of(found.name).by_live else found.name
        numbers = [f"{value:,.2f}" for value in (found.early, found.late, found.most)]
        cells = [name, *numbers, f"{found.a_thousand:+,.2f}", "" if found.is_flat else "**grows**"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _jobs(samples: Sequence[Sample]) -> float:
    return statistics.median(sample.jobs for sample in samples)


def _median(samples: Sequence[Sample], name: str, *, by_live: bool) -> float:
    return statistics.median(
        sample.sizes[name] / max(sample.live, 1) if by_live else sample.sizes[name] for sample in samples
    )
