"""Similarities of every cell of a study side by side, with their uncertainty."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import safetensors.numpy

from service.dependencies import Services
from service.errors import NotAcceptable
from service.results.base import MAX_TEXT_VALUES, Computed, Result, Source, as_json
from service.results.study_replicates import (
    MOST_NUMBERS,
    CellReplicates,
    EstimateParams,
    StudyKey,
    cell_estimate,
    cell_warnings,
    check_streamed,
    completed_members,
    find_cell,
    numbers,
)
from tgsh.analysis.replicates import ReplicateEstimate
from tgsh.arrays import table_csv
from tgsh.errors import Conflict, InvalidSpec
from tgsh.schemas import StudyCellMatrices, StudyMatrices
from tgsh.specs.results import ResultSpec
from tgsh.store import studies

STATISTICS = ("mean", "sd", "low", "high")


@dataclass(frozen=True, eq=False)
class AllCells:
    """The cells of a study that have a completed experiment. total: how many cells it has."""

    study_id: str
    paths: tuple[str, ...]
    cells: tuple[CellReplicates, ...]
    total: int

    @property
    def complete(self) -> bool:
        """True if all experiments of all cells are completed."""
        return len(self.cells) == self.total and all(cell.complete for cell in self.cells)


Matrices = Computed[list[ReplicateEstimate], AllCells, EstimateParams]


def _find(services: Services, key: StudyKey, params: EstimateParams) -> Source[AllCells]:
    """Raises NotFound for an unknown study or stage, Conflict where no experiment is completed."""
    record = studies.study(services.database, key.study_id, key.visible_to).record
    members = studies.members(services.database, key.study_id, key.visible_to)
    places = sorted({each.cell for each in completed_members(members)})
    if not places:
        raise Conflict("no experiment of the study is completed yet")
    found = [find_cell(services, StudyKey(key.study_id, key.visible_to, place), params) for place in places]
    content = AllCells(
        key.study_id, tuple(record.grid), tuple(each.content for each in found), len(record.cells)
    )
    parts = [str(content.total), *content.paths, *(each.digest for each in found)]
    return Source(content, hashlib.sha256("\n".join(parts).encode()).hexdigest(), key.study_id)


def _check(content: AllCells, params: EstimateParams, format: str) -> None:
    for cell in content.cells:
        check_streamed(cell, params, "npz")
    count = len(STATISTICS) * sum(len(cell.tasks) ** 2 for cell in content.cells)
    if count > MOST_NUMBERS:
        raise InvalidSpec(
            "study_id",
            f"{len(content.cells)} cells have {count:,} numbers, and {MOST_NUMBERS:,} are the most of one "
            "file; similarity?cell=N&format=npy has those of one cell",
        )
    if format in ("json", "csv") and count > MAX_TEXT_VALUES:
        raise NotAcceptable(f"{count:,} numbers are too many for {format}; take npz or safetensors")


def _estimates(services: Services, content: AllCells, params: EstimateParams) -> list[ReplicateEstimate]:
    return [cell_estimate(services, cell, params) for cell in content.cells]


def _document(computed: Matrices) -> StudyMatrices:
    content, params = computed.content, computed.params
    return StudyMatrices(
        study_id=content.study_id,
        stage=params.stage,
        measure=params.measure,
        layer=params.layer,
        level=params.level,
        complete=content.complete,
        cells=[
            StudyCellMatrices.model_validate(
                {
                    "cell": cell.cell,
                    "values": dict(cell.values),
                    "replicates": len(cell.members),
                    "over": found.over,
                    "tasks": list(cell.tasks),
                    "labels": list(cell.labels),
                    "reason": found.reason,
                    **{name: numbers(getattr(found, name)) for name in STATISTICS},
                }
            )
            for cell, found in zip(content.cells, computed.value, strict=True)
        ],
        warnings=list(computed.warnings),
    )


def _long_table(computed: Matrices) -> bytes:
    """A row for each pair of tasks of each cell."""
    paths = computed.content.paths
    header = ["cell", *paths, "task", "label", "other", "other_label", *STATISTICS, "replicates"]
    return table_csv(header, _rows(computed))


def _rows(computed: Matrices) -> Iterator[list[Any]]:
    for cell, found in zip(computed.content.cells, computed.value, strict=True):
        values = [_cell_text(cell.values.get(path)) for path in computed.content.paths]
        tables = [numbers(getattr(found, name)) for name in STATISTICS]
        for row, column in zip(*np.triu_indices(len(cell.tasks), 1), strict=True):
            pair = (cell.tasks[row], cell.labels[row], cell.tasks[column], cell.labels[column])
            yield [
                cell.cell,
                *values,
                *pair,
                *(table[row][column] for table in tables),
                int(found.counts[row, column]),
            ]


def _cell_text(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float) else json.dumps(value)


def _arrays(computed: Matrices) -> dict[str, np.ndarray]:
    """Matrices and indices of tasks by cell and name, such as ``"0.mean"``."""
    arrays = {}
    for cell, found in zip(computed.content.cells, computed.value, strict=True):
        for name in STATISTICS:
            arrays[f"{cell.cell}.{name}"] = np.ascontiguousarray(getattr(found, name))
        arrays[f"{cell.cell}.tasks"] = np.array(cell.tasks, np.int64)
    return arrays


def _about(computed: Matrices) -> str:
    """Provenance of the arrays, and the values and labels of the cells, as JSON."""
    content, params = computed.content, computed.params
    about = {
        "study_id": content.study_id,
        **params.model_dump(mode="json", exclude={"over"}),
        "cells": [
            {
                "cell": cell.cell,
                "values": dict(cell.values),
                "labels": list(cell.labels),
                "over": found.over,
                "replicates": len(cell.members),
            }
            for cell, found in zip(content.cells, computed.value, strict=True)
        ],
    }
    return json.dumps(about, ensure_ascii=False, sort_keys=True)


def _npz(computed: Matrices) -> bytes:
    file = io.BytesIO()
    arrays: dict[str, Any] = {**_arrays(computed), "about": np.array(_about(computed))}
    np.savez(file, **arrays)
    return file.getvalue()


def _safetensors(computed: Matrices) -> bytes:
    return safetensors.numpy.save(_arrays(computed), {"tgsh": _about(computed)})


STUDY_MATRICES = Result(
    spec=ResultSpec("matrices", ("json", "csv", "npz", "safetensors")),
    warnings=cell_warnings,
    params=EstimateParams,
    find=_find,
    compute=_estimates,
    encoders={
        "json": as_json(_document),
        "csv": _long_table,
        "npz": _npz,
        "safetensors": _safetensors,
    },
    limits=_check,
    file_stem="study-matrices",
    file_params=("stage", "layer"),
)
