"""Overhead of the queue between jobs, and gain of a second worker, with Redis, API and workers."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from tests.benchmarks.table import Row
from tgsh.client import Client
from tgsh.stack.stack import Stack
from tgsh.store.database import Database
from tgsh.store.models import TaskRecord

WORKERS = 2

TINY: dict[str, Any] = {
    "name": "next to no training",
    "dataset": "mnist5k",
    "suite": {"kind": "rotation", "tasks": 200, "step_degrees": 1},
    "network": {"kind": "flynet", "expansion": 1},
    "training": {"epochs": 1, "train_limit": 1},
}

REAL: dict[str, Any] = {
    "name": "real training",
    "dataset": "mnist5k",
    "suite": {"kind": "rotation", "tasks": 36, "step_degrees": 10},
    "training": {"epochs": 10},
}


def rows(rounds: int) -> list[Row]:
    """Medians over rounds: milliseconds of a job beside its training, and the gain of a second worker."""
    overheads = _measure(WORKERS, TINY, rounds, _overhead)
    one, two = (_measure(workers, REAL, rounds, _wall) for workers in (1, WORKERS))
    jobs = TINY["suite"]["tasks"]
    return [
        Row(f"a job beside its training, {jobs} jobs", "ms", 1e3 * statistics.median(overheads)),
        Row(
            "360 task-epochs of mnist5k, 2 workers",
            "s",
            statistics.median(two),
            statistics.median(one),
            "1 worker",
        ),
    ]


def _measure(
    workers: int, spec: dict[str, Any], rounds: int, metric: Callable[[Database, str, int], float]
) -> list[float]:
    """Metric of each round's experiment, on a stack that has run one before."""
    values = []
    with (
        tempfile.TemporaryDirectory(prefix="tgsh-benchmark-") as folder,
        Stack(Path(folder), workers=workers) as stack,
        Client(stack.url) as client,
    ):
        database = Database(f"sqlite:///{folder}/tgsh.db")
        for _ in range(rounds + 1):
            experiment = client.wait(client.submit(spec, anew=True).id, timeout=600)
            assert experiment.status == "completed", experiment.reason
            values.append(metric(database, experiment.id, workers))
        database.dispose()
    return values[1:]  # the first one waits for imports and images


def _overhead(database: Database, experiment_id: str, workers: int) -> float:
    """Seconds a job in which its worker did not train."""
    with database.read() as session:
        of_experiment = TaskRecord.experiment_id == experiment_id
        trained, jobs = session.execute(
            select(func.sum(TaskRecord.seconds), func.count()).where(of_experiment)
        ).one()
    return float(_wall(database, experiment_id, workers) * workers - trained) / jobs


def _wall(database: Database, experiment_id: str, _: int) -> float:
    """Seconds from the first task's start to the last one's end."""
    with database.read() as session:
        of_experiment = TaskRecord.experiment_id == experiment_id
        first, last = session.execute(
            select(func.min(TaskRecord.started_at), func.max(TaskRecord.finished_at)).where(of_experiment)
        ).one()
    assert first is not None
    assert last is not None
    return float(last - first)
