"""Learned tasks by random base: what a caller may see of them, across experiments.

Rights are part of every query, so that nothing later counts or ranks what may not be seen. What is learned
lies in pieces: the tasks of a completed experiment in one array, each task of another in its checkpoint, and
the replicates of a placement, whose mean direction is one context.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from sqlalchemy import ColumnElement, func, or_, select, tuple_
from sqlalchemy.orm import Session

from tgsh.errors import ArtifactCorrupt, NotFound
from tgsh.store import analyses
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.models import AnalysisRecord, ExperimentRecord, TaskRecord, UseRecord
from tgsh.store.queries import MAX_IDS
from tgsh.store.results import StageRef, find_stage, load_stage, vectors_of
from tgsh.store.visibility import is_visible_to

PLACEMENT = "placement"
"""Stage of the contexts of a placement, which is none of an experiment's."""

PLACED = -1
"""Number of a placement where tasks have theirs."""

SENT = "images sent"
"""Dataset of a placement whose images came with the request."""

WITHOUT_BASE = ("gsh",)
"""Kinds of networks whose tasks share no random base, so that their contexts cannot be compared."""


@dataclass(frozen=True)
class AtlasFilters:
    """Conditions on the experiments of an atlas; None: no condition.

    visible_to: the name of an API key; what it does not see is not there. dataset: its own, or one of
    several. without: the id of an experiment that is left out; only: of the only one that is not.
    """

    visible_to: str | None = None
    dataset: str | None = None
    suite: str | None = None
    owner: str | None = None
    project: str | None = None
    without: str | None = None
    only: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """SQL conditions for a query of ExperimentRecord."""
        found: list[ColumnElement[bool]] = []
        if self.visible_to is not None:
            found.append(is_visible_to(self.visible_to))
        if self.dataset is not None:
            using = select(UseRecord.experiment_id).where(UseRecord.dataset_id == self.dataset)
            found.append(or_(ExperimentRecord.dataset == self.dataset, ExperimentRecord.id.in_(using)))
        if self.suite is not None:
            found.append(ExperimentRecord.suite == self.suite)
        if self.owner is not None:
            found.append(ExperimentRecord.owner == self.owner)
        if self.project is not None:
            found.append(ExperimentRecord.project == self.project)
        if self.without is not None:
            found.append(ExperimentRecord.id != self.without)
        if self.only is not None:
            found.append(ExperimentRecord.id == self.only)
        return found


@dataclass(frozen=True)
class BaseCounts:
    """A random base with what a caller sees of it.

    newest: the id of its newest experiment, and when that was submitted. tasks: learned ones. datasets,
    suites: of its experiments, sorted.
    """

    base_id: str
    newest: str
    created_at: float
    experiments: int
    tasks: int
    datasets: tuple[str, ...]
    suites: tuple[str, ...]


def _comparable(visible_to: str | None) -> list[ColumnElement[bool]]:
    kind = ExperimentRecord.spec["network"]["kind"].as_string()
    return [kind.not_in(WITHOUT_BASE), *AtlasFilters(visible_to).conditions()]


def bases(
    database: Database, visible_to: str | None, limit: int, after: tuple[float, str] | None = None
) -> list[BaseCounts]:
    """Up to `limit` random bases, the one used last first; after: (created_at, base_id) of the last one."""
    used = func.max(ExperimentRecord.created_at)
    query = (
        select(
            ExperimentRecord.base_id,
            used,
            func.count(),
            func.coalesce(func.sum(ExperimentRecord.tasks_done), 0),
        )
        .where(*_comparable(visible_to))
        .group_by(ExperimentRecord.base_id)
        .order_by(used.desc(), ExperimentRecord.base_id.desc())
    )
    if after is not None:
        query = query.having(tuple_(used, ExperimentRecord.base_id) < tuple_(*after))
    with database.read() as session:
        rows = session.execute(query.limit(limit)).all()
        return [_counts(session, visible_to, *row) for row in rows]


def base(database: Database, base_id: str, visible_to: str | None) -> BaseCounts:
    """One random base. Raises NotFound where the caller sees no experiment on it, as for one unknown."""
    query = select(
        func.max(ExperimentRecord.created_at),
        func.count(),
        func.coalesce(func.sum(ExperimentRecord.tasks_done), 0),
    ).where(ExperimentRecord.base_id == base_id, *_comparable(visible_to))
    with database.read() as session:
        used, experiments, tasks = session.execute(query).one()
        if not experiments:
            raise NotFound(f"there is no random base {base_id!r}")
        return _counts(session, visible_to, base_id, used, experiments, tasks)


def require_base(database: Database, base_id: str, visible_to: str | None) -> None:
    """Raises NotFound as `base` does, and counts nothing."""
    query = select(ExperimentRecord.id).where(ExperimentRecord.base_id == base_id, *_comparable(visible_to))
    with database.read() as session:
        if session.scalar(query.limit(1)) is None:
            raise NotFound(f"there is no random base {base_id!r}")


