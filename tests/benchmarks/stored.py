"""Finished experiment of any size without training: rows and vectors as the finish writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sqlalchemy import update

from tgsh.execution.planning import plan
from tgsh.rng import rng_for
from tgsh.settings import StoreSettings
from tgsh.specs.presets import Submission
from tgsh.store import experiments
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.models import ExperimentRecord, FinishRecord, TaskRecord

ROWS = 1_000


def finished_experiment(home: Path, tasks: int) -> str:
    """The id of a completed experiment in a new store under `home`: FlyNet, one epoch, random vectors."""
    settings = StoreSettings(home=home, database_url=None, artifacts_url=None, data_dir=None)
    body = {"suite": {"kind": "rotation", "tasks": tasks, "step_degrees": 360 / tasks}}
    spec = Submission.model_validate({**body, "training": {"epochs": 1}}).spec()
    database, artifacts = Database(settings.database), Artifacts(settings.artifacts)
    database.migrate()
    experiment_id = experiments.submit(database, spec, plan(spec)).experiment_id
    key = f"{experiment_id}/vectors.npy"
    with artifacts.staged(key) as staged:
        shape = (2, tasks, 7840)
        array = np.lib.format.open_memmap(staged.path, mode="w+", dtype=np.float32, shape=shape)
        for start in range(0, tasks, ROWS):
            part = array[:, start : start + ROWS]
            part[:] = rng_for(0, "benchmark", start).standard_normal(part.shape, np.float32)
        array.flush()
        del array
    with database.write() as session:
        completed = {"status": "completed"}
        session.execute(update(TaskRecord).values(**completed, epochs_done=1, accuracy=0.9, losses=[0.5]))
        session.execute(update(FinishRecord).values(**completed, results={"vectors": [key, staged.sha256]}))
        session.execute(update(ExperimentRecord).values(**completed, tasks_done=tasks, epochs_done=tasks))
    database.dispose()
    return experiment_id
