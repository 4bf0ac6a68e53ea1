"""What the finish of an experiment has put together, by name."""

from __future__ import annotations

import numpy as np
from sqlalchemy import select

from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.records import FinishRecord, TaskRecord


def result(
    database: Database, artifacts: Artifacts, experiment_id: str, name: str
) -> tuple[dict[str, np.ndarray], dict[str, str]] | None:
    """Tensors and text that describes them; None before the finish, or where there is none of that name.

    class-means: `means` float32 [T, K, D]. geometry: see tgsh.training.probe.
    """
    with database.read() as session:
        finish = session.get(FinishRecord, experiment_id)
        where = finish.results.get(name) if finish is not None else None
    return None if where is None else artifacts.load(*where)


def damaged_tasks(database: Database, artifacts: Artifacts, experiment_id: str) -> list[int]:
    """The tasks whose checkpoint is missing or not what was written."""
    with database.read() as session:
        rows = session.execute(
            select(TaskRecord.index, TaskRecord.checkpoint, TaskRecord.checkpoint_sha256)
            .where(TaskRecord.experiment_id == experiment_id, TaskRecord.checkpoint.is_not(None))
            .order_by(TaskRecord.index)
        ).all()
    return [index for index, key, sha256 in rows if not artifacts.is_whole(str(key), str(sha256))]


def damaged_results(database: Database, artifacts: Artifacts, experiment_id: str) -> list[str]:
    """The names of what the finish put together and what is missing or not what was written."""
    with database.read() as session:
        finish = session.get(FinishRecord, experiment_id)
        results = {} if finish is None else dict(finish.results)
    return [name for name, where in results.items() if not artifacts.is_whole(*where)]
