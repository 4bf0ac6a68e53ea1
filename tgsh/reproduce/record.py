"""Record of a reproduction (claims.json), and its differences from earlier records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from tgsh.errors import InvalidSpec
from tgsh.reproduce.claims.base import Claim, ClaimMeasurement, ExperimentRun
from tgsh.schemas import ExperimentStatus, WireModel

Verdict = Literal["holds", "does not hold", "not informative", "not measured"]
"""Of a claim in a record; the first three follow from a measurement."""

EARLIER, SHIPPED = "earlier run", "shipped record"


class ExperimentResult(WireModel):
    """Result of an experiment that claims are about."""

    name: str
    subject: str = Field(description="network, suite and epochs, for a person")
    digest: str
    spec: dict[str, Any] = Field(description="as it was; other versions may know other keys")
    epochs: int
    id: str | None = None
    status: ExperimentStatus | None = Field(None, description="null where it could not be submitted")
    reason: str | None = Field(None, description="why it has no results")
    earlier: bool = Field(False, description="whether an earlier run had completed it")
    seconds: float | None = Field(None, description="from its start to its end")
    mean_accuracy: float | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    compute: list[str] = Field(default_factory=list, description="devices and code paths that trained it")

    @classmethod
    def of(cls, run: ExperimentRun, compute: Iterable[str] = ()) -> ExperimentResult:
        """Result of a run, trained by `compute`."""
        planned, experiment = run.planned, run.experiment
        result = cls(
            name=planned.name,
            subject=planned.subject,
            digest=planned.spec.digest(),
            spec=planned.spec.model_dump(mode="json"),
            epochs=planned.spec.training.epochs,
            reason=run.reason,
            earlier=run.earlier,
        )
        if experiment is None:
            return result
        return result.model_copy(
            update={
                "id": experiment.id,
                "status": experiment.status,
                "seconds": experiment.timings.seconds,
                "mean_accuracy": experiment.mean_accuracy,
                "versions": experiment.versions,
                "compute": sorted(set(compute)),
            }
        )


class ClaimResult(WireModel):
    """Result of one claim."""

    id: str
    text: str
    where: str = Field(description="in the paper")
    subject: str
    criterion: str
    expected: str
    measured: dict[str, Any] = Field(default_factory=dict)
    shown: str = ""
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
            ids=[run.experiment.id for run in runs if run.experiment],
            digests=[run.planned.spec.digest() for run in runs],
            earlier=any(run.earlier for run in runs),
        )

    def with_measurement(self, measurement: ClaimMeasurement, why: str) -> ClaimResult:
        """Copy with measured values, the verdict that follows from them, and the sentence that says why."""
        fields = {
            "measured": dict(measurement.measured),
            "shown": measurement.summary,
            "verdict": measurement.verdict,
            "why": why,
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

        One that is not informative is met still: it was told apart from one that holds since version 2.
        """
        return self.verdict in {"does not hold", "not measured"} and "holds" in self.before.values()


class ReproductionRecord(WireModel):
    """The document claims.json. Copies in this package record the verdicts of this version.

    Version 1 knew no "not informative", no `decided_by` and no `why`; it is still read, to compare with.
    """

    schema_version: Literal[1, 2] = 2
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
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "the file"
        raise InvalidSpec(str(path), f"is no record of `tgsh reproduce`: {field}: {first['msg']}") from error
    if record.dataset != dataset:
        raise InvalidSpec(str(path), f"is a record of {record.dataset}, not of {dataset}; name another")
    return record


def shipped_record(dataset: str) -> ReproductionRecord | None:
    """The record that came with this version; None for a dataset without one."""
    file = resources.files("tgsh.reproduce") / "records" / f"{dataset}.json"
    return ReproductionRecord.model_validate_json(file.read_bytes()) if file.is_file() else None


def joined_versions(experiments: Iterable[ExperimentResult]) -> dict[str, str]:
    """Versions of all experiments; where they differ, joined by a slash."""
    versions: dict[str, dict[str, None]] = {}
    for experiment in experiments:
        for name, version in experiment.versions.items():
            versions.setdefault(name, {})[version] = None
    return {name: " / ".join(numbers) for name, numbers in versions.items()}
