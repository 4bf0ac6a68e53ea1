"""Stored context vectors by stage and epoch, measured results, provenance; damage of their files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from tgsh import progress
from tgsh.errors import ArtifactCorrupt, NotFound
from tgsh.specs import ExperimentSpec, TrainingSpec
from tgsh.store import queries
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.models import ExperimentRecord, FinishRecord, TaskRecord

PROVENANCE = "provenance"
"""Name of the provenance among the results of a finish."""

Origin = dict[str, Any]
"""Digests of a task's images, versions of the software, and the machine that trained it."""


@dataclass(frozen=True)
class StageRef:
    """Reference to the context vectors of a stage; no array is read to make one.

    epoch: 0 is before training. tasks: those that have a vector at this stage.
    sources: (artifact key, SHA-256) of each task, or of the one array [E + 1, T, H] of a finished experiment.
    is_update: whether its vectors are v − v₀, what training added since before it.
    """

    experiment_id: str
    base_id: str
    stage: str
    epoch: int
    complete: bool
    finished: bool
    tasks: tuple[int, ...]
    labels: tuple[str, ...]
    sources: tuple[tuple[str, str], ...]
    is_update: bool = False

    @property
    def digest(self) -> str:
        """Digest of the content: equal digests mean equal vectors."""
        update = ("update",) if self.is_update else ()
        parts = (self.base_id, self.stage, *map(str, self.tasks), *(sha for _, sha in self.sources), *update)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def find_stage(database: Database, experiment_id: str, stage: str) -> StageRef:
    """Reference to the vectors of a stage: "before", "after" or the number of an epoch, 0 to the last.

    Raises NotFound for an unknown experiment or stage.
    """
    return find_stages(database, [experiment_id], stage)[0]


def find_stages(database: Database, experiment_ids: Sequence[str], stage: str) -> list[StageRef]:
    """References to the vectors of a stage of several experiments, in three queries.

    Raises NotFound for the first unknown experiment, or the first that has no such stage.
    """
    with database.read() as session:
        e, t, f = ExperimentRecord, TaskRecord, FinishRecord
        columns = (e.id, e.base_id, e.spec, e.tasks_total)
        there = {row.id: row for row in session.execute(select(*columns).where(e.id.in_(experiment_ids)))}
        missing = [id for id in experiment_ids if id not in there]
        if missing:
            raise NotFound(f"there is no experiment {missing[0]!r}")
        epochs = {id: _epoch_of(there[id].spec, stage) for id in dict.fromkeys(experiment_ids)}
        done = select(f.experiment_id, f.status, f.results).where(f.experiment_id.in_(experiment_ids))
        vectors = {
            id: results["vectors"] for id, status, results in session.execute(done) if status == "completed"
        }
        query = (
            select(t.experiment_id, t.index, t.label, t.checkpoint, t.checkpoint_sha256, t.epochs_done)
            .where(t.experiment_id.in_(experiment_ids), t.epochs_done >= max(1, min(epochs.values())))
            .order_by(t.experiment_id, t.index)
        )
        rows: dict[str, list[Any]] = {id: [] for id in epochs}
        for id, *row, epochs_done in session.execute(query):
            if epochs_done >= max(epochs[id], 1):
                rows[id].append(row)
    return [
        StageRef(
            experiment_id=id,
            base_id=there[id].base_id,
            stage=stage,
            epoch=epochs[id],
            complete=len(rows[id]) == there[id].tasks_total,
            finished=id in vectors,
            tasks=tuple(row[0] for row in rows[id]),
            labels=tuple(row[1] for row in rows[id]),
            sources=tuple(
                (str(key), str(sha))
                for key, sha in ([vectors[id]] if id in vectors else [(row[2], row[3]) for row in rows[id]])
            ),
        )
        for id in experiment_ids
    ]


def _epoch_of(spec: Mapping[str, Any], stage: str) -> int:
    """The epoch that a stage names in an experiment of this spec. Raises NotFound."""
    if stage == "before":
        return 0
    training = TrainingSpec.model_validate(spec.get("training", {}))  # the rest decides nothing here
    return epoch_of(stage, training.epochs)


def epoch_of(stage: str, epochs: int) -> int:
    """The epoch that a stage names; NotFound for one that the experiment does not have."""
    if stage in ("before", "after"):
        return 0 if stage == "before" else epochs
    if stage.isascii() and stage.isdigit() and len(stage) < 6 and int(stage) <= epochs:
        return int(stage)
    raise NotFound(f'there is no stage {stage!r}: ask for "before", "after" or an epoch from 0 to {epochs}')


