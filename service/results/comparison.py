"""Comparison of experiments: differences of their specs, agreement of their similarity matrices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from service.dependencies import Services
from service.results import base
from service.results.base import Computed, Result, Source, StageParams, as_json
from service.results.warnings import comparison_warnings
from service.subprocesses import AnalysisProcess
from tgsh.analysis.comparison import FEWEST, MatrixAgreement, agreement, aligned, row_similarities
from tgsh.analysis.similarity import similarity
from tgsh.arrays import table_csv
from tgsh.errors import Conflict, InvalidSpec, NotFound
from tgsh.networks.registry import shares_base
from tgsh.schemas import Alternative, Comparison, Measure
from tgsh.specs import ExperimentSpec
from tgsh.specs.results import ResultSpec
from tgsh.store import queries
from tgsh.store.models import ExperimentRecord
from tgsh.store.results import StageRef, find_stage
from tgsh.suites.task_identity import task_identity

MOVED_HERE = 10_000_000
"""Entries that permutations move in a tenth of a second; more are moved in a process of their own."""

MOST_MOVED = 1_000_000_000
"""Entries that all permutations of all pairs move: about ten seconds."""

MOST_NAMED = 5
"""Tasks that an error names."""


class ComparisonParams(StageParams):
    """Vectors to compare, and the parameters of Mantel's test."""

    measure: Measure = "cosine"
    permutations: int = 999
    alternative: Alternative = "greater"
    seed: int = 0


@dataclass(frozen=True)
class AlignedStages:
    """Experiments, where their vectors lie, and which of these are of the common tasks, by their labels."""

    records: Sequence[ExperimentRecord]
    refs: Sequence[StageRef]
    labels: Sequence[str]
    rows: Sequence[Sequence[int]]


@dataclass(frozen=True)
class AlignedMatrices:
    """Vectors [common tasks, H] and similarity matrices of each experiment.

    analysis: where long tests are done.
    """

    vectors: Sequence[np.ndarray]
    matrices: Sequence[np.ndarray]
    analysis: AnalysisProcess


Compared = Computed[AlignedMatrices, AlignedStages, ComparisonParams]


def _find(services: Services, ids: Sequence[str], params: ComparisonParams) -> Source[AlignedStages]:
    refs = [base.measured_stage(_find_stage(services, id, params.stage), params.measure) for id in ids]
    records = [queries.experiment(services.database, id).record for id in ids]
    identities = [
        [task_identity(ExperimentSpec.model_validate(record.spec).suite, label) for label in ref.labels]
        for record, ref in zip(records, refs, strict=True)
    ]
    common, rows = aligned(identities)
    labels = [refs[0].labels[row] for row in rows[0]]
    if len(common) < FEWEST:
        raise _too_few(common, refs)
    of_each = (
        f"{base.stage_digest(ref)} {record.name} {record.status} {record.mean_accuracy}"
        for record, ref in zip(records, refs, strict=True)
    )
    content = AlignedStages(records, refs, labels, rows)
    final = all(ref.finished for ref in refs)
    return Source(content, "\n".join(of_each), "-".join(ids), final)


def _find_stage(services: Services, experiment_id: str, stage: str) -> StageRef:
    try:
        return find_stage(services.database, experiment_id, stage)
    except NotFound as error:
        raise NotFound(f"{experiment_id}: {error}") from error


def _too_few(common: Sequence[str], refs: Sequence[StageRef]) -> Conflict | InvalidSpec:
    """Tasks may be still to come, or experiments have others."""
    what = (
        f"{len(common)} task(s) are in all of them ({', '.join(common) or 'none'}), and {FEWEST} are needed"
    )
    has = "; ".join(f"{ref.experiment_id} has {_first_labels(ref.labels)}" for ref in refs)
    if not all(ref.complete for ref in refs):
        return Conflict(f"at this stage {what}: {has}. Wait until more tasks are done")
    return InvalidSpec("ids", f"{what}: {has}")


