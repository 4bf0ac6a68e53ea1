"""Confusion counts of completed tasks: packed in the task's row, read only where they are asked for."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sqlalchemy import select

from tgsh.store.database import Database
from tgsh.store.models import TaskRecord


@dataclass(frozen=True, eq=False)
class RecognisedCounts:
    """Test images of a task by their class and the class that was recognised.

    counts: int64 [K, K], a row a class, a column a recognised class. balanced: mean recall of the classes.
    chance: share of the commonest class.
    """

    counts: np.ndarray
    balanced: float
    chance: float


def packed_counts(tested: RecognisedCounts | None) -> dict[str, object]:
    """The columns of a task's row that hold its counts; None: without any."""
    if tested is None:
        return {"balanced": None, "chance": None, "confusion": None}
    return {"balanced": tested.balanced, "chance": tested.chance, "confusion": _packed(tested.counts)}


def forget_counts(task: TaskRecord) -> None:
    """Set a task's row to one without counts."""
    task.balanced = task.chance = task.confusion = None


def load_confusion(database: Database, experiment_id: str, index: int) -> np.ndarray | None:
    """Confusion counts of a task, int64 [K, K]; None where there is no such task, or it has none."""
    with database.read() as session:
        packed = session.scalar(
            select(TaskRecord.confusion).where(
                TaskRecord.experiment_id == experiment_id, TaskRecord.index == index
            )
        )
    return None if packed is None else _unpacked(packed)


def load_confusions(database: Database, experiment_id: str) -> Iterator[tuple[int, np.ndarray]]:
    """Index and confusion counts, int64 [K, K], of every task that has them, in the order of the tasks."""
    with database.read() as session:
        rows = session.execute(
            select(TaskRecord.index, TaskRecord.confusion)
            .where(TaskRecord.experiment_id == experiment_id, TaskRecord.confusion.is_not(None))
            .order_by(TaskRecord.index)
        ).all()
    for index, packed in rows:
        yield index, _unpacked(packed or b"")


def _packed(counts: np.ndarray) -> bytes:
    """Most counts of many classes are 0: a thousand classes of ten images take some kilobytes."""
    return zlib.compress(counts.astype("<u4").tobytes())


def _unpacked(packed: bytes) -> np.ndarray:
    counts = np.frombuffer(zlib.decompress(packed), "<u4").astype(np.int64)
    classes = round(len(counts) ** 0.5)
    return counts.reshape(classes, classes)
