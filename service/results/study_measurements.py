"""Accuracy over the replicates of a study's cells, and effects of its grid as a long table."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from service import subprocesses
from service.dependencies import Services
from service.errors import NotAcceptable
from service.results import base
from service.results.base import Computed, Result, Sketch, Source, as_json
from service.results.study_replicates import (
    CellParams,
    CellReplicates,
    StudyKey,
    StudyParams,
    cell_warnings,
    completed_members,
    find_cell,
    is_large,
    numbers,
    replicate_matrix,
)
from tgsh.analysis.comparison import row_similarities
from tgsh.analysis.differences import cell_effects
from tgsh.analysis.replicate_design import Replicates
from tgsh.analysis.replicates import ReplicateEstimate, estimate
from tgsh.arrays import table_csv
from tgsh.errors import Conflict, InvalidSpec
from tgsh.schemas import CellAccuracy, CellDifference, EffectRow, Measure, StudyAccuracy, StudyEffects
from tgsh.specs.results import PICTURES, ResultSpec
from tgsh.store import studies
from tgsh.store.results import StageRef
from tgsh.store.studies import StudyReplicate
from tgsh.task_names import MAX_NAME, told_apart

MAX_LAGS = 20

MAX_ROWS = 200_000
"""Rows of a long table."""


@dataclass(frozen=True, eq=False)
class CellTable:
    """Accuracies of a cell's completed experiments, float64 [R, T], NaN where a task has none."""

    cell: int
    values: dict[str, Any]
    members: tuple[StudyReplicate, ...]
    tasks: tuple[int, ...]
    labels: tuple[str, ...]
    accuracies: np.ndarray

    @property
    def replicates(self) -> Replicates:
        """Seeds of the completed experiments."""
        return Replicates(
            tuple(each.seed for each in self.members), tuple(each.base_seed for each in self.members)
        )


@dataclass(frozen=True, eq=False)
class StudyTables:
    """Tables of all cells that have a completed experiment."""

    study_id: str
    name: str
    complete: bool
    paths: tuple[str, ...]
    cells: tuple[CellTable, ...]


def _find_tables(services: Services, key: StudyKey, _params: Any) -> Source[StudyTables]:
    """Raises NotFound for an unknown study, Conflict where no experiment is completed."""
    record = studies.study(services.database, key.study_id, key.visible_to).record
    members = studies.members(services.database, key.study_id, key.visible_to)
    completed = completed_members(members)
    if not completed:
        raise Conflict("no experiment of the study is completed yet")
    rows = studies.task_accuracies(services.database, key.study_id)
    cells = []
    for place, values in enumerate(record.cells):
        of_cell = tuple(each for each in completed if each.cell == place)
        if not of_cell:
            continue
        known = [rows.get(_id(each), {}) for each in of_cell]
        labels = {task: label for tasks in known for task, (label, _) in tasks.items()}
        accuracies = np.array(
            [
                [
                    np.nan if (one := tasks.get(task, ("", None))[1]) is None else one
                    for task in sorted(labels)
                ]
                for tasks in known
            ],
            np.float64,
        )
        names = tuple(labels[task] for task in sorted(labels))
        cells.append(CellTable(place, dict(values), of_cell, tuple(sorted(labels)), names, accuracies))
    content = StudyTables(
        key.study_id, record.name, len(completed) == len(members), tuple(record.grid), tuple(cells)
    )
    parts = [record.name, str(record.cells), str(len(members))]
    parts += [f"{_id(each)} {each.cell} {each.seed} {each.base_seed}" for each in completed]
    parts += [table.accuracies.tobytes().hex() for table in cells]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return Source(content, digest, key.study_id)


def _id(member: StudyReplicate) -> str:
    return member.record.id if member.record is not None else ""


# --- accuracy


@dataclass(frozen=True, eq=False)
class AccuracyEstimates:
    """Estimates of the tasks [T] and of the mean over tasks [1] of each cell."""

    tasks: list[ReplicateEstimate]
    overall: list[ReplicateEstimate]


Accuracies = Computed[AccuracyEstimates, StudyTables, StudyParams]


def _estimates(_: Services, tables: StudyTables, params: StudyParams) -> AccuracyEstimates:
    tasks, overall = [], []
    for cell in tables.cells:
        how = (cell.replicates, params.over, params.level, (0.0, 1.0))
        tasks.append(estimate(cell.accuracies, *how))
        overall.append(estimate(cell.accuracies.mean(axis=1, keepdims=True), *how))
    return AccuracyEstimates(tasks, overall)


def _entries(found: ReplicateEstimate) -> list[dict[str, Any]]:
    columns = {name: numbers(getattr(found, name)) for name in ("mean", "sd", "low", "high")}
    return [
        {**{name: column[place] for name, column in columns.items()}, "replicates": int(count)}
        for place, count in enumerate(found.counts)
    ]


