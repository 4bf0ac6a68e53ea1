"""Record of a reproduction (claims.json), and its differences from earlier records."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from tgsh.errors import InvalidSpec
from tgsh.reproduce.claims.base import Claim, ClaimFinding, ExperimentRun
from tgsh.reproduce.claims.quantities import Judgement, QuantityEstimate
from tgsh.schemas import Experiment, ExperimentStatus, Over, WireModel
from tgsh.specs.validation import problems_of

Verdict = Literal["holds", "does not hold", "undecided", "not informative", "not measured"]
"""Of a claim in a record; all but the last follow from measurements."""

EARLIER, SHIPPED = "earlier run", "shipped record"


class ReplicateResult(WireModel):
    """One replicate of an experiment that claims are about."""

    seed: int
    base_seed: int
    id: str
    digest: str
    status: ExperimentStatus
    seconds: float | None = Field(None, description="from its start to its end")
    mean_accuracy: float | None = None


class QuantityResult(WireModel):
    """A number that a criterion bounds, over replicates; null where there is none."""

    name: str
    needed: str = Field(description="the bounds, for a person")
    least: float | None = None
    most: float | None = None
    values: list[float | None] = Field(description="of each replicate, base after base")
    mean: float | None
    sd: float | None = Field(description="of one replicate when what intervals are over is drawn anew")
    low: float | None = Field(description="lower end of the interval of the mean")
    high: float | None
    judgement: Judgement = Field(description="of the interval; of the value where there is one replicate")
    reason: str | None = Field(None, description="why there is no interval")

    @classmethod
    def of(cls, found: QuantityEstimate) -> QuantityResult:
        """Result of an estimate."""
        return cls(
            name=found.quantity.name,
            needed=found.quantity.needed,
            least=found.quantity.least,
            most=found.quantity.most,
            values=[_known(value) for value in found.values],
            mean=_known(found.mean),
            sd=_known(found.sd),
            low=_known(found.low),
            high=_known(found.high),
            judgement=found.judgement,
            reason=found.reason,
        )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


class ExperimentResult(WireModel):
    """Result of an experiment that claims are about; of several replicates sums and means."""

    name: str
    subject: str = Field(description="network, suite and epochs, for a person")
    digest: str
    spec: dict[str, Any] = Field(description="as it was; other versions may know other keys")
    epochs: int
    id: str | None = Field(None, description="of the first replicate")
    study: str | None = Field(None, description="id of the study of its replicates")
    replicates: list[ReplicateResult] = Field(default_factory=list, description="empty in older records")
    status: ExperimentStatus | None = Field(None, description="null where it could not be submitted")
    reason: str | None = Field(None, description="why it has no results")
    earlier: bool = Field(False, description="whether an earlier run had completed it")
    seconds: float | None = Field(None, description="from its start to its end, of all replicates together")
    mean_accuracy: float | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    compute: list[str] = Field(default_factory=list, description="devices and code paths that trained it")

    @classmethod
    def of(cls, run: ExperimentRun, compute: Iterable[str] = ()) -> ExperimentResult:
        """Result of a run, trained by `compute`."""
        planned, first = run.planned, run.experiment
        result = cls(
            name=planned.name,
            subject=planned.subject,
            digest=planned.spec.digest(),
            spec=planned.spec.model_dump(mode="json"),
            epochs=planned.spec.training.epochs,
            reason=run.reason,
            earlier=run.earlier,
        )
        if first is None:
            return result
        replicates = [_replicate_result(each) for each in run.experiments]
        incomplete = [each.status for each in replicates if each.status != "completed"]
        return result.model_copy(
            update={
                "id": first.id,
                "study": run.study.id if run.study is not None else None,
                "replicates": replicates,
                "status": incomplete[0] if incomplete else "completed",
                "seconds": _sum([each.seconds for each in replicates]),
                "mean_accuracy": _mean([each.mean_accuracy for each in replicates]),
                "versions": _joined(each.versions for each in run.experiments),
                "compute": sorted(set(compute)),
            }
        )


def _replicate_result(experiment: Experiment) -> ReplicateResult:
    return ReplicateResult(
        seed=experiment.spec.seed,
        base_seed=experiment.spec.base_seed,
        id=experiment.id,
        digest=experiment.digest,
        status=experiment.status,
        seconds=experiment.timings.seconds,
        mean_accuracy=experiment.mean_accuracy,
    )


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) if len(known) == len(values) else None


def _mean(values: Sequence[float | None]) -> float | None:
    total = _sum(values)
    return None if total is None else total / len(values)


class ClaimResult(WireModel):
    """Result of one claim."""

    id: str
    text: str
    where: str = Field(description="in the paper")
    subject: str
    criterion: str
    expected: str
    measured: dict[str, Any] = Field(default_factory=dict, description="means over replicates")
    shown: str = ""
    replicates: int = Field(1, description="how many runs the verdict is of; of one it is of points")
    over: Over | None = Field(None, description="what intervals generalise over; null of one replicate")
    level: float | None = Field(None, description="confidence of intervals")
    quantities: list[QuantityResult] = Field(
        default_factory=list, description="what the criterion bounds; empty in older records"
    )
    control: list[QuantityResult] = Field(
        default_factory=list, description="the same of contexts that should not meet the criterion"
    )
    verdict: Verdict = "not measured"
    decided_by: str = Field("", description="the setting that decides the verdict; empty in older records")
    why: str = Field("", description="why the verdict is so, a sentence; empty in older records")
    reason: str | None = Field(None, description="why it was not measured")
    experiments: list[str] = Field(description="names")
    ids: list[str]
    digests: list[str]
    earlier: bool = Field(False, description="whether an earlier run had completed what it is about")
    before: dict[str, Verdict] = Field(default_factory=dict, description="verdicts of records")

    @classmethod
    def of(cls, claim: Claim, runs: Sequence[ExperimentRun]) -> ClaimResult:
        """Result of a claim that has not been measured yet."""
        detail = f", {claim.detail}" if claim.detail else ""
        return cls(
            id=claim.id,
            text=claim.text,
            where=claim.where,
            subject="; ".join(run.planned.subject + detail for run in runs),
            decided_by=claim.decided_by,
            criterion=claim.criterion,
            expected=claim.expected,
            experiments=[run.planned.name for run in runs],
            ids=[each.id for run in runs for each in run.experiments],
            digests=[run.planned.spec.digest() for run in runs],
            earlier=any(run.earlier for run in runs),
        )

    def with_finding(self, finding: ClaimFinding, why: str) -> ClaimResult:
        """Copy with what replicates show, the verdict that follows, and the sentence that says why."""
        fields = {
            "measured": dict(finding.measured),
            "shown": finding.summary,
            "verdict": finding.verdict,
            "why": why,
            "replicates": finding.replicates,
            "over": finding.over,
            "level": finding.level if finding.replicates > 1 else None,
            "quantities": [QuantityResult.of(each) for each in finding.estimates],
            "control": [QuantityResult.of(each) for each in finding.control],
        }
        return self.model_copy(update=fields)

    def not_measured(self, reason: str) -> ClaimResult:
        """Copy with the reason why there is no measurement."""
        return self.model_copy(update={"verdict": "not measured", "reason": reason})

    def compared_with(self, records: Mapping[str, ReproductionRecord]) -> ClaimResult:
        """Copy with the claim's verdicts in records, by their names."""
        verdicts = {name: record.verdicts().get(self.id) for name, record in records.items()}
        before = {name: verdict for name, verdict in verdicts.items() if verdict}
        return self.model_copy(update={"before": before})

    @property
    def lost(self) -> bool:
        """True if it held in a record and does not hold, or could not be measured, now.

        One that is not informative is met still: it was told apart from one that holds since version 2. One
        that is undecided is not refuted: more replicates may decide it.
        """
        return self.verdict in {"does not hold", "not measured"} and "holds" in self.before.values()


