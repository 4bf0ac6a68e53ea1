"""Claim of the paper, its measurement, and the documents of the experiments that it is measured on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from tgsh.analysis.replicate_design import Over, Replicates
from tgsh.client import Client, Study
from tgsh.reproduce.claims import untrained
from tgsh.reproduce.claims.quantities import (
    LEVEL,
    Judgement,
    Quantity,
    QuantityEstimate,
    estimate_quantities,
    judge_all,
    mean_of,
)
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

Verdict = Literal[Judgement, "not informative"]
"""Not informative: what trained contexts meet, and untrained ones as well."""

InitialState = Literal["completed", "unfinished", "new"]
"""What an earlier run had left of an experiment."""

REASONS: Mapping[Verdict, str] = MappingProxyType(
    {
        "holds": "Trained contexts meet the criterion, and untrained ones do not.",
        "does not hold": "Trained contexts do not meet the criterion.",
        "undecided": "The interval has values that meet the criterion and values that do not: more seeds "
        "or bases would narrow it.",
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

    def judge(
        self,
        documents: Sequence[tuple[ExperimentDocuments, ...]],
        replicates: Replicates,
        over: Over | None = None,
        level: float = LEVEL,
    ) -> ClaimFinding:
        """Measure the claim and its control in every replicate. Raises: NotMeasured, ServiceProblem.

        documents: those that the claim is about, of each replicate.
        """
        measured = [self.measure(*each) for each in documents]
        control = None if self.control is None else [self.control(*each) for each in documents]
        return find(measured, control, self.contrast, replicates, over, level)

    def reason(self, verdict: Verdict) -> str:
        """The sentence that says why the verdict is so."""
        return self.why.get(verdict, REASONS[verdict])


@dataclass(frozen=True)
class ClaimMeasurement:
    """Measured values of a claim in one replicate, and the numbers that its criterion bounds.

    measured: JSON values. describe: the text of a few lines that a table has of them, or a function that
    makes it of them, and of their means over replicates.
    """

    measured: Mapping[str, Any]
    describe: Callable[[Mapping[str, Any]], str] | str
    quantities: tuple[Quantity, ...]

    @property
    def holds(self) -> bool:
        """True if every quantity keeps to its bounds."""
        return all(each.is_met_by(each.value) for each in self.quantities)

    @property
    def summary(self) -> str:
        """The measured values as text."""
        return self.describe if isinstance(self.describe, str) else self.describe(self.measured)


@dataclass(frozen=True)
class ClaimFinding:
    """Estimates of a claim over replicates, and of contexts that must not meet it; and the verdict.

    measured: means over replicates, with those of the control under its name. summary: the same as text of a
    few lines. over: what intervals generalise over; None with one replicate.
    """

    verdict: Verdict
    measured: Mapping[str, Any]
    summary: str
    estimates: tuple[QuantityEstimate, ...]
    control: tuple[QuantityEstimate, ...]
    replicates: int
    over: Over | None
    level: float


def find(
    measured: Sequence[ClaimMeasurement],
    control: Sequence[ClaimMeasurement] | None,
    contrast: str,
    replicates: Replicates,
    over: Over | None = None,
    level: float = LEVEL,
) -> ClaimFinding:
    """Judge what replicates measured.

    The claim holds where the intervals of all its quantities keep to their bounds, and the means of the
    control do not; it does not hold where an interval keeps out of them. Of contexts that learned nothing the
    mean decides: their values scatter around what chance gives, and so wide an interval would decide nothing.
    """
    estimates = estimate_quantities([each.quantities for each in measured], replicates, over, level)
    verdict: Verdict = judge_all(estimates)
    values, summary = _pooled(measured)
    parts = [summary, *_interval_lines(estimates, level)]
    of_control: tuple[QuantityEstimate, ...] = ()
    if control is not None:
        of_control = estimate_quantities([each.quantities for each in control], replicates, over, level)
        if verdict == "holds" and all(each.is_met_on_average for each in of_control):
            verdict = "not informative"
        values_of_control, summary = _pooled(control)
        values = {**values, contrast: values_of_control}
        parts.append(f"{contrast}: {summary.splitlines()[0]}")
    is_single = len(replicates) == 1
    return ClaimFinding(
        verdict=verdict,
        measured=values,
        summary="\n".join(parts),
        estimates=estimates,
        control=of_control,
        replicates=len(replicates),
        over=None if is_single else over or replicates.varying,
        level=level,
    )


def _pooled(measurements: Sequence[ClaimMeasurement]) -> tuple[dict[str, Any], str]:
    """Means of measured values, and their text; of texts that have no mean, the one that most share."""
    values = mean_of([dict(each.measured) for each in measurements])
    describe = measurements[0].describe
    if not isinstance(describe, str):
        return values, describe(values)
    (summary, times), *others = Counter(each.summary for each in measurements).most_common()
    return values, f"{summary} ({times} of {len(measurements)})" if others else summary


def _interval_lines(estimates: Sequence[QuantityEstimate], level: float) -> list[str]:
    return [
        f"{level:.0%}: {each.quantity.name} {each.interval_text}" for each in estimates if each.interval_text
    ]


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

    experiments: its replicates, base after base; none where the service refused it. study: of several
    replicates. initial_state: what an earlier run had left of it. reason: why it has no results.
    """

    planned: PlannedExperiment
    experiments: tuple[Experiment, ...] = ()
    study: Study | None = None
    initial_state: InitialState = "new"
    reason: str | None = None

    @property
    def experiment(self) -> Experiment | None:
        """The first replicate, whose figures are drawn."""
        return self.experiments[0] if self.experiments else None

    @property
    def replicates(self) -> Replicates:
        """Seeds of the replicates."""
        specs = [each.spec for each in self.experiments]
        return Replicates(tuple(each.seed for each in specs), tuple(each.base_seed for each in specs))

    @property
    def earlier(self) -> bool:
        """True if its results are those of an earlier run."""
        return self.initial_state == "completed"

    @property
    def completed(self) -> bool:
        """True if every replicate is completed."""
        return bool(self.experiments) and all(each.status == "completed" for each in self.experiments)

    def documents(self, client: Client) -> list[ExperimentDocuments]:
        """Documents of each replicate."""
        return [ExperimentDocuments(client, each, self.planned.stage) for each in self.experiments]