def load_stage(artifacts: Artifacts, ref: StageRef) -> np.ndarray:
    """Context vectors of a stage, float32 [T, H]; memory-mapped where the experiment is finished.

    Of a reference to updates, v − v₀ of each task: a difference of two float32 has the exact one's digits.
    """
    if ref.is_update:
        there = replace(ref, is_update=False)
        return np.asarray(load_stage(artifacts, there) - load_stage(artifacts, replace(there, epoch=0)))
    if ref.finished:
        [(key, sha256)] = ref.sources
        array = artifacts.load_array(key, sha256)
        if array.ndim != 3 or array.shape[1] != len(ref.tasks) or array.shape[0] <= ref.epoch:
            raise ArtifactCorrupt(f"artifact {key} has the wrong shape {array.shape}")
        return array[ref.epoch]  # type: ignore[no-any-return]
    rows = [vectors_of(artifacts, key, sha256)[ref.epoch] for key, sha256 in ref.sources]
    return np.stack(rows) if rows else np.zeros((0, 0), np.float32)


def vectors_of(artifacts: Artifacts, key: str, sha256: str) -> np.ndarray:
    """Context vectors of all epochs in one task's checkpoint, float32 [epochs done + 1, H]."""
    tensors, _ = artifacts.load(key, sha256)
    if "vectors" not in tensors or tensors["vectors"].ndim != 2:
        raise ArtifactCorrupt(f"artifact {key} holds no tensor 'vectors' of two dimensions")
    return tensors["vectors"]


def consolidate(database: Database, artifacts: Artifacts, experiment_id: str, key: str) -> str:
    """Write the vectors of all tasks and epochs as one array [E+1, T, H] (.npy); its SHA-256 (hex)."""
    ref = find_stage(database, experiment_id, "after")
    first = vectors_of(artifacts, *ref.sources[0])
    shape = (first.shape[0], len(ref.sources), first.shape[1])
    with artifacts.staged(key) as staged:
        _write_rows(staged.path, shape, (vectors_of(artifacts, *source) for source in ref.sources))
    return staged.sha256


def _write_rows(path: Path, shape: tuple[int, int, int], trajectories: Iterable[np.ndarray]) -> None:
    """Write an array [E + 1, T, H] from the trajectories [E + 1, H] of its tasks.

    One task at a time, as 10,000 tasks need not fit into memory; by writes, not a memory map, as a full disk
    makes a write fail but kills a process that stores to mapped memory (SIGBUS).
    """
    epochs, tasks, width = shape
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        start = file.tell()
        for row, trajectory in enumerate(trajectories):
            progress.step()
            if trajectory.shape != (epochs, width):
                raise ArtifactCorrupt(
                    f"the vectors of task {row} are {trajectory.shape}, not {(epochs, width)}"
                )
            for epoch in range(epochs):
                file.seek(start + 4 * width * (epoch * tasks + row))
                file.write(trajectory[epoch].astype("<f4").tobytes())


@dataclass(frozen=True)
class TrajectoryRef:
    """Reference to the trajectory of one task: its context vectors over epochs. No array is read to make one.

    epochs_done: 0 where there are none yet. source: (artifact key, SHA-256) of its checkpoint, or of the
    finished array [E + 1, T, H], in which it has the row `row`.
    """

    task: int
    label: str
    epochs_done: int
    source: tuple[str, str]
    row: int | None


@dataclass(frozen=True)
class Trajectories:
    """References to the trajectories of all tasks of an experiment, in task order.

    epochs: of the whole training. finished: whether they will never change.
    """

    experiment_id: str
    base_id: str
    epochs: int
    finished: bool
    tasks: tuple[TrajectoryRef, ...]

    def digest(self, *tasks: int) -> str:
        """Digest of the content of these tasks: equal digests mean equal vectors."""
        refs = [self.tasks[task] for task in tasks]
        parts = [f"{ref.task} {ref.epochs_done} {ref.source[1]}" for ref in refs]
        return hashlib.sha256("\n".join([self.base_id, *parts]).encode()).hexdigest()


def find_trajectories(database: Database, experiment_id: str) -> Trajectories:
    """References to the trajectories of all tasks. Raises NotFound for an unknown experiment."""
    with database.read() as session:
        experiment = session.get(ExperimentRecord, experiment_id)
        if experiment is None:
            raise NotFound(f"there is no experiment {experiment_id!r}")
        finished = _finished_vectors(session, experiment_id)
        rows = session.scalars(
            select(TaskRecord).where(TaskRecord.experiment_id == experiment_id).order_by(TaskRecord.index)
        ).all()
        return Trajectories(
            experiment_id,
            experiment.base_id,
            ExperimentSpec.model_validate(experiment.spec).training.epochs,
            finished is not None,
            tuple(_trajectory_ref(row, finished) for row in rows),
        )


