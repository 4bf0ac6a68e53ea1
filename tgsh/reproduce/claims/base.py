"""Claim of the paper, its measurement, and the documents of the experiments that it is measured on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tgsh.client import Client
from tgsh.reproduce.plan import PlannedExperiment
from tgsh.schemas import (
    Accuracy,
    Dendrogram,
    Experiment,
    Geometry,
    Reconstructions,
    Similarity,
    SimilarityEpochs,
)


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper that a measurement can contradict.

    id: the same from version to version, as records are compared by it. text: the sentence; claims with the
    same text are one claim about several experiments. where: place in the paper. criterion: condition for
    the claim to hold. expected: expected numbers, or "". about: names of experiments; `measure` is called
    with their ExperimentDocuments, in that order.
    """

    id: str
    text: str
    where: str
    criterion: str
    expected: str
    about: tuple[str, ...]
    measure: Callable[..., ClaimMeasurement]


@dataclass(frozen=True)
class ClaimMeasurement:
    """Measured values of a claim, and whether they meet its criterion.

    measured: JSON values. summary: the same as text of a few lines, for a table.
    """

    holds: bool
    measured: Mapping[str, Any]
    summary: str


class NotMeasured(Exception):
    """A document lacks what the claim is about; the message names it."""


@dataclass(frozen=True)
class ExperimentDocuments:
    """The documents of a completed experiment; similarities and trees at `stage`.

    Every method raises ServiceProblem where the service has no such document.
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

    def trajectories(self, *pairs: tuple[int, int]) -> SimilarityEpochs:
        return self.client.similarity_epochs(self.experiment.id, pairs)

    def geometry(self) -> Geometry:
        return self.client.geometry(self.experiment.id)

    def reconstructions(self) -> Reconstructions:
        return self.client.reconstructions(self.experiment.id)

    def accuracy(self) -> Accuracy:
        return self.client.accuracy(self.experiment.id)

    def accuracy_matrix(self) -> dict[str, Any] | None:
        """Summary of the accuracy matrix, as JSON; None where the experiment has none."""
        document = json.loads(self.client.fetch(self.experiment.id, "accuracy", format="json"))
        matrix: dict[str, Any] | None = document.get("matrix")
        return matrix


@dataclass(frozen=True)
class ExperimentRun:
    """A planned experiment and what has become of it.

    experiment: None where the service refused it. initial_state: what an earlier run had left of it.
    reason: why it has no results.
    """

    planned: PlannedExperiment
    experiment: Experiment | None
    initial_state: Literal["completed", "unfinished", "new"] = "new"
    reason: str | None = None

    @property
    def earlier(self) -> bool:
        """True if its results are those of an earlier run."""
        return self.initial_state == "completed"

    @property
    def completed(self) -> bool:
        return self.experiment is not None and self.experiment.status == "completed"


def number(value: float, digits: int = 2) -> str:
    """Text of a number for a table, with a typographic minus sign and no −0.00."""
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")