def projects(database: Database, base_id: str, visible_to: str | None) -> list[str]:
    """Names of the projects of the experiments on a base that a key of that name sees (None: all)."""
    project = ExperimentRecord.project
    query = select(project).where(ExperimentRecord.base_id == base_id, *_comparable(visible_to)).distinct()
    with database.read() as session:
        return sorted(name for name in session.scalars(query) if name)


def _counts(
    session: Session, visible_to: str | None, base_id: str, used: float, experiments: int, tasks: int
) -> BaseCounts:
    here = (ExperimentRecord.base_id == base_id, *_comparable(visible_to))
    newest = session.scalar(
        select(ExperimentRecord.id)
        .where(*here)
        .order_by(ExperimentRecord.created_at.desc(), ExperimentRecord.id.desc())
        .limit(1)
    )
    kinds = session.execute(select(ExperimentRecord.dataset, ExperimentRecord.suite).where(*here).distinct())
    pairs = [(row[0], row[1]) for row in kinds]
    return BaseCounts(
        base_id=base_id,
        newest=newest or "",
        created_at=used,
        experiments=int(experiments),
        tasks=int(tasks),
        datasets=tuple(sorted({dataset for dataset, _ in pairs})),
        suites=tuple(sorted({suite for _, suite in pairs})),
    )


class AtlasPlacement(NamedTuple):
    """A placement in an atlas: its id, the dataset that was placed, and whose it is."""

    id: str
    dataset: str
    owner: str | None


class Piece(NamedTuple):
    """Learned contexts that are read together; no array is read to make one.

    experiment, name, dataset, suite, owner: of the experiment, for a placement too. tasks: how many. task:
    the only one, of an experiment that is not completed; None: all. version: equal ones of an experiment mean
    equal vectors. placement: None for tasks.
    """

    experiment: str
    name: str
    dataset: str
    suite: str
    owner: str | None
    tasks: int
    task: int | None
    version: str
    placement: AtlasPlacement | None = None

    @property
    def key(self) -> tuple[str, int | None, str]:
        """Equal ones mean equal vectors."""
        return self.experiment, self.task, self.version


def pieces_of(database: Database, base_id: str, filters: AtlasFilters) -> list[Piece]:
    """Everything learned on a random base that the filters select, the newest experiments first."""
    described = (
        ExperimentRecord.id,
        ExperimentRecord.name,
        ExperimentRecord.dataset,
        ExperimentRecord.suite,
        ExperimentRecord.owner,
    )
    here = (ExperimentRecord.base_id == base_id, *filters.conditions())
    created = ExperimentRecord.created_at
    newest = (created.desc(), ExperimentRecord.id.desc())
    status = func.coalesce(ExperimentRecord.status, "")  # no index of the status: that of the base is better
    whole = select(*described, ExperimentRecord.tasks_total, ExperimentRecord.finished_at, created).where(
        *here, status == "completed"
    )
    partial = select(ExperimentRecord.id).where(*here, status != "completed", ExperimentRecord.tasks_done > 0)
    with database.read() as session:
        found = [
            (row[7], row[0], -1, Piece(*row[:5], row[5], None, f"{row[6]}"))
            for row in session.execute(whole.order_by(*newest)).all()
        ]
        ids = session.scalars(partial).all()
        for start in range(0, len(ids), MAX_IDS):
            single = (
                select(*described, TaskRecord.index, TaskRecord.checkpoint_sha256, created)
                .join(TaskRecord, TaskRecord.experiment_id == ExperimentRecord.id)
                .where(
                    ExperimentRecord.id.in_(ids[start : start + MAX_IDS]), TaskRecord.status == "completed"
                )
            )
            found += [
                (row[7], row[0], row[5], Piece(*row[:5], 1, row[5], str(row[6])))
                for row in session.execute(single).all()
            ]
    placed = _placed(database, base_id, filters)
    if ids or placed:
        found += placed
        found.sort(key=lambda each: each[2])
        found.sort(key=lambda each: each[:2], reverse=True)
    return [piece for *_, piece in found]


def _placed(database: Database, base_id: str, filters: AtlasFilters) -> list[tuple[float, str, int, Piece]]:
    """Completed placements in experiments on a base, with what sorts them among pieces.

    A placement is seen by who sees its experiment, and is its owner or was made without a key; `dataset` and
    `owner` are its own. It has no suite, and is none of the tasks of its experiment.
    """
    if filters.suite is not None or filters.only is not None:
        return []
    a, e = AnalysisRecord, ExperimentRecord
    of_experiment = replace(filters, dataset=None, owner=None)
    conditions = [e.base_id == base_id, *of_experiment.conditions()]
    conditions += [a.kind == "placement", a.status == "completed", *analyses.is_visible(filters.visible_to)]
    if filters.owner is not None:
        conditions.append(a.owner == filters.owner)
    own = (a.id, a.created_at, a.owner, a.params, a.artifact_sha256)
    described = (e.id, e.name, e.dataset, e.suite, e.owner)
    query = select(*own, *described).join(e, e.id == a.experiment_id).where(*conditions)
    with database.read() as session:
        rows = session.execute(query).all()
    found = []
    for id, created_at, owner, params, sha256, experiment, name, used, suite, of in rows:
        dataset = params.get("dataset") or SENT
        if filters.dataset is None or dataset == filters.dataset:
            placement = AtlasPlacement(id, dataset, owner)
            piece = Piece(experiment, name, used, suite, of, 1, PLACED, f"{id} {sha256}", placement)
            found.append((created_at, experiment, PLACED, piece))
    return found