def _accuracy_document(computed: Accuracies) -> StudyAccuracy:
    tables, params = computed.content, computed.params
    cells = [
        CellAccuracy.model_validate(
            {
                "cell": cell.cell,
                "values": cell.values,
                "replicates": len(cell.members),
                "overall": _entries(overall)[0],
                "tasks": [
                    {**entry, "index": task, "label": label}
                    for entry, task, label in zip(_entries(tasks), cell.tasks, cell.labels, strict=True)
                ],
                "reason": overall.reason,
            }
        )
        for cell, tasks, overall in zip(
            tables.cells, computed.value.tasks, computed.value.overall, strict=True
        )
    ]
    return StudyAccuracy(
        study_id=tables.study_id,
        level=params.level,
        over=params.over,
        complete=tables.complete,
        cells=cells,
        warnings=list(computed.warnings),
    )


def _accuracy_table(computed: Accuracies) -> bytes:
    paths = computed.content.paths
    header = ["cell", *paths, "task", "label", "mean", "sd", "low", "high", "replicates"]
    rows = [
        (
            cell.cell,
            *(cell.values.get(path) for path in paths),
            task,
            label,
            *(entry[name] for name in ("mean", "sd", "low", "high", "replicates")),
        )
        for cell, found in zip(computed.content.cells, computed.value.tasks, strict=True)
        for entry, task, label in zip(_entries(found), cell.tasks, cell.labels, strict=True)
    ]
    return table_csv(header, [tuple(map(_cell_text, row)) for row in rows])


def _cell_text(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float) else str(value)


def _accuracy_figure(_: Services, computed: Accuracies) -> Sketch:
    tables = computed.content
    first = tables.cells[0]
    if any(cell.labels != first.labels for cell in tables.cells):
        raise NotAcceptable("cells have different tasks, so there is no picture of all; take json or csv")
    intervals = [np.stack([found.mean, found.low, found.high], axis=1) for found in computed.value.tasks]
    names = [", ".join(f"{path}={value}" for path, value in cell.values.items()) for cell in tables.cells]
    title = f"{tables.name or f'study {tables.study_id[:6]}'}: accuracy over replicates"
    return Sketch(
        subprocesses.draw_accuracy_intervals,
        (intervals, told_apart(first.labels, first.tasks, MAX_NAME), names, title),
    )


STUDY_ACCURACY = Result(
    spec=ResultSpec("accuracy", ("json", "csv", *PICTURES)),
    warnings=cell_warnings,
    params=StudyParams,
    find=_find_tables,
    compute=_estimates,
    encoders={"json": as_json(_accuracy_document), "csv": _accuracy_table},
    figure=_accuracy_figure,
    file_stem="study-accuracy",
)


# --- effects


class EffectsParams(StudyParams):
    """Parameters of the long table."""

    stage: str = "after"
    layer: str | None = None
    measure: Measure = "cosine"
    lags: int = 3
    reference: int = 0


@dataclass(frozen=True, eq=False)
class StudyLags:
    """Mean similarities of each task with those 1, 2, … places away: float64 [R, T, lags] of each cell."""

    similarities: list[np.ndarray]


@dataclass(frozen=True, eq=False)
class EffectTables:
    """Accuracies of all cells, and where the vectors of their completed experiments lie."""

    tables: StudyTables
    cells: tuple[CellReplicates, ...]


Effects = Computed[StudyLags, EffectTables, EffectsParams]


def _find_effects(services: Services, key: StudyKey, params: EffectsParams) -> Source[EffectTables]:
    source = _find_tables(services, key, params)
    wanted = CellParams(stage=params.stage, layer=params.layer, measure=params.measure)
    places = [cell.cell for cell in source.content.cells]
    if params.reference not in places:
        there = ", ".join(map(str, places))
        raise InvalidSpec(
            "reference", f"cell {params.reference} has no completed experiment; these have: {there}"
        )
    found = [find_cell(services, StudyKey(key.study_id, key.visible_to, place), wanted) for place in places]
    digest = "\n".join([source.digest, *(each.digest for each in found)])
    content = EffectTables(source.content, tuple(each.content for each in found))
    return Source(content, hashlib.sha256(digest.encode()).hexdigest(), key.study_id)


def _check_effects(content: EffectTables, _params: EffectsParams, _format: str) -> None:
    rows = sum(len(cell.refs) * len(cell.tasks) for cell in content.cells)
    if rows > MAX_ROWS:
        raise InvalidSpec("study_id", f"{rows:,} rows are more than {MAX_ROWS:,}; take accuracy of each cell")


def _lags(services: Services, content: EffectTables, params: EffectsParams) -> StudyLags:
    found = []
    for cell in content.cells:
        rows = np.full((len(cell.refs), len(cell.tasks), params.lags), np.nan)
        for row, ref in zip(rows, cell.refs, strict=True):
            tasks = len(cell.tasks)
            of_lag = _beside_one_another(services, cell, ref, params)
            for lag in range(1, min(params.lags, tasks - 1) + 1):
                beside = of_lag(lag)
                both = np.full((2, tasks), np.nan)
                both[0, :-lag], both[1, lag:] = beside, beside
                row[:, lag - 1] = _mean(both)
        found.append(rows)
    return StudyLags(found)


