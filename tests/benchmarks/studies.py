"""Answers of a study of 36 tasks and 15 replicates, from a server of its own; 100 ms are required."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import numpy as np
from sqlalchemy import update

from tests.benchmarks.http import served
from tests.benchmarks.table import Row
from tgsh.execution.planning import plan
from tgsh.networks.registry import base_id_of
from tgsh.rng import rng_for
from tgsh.settings import StoreSettings
from tgsh.specs.presets import Submission
from tgsh.store import studies
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.models import ExperimentRecord, FinishRecord, TaskRecord
from tgsh.store.ownership import NO_OWNER
from tgsh.store.studies import NewStudy, PlannedMember

TASKS, SEEDS, BASES, WIDTH = 36, 5, 3, 7_840
REQUIRED_MS = 100.0

ANSWERS: Mapping[str, Callable[[int], str]] = {
    "mean": lambda n: f"similarity?level={_level(n)}",
    "sd": lambda n: f"similarity?statistic=sd&level={_level(n)}",
    "ceiling": lambda n: f"ceiling?measure={('cosine', 'correlation')[n % 2]}",
    "differences": lambda n: f"differences?pairs=0-1:9-10,0-9:0-18&level={_level(n)}",
    "tree with support": lambda n: f"dendrogram?seed={n}",
    "embedding": lambda n: f"embedding?dimensions={2 + n % 2}",
    "accuracy": lambda n: f"accuracy?level={_level(n)}",
    "effects": lambda n: f"effects?level={_level(n)}",
}
"""Paths below a study; another number asks what was not asked before, where there is so much to ask."""


def rows(rounds: int) -> list[Row]:
    """Medians over a kept connection of answers that are computed anew from matrices that are known."""
    with TemporaryDirectory() as folder:
        study = finished_study(Path(folder))
        arguments = ("--factory", "--http", "service.protocol:Bounded", "--ws", "none")
        with (
            served("service.app:create_app", Path(folder), *arguments) as url,
            httpx.Client(base_url=f"{url}/studies/{study}/", timeout=60) as client,
        ):
            return [
                Row(f"study, {name}", "ms", _median(client, ask, rounds), REQUIRED_MS, "what was asked for")
                for name, ask in ANSWERS.items()
            ]


def finished_study(home: Path) -> str:
    """The id of a study in a new store under `home` whose members are completed, with vectors of our own."""
    settings = StoreSettings(home=home, database_url=None, artifacts_url=None, data_dir=None)
    database, artifacts = Database(settings.database), Artifacts(settings.artifacts)
    database.migrate()
    body = {"suite": {"kind": "rotation", "tasks": TASKS, "step_degrees": 10}, "training": {"epochs": 1}}
    spec = Submission.model_validate(body).spec()
    planned = plan(spec)
    members = []
    for base in range(BASES):
        of_base = replace(planned, base_id=base_id_of(spec.network, 784, 10, base))
        members += [
            PlannedMember(0, seed, base, spec.model_copy(update={"seed": seed, "base_seed": base}), of_base)
            for seed in range(SEEDS)
        ]
    new = NewStudy("s", spec.model_dump(mode="json"), range(SEEDS), range(BASES), {}, [{}])
    study_id = studies.create(database, new, members, NO_OWNER).study_id
    for each in studies.members(database, study_id, None):
        assert each.record is not None
        _finish(database, artifacts, each.record.id, rng_for(each.seed, "benchmark", each.base_seed))
    database.dispose()
    return study_id


def _finish(database: Database, artifacts: Artifacts, experiment_id: str, rng: np.random.Generator) -> None:
    key = f"{experiment_id}/vectors.npy"
    ring = np.cos(np.arange(TASKS)[:, None] * np.pi / 18 + np.arange(WIDTH))
    vectors = (ring + 0.1 * rng.standard_normal((2, TASKS, WIDTH))).astype(np.float32)
    with artifacts.staged(key) as staged, staged.path.open("wb") as file:
        np.save(file, vectors, allow_pickle=False)
    own = {"status": "completed"}
    with database.write() as session:
        for record, values in (
            (TaskRecord, {**own, "epochs_done": 1, "accuracy": 0.9, "losses": [0.5]}),
            (FinishRecord, {**own, "results": {"vectors": [key, staged.sha256]}}),
        ):
            session.execute(update(record).where(record.experiment_id == experiment_id).values(**values))
        done = {**own, "tasks_done": TASKS, "epochs_done": TASKS, "mean_accuracy": 0.9}
        session.execute(update(ExperimentRecord).where(ExperimentRecord.id == experiment_id).values(**done))


def _level(n: int) -> float:
    return 0.95 - 1e-6 * n


def _median(client: httpx.Client, ask: Callable[[int], str], rounds: int) -> float:
    times = []
    for n in range(rounds + 1):
        start = time.perf_counter()
        assert client.get(ask(n)).status_code == 200
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[1:])
