"""Experiments side by side: the document and the table of /comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from service import results
from service.dependencies import Services
from tgsh.analysis.comparison import MatrixAgreement, agreement, row_similarities
from tgsh.analysis.similarity import similarity
from tgsh.arrays import table_csv
from tgsh.schemas import Alternative, Comparison, Measure
from tgsh.specs import ExperimentSpec
from tgsh.store.models import ExperimentRecord
from tgsh.store.results import StageRef

MOVED_HERE = 10_000_000
"""Entries that permutations move in a tenth of a second; more are moved in a process of their own."""


@dataclass(frozen=True)
class Tested:
    """How Mantel's test is done."""

    permutations: int
    alternative: Alternative
    seed: int


@dataclass(frozen=True)
class Asked:
    """Experiments, where their vectors lie, and which of these are of the common tasks, by their labels."""

    records: Sequence[ExperimentRecord]
    refs: Sequence[StageRef]
    labels: Sequence[str]
    rows: Sequence[Sequence[int]]
    measure: Measure
    layer: str | None
    tested: Tested

    @property
    def key(self) -> tuple[str, ...]:
        """Decides the answer."""
        of_each = [
            f"{each.id} {each.name} {each.status} {each.mean_accuracy} {ref.digest} {ref.complete}"
            for each, ref in zip(self.records, self.refs, strict=True)
        ]
        return ("comparison", *of_each, self.measure, str(self.layer), repr(self.tested))


def encode(services: Services, asked: Asked, name: str) -> bytes:
    """The comparison as json or csv."""
    vectors = [
        results.vectors(services, ref, asked.layer)[rows]
        for ref, rows in zip(asked.refs, asked.rows, strict=True)
    ]
    matrices = [similarity(each, asked.labels, range(len(each)), asked.measure).values for each in vectors]
    if name == "csv":
        return _table(asked, matrices)
    document = {
        "stage": asked.refs[0].stage,
        "measure": asked.measure,
        "layer": asked.layer,
        "experiments": [_experiment(asked, place) for place in range(len(asked.refs))],
        "differences": list(_differences([_whole(record) for record in asked.records])),
        "tasks": asked.labels,
        "matrices": [matrix.tolist() for matrix in matrices],
        "pairs": _pairs(services, asked, vectors, matrices),
        "same_base": len({record.base_id for record in asked.records}) == 1,
    }
    return Comparison.model_validate(document).model_dump_json().encode()


def _table(asked: Asked, matrices: Sequence[np.ndarray]) -> bytes:
    rows = (
        (asked.labels[one], asked.labels[other], *(float(matrix[one, other]) for matrix in matrices))
        for one, other in combinations(range(len(asked.labels)), 2)
    )
    return table_csv(["task", "other", *(record.id for record in asked.records)], rows)


def _experiment(asked: Asked, place: int) -> dict[str, Any]:
    record, ref = asked.records[place], asked.refs[place]
    return {
        "id": record.id,
        "name": record.name,
        "status": record.status,
        "base_id": record.base_id,
        "digest": record.digest,
        "mean_accuracy": record.mean_accuracy,
        "complete": ref.complete,
        "tasks": [ref.tasks[row] for row in asked.rows[place]],
    }


def _whole(record: ExperimentRecord) -> dict[str, Any]:
    """What decides the result and what is measured of it; also what is newer than the record, by default."""
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
    parts: Any = ()
    if isinstance(value, Mapping):
        parts = value.items()
    elif isinstance(value, list) and any(isinstance(part, Mapping) for part in value):
        parts = enumerate(value)
    elif path:
        yield path, value
    for name, part in parts:
        yield from _flat(part, f"{path}.{name}" if path else str(name))


def _pairs(
    services: Services, asked: Asked, vectors: Sequence[np.ndarray], matrices: Sequence[np.ndarray]
) -> list[dict[str, Any]]:
    found = []
    for one, other in combinations(range(len(matrices)), 2):
        agreed = _agreement(services, asked.tested, matrices[one], matrices[other])
        same_base = asked.records[one].base_id == asked.records[other].base_id
        alike = row_similarities(vectors[one], vectors[other], asked.measure) if same_base else None
        found.append(
            {
                "a": asked.records[one].id,
                "b": asked.records[other].id,
                "tasks": agreed.tasks,
                "pearson": agreed.pearson,
                "spearman": agreed.spearman,
                "mantel": None
                if agreed.mantel is None
                else {**vars(agreed.mantel), "seed": asked.tested.seed},
                "same_base": same_base,
                "same_task": None
                if alike is None
                else {"mean": float(alike.mean()), "values": alike.tolist()},
            }
        )
    return found


def _agreement(services: Services, tested: Tested, one: np.ndarray, other: np.ndarray) -> MatrixAgreement:
    how = (tested.permutations, tested.alternative, tested.seed)
    if one.size * tested.permutations <= MOVED_HERE:
        return agreement(one, other, *how)
    return services.analysis_process.call(agreement, one, other, *how)