def _first_labels(labels: Sequence[str]) -> str:
    more = len(labels) - MOST_NAMED
    return ", ".join(labels[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "") if labels else "none"


def _check_size(stages: AlignedStages, params: ComparisonParams, _format: str) -> None:
    tasks, experiments = len(stages.labels), len(stages.records)
    if experiments * tasks**2 > base.MAX_TEXT_VALUES:
        raise InvalidSpec(
            "ids",
            f"{experiments} matrices of {tasks:,} common tasks are more than {base.MAX_TEXT_VALUES:,} "
            "numbers; compare fewer experiments, or take similarity as npy",
        )
    moved = experiments * (experiments - 1) // 2 * tasks**2
    if moved * params.permutations > MOST_MOVED:
        raise InvalidSpec(
            "permutations", f"take too long for so many tasks; {MOST_MOVED // moved:,} are possible here"
        )


def _matrices(services: Services, stages: AlignedStages, params: ComparisonParams) -> AlignedMatrices:
    vectors = [
        base.vectors(services, ref, params.layer)[rows]
        for ref, rows in zip(stages.refs, stages.rows, strict=True)
    ]
    matrices = [similarity(each, stages.labels, range(len(each)), params.measure).values for each in vectors]
    return AlignedMatrices(vectors, matrices, services.analysis_process)


def _table(compared: Compared) -> bytes:
    labels = compared.content.labels
    rows = (
        (labels[one], labels[other], *(float(matrix[one, other]) for matrix in compared.value.matrices))
        for one, other in combinations(range(len(labels)), 2)
    )
    return table_csv(["task", "other", *(record.id for record in compared.content.records)], rows)


def _document(compared: Compared) -> Comparison:
    stages, params = compared.content, compared.params
    return Comparison.model_validate(
        {
            "stage": params.stage,
            "measure": params.measure,
            "layer": params.layer,
            "experiments": [_experiment(stages, place) for place in range(len(stages.refs))],
            "differences": list(_differences([_compared_spec(record) for record in stages.records])),
            "tasks": stages.labels,
            "matrices": [matrix.tolist() for matrix in compared.value.matrices],
            "pairs": [_pair(compared, *pair) for pair in combinations(range(len(stages.refs)), 2)],
            "same_base": len({record.base_id for record in stages.records}) == 1,
            "warnings": list(compared.warnings),
        }
    )


def _experiment(stages: AlignedStages, place: int) -> dict[str, Any]:
    record, ref = stages.records[place], stages.refs[place]
    return {
        "id": record.id,
        "name": record.name,
        "status": record.status,
        "base_id": record.base_id,
        "digest": record.digest,
        "mean_accuracy": record.mean_accuracy,
        "complete": ref.complete,
        "tasks": [ref.tasks[row] for row in stages.rows[place]],
    }


def _compared_spec(record: ExperimentRecord) -> dict[str, Any]:
    """Spec keys and measurements of an experiment, with defaults for keys newer than its record."""
    return ExperimentSpec.model_validate(record.spec).model_dump(mode="json", exclude={"name", "tags"})


def _differences(specs: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Fields that differ, as the first spec orders them."""
    flat = [dict(_flat(spec)) for spec in specs]
    for field in dict.fromkeys(field for each in flat for field in each):
        values = [each.get(field) for each in flat]
        if any(value != values[0] for value in values):
            yield {"field": field, "values": values}


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted path, value) of everything that is no object, and no list of objects."""
    members: Any = ()
    if isinstance(value, Mapping):
        members = value.items()
    elif isinstance(value, list) and any(isinstance(member, Mapping) for member in value):
        members = enumerate(value)
    elif path:
        yield path, value
    for name, member in members:
        yield from _flat(member, f"{path}.{name}" if path else str(name))


def _pair(compared: Compared, one: int, other: int) -> dict[str, Any]:
    agreed = _agreement(compared, one, other)
    first, second = (compared.content.records[place] for place in (one, other))
    is_tested = all(shares_base(ExperimentSpec.model_validate(each.spec).network) for each in (first, second))
    mantel = agreed.mantel if is_tested else None
    same_base, same_task = first.base_id == second.base_id, None
    if same_base:
        vectors = compared.value.vectors
        rows = row_similarities(vectors[one], vectors[other], compared.params.measure)
        same_task = {"mean": float(rows.mean()), "values": rows.tolist()}
    return {
        "a": first.id,
        "b": second.id,
        "tasks": agreed.tasks,
        "pearson": agreed.pearson,
        "spearman": agreed.spearman,
        "mantel": None if mantel is None else {**vars(mantel), "seed": compared.params.seed},
        "same_base": same_base,
        "same_task": same_task,
    }


def _agreement(compared: Compared, one: int, other: int) -> MatrixAgreement:
    first, second = (compared.value.matrices[place] for place in (one, other))
    params = compared.params
    how = (params.permutations, params.alternative, params.seed)
    if first.size * params.permutations <= MOVED_HERE:
        return agreement(first, second, *how)
    return compared.value.analysis.call(agreement, first, second, *how)


COMPARISON = Result(
    spec=ResultSpec("comparison", ("json", "csv")),
    warnings=comparison_warnings,
    params=ComparisonParams,
    find=_find,
    compute=_matrices,
    encoders={"json": as_json(_document), "csv": _table},
    limits=_check_size,
    file_params=("stage", "layer"),
)
"""Of the ids of several experiments."""