def digest_of(pieces: Sequence[Piece]) -> str:
    """Follows from all that the pieces tell, and from their vectors."""
    lines = [
        f"{each.key} {each.dataset} {each.suite} {each.owner} {each.placement} {each.name!r}"
        for each in pieces
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def find_piece(database: Database, piece: Piece) -> StageRef:
    """Location of the contexts of a piece after training. No array is read.

    Raises NotFound where they are gone or others since.
    """
    if piece.placement is not None:
        return _find_placement(database, piece, piece.placement.id)
    if piece.task is None:
        ref = find_stage(database, piece.experiment, "after")
        if not ref.finished or len(ref.tasks) != piece.tasks:
            raise NotFound(f"{piece.experiment} is no longer completed")
        return ref
    with database.read() as session:
        row = session.get(TaskRecord, (piece.experiment, piece.task))
        if row is None or row.status != "completed" or row.checkpoint_sha256 != piece.version:
            raise NotFound(f"task {piece.task} of {piece.experiment} is no longer what it was")
        experiment = session.get_one(ExperimentRecord, piece.experiment)
        return StageRef(
            experiment_id=piece.experiment,
            base_id=experiment.base_id,
            stage="after",
            epoch=row.epochs_done,
            complete=False,
            finished=False,
            tasks=(row.index,),
            labels=(row.label,),
            sources=((str(row.checkpoint), piece.version),),
        )


def _find_placement(database: Database, piece: Piece, id: str) -> StageRef:
    with database.read() as session:
        row = session.get(AnalysisRecord, id)
        if row is None or piece.version != f"{row.id} {row.artifact_sha256}":
            raise NotFound(f"placement {id} is no longer what it was")
        experiment = session.get_one(ExperimentRecord, piece.experiment)
        return StageRef(
            experiment_id=piece.experiment,
            base_id=experiment.base_id,
            stage=PLACEMENT,
            epoch=0,
            complete=True,
            finished=False,
            tasks=(PLACED,),
            labels=(analyses.name_of(row),),
            sources=((str(row.artifact), str(row.artifact_sha256)),),
        )


def _mean_direction(vectors: np.ndarray) -> np.ndarray:
    """The mean of vectors [R, H] of length 1, float32 [1, H]; those of zeros do not count."""
    vectors = vectors.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths != 0)
    mean: np.ndarray = directions.mean(axis=0, keepdims=True).astype("<f4")
    return mean


def load_piece(artifacts: Artifacts, ref: StageRef) -> np.ndarray:
    """The contexts of a piece, float32 [T, H]; may be memory-mapped.

    Raises ArtifactMissing, ArtifactCorrupt, ArtifactUnreachable.
    """
    if ref.stage == PLACEMENT:
        return _mean_direction(vectors_of(artifacts, *ref.sources[0]))
    try:
        found = load_stage(artifacts, ref)
    except IndexError as error:
        raise ArtifactCorrupt(f"artifact {ref.sources[0][0]} has fewer epochs than were learned") from error
    if found.dtype != np.dtype("<f4"):
        raise ArtifactCorrupt(f"artifact {ref.sources[0][0]} holds {found.dtype}, not float32")
    return found


def read_rows(artifacts: Artifacts, ref: StageRef, rows: Sequence[int], width: int) -> np.ndarray:
    """Some rows of what `load_piece` has loaded before, float32 [n, width]. Raises as it does.

    Of a completed experiment they are read from the end of its file, which is that of the last epoch: opening
    an array of hundreds of experiments takes longer than all that follows.
    """
    if not ref.finished:
        return load_piece(artifacts, ref)[list(rows)]
    [(key, sha256)] = ref.sources
    size, tasks = 4 * width, len(ref.tasks)
    found = np.empty((len(rows), width), "<f4")
    file = os.open(artifacts.path(key, sha256), os.O_RDONLY)
    try:
        end = os.fstat(file).st_size
        for row, target in zip(rows, found, strict=True):
            if os.preadv(file, [target.data], end - size * (tasks - row)) != size:
                raise ArtifactCorrupt(f"artifact {key} ends early")
    finally:
        os.close(file)
    return found


def places_of(places: Sequence[int], starts: np.ndarray) -> list[tuple[int, int]]:
    """(Number of the piece, row in it) of places in all pieces one after the other. starts: of each piece."""
    numbers = np.searchsorted(starts, places, side="right") - 1
    rows = np.asarray(places, np.int64) - starts[numbers]
    return list(zip(numbers.tolist(), rows.tolist(), strict=True))
