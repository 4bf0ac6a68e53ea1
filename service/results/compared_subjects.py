"""Subjects of a comparison: experiments and cells of studies, and where the vectors of each lie."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from service.dependencies import ComparedId, Services
from service.results import base
from service.results.base import StageParams
from service.results.study_replicates import (
    MOST_NUMBERS,
    CellParams,
    CellReplicates,
    StudyKey,
    cell_warnings,
    completed_members,
    find_cell,
)
from service.results.warnings import warnings_of
from tgsh.errors import Conflict, InvalidSpec, NotFound
from tgsh.execution.studies import expansion_of
from tgsh.schemas import Measure
from tgsh.specs import ExperimentSpec
from tgsh.store import queries, studies
from tgsh.store.results import StageRef, find_stage
from tgsh.store.studies import Tally
from tgsh.suites.task_identity import task_identity

Problem = NotFound | InvalidSpec | Conflict
"""Why there are no vectors to compare."""


class ComparedParams(StageParams):
    """Vectors that are compared."""

    measure: Measure = "cosine"


@dataclass(frozen=True)
class ComparedSubject:
    """An experiment, or a cell of a study, that is compared with others.

    fields: keys and values of its spec, without name and tags; a study's seeds as lists. refs: its vectors,
    or those of each replicate; none where there is a problem. state: changes with what documents tell.
    """

    name: str
    title: str
    status: str
    spec: ExperimentSpec
    fields: Mapping[str, Any]
    base_ids: tuple[str, ...]
    digest: str | None
    mean_accuracy: float | None
    refs: tuple[StageRef, ...]
    problem: Problem | None
    state: str
    cell: CellReplicates | None = None
    study: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_study(self) -> bool:
        """True for a cell of a study."""
        return bool(self.study)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of its tasks that have vectors."""
        return self.refs[0].labels if self.refs else ()

    @property
    def identities(self) -> list[str]:
        """Names of these tasks that are the same in every experiment."""
        return [task_identity(self.spec.suite, label) for label in self.labels]

    @property
    def base_id(self) -> str | None:
        """The random base of its vectors; None where there are several."""
        return self.base_ids[0] if len(self.base_ids) == 1 else None

    @property
    def is_complete(self) -> bool:
        """True if all tasks of all its replicates have vectors."""
        whole = bool(self.refs) and all(ref.complete for ref in self.refs)
        return whole and (self.cell is None or self.cell.complete)

    @property
    def is_final(self) -> bool:
        """True if nothing of it can change."""
        return not self.is_study and all(ref.finished for ref in self.refs) and bool(self.refs)


def find_subject(services: Services, key: ComparedId, params: ComparedParams) -> ComparedSubject:
    """One of those that are compared. Raises NotFound where it is gone."""
    if key.is_study:
        return _find_study(services, key, params)
    record = queries.experiment(services.database, key.id).record
    refs: tuple[StageRef, ...] = ()
    problem: Problem | None = None
    try:
        ref = find_compared_stage(services, key.id, params.stage)
        base.layer_slice(services, key.id, params.layer)
        refs = (base.measured_stage(ref, params.measure),)
    except (NotFound, InvalidSpec) as error:
        problem = error
    spec = ExperimentSpec.model_validate(record.spec)
    state = base.stage_digest(refs[0]) if refs else record.id
    return ComparedSubject(
        name=key.name,
        title=record.name,
        status=record.status,
        spec=spec,
        fields=_fields(spec),
        base_ids=(record.base_id,),
        digest=record.digest,
        mean_accuracy=record.mean_accuracy,
        refs=refs,
        problem=problem,
        state=f"{state} {record.name} {record.status} {record.mean_accuracy}",
    )


def _find_study(services: Services, key: ComparedId, params: ComparedParams) -> ComparedSubject:
    assert key.cell is not None, "of a study"
    record = studies.study(services.database, key.id, key.visible_to).record
    members = studies.members(services.database, key.id, key.visible_to, key.cell)
    completed = completed_members(members)
    cell: CellReplicates | None = None
    problem: Problem | None = None
    digest = ""
    asked = CellParams(stage=params.stage, layer=params.layer, measure=params.measure)
    try:
        source = find_cell(services, StudyKey(key.id, key.visible_to, key.cell), asked)
        base.layer_slice(services, source.content.refs[0].experiment_id, params.layer)
        cell, digest = source.content, source.digest
    except (NotFound, InvalidSpec, Conflict) as error:
        problem = error
    expansion = expansion_of(record)
    spec = expansion.cells[key.cell].spec
    records = [each.record for each in completed if each.record is not None]
    accuracies = [each.mean_accuracy for each in records if each.mean_accuracy is not None]
    there = Counter(each.record.status for each in members if each.record is not None)
    study = {
        "kind": "study",
        "study_id": key.id,
        "cell": key.cell,
        "cell_values": dict(record.cells[key.cell]),
        "replicates": len(completed),
        "experiments": [each.id for each in records],
    }
    values = ", ".join(f"{path}={value}" for path, value in record.cells[key.cell].items())
    title = ", ".join(filter(None, (record.name or f"study {key.id[:6]}", values)))
    status = Tally(by_status=there).status
    seeds = {"seed": list(expansion.seeds), "base_seed": list(expansion.base_seeds)}
    several = {name: each if len(each) > 1 else each[0] for name, each in seeds.items()}
    accuracy = sum(accuracies) / len(accuracies) if accuracies else None
    return ComparedSubject(
        name=key.name,
        title=title,
        status=status,
        spec=spec,
        fields=_fields(spec) | several,
        base_ids=tuple(dict.fromkeys(each.base_id for each in records)),
        digest=None,
        mean_accuracy=accuracy,
        refs=cell.refs if cell is not None else (),
        problem=problem,
        state=f"{key.name} {digest} {title} {status} {accuracy} {study} {several}",
        cell=cell,
        study=study,
    )


def find_compared_stage(services: Services, experiment_id: str, stage: str) -> StageRef:
    """Location of the vectors of one of several experiments. Raises NotFound, saying of which."""
    try:
        return find_stage(services.database, experiment_id, stage)
    except NotFound as error:
        raise NotFound(f"{experiment_id}: {error}") from error


def too_large(subjects: Sequence[ComparedSubject]) -> set[int]:
    """Places of studies whose matrices are too many to be held beside those before them."""
    left, out = MOST_NUMBERS, set()
    for place, subject in enumerate(subjects):
        numbers = len(subject.refs) * len(subject.labels) ** 2
        if subject.is_study and numbers > left:
            out.add(place)
        elif subject.is_study:
            left -= numbers
    return out


def subject_warnings(services: Services, keys: Sequence[ComparedId]) -> list[str]:
    """Warnings of several, each once, with the names of those that it is about. Raises NotFound."""
    about: dict[str, list[str]] = {}
    for key in keys:
        if key.is_study:
            found = cell_warnings(services, StudyKey(key.id, key.visible_to, key.cell))
        else:
            found = warnings_of(services, key.id)
        for warning in found:
            about.setdefault(warning, []).append(key.name)
    return [f"{', '.join(those)}: {warning}" for warning, those in about.items()]


def _fields(spec: ExperimentSpec) -> dict[str, Any]:
    """Spec keys and measurements, with defaults for keys newer than the record."""
    return spec.model_dump(mode="json", exclude={"name", "tags"})
