"""Replicates of a cell of a study: which experiments answer for it, and their similarity matrices."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from service.dependencies import Services
from service.results import base
from service.results.base import Params, Source, StageParams
from service.results.structure import MOST_TASKS, scale_of
from service.results.warnings import warnings_of
from tgsh.analysis.consensus import consensus_matrix, mean_similarity
from tgsh.analysis.embedding import TaskScale
from tgsh.analysis.replicate_design import Replicates
from tgsh.analysis.replicates import ReplicateEstimate
from tgsh.analysis.similarity import SimilarityMatrix, similarity
from tgsh.analysis.streamed_replicates import streamed_similarity
from tgsh.errors import Conflict, InvalidSpec
from tgsh.execution.studies import missing_warnings
from tgsh.schemas import Measure, Over
from tgsh.store import studies
from tgsh.store.results import StageRef, find_stages
from tgsh.store.studies import StudyReplicate

MOST_NUMBERS = 20_000_000
"""Similarities of all replicates of a cell (160 MB)."""


MOST_STREAMED = 150_000_000
"""Similarities of all replicates of a cell that are computed some at a time: 100 matrices of 1,000 tasks."""


@dataclass(frozen=True)
class StudyKey:
    """A study, or one of its cells, as a key of that name sees it (None: as an admin)."""

    study_id: str
    visible_to: str | None
    cell: int | None = None


class CellParams(StageParams):
    """Parameters of an answer about one cell; its number is in the key."""

    measure: Measure = "cosine"


class EstimateParams(CellParams):
    """Parameters of an answer with intervals."""

    level: float = 0.95
    over: Over | None = None


class StudyParams(Params):
    """Parameters of an answer about all cells."""

    level: float = 0.95
    over: Over | None = None


@dataclass(frozen=True)
class CellReplicates:
    """The completed experiments of a cell, where their vectors lie, and what they have in common.

    total: how many experiments the cell has.
    """

    study_id: str
    name: str
    cell: int
    values: Mapping[str, Any]
    total: int
    members: tuple[StudyReplicate, ...]
    refs: tuple[StageRef, ...]

    @property
    def replicates(self) -> Replicates:
        """Seeds of the completed experiments."""
        return Replicates(
            tuple(each.seed for each in self.members), tuple(each.base_seed for each in self.members)
        )

    @property
    def complete(self) -> bool:
        """True if all experiments of the cell are completed."""
        return len(self.members) == self.total

    @property
    def tasks(self) -> tuple[int, ...]:
        """Indices of the tasks, the same in all replicates."""
        return self.refs[0].tasks

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the tasks."""
        return self.refs[0].labels

    @property
    def title(self) -> str:
        """Title of figures: the study, the values of the cell, the number of replicates."""
        values = ", ".join(f"{path}={value}" for path, value in self.values.items())
        name = self.name or f"study {self.study_id[:6]}"
        count = len(self.members)
        return ", ".join(filter(None, (name, values, f"{count} replicate{'s' if count > 1 else ''}")))


def find_cell(services: Services, key: StudyKey, params: CellParams) -> Source[CellReplicates]:
    """The completed experiments of a cell and the vectors of their stage.

    Raises NotFound for an unknown study or stage, InvalidSpec for a cell that it does not have, and Conflict
    where no experiment of the cell is completed.
    """
    record = studies.study(services.database, key.study_id, key.visible_to).record
    place = key.cell or 0
    if place >= len(record.cells):
        last = len(record.cells) - 1
        raise InvalidSpec(
            "cell", f"there is no cell {place}; the study has {f'0 to {last}' if last else '0'}"
        )
    members = studies.members(services.database, key.study_id, key.visible_to, place)
    completed = tuple(completed_members(members))
    if not completed:
        waits = sum(each.record is not None and each.record.status in studies.UNFINISHED for each in members)
        why = f"{waits} of {len(members)} are queued or running" if waits else "look at its members"
        raise Conflict(f"no experiment of cell {place} is completed: {why}")
    ids = [each.record.id for each in completed if each.record is not None]
    refs = tuple(
        base.measured_stage(ref, params.measure) for ref in find_stages(services.database, ids, params.stage)
    )
    if any(ref.tasks != refs[0].tasks for ref in refs):
        raise Conflict("the experiments of this cell have different tasks; they cannot be averaged")
    content = CellReplicates(
        key.study_id, record.name, place, record.cells[place], len(members), completed, refs
    )
    parts = [f"{record.name}\n{record.cells[place]} {len(members)} {place}", *_digests(completed, refs)]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return Source(content, digest, key.study_id)


def completed_members(members: Sequence[StudyReplicate]) -> list[StudyReplicate]:
    """Those whose experiment is completed."""
    return [each for each in members if each.record is not None and each.record.status == "completed"]


def _digests(members: Sequence[StudyReplicate], refs: Sequence[StageRef]) -> list[str]:
    return [
        f"{each.seed} {each.base_seed} {base.stage_digest(ref)}"
        for each, ref in zip(members, refs, strict=True)
    ]


def cell_warnings(services: Services, key: StudyKey) -> list[str]:
    """Warnings: replicates that are left out, and those of the experiments themselves."""
    members = studies.members(services.database, key.study_id, key.visible_to, key.cell)
    about = missing_warnings(members)
    seen: set[int] = set()
    for each in members:  # one of each cell: they follow from the spec
        if each.record is not None and each.cell not in seen:
            seen.add(each.cell)
            about += [text for text in warnings_of(services, each.record.id) if text not in about]
    return about


