"""A planned experiment and what has become of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tgsh.reproduce.experiments import Planned
from tgsh.schemas import Experiment


@dataclass(frozen=True)
class Run:
    """An experiment of this run; None where the service refused it. reason: why it has no results.

    found: whether an earlier run had completed it, had left it unfinished, or had not begun it.
    """

    planned: Planned
    experiment: Experiment | None
    found: Literal["completed", "unfinished", "new"] = "new"
    reason: str | None = None

    @property
    def earlier(self) -> bool:
        """Whether its results are those of an earlier run."""
        return self.found == "completed"

    @property
    def completed(self) -> bool:
        return self.experiment is not None and self.experiment.status == "completed"
