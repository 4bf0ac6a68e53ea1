"""Claim, Verdict, the documents a claim reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tgsh.client import Client
from tgsh.reproduce.plan import Planned
from tgsh.schemas import Accuracy, Dendrogram, Experiment, Geometry, Reconstructions, Similarity
from tgsh.schemas import SimilarityEpochs as Courses


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


@dataclass(frozen=True)
class ExperimentDocuments:
    """The documents of a completed experiment; similarities and trees at `stage`.

    Every method raises ServiceProblem where the service refuses.
    """

    client: Client
    experiment: Experiment
    stage: str | int = "after"

    def similarity(self) -> Similarity:
        return self.client.similarity(self.experiment.id, self.stage)

    def before(self) -> Similarity:
        return self.client.similarity(self.experiment.id, "before")

    def dendrogram(self) -> Dendrogram:
        return self.client.dendrogram(self.experiment.id, self.stage)

    def courses(self, *pairs: tuple[int, int]) -> Courses:
        return self.client.similarity_epochs(self.experiment.id, pairs)

    def geometry(self) -> Geometry:
        return self.client.geometry(self.experiment.id)

    def reconstructions(self) -> Reconstructions:
        return self.client.reconstructions(self.experiment.id)

    def accuracy(self) -> Accuracy:
        return self.client.accuracy(self.experiment.id)

    def accuracy_matrix(self) -> dict[str, Any] | None:
        """What was measured of "context of i on data of j", as JSON; None where it was not asked for."""
        document = json.loads(self.client.fetch(self.experiment.id, "accuracy", format="json"))
        found: dict[str, Any] | None = document.get("matrix")
        return found


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
