"""A home that the first version wrote: migrated, read and worked on by today's code, and nothing lost."""

from __future__ import annotations

import logging
import sqlite3
import tarfile
from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr

from service.app import create_app
from service.settings import ServiceSettings
from tests.support.execution import never, run_all_jobs, worker_context
from tests.support.serving import serving
from tgsh.execution import runner
from tgsh.execution.context import WorkerContext
from tgsh.execution.planning import preview
from tgsh.specs import ExperimentSpec
from tgsh.store import leases, previews, queries, statistics
from tgsh.store.models import PreviewJob
from tgsh.store.results import (
    damaged_results,
    damaged_tasks,
    find_stage,
    find_trajectory,
    load_stage,
    load_trajectory,
)

pytestmark = pytest.mark.faults

DATA = Path(__file__).parent / "data"


@pytest.fixture
def old_home(tmp_path: Path) -> Path:
    """A home as the first version left it."""
    with sqlite3.connect(tmp_path / "tgsh.db") as connection:
        connection.executescript((DATA / "0001.sql").read_text("utf-8"))
    connection.close()
    with tarfile.open(DATA / "0001-artifacts.tar.xz") as tar:
        tar.extractall(tmp_path, filter="data")
    return tmp_path


@pytest.fixture
def context(old_home: Path) -> WorkerContext:
    """Today's code on it; the first thing that it does is to migrate."""
    return worker_context(old_home)


def ids(context: WorkerContext) -> dict[str, str]:
    found = queries.experiments(context.database, queries.Filters(), 10)
    return {snapshot.record.name: snapshot.record.id for snapshot in found}


def test_every_row_and_every_byte_is_still_there(context: WorkerContext, old_home: Path) -> None:
    known = ids(context)
    assert sorted(known) == ["done", "fly", "half"]
    for name, experiment_id in known.items():
        record = queries.experiment(context.database, experiment_id).record
        assert ExperimentSpec.model_validate(record.spec).digest() == record.digest, name
        assert not damaged_tasks(context.database, context.artifacts, experiment_id)
        assert not damaged_results(context.database, context.artifacts, experiment_id)
    assert queries.experiment(context.database, known["done"]).record.status == "completed"
    [file] = (old_home / "artifacts" / known["done"]).glob("vectors-*.npy")
    ref = find_stage(context.database, known["done"], "after")
    assert np.array_equal(load_stage(context.artifacts, ref), np.load(file)[2])


def test_the_api_answers_from_it(old_home: Path) -> None:
    settings = ServiceSettings(home=old_home, redis_url=SecretStr("redis://127.0.0.1:1/0"))
    with serving(create_app(settings)) as http:
        (done,) = http.get("/experiments?tag=old").json()["items"]
        path = f"/experiments/{done['id']}"
        for result in ("similarity", "context-vectors?format=npy", "accuracy", "geometry", "tasks", "events"):
            answer = http.get(f"{path}/{result}")
            assert answer.status_code == 200, answer.text
        assert len(http.get(f"{path}/similarity").json()["labels"]) == 2
        left_out = http.get(f"{path}/geometry").json()["after"]["left_out"]
        assert (left_out["r2"], left_out["median_error"], left_out["unit"]) == (None, None, None)
        assert "--anew" in left_out["reason"]


def test_what_was_begun_goes_on_from_its_checkpoint(
    context: WorkerContext, old_home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    known = ids(context)
    begun = load_trajectory(context.artifacts, find_trajectory(context.database, known["half"], 0)).copy()
    assert len(begun) == 2
    with caplog.at_level(logging.WARNING):
        for name in ("half", "fly"):
            run_all_jobs(context, known[name])
            assert queries.experiment(context.database, known[name]).record.status == "completed"
    assert "starts afresh" not in caplog.text
    course = load_trajectory(context.artifacts, find_trajectory(context.database, known["half"], 0))
    assert np.array_equal(course[:2], begun)  # gone on from, not trained again
    assert not np.array_equal(course[2], course[1])


def test_what_came_later_works_on_it(context: WorkerContext) -> None:
    for experiment_id in ids(context).values():
        record = queries.experiment(context.database, experiment_id).record
        assert record.queued_at == record.created_at
    waiting = statistics.queue_figures(context.database, None)
    assert waiting.queued_jobs > 0
    assert (waiting.oldest_seconds or 0) > 0
    wanted = preview(ExperimentSpec(dataset="mnist5k"))
    assert previews.request_preview(context.database, context.artifacts, wanted)
    work = runner.run_next(context, never)
    assert work is not None
    assert work.jobs == [PreviewJob(wanted.key)]
    assert previews.is_whole(context.artifacts, previews.get(context.database, wanted.key))
    leases.heartbeat(context.database, "w", "h", 1, ["cpu"], 5 << 30, None)
    [worker] = leases.live_workers(context.database)
    assert (worker.memory_bytes, worker.device_memory_bytes) == (5 << 30, None)
