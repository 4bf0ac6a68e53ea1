"""The context vectors of an experiment at one stage: the finished array, or before that what there is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import select

from tgsh.errors import ArtifactCorrupt, NotFound
from tgsh.spec import ExperimentSpec
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.records import ExperimentRecord, FinishRecord, TaskRecord


@dataclass(frozen=True)
class StageRef:
    """Which vectors are meant, and where they lie; cheap to make, no array is touched.

    epoch: 0 is before training. tasks: those that have a vector at this stage.
    sources: (artifact key, SHA-256) a task, or the one finished array [E+1, T, H].
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

    @property
    def digest(self) -> str:
        """Follows from the content: equal digests mean equal vectors."""
        parts = (self.base_id, self.stage, *map(str, self.tasks), *(sha for _, sha in self.sources))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def find_stage(database: Database, experiment_id: str, stage: str) -> StageRef:
    """Where the vectors of a stage lie: "before", "after" or the number of an epoch, 0 to the last.

    Raises NotFound for an unknown experiment or stage.
    """
    with database.read() as session:
        experiment = session.get(ExperimentRecord, experiment_id)
        if experiment is None:
            raise NotFound(f"there is no experiment {experiment_id!r}")
        epochs = ExperimentSpec.model_validate(experiment.spec).training.epochs
        epoch = epoch_of(stage, epochs)
        finish = session.get_one(FinishRecord, experiment_id)
        rows = session.execute(
            select(TaskRecord.index, TaskRecord.label, TaskRecord.checkpoint, TaskRecord.checkpoint_sha256)
            .where(TaskRecord.experiment_id == experiment_id, TaskRecord.epochs_done >= max(epoch, 1))
            .order_by(TaskRecord.index)
        ).all()
        finished = finish.status == "completed"
        sources = [finish.results["vectors"]] if finished else [(row[2], row[3]) for row in rows]
        return StageRef(
            experiment_id=experiment_id,
            base_id=experiment.base_id,
            stage=stage,
            epoch=epoch,
            complete=len(rows) == experiment.tasks_total,
            finished=finished,
            tasks=tuple(row[0] for row in rows),
            labels=tuple(row[1] for row in rows),
            sources=tuple((str(key), str(sha)) for key, sha in sources),
        )


def epoch_of(stage: str, epochs: int) -> int:
    """The epoch that a stage names; NotFound for one that the experiment does not have."""
    if stage in ("before", "after"):
        return 0 if stage == "before" else epochs
    if stage.isascii() and stage.isdigit() and len(stage) < 6 and int(stage) <= epochs:
        return int(stage)
    raise NotFound(f'there is no stage {stage!r}: ask for "before", "after" or an epoch from 0 to {epochs}')


def load_stage(artifacts: Artifacts, ref: StageRef) -> np.ndarray:
    """The vectors, float32 [T, H]; memory-mapped where the experiment is finished."""
    if ref.finished:
        [(key, sha256)] = ref.sources
        array = artifacts.load_array(key, sha256)
        if array.ndim != 3 or array.shape[1] != len(ref.tasks) or array.shape[0] <= ref.epoch:
            raise ArtifactCorrupt(f"artifact {key} has the wrong shape {array.shape}")
        return array[ref.epoch]  # type: ignore[no-any-return]
    rows = [vectors_of(artifacts, key, sha256)[ref.epoch] for key, sha256 in ref.sources]
    return np.stack(rows) if rows else np.zeros((0, 0), np.float32)


def vectors_of(artifacts: Artifacts, key: str, sha256: str) -> np.ndarray:
    """The vectors of all epochs so far in one task's checkpoint, float32 [epochs done + 1, H]."""
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


def _write_rows(path: Path, shape: tuple[int, int, int], courses: Iterable[np.ndarray]) -> None:
    """Task by task, as 10,000 tasks need not fit into memory; and by writes, as a full disk makes a write
    fail, where it would kill a process that stores to mapped memory (SIGBUS).
    """
    epochs, tasks, width = shape
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        start = file.tell()
        for row, course in enumerate(courses):
            if course.shape != (epochs, width):
                raise ArtifactCorrupt(f"the vectors of task {row} are {course.shape}, not {(epochs, width)}")
            for epoch in range(epochs):
                file.seek(start + 4 * width * (epoch * tasks + row))
                file.write(course[epoch].astype("<f4").tobytes())
