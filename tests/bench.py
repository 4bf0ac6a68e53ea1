"""A bench to work on, and small experiments to work off, for tests of the runner."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from tests.store.steps import queued_jobs
from tgsh.execution import runner
from tgsh.execution.context import Bench
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


def bench_in(folder: Path, name: str = "worker", lease_seconds: float = 60) -> Bench:
    database = Database(f"sqlite:///{folder}/tgsh.db")
    database.migrate()
    return Bench(database, Artifacts(str(folder / "artifacts")), folder / "data", lease_seconds, "cpu", name)


def submit(bench: Bench, spec: ExperimentSpec = SPEC) -> str:
    return experiments.submit(bench.database, spec, plan(spec))[0]


def work_off(bench: Bench, experiment_id: str, stop: Callable[[], bool] = never) -> None:
    """What workers do until the experiment has ended."""
    while jobs := queued_jobs(bench.database, experiment_id):
        for job in jobs:
            runner.run(bench, job, stop)


def digest(bench: Bench, experiment_id: str) -> str:
    """A hash of all vectors of all epochs."""
    assert queries.experiment(bench.database, experiment_id).record.status == "completed"
    ref = find_stage(bench.database, experiment_id, "after")
    return hashlib.sha256(bench.artifacts.path(*ref.sources[0]).read_bytes()).hexdigest()
