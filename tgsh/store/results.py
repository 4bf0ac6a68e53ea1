"""What the finish of an experiment has put together, by name."""

from __future__ import annotations

import numpy as np

from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.records import FinishRecord


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
