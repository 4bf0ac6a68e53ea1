"""Claim of the paper, its measurement, and the documents of the experiments that it is measured on."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from tgsh.client import Client
from tgsh.reproduce.claims import untrained
from tgsh.reproduce.plan import PlannedExperiment
from tgsh.schemas import (
    Accuracy,
    AccuracyMatrix,
    Dendrogram,
    Experiment,
    Geometry,
    Measure,
    Reconstructions,
    Similarity,
    SimilarityEpochs,
)

Verdict = Literal["holds", "does not hold", "not informative"]
"""Not informative: what trained contexts meet, and untrained ones as well."""

REASONS: Mapping[Verdict, str] = MappingProxyType(
    {
        "holds": "Trained contexts meet the criterion, and untrained ones do not.",
        "does not hold": "Trained contexts do not meet the criterion.",
        "not informative": "Untrained contexts meet the criterion as well: it tells nothing of learning.",
    }
)


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper that a measurement can contradict.

    id: the same from version to version, as records are compared by it. text: the sentence; claims with the
    same text are one claim about several experiments. where: place in the paper. criterion: condition for
    the claim to hold. expected: expected numbers, or "". about: names of experiments; `measure` is called
    with their ExperimentDocuments, in that order.

    control: the same criterion on contexts that must not meet it if the claim is to say something: untrained
    ones, or trained ones where the claim is about the start; None where there are none. contrast: name of
    these contexts. decided_by: the setting that decides the verdict. why: a sentence for verdicts that
    REASONS says too little of. detail: part of the subject that the experiments' names do not tell.
    """

    id: str
    text: str
    where: str
    criterion: str
    expected: str
    about: tuple[str, ...]
    measure: Callable[..., ClaimMeasurement]
    control: Callable[..., ClaimMeasurement] | None
    decided_by: str
    why: Mapping[Verdict, str] = field(default_factory=dict)
    contrast: Literal["untrained", "trained"] = "untrained"
    detail: str = ""

    def judge(self, *documents: ExperimentDocuments) -> ClaimMeasurement:
        """Measure the claim, and its control. Raises: NotMeasured, ServiceProblem."""
        measurement = self.measure(*documents)
        return (
            measurement
            if self.control is None
            else measurement.beside(self.contrast, self.control(*documents))
        )

    def reason(self, verdict: Verdict) -> str:
        """The sentence that says why the verdict is so."""
        return self.why.get(verdict, REASONS[verdict])


@dataclass(frozen=True)
class ClaimMeasurement:
    """Measured values of a claim, and the verdict that follows from them.

    measured: JSON values. summary: the same as text of a few lines, for a table.
    """

    verdict: Verdict
    measured: Mapping[str, Any]
    summary: str

    @classmethod
    def of(cls, is_met: bool, measured: Mapping[str, Any], summary: str) -> ClaimMeasurement:
        """Measurement of one kind of contexts: it holds where the criterion is met."""
        return cls("holds" if is_met else "does not hold", measured, summary)

    @property
    def holds(self) -> bool:
        return self.verdict == "holds"

    def beside(self, name: str, control: ClaimMeasurement) -> ClaimMeasurement:
        """The same beside what contexts that should not meet the criterion show; name: theirs."""
        verdict: Verdict = "not informative" if self.holds and control.holds else self.verdict
        summary = f"{self.summary}\n{name}: {control.summary.splitlines()[0]}"
        return ClaimMeasurement(verdict, {**self.measured, name: dict(control.measured)}, summary)


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

    def similarity(self, measure: Measure = "cosine") -> Similarity:
        return self.client.similarity(self.experiment.id, self.stage, measure=measure)

    def before(self) -> Similarity:
        return self.client.similarity(self.experiment.id, "before")

    def dendrogram(self, stage: str | int | None = None) -> Dendrogram:
        return self.client.dendrogram(self.experiment.id, self.stage if stage is None else stage)

    def trajectories(self, *pairs: tuple[int, int]) -> SimilarityEpochs:
        return self.client.similarity_epochs(self.experiment.id, pairs)

    def geometry(self) -> Geometry:
        return self.client.geometry(self.experiment.id)

    def reconstructions(self, stage: str = "after") -> Reconstructions:
        return self.client.reconstructions(self.experiment.id, stage=stage)

    def accuracy(self) -> Accuracy:
        return self.client.accuracy(self.experiment.id)

    def accuracy_matrix(self) -> AccuracyMatrix:
        return self.client.accuracy_matrix(self.experiment.id)

    def untrained_accuracies(self) -> list[float]:
        """Accuracy of each task's untrained context: on all test images where measured, else on samples."""
        if self.transfers() is not None:
            return list(self.accuracy_matrix().untrained)
        return untrained.untrained_accuracies(self.client, self.experiment.id)

    def untrained_forgetting(self) -> list[float]:
        """Accuracy of untrained contexts on samples, less the same asked for from the last task on."""
        orders = (
            untrained.untrained_accuracies(self.client, self.experiment.id, backwards=backwards)
            for backwards in (False, True)
        )
        return [one - other for one, other in zip(*orders, strict=True)]

    def untrained_matrix(self) -> np.ndarray:
        """Accuracy of the untrained context of task i on the samples of task j, [T, T]."""
        return untrained.untrained_matrix(self.client, self.experiment.id)

    def transfers(self) -> dict[str, Any] | None:
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
