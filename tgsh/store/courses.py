"""The context vectors of single tasks at all epochs so far."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from tgsh.errors import ArtifactCorrupt, NotFound
from tgsh.spec import ExperimentSpec
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.records import ExperimentRecord, FinishRecord, TaskRecord
from tgsh.store.vectors import vectors_of


@dataclass(frozen=True)
class CourseRef:
    """Where the vectors of one task lie; cheap to make, no array is touched.

    epochs_done: 0 where there are none yet. source: (artifact key, SHA-256) of its checkpoint, or of the
    finished array [E+1, T, H], in which it has the row `row`.
    """

    task: int
    label: str
    epochs_done: int
    source: tuple[str, str]
    row: int | None


@dataclass(frozen=True)
class Courses:
    """The courses of all tasks of an experiment of so many epochs, in task order.

    finished: whether they will never change.
    """

    experiment_id: str
    base_id: str
    epochs: int
    finished: bool
    tasks: tuple[CourseRef, ...]

    def digest(self, *tasks: int) -> str:
        """Follows from the content of these tasks: equal digests mean equal vectors."""
        refs = [self.tasks[task] for task in tasks]
        parts = [f"{ref.task} {ref.epochs_done} {ref.source[1]}" for ref in refs]
        return hashlib.sha256("\n".join([self.base_id, *parts]).encode()).hexdigest()


def find_courses(database: Database, experiment_id: str) -> Courses:
    """Where the vectors of all epochs lie. Raises NotFound for an unknown experiment."""
    with database.read() as session:
        experiment = session.get(ExperimentRecord, experiment_id)
        if experiment is None:
            raise NotFound(f"there is no experiment {experiment_id!r}")
        whole = _finished(session, experiment_id)
        rows = session.scalars(
            select(TaskRecord).where(TaskRecord.experiment_id == experiment_id).order_by(TaskRecord.index)
        ).all()
        return Courses(
            experiment_id,
            experiment.base_id,
            ExperimentSpec.model_validate(experiment.spec).training.epochs,
            whole is not None,
            tuple(_course(row, whole) for row in rows),
        )


def find_course(database: Database, experiment_id: str, task: int) -> CourseRef:
    """Where the vectors of one task lie. Raises NotFound for an unknown experiment or task."""
    with database.read() as session:
        row = session.get(TaskRecord, (experiment_id, task))
        if row is None:
            raise NotFound(f"there is no task {task} of an experiment {experiment_id!r}")
        return _course(row, _finished(session, experiment_id))


def _finished(session: Session, experiment_id: str) -> tuple[str, str] | None:
    """The finished array (artifact key, SHA-256), which has a row a task; None where there is none yet."""
    finish = session.get_one(FinishRecord, experiment_id)
    if finish.status != "completed":
        return None
    key, sha256 = finish.results["vectors"]
    return str(key), str(sha256)


def _course(row: TaskRecord, whole: tuple[str, str] | None) -> CourseRef:
    own = (str(row.checkpoint), str(row.checkpoint_sha256))
    return CourseRef(row.index, row.label, row.epochs_done, whole or own, row.index if whole else None)


def load_course(artifacts: Artifacts, ref: CourseRef) -> np.ndarray:
    """The vectors of one task, float32 [epochs done + 1, H], before training first; [0, 0] where none are."""
    if ref.epochs_done == 0:
        return np.zeros((0, 0), np.float32)
    if ref.row is None:
        return vectors_of(artifacts, *ref.source)[: ref.epochs_done + 1]
    array = artifacts.load_array(*ref.source)
    if array.ndim != 3 or array.shape[0] <= ref.epochs_done or array.shape[1] <= ref.row:
        raise ArtifactCorrupt(f"artifact {ref.source[0]} has the wrong shape {array.shape}")
    return np.asarray(array[: ref.epochs_done + 1, ref.row])
