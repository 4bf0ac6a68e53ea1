"""A service's Redis and records alone, and workers that are started for a while."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.compose import ROOT
from tgsh.execution import planning
from tgsh.specs import ExperimentSpec, RotationSuite, TrainingSpec
from tgsh.stack.redis import RedisConfig, find_server, wait_for_pong
from tgsh.store import experiments, queries
from tgsh.store.database import Database

SECONDS = 100.0
"""Only a hang takes so long."""


class Site:
    """A service's Redis and records, and workers that are started for a while."""

    def __init__(self, folder: Path, database: Database, redis_url: str) -> None:
        self.database = database
        self.folder = folder
        self.environment = dict(os.environ) | {
            "TGSH_HOME": str(folder),
            "TGSH_REDIS_URL": redis_url,
            "TGSH_DEVICES": "cpu:1",
            "TGSH_SWEEP_SECONDS": "0.5",
            "PYTHONPATH": str(ROOT),
        }
        self.processes: list[subprocess.Popen[str]] = []

    def worker(self, *options: str, **environment: str) -> subprocess.Popen[str]:
        """Start `tgsh worker` in a process group of its own, and read what it says of itself."""
        with (self.folder / "worker.log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", "from tgsh.cli import app; app()", "worker", *options],
                env=self.environment | environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self.processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Jobs come from redis://")
        process.stdout.readline()
        return process

    def log(self) -> str:
        """What all workers logged."""
        return (self.folder / "worker.log").read_text(errors="replace")

    def submit(self, epochs: int) -> str:
        """An experiment of one task, whose epochs take about a second."""
        spec = ExperimentSpec(
            dataset="mnist5k",
            suite=RotationSuite(tasks=1),
            training=TrainingSpec(epochs=epochs, batch_size=1),
        )
        return experiments.submit(self.database, spec, planning.plan(spec))[0]

    def task(self, experiment_id: str) -> tuple[str, int, int]:
        """Status, attempts and epochs of its task."""
        task = queries.task(self.database, experiment_id, 0)
        return task.status, task.attempts, task.epochs_done

    def wait(self, condition: Callable[[], bool]) -> None:
        """Wait until it holds."""
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)


@contextmanager
def running(folder: Path) -> Iterator[Site]:
    """A site in an empty folder, for as long as the block."""
    database = Database(folder / "tgsh.db")
    database.migrate()
    (folder / "redis").mkdir()
    config = RedisConfig(folder / "redis")
    redis = subprocess.Popen(config.command(find_server()), cwd=folder / "redis", stdout=subprocess.DEVNULL)
    site = Site(folder, database, config.url)
    try:
        wait_for_pong(config, lambda: None)
        yield site
    finally:
        for process in site.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
        redis.kill()
        redis.wait()
        database.dispose()
