"""A device that is lost in mid-run: its jobs go elsewhere, and count as attempts."""

from __future__ import annotations

import dataclasses
import shutil
import time
from pathlib import Path

import pytest

from tests.support.jobs import submitted
from tgsh.execution import runner
from tgsh.execution.context import WorkerContext
from tgsh.store import queries
from tgsh.store.database import Database
from tgsh.store.leases import expire_leases
from worker.settings import WorkerSettings


@pytest.mark.slow
def test_jobs_of_a_lost_device_are_left_to_others(tmp_path: Path, migrated_sqlite: Path) -> None:
    """No GPU has this number: to torch it is one that fell off the bus."""
    shutil.copy(migrated_sqlite, tmp_path / "tgsh.db")
    settings = WorkerSettings(home=tmp_path, data_dir=tmp_path, lease_seconds=0.5)
    context = dataclasses.replace(
        WorkerContext.from_settings(settings, "cpu", "test"), device="cuda:99", compute="torch"
    )
    database: Database = context.database
    experiment_id = submitted(database, tasks=1, dataset="mnist5k", train_limit=10)
    for attempt in (1, 2):
        work = runner.run_next(context, lambda: False)
        assert work is not None
        assert (work.outcome, work.attempt) == ("lost", attempt)
        deadline = time.monotonic() + 60
        while expire_leases(database, max_attempts=2) == 0:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        task = queries.task(database, experiment_id, 0)
        assert task.status == ("queued" if attempt == 1 else "failed"), "it does not go on for ever"
    database.dispose()
