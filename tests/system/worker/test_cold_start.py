"""Start of a worker's child: what it imports, compiles and asks of others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.compose import ROOT

CHILD = """
import json, os, sys
from pathlib import Path

from tests.support.jobs import submitted
from tgsh.store import queries
from worker import devices, tasks
from worker.settings import WorkerSettings

settings = WorkerSettings()
tasks.open_context(settings, devices.bind("cpu"), "test")
from tgsh.networks.flynet_numba import learn, logits
counts = [sum(each.stats.cache_misses.values()) for each in (learn, logits)]
database = tasks._place.context.database
database.migrate()
experiment_id = submitted(database, tasks=2, dataset="mnist5k", train_limit=10)
while tasks.run_job()["outcome"] == "completed":
    pass
status = queries.experiment(database, experiment_id).record.status
print(json.dumps([status, counts, learn.stats.cache_path, "torch" in sys.modules]))
"""


def _child(home: Path) -> list[object]:
    """Status of an experiment, compiled functions, where they are kept, and whether torch was imported."""
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        cwd=ROOT,
        env=environment | {"TGSH_HOME": str(home), "TGSH_COMPUTE": "auto"},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


@pytest.mark.slow
def test_a_later_child_compiles_nothing_and_none_on_a_processor_imports_torch(tmp_path: Path) -> None:
    status, compiled, place, has_torch = _child(tmp_path)
    assert (status, compiled, has_torch) == ("completed", [1, 1], False)
    assert Path(str(place)).is_relative_to(tmp_path / "cache" / "numba")
    assert _child(tmp_path) == ["completed", [0, 0], place, False]


def test_a_worker_asks_no_other_worker() -> None:
    code = """
from celery.worker import WorkController
from worker.app import app

worker = WorkController(app=app, pool_cls="solo", hostname="test")
print(*sorted(type(step).__name__ for step in (*worker.steps, *worker.consumer.steps)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    steps = set(done.stdout.split())
    assert {"Connection", "Sweeper", "Tasks"} <= steps
    assert not {"Mingle", "Gossip"} & steps
