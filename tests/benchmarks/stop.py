"""Seconds from Ctrl-C to the end of `tgsh demo`, at ten moments."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psutil

from tests.benchmarks.table import Row
from tgsh.stack.processes import is_alive

DEMO = [sys.executable, "-c", "import sys; from tgsh.cli import app; sys.exit(app())", "demo"]
TASKS, EPOCHS = 36, 360


def rows() -> list[Row]:
    """A demo on a new folder for each moment. Raises RuntimeError where a process is left."""
    return [Row(f"tgsh demo, Ctrl-C {name}", "s", _stop(is_reached)) for name, is_reached in MOMENTS.items()]


def _stop(is_reached: Callable[[Path], bool]) -> float:
    with tempfile.TemporaryDirectory(prefix="tgsh-benchmark-") as folder:
        home = Path(folder) / "home"
        process = subprocess.Popen(
            [*DEMO, "--home", str(home), "--output", folder],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not is_reached(home) and process.poll() is None:
            time.sleep(0.005)
        children = psutil.Process(process.pid).children(recursive=True)
        began = time.perf_counter()
        process.send_signal(signal.SIGINT)
        status = process.wait()
        seconds = time.perf_counter() - began
        left = [child for child in children if is_alive(child)]
        if status != 128 + signal.SIGINT or left:
            raise RuntimeError(f"exit status {status}; processes left: {left}")
        return seconds


def _progress(home: Path) -> tuple[str, int, int]:
    """Status, tasks and epochs done of the demo; zeros while there is none."""
    try:
        with closing(sqlite3.connect(f"file:{home}/tgsh.db?mode=ro", uri=True)) as database:
            query = "SELECT status, tasks_done, epochs_done FROM experiments"
            return database.execute(query).fetchone() or ("", 0, 0)
    except sqlite3.Error:
        return "", 0, 0


MOMENTS: dict[str, Callable[[Path], bool]] = {
    "as the server starts": lambda home: (home / "redis" / "redis.conf").exists(),
    "as the API starts": lambda home: (home / "logs" / "api.log").exists(),
    "as the workers start": lambda home: (home / "logs" / "worker.log").exists(),
    "when all is ready": lambda home: (home / "up.json").exists(),
    "as the workers import": lambda home: _progress(home)[0] != "",
    "after the first epoch": lambda home: _progress(home)[2] > 0,
    "at 40 %": lambda home: _progress(home)[2] >= 0.4 * EPOCHS,
    "at 90 %": lambda home: _progress(home)[2] >= 0.9 * EPOCHS,
    "in the finish": lambda home: _progress(home)[1] == TASKS,
    "as results are written": lambda home: _progress(home)[0] == "completed",
}