def _beside_one_another(
    services: Services, cell: CellReplicates, ref: StageRef, params: EffectsParams
) -> Callable[[int], np.ndarray]:
    """Lag to the similarities of tasks that are so many places apart; of a large cell without the matrix."""
    if is_large(cell):
        vectors = base.vectors(services, ref, params.layer)
        return lambda lag: row_similarities(vectors[:-lag], vectors[lag:], params.measure)
    values = replicate_matrix(services, ref, params.measure, params.layer)
    return lambda lag: np.diagonal(values, lag)


def _mean(both: np.ndarray) -> np.ndarray:
    """Means of columns, NaN where a task in the middle has none so far away."""
    count = np.isfinite(both).sum(axis=0)
    return np.where(count, np.nansum(both, axis=0) / np.maximum(count, 1), np.nan)


def _effect_rows(computed: Effects) -> list[dict[str, Any]]:
    rows = []
    for table, cell, lags in zip(
        computed.content.tables.cells, computed.content.cells, computed.value.similarities, strict=True
    ):
        row_of = {task: row for row, task in enumerate(cell.tasks)}
        for number, member in enumerate(table.members):
            similar = numbers(lags[number])
            accuracy = numbers(table.accuracies[number])
            rows += [
                {
                    "cell": table.cell,
                    "values": table.values,
                    "seed": member.seed,
                    "base_seed": member.base_seed,
                    "experiment": _id(member),
                    "task": task,
                    "label": label,
                    "accuracy": accuracy[place],
                    "similarity": similar[row_of[task]],
                }
                for place, (task, label) in enumerate(zip(table.tasks, table.labels, strict=True))
            ]
    return rows


def cell_differences(computed: Effects) -> list[CellDifference]:
    """Mean accuracy and mean similarity at each lag of every cell less those of the reference."""
    tables, params = computed.content.tables.cells, computed.params
    if len(tables) < 2:
        return []
    places = sorted({(each.seed, each.base_seed) for table in tables for each in table.members})
    quantities = ["accuracy", *(f"similarity at lag {lag}" for lag in range(1, params.lags + 1))]
    values = np.full((len(tables), len(places), len(quantities)), np.nan)
    for cell, (table, lags) in enumerate(zip(tables, computed.value.similarities, strict=True)):
        for number, member in enumerate(table.members):
            row = places.index((member.seed, member.base_seed))
            values[cell, row, 0] = table.accuracies[number].mean()
            values[cell, row, 1:] = [_mean(column[:, None])[0] for column in lags[number].T]
    replicates = Replicates(tuple(seed for seed, _ in places), tuple(base for _, base in places))
    reference = [table.cell for table in tables].index(params.reference)
    return [
        CellDifference.model_validate(
            {
                "cell": tables[each.cell].cell,
                "reference": params.reference,
                "quantity": quantities[each.quantity],
                **vars(each.result),
            }
        )
        for each in cell_effects(values, replicates, reference, params.over, params.level)
    ]


def _effects_document(computed: Effects) -> StudyEffects:
    tables, params = computed.content.tables, computed.params
    return StudyEffects(
        study_id=tables.study_id,
        stage=params.stage,
        measure=params.measure,
        level=params.level,
        over=params.over,
        complete=tables.complete,
        rows=[EffectRow.model_validate(row) for row in _effect_rows(computed)],
        effects=cell_differences(computed),
        warnings=list(computed.warnings),
    )


def _effects_table(computed: Effects) -> bytes:
    paths = computed.content.tables.paths
    lags = [f"similarity at lag {lag}" for lag in range(1, computed.params.lags + 1)]
    header = ["cell", *paths, "seed", "base_seed", "experiment", "task", "label", "accuracy", *lags]
    rows: Sequence[Sequence[Any]] = [
        (
            row["cell"],
            *(row["values"].get(path) for path in paths),
            *(row[name] for name in ("seed", "base_seed", "experiment", "task", "label", "accuracy")),
            *row["similarity"],
        )
        for row in _effect_rows(computed)
    ]
    return table_csv(header, [tuple(map(_cell_text, row)) for row in rows])


def _effects_figure(_: Services, computed: Effects) -> Sketch:
    found = [each for each in cell_differences(computed) if each.quantity == "accuracy"]
    if not found:
        raise NotAcceptable(
            "one cell has nothing to be compared with, so there is no picture; take json or csv"
        )
    tables = computed.content.tables
    values = {table.cell: table.values for table in tables.cells}
    names = [", ".join(f"{path}={value}" for path, value in values[each.cell].items()) for each in found]
    intervals = np.array(
        [[np.nan if n is None else 100 * n for n in (each.difference, each.low, each.high)] for each in found]
    )
    title = f"{tables.name or f'study {tables.study_id[:6]}'}: less cell {computed.params.reference}"
    return Sketch(subprocesses.draw_intervals, (intervals, names, title, "difference of accuracy (points)"))


STUDY_EFFECTS = Result(
    spec=ResultSpec("effects", ("json", "csv", *PICTURES)),
    warnings=cell_warnings,
    params=EffectsParams,
    find=_find_effects,
    compute=_lags,
    encoders={"json": as_json(_effects_document), "csv": _effects_table},
    figure=_effects_figure,
    limits=_check_effects,
    file_stem="study-effects",
    file_params=("stage", "layer"),
)
