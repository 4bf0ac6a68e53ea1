"""Table of experiments with 10,000 of them, from a server of its own; 200 ms are required."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from tests.benchmarks.http import served
from tests.benchmarks.table import Row
from tests.support.many_experiments import fill
from tgsh.store.database import Database

COUNT, REQUIRED_MS = 10_000, 200.0

QUERIES = {
    "the first page": "/",
    "sorted by name": "/?sort=name",
    "sorted by progress": "/?sort=-progress",
    "sorted by duration": "/?sort=-seconds",
    "of one status": "/?status=running",
    "of one tag": "/?tag=paper",
    "searched": "/?q=run+001",
    "searched, filtered, sorted": "/?q=9&tag=try&status=completed&sort=-accuracy",
}


def rows(rounds: int) -> list[Row]:
    """Medians over a kept connection, with the required time as the baseline."""
    with TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/tgsh.db")
        database.migrate()
        fill(database, COUNT)
        database.dispose()
        arguments = ("--factory", "--http", "service.protocol:Bounded", "--ws", "none")
        with (
            served("service.app:create_app", Path(folder), *arguments) as url,
            httpx.Client(base_url=url, timeout=30) as client,
        ):
            return [
                Row(
                    f"page of {COUNT:,}, {name}",
                    "ms",
                    _median(client, path, rounds),
                    REQUIRED_MS,
                    "what was asked for",
                )
                for name, path in QUERIES.items()
            ]


def _median(client: httpx.Client, path: str, rounds: int) -> float:
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        assert client.get(path).status_code == 200
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[1:])  # the first reads the file