class ReproductionRecord(WireModel):
    """The document claims.json. Copies in this package record the verdicts of this version.

    Version 1 knew no "not informative", no `decided_by` and no `why`; version 2 no replicates, intervals and
    "undecided". Both are still read, to compare with.
    """

    schema_version: Literal[1, 2, 3] = 3
    dataset: str
    created_at: datetime
    machine: dict[str, str]
    versions: dict[str, str] = Field(description="that trained; several are joined by a slash")
    seconds: float = Field(description="of the run that wrote this")
    experiments: list[ExperimentResult]
    claims: list[ClaimResult]

    def verdicts(self) -> dict[str, Verdict]:
        """Verdicts by the ids of claims."""
        return {claim.id: claim.verdict for claim in self.claims}

    @property
    def passed(self) -> bool:
        """True if every claim was measured and none that held before was lost."""
        return not any(claim.lost or claim.verdict == "not measured" for claim in self.claims)


@dataclass(frozen=True)
class Change:
    """A claim whose verdict differs from that of a record."""

    claim: ClaimResult
    record: str
    previous: Verdict


def changes(record: ReproductionRecord) -> list[Change]:
    """Changed verdicts, claim by claim."""
    return [
        Change(claim, name, previous)
        for claim in record.claims
        for name, previous in claim.before.items()
        if previous != claim.verdict
    ]


def read_record(path: Path, dataset: str) -> ReproductionRecord:
    """Read a claims.json. Raises: InvalidSpec where it is not one, or is of another dataset."""
    try:
        record = ReproductionRecord.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InvalidSpec(str(path), f"cannot be read: {error.strerror}") from error
    except ValidationError as error:
        field, message = problems_of(error.errors())[0]
        where = field or "the file"
        raise InvalidSpec(str(path), f"is no record of `tgsh reproduce`: {where}: {message}") from error
    if record.dataset != dataset:
        raise InvalidSpec(str(path), f"is a record of {record.dataset}, not of {dataset}; name another")
    return record


def shipped_record(dataset: str) -> ReproductionRecord | None:
    """The record that came with this version; None for a dataset without one."""
    file = resources.files("tgsh.reproduce") / "records" / f"{dataset}.json"
    return ReproductionRecord.model_validate_json(file.read_bytes()) if file.is_file() else None


def joined_versions(experiments: Iterable[ExperimentResult]) -> dict[str, str]:
    """Versions of all experiments; where they differ, joined by a slash."""
    return _joined(experiment.versions for experiment in experiments)


def _joined(all_versions: Iterable[Mapping[str, str]]) -> dict[str, str]:
    versions: dict[str, dict[str, None]] = {}
    for each in all_versions:
        for name, version in each.items():
            versions.setdefault(name, {})[version] = None
    return {name: " / ".join(numbers) for name, numbers in versions.items()}
