"""The health check of a worker's container: only a worker that runs counts."""

from __future__ import annotations

import os
import shutil
import socket
import time
from pathlib import Path

import psutil
import pytest
from sqlalchemy import update

from tgsh.store import leases
from tgsh.store.database import Database
from tgsh.store.models import WorkerRecord
from worker import health


@pytest.fixture
def database(tmp_path: Path, migrated_sqlite: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    monkeypatch.setenv("TGSH_HOME", str(tmp_path))
    shutil.copy(migrated_sqlite, tmp_path)
    return Database(f"sqlite:///{tmp_path}/{migrated_sqlite.name}")


def signed(database: Database, pid: int, seconds_ago: float, state: str = "idle") -> None:
    """A row that a worker of this host left, the only one."""
    child = leases.ChildState(slot="cpu", pid=pid, state=state, since=time.time(), reason="no disk")
    leases.heartbeat(database, "celery@here", socket.gethostname(), pid, ["cpu"], children=[child])
    with database.write() as session:
        session.execute(update(WorkerRecord).values(seen_at=time.time() - seconds_ago))


def test_the_row_of_a_dead_worker_makes_nobody_healthy(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a container that was killed and starts again the new worker has the number of the old one."""
    began = psutil.Process().create_time()
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: began - 100)
    signed(database, os.getpid(), 0)
    assert health.main() == 0
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: time.time() - 1)  # it has just begun
    signed(database, os.getpid(), 5)
    assert health.main() == 1
    assert "no worker that runs on" in capsys.readouterr().err
    signed(database, 2**22 - 1, 0)  # a number that nobody has
    assert health.main() == 1


def test_a_child_that_cannot_work_is_told(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: time.time() - 100)
    signed(database, os.getpid(), 0, "broken")
    assert health.main() == 1
    assert "is broken: no disk" in capsys.readouterr().err