def find_trajectory(database: Database, experiment_id: str, task: int) -> TrajectoryRef:
    """Reference to the trajectory of one task. Raises NotFound for an unknown experiment or task."""
    with database.read() as session:
        row = session.get(TaskRecord, (experiment_id, task))
        if row is None:
            raise NotFound(f"there is no task {task} of an experiment {experiment_id!r}")
        return _trajectory_ref(row, _finished_vectors(session, experiment_id))


def _finished_vectors(session: Session, experiment_id: str) -> tuple[str, str] | None:
    """(artifact key, SHA-256) of the array [E + 1, T, H]; None before the finish."""
    finish = session.get_one(FinishRecord, experiment_id)
    if finish.status != "completed":
        return None
    key, sha256 = finish.results["vectors"]
    return str(key), str(sha256)


def _trajectory_ref(row: TaskRecord, finished: tuple[str, str] | None) -> TrajectoryRef:
    checkpoint = (str(row.checkpoint), str(row.checkpoint_sha256))
    array_row = row.index if finished else None
    return TrajectoryRef(row.index, row.label, row.epochs_done, finished or checkpoint, array_row)


def load_trajectory(artifacts: Artifacts, ref: TrajectoryRef) -> np.ndarray:
    """Trajectory of one task, float32 [epochs done + 1, H], row 0 before training; [0, 0] without epochs."""
    if ref.epochs_done == 0:
        return np.zeros((0, 0), np.float32)
    if ref.row is None:
        return vectors_of(artifacts, *ref.source)[: ref.epochs_done + 1]
    array = artifacts.load_array(*ref.source)
    if array.ndim != 3 or array.shape[0] <= ref.epochs_done or array.shape[1] <= ref.row:
        raise ArtifactCorrupt(f"artifact {ref.source[0]} has the wrong shape {array.shape}")
    return np.asarray(array[: ref.epochs_done + 1, ref.row])


def load_result(
    database: Database, artifacts: Artifacts, experiment_id: str, name: str
) -> tuple[dict[str, np.ndarray], dict[str, str]] | None:
    """Tensors and metadata of a result of the finish; None before the finish, or without one of that name.

    class-means: `means` float32 [T, K, D]. Others: see tgsh/training/measurements.py.
    """
    with database.read() as session:
        finish = session.get(FinishRecord, experiment_id)
        source = finish.results.get(name) if finish is not None else None
    return None if source is None else artifacts.load(*source)


def damaged_tasks(database: Database, artifacts: Artifacts, experiment_id: str) -> list[int]:
    """Indices of the tasks whose checkpoint is missing or damaged."""
    with database.read() as session:
        rows = session.execute(
            select(TaskRecord.index, TaskRecord.checkpoint, TaskRecord.checkpoint_sha256)
            .where(TaskRecord.experiment_id == experiment_id, TaskRecord.checkpoint.is_not(None))
            .order_by(TaskRecord.index)
        ).all()
    damaged = []
    for index, key, sha256 in rows:
        if not artifacts.is_whole(str(key), str(sha256)):
            damaged.append(index)
        progress.step()
    return damaged


def damaged_results(database: Database, artifacts: Artifacts, experiment_id: str) -> list[str]:
    """Names of the results of the finish whose file is missing or damaged."""
    with database.read() as session:
        finish = session.get(FinishRecord, experiment_id)
        results = {} if finish is None else dict(finish.results)
    return [name for name, source in results.items() if not artifacts.is_whole(*source)]


def collect_provenance(database: Database, artifacts: Artifacts, experiment_id: str) -> dict[str, str]:
    """Origins recorded in the checkpoints of all tasks, as text: each origin once, and its index by task."""
    origins: list[Origin] = []
    of_task = []
    for task in queries.tasks(database, experiment_id):
        origin = _parse_origin(artifacts.metadata(str(task.checkpoint), str(task.checkpoint_sha256)))
        progress.step()
        if origin not in origins:
            origins.append(origin)
        of_task.append(origins.index(origin))
    return {"origins": json.dumps(origins, sort_keys=True), "of_task": json.dumps(of_task)}


def _parse_origin(metadata: Mapping[str, str]) -> Origin:
    """Origin from a checkpoint's metadata: images (SHA-256 by split), versions by name, machine; or None."""
    images, versions = (json.loads(metadata.get(name, "null")) for name in ("images", "versions"))
    return {"images": images, "versions": versions, "machine": metadata.get("machine")}


def task_origins(database: Database, artifacts: Artifacts, experiment_id: str) -> list[Origin] | None:
    """The origin of each task of a completed experiment; None where an earlier version did not record it."""
    provenance = load_result(database, artifacts, experiment_id, PROVENANCE)
    if provenance is None:
        return None
    _, metadata = provenance
    origins = json.loads(metadata["origins"])
    return [origins[index] for index in json.loads(metadata["of_task"])]
