"""WorkerContext on a temporary store, and small experiments, for tests of the runner."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from tests.support.jobs import queued_jobs
from tgsh.execution import runner
from tgsh.execution.context import WorkerContext
from tgsh.execution.planning import plan
from tgsh.specs import ExperimentSpec
from tgsh.specs.presets import Submission
from tgsh.store import experiments, queries
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.results import find_stage

SPEC = Submission.model_validate(
    {
        "dataset": "mnist5k",
        "suite": {"kind": "rotation", "tasks": 3, "step_degrees": 15},
        "network": {"kind": "flynet", "expansion": 2},
        "training": {"epochs": 2, "train_limit": 600},
    }
).spec()


def never() -> bool:
    return False


def worker_context(folder: Path, name: str = "worker", lease_seconds: float = 60) -> WorkerContext:
    database = Database(f"sqlite:///{folder}/tgsh.db")
    database.migrate()
    return WorkerContext(
        database, Artifacts(str(folder / "artifacts")), folder / "data", lease_seconds, "cpu", name
    )


def submit(context: WorkerContext, spec: ExperimentSpec = SPEC) -> str:
    return experiments.submit(context.database, spec, plan(spec))[0]


def run_all_jobs(context: WorkerContext, experiment_id: str, stop: Callable[[], bool] = never) -> None:
    """Run jobs of an experiment, as workers do, until it has ended."""
    while jobs := queued_jobs(context.database, experiment_id):
        for job in jobs:
            runner.run(context, job, stop)


def digest(context: WorkerContext, experiment_id: str) -> str:
    """A hash of all vectors of all epochs."""
    assert queries.experiment(context.database, experiment_id).record.status == "completed"
    ref = find_stage(context.database, experiment_id, "after")
    return hashlib.sha256(context.artifacts.path(*ref.sources[0]).read_bytes()).hexdigest()