def is_large(cell: CellReplicates) -> bool:
    """True if the matrices of all replicates are too many to be held."""
    return len(cell.refs) * len(cell.tasks) ** 2 > MOST_NUMBERS


def check_streamed(cell: CellReplicates, params: CellParams, format: str) -> None:
    """As `check_numbers`, for a result that is computed from some similarities at a time."""
    count, tasks = len(cell.refs), len(cell.tasks)
    if not is_large(cell):
        check_numbers(cell, params, format)
    elif tasks > MOST_TASKS or count * tasks**2 > MOST_STREAMED:
        raise InvalidSpec(
            "cell",
            f"{count} matrices of {tasks:,} tasks take too long: {MOST_STREAMED:,} numbers and "
            f"{MOST_TASKS:,} tasks are the most; each experiment has its own matrix as npy",
        )
    base.check_text(format, tasks, tasks)


def check_numbers(cell: CellReplicates, _params: CellParams, format: str) -> None:
    """Refuse what takes too much memory, or is too long as text. Raises InvalidSpec, NotAcceptable."""
    count, tasks = len(cell.refs), len(cell.tasks)
    if count * tasks**2 > MOST_NUMBERS:
        fitting = MOST_NUMBERS // tasks**2
        remedy = (
            f"make a study of {fitting} of its experiments (POST /studies with their ids as experiments) and "
            "ask that"
            if fitting > 1
            else "each experiment has its own"
        )
        raise InvalidSpec(
            "cell", f"{count} matrices of {tasks:,} tasks are more than {MOST_NUMBERS:,} numbers; {remedy}"
        )
    base.check_text(format, tasks, tasks)


def matrices(services: Services, cell: CellReplicates, params: CellParams) -> np.ndarray:
    """Similarity matrices of the replicates, float64 [R, T, T]."""
    return np.stack([replicate_matrix(services, ref, params.measure, params.layer) for ref in cell.refs])


def cell_estimate(services: Services, cell: CellReplicates, params: EstimateParams) -> ReplicateEstimate:
    """Means of the similarities of a cell with their intervals, arrays [T, T]."""
    if is_large(cell):
        return streamed_similarity(
            lambda place: base.vectors(services, cell.refs[place], params.layer),
            len(cell.tasks),
            cell.replicates,
            params.measure,
            params.over,
            params.level,
        )
    values = matrices(services, cell, params)
    return mean_similarity(values, cell.replicates, params.over, params.level)


def mean_matrix(found: ReplicateEstimate, cell: CellReplicates, params: CellParams) -> SimilarityMatrix:
    """The mean similarities of an estimate as a matrix, without tasks that lack one."""
    return consensus_matrix(found.mean, cell.labels, cell.tasks, params.measure)[0]


def matrix_stream(services: Services, cell: CellReplicates, params: CellParams) -> Iterator[np.ndarray]:
    """Similarity matrices of the replicates one after another, float64 [T, T]; none is kept."""
    for ref in cell.refs:
        yield base.similarities(services, ref, params.measure, params.layer).values


def matrices_of(
    services: Services, cell: CellReplicates, params: CellParams, rows: Sequence[int]
) -> np.ndarray:
    """Similarity matrices of some tasks of the replicates, float64 [R, rows, rows]."""
    labels = [cell.labels[row] for row in rows]
    chosen = (base.vectors(services, ref, params.layer)[rows] for ref in cell.refs)
    return np.stack([similarity(each, labels, rows, params.measure).values for each in chosen])


def replicate_matrix(
    services: Services, ref: StageRef, measure: Measure, layer: str | None = None
) -> np.ndarray:
    """Similarity matrix of one replicate, float64 [T, T], read-only: kept by digest of the vectors."""
    key = f"{ref.digest} {measure} {layer}"
    return services.arrays.get(key, lambda: base.similarities(services, ref, measure, layer).values)


def scale_of_cell(services: Services, cell: CellReplicates) -> TaskScale | None:
    """The parameter that orders the tasks; None where nothing does."""
    return scale_of(services, cell.refs[0])


def cell_about(cell: CellReplicates, params: CellParams, warnings: Sequence[str]) -> dict[str, Any]:
    """Fields that every document about a cell has."""
    return {
        "study_id": cell.study_id,
        "cell": cell.cell,
        "cell_values": dict(cell.values),
        "stage": params.stage,
        "measure": params.measure,
        "layer": params.layer,
        "replicates": len(cell.members),
        "complete": cell.complete,
        "tasks": list(cell.tasks),
        "labels": list(cell.labels),
        "warnings": list(warnings),
    }


def array_about(cell: CellReplicates, params: CellParams, **more: str) -> dict[str, str]:
    """Metadata that every array about a cell carries."""
    about = {
        "study_id": cell.study_id,
        "cell": str(cell.cell),
        "stage": params.stage,
        "measure": params.measure,
        "replicates": str(len(cell.members)),
        **more,
    }
    return about if params.layer is None else {**about, "layer": params.layer}


def numbers(values: np.ndarray) -> Any:
    """Nested lists of an array, None for NaN."""
    held = values.astype(object)
    held[~np.isfinite(values)] = None
    return held.tolist()
