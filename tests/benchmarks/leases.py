"""Jobs a second and the wait for a lease at 1, 8 and 40 workers, the look-up among many tasks, procrastinate.

Every worker is a process that leases a job and completes it, on PostgreSQL and SQLite; procrastinate's
workers do as many jobs of nothing on the same PostgreSQL: pip install 'tgsh[benchmarks]'.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert

from tests.benchmarks.table import Row
from tests.support.jobs import submitted
from tests.support.postgres import running_postgres
from tgsh.store import jobs
from tgsh.store.database import Database
from tgsh.store.models import (
    ExperimentRecord,
    ExperimentTurnRecord,
    FinishRecord,
    OwnerTurnRecord,
    TaskRecord,
)

JOBS = {1: 300, 8: 600, 40: 1200}
"""Jobs in all, by the number of workers."""

PACE = 0.4
"""Mean seconds of a job where the wait for a lease is measured beside work."""

LOOKS = (100, 1_000, 10_000, 100_000)
"""Queued tasks, in experiments of ten, of a hundred owners."""

PROCRASTINATE = "procrastinate"


def rows(rounds: int) -> list[Row]:
    """Jobs a second, waits for leases, and times of the look-up; medians over rounds where they are short."""
    found: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="tgsh-benchmark-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the server may be another user's
        (folder / "postgres").mkdir()
        words = ["-c", "max_connections=300"]  # procrastinate's workers take several each
        with running_postgres(folder / "postgres", words=words) as url:
            for workers, count in JOBS.items():
                rate, _ = _run(url, workers, count, 0.0)
                theirs = _procrastinate(url, workers, count)
                found.append(
                    Row(
                        f"jobs at {workers} workers, PostgreSQL",
                        "/s",
                        rate,
                        theirs,
                        "procrastinate, no-op jobs",
                    )
                )
            _, waits = _run(url, 40, 1200, PACE)
            found.append(Row("lease, 40 workers on one experiment, PostgreSQL", "ms", 1e3 * waits))
            found += _looks(url, "PostgreSQL", rounds)
            sqlite = f"sqlite:///{folder}/tgsh.db"
            for workers, count in ((1, 300), (8, 300)):
                found.append(
                    Row(f"jobs at {workers} workers, SQLite", "/s", _run(sqlite, workers, count, 0.0)[0])
                )
            found += _looks(sqlite, "SQLite", rounds)
    return found


@contextmanager
def _empty(url: str) -> Iterator[Database]:
    database = Database(url)
    database.migrate()
    with database.write() as session:
        session.execute(delete(ExperimentRecord))
        session.execute(delete(OwnerTurnRecord))
    yield database
    database.dispose()


def _run(url: str, workers: int, count: int, pace: float) -> tuple[float, float]:
    """Jobs a second of all workers on one experiment, and the median wait for a lease in seconds."""
    context = multiprocessing.get_context("spawn")
    together, results = context.Barrier(workers + 1), context.Queue()
    each = count // workers
    processes = [
        context.Process(target=_work, args=(url, each, pace, number, together, results))
        for number in range(workers)
    ]
    with _empty(url) as database:
        for process in processes:
            process.start()
        together.wait()
        submitted(database, tasks=count + workers)
        together.wait()
        found = [results.get(timeout=600) for _ in processes]
    for process in processes:
        process.join()
    seconds = max(end for _, end, _ in found) - min(start for start, _, _ in found)
    return each * workers / seconds, statistics.median(wait for _, _, waits in found for wait in waits)


def _work(url: str, count: int, pace: float, number: int, together: Any, results: Any) -> None:
    """Lease and complete jobs; (start, end, the waits for leases but the first, which connects)."""
    database, chance, waits = Database(url), random.Random(number), []
    jobs.lease_next(database, "w", 60)  # connects, and builds statements
    together.wait()
    together.wait()
    start = time.time()
    for _ in range(count):
        began = time.perf_counter()
        lease = jobs.lease_next(database, f"host/1/{number}/cpu", 600)
        waits.append(time.perf_counter() - began)
        assert lease is not None
        if pace:
            time.sleep(chance.expovariate(1 / pace))
        jobs.complete_task(database, lease, 0.5, "cpu", {"torch": "2"}, 0.1)
    results.put((start, time.time(), waits[1:]))


def _looks(url: str, kind: str, rounds: int) -> list[Row]:
    """Milliseconds of a lease among many queued tasks."""
    found = []
    for tasks in LOOKS:
        with _empty(url) as database:
            _fill(database, tasks)
            if not database.is_sqlite:
                with database.engine.connect() as connection:
                    connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("ANALYZE")
            times = []
            for _ in range(max(rounds, 5) * 5):
                began = time.perf_counter()
                assert jobs.lease_next(database, "host/1/1/cpu", 600) is not None
                times.append(time.perf_counter() - began)
        found.append(Row(f"lease among {tasks:,} tasks, {kind}", "ms", 1e3 * statistics.median(times)))
    return found


def _fill(database: Database, tasks: int) -> None:
    """Unfinished experiments of ten tasks, of a hundred owners."""
    first = submitted(database, tasks=10)
    with database.write() as session:
        model = session.get_one(ExperimentRecord, first)
        row = {column.name: getattr(model, column.key) for column in ExperimentRecord.__table__.columns}
        ids = [f"{number:016x}" for number in range(tasks // 10 - 1)]
        owners = [f"owner-{number % 100}" for number in range(len(ids))]
        pairs = list(zip(ids, owners, strict=True))
        if not ids:
            return
        session.execute(insert(ExperimentRecord), [{**row, "id": id, "owner": owner} for id, owner in pairs])
        session.execute(insert(FinishRecord), [{"experiment_id": id, "status": "waiting"} for id in ids])
        session.execute(
            insert(TaskRecord),
            [
                {"experiment_id": id, "index": index, "label": "", "params": {}, "status": "queued"}
                for id in ids
                for index in range(10)
            ],
        )
        turn = {"priority": 0, "needs_torch": False, "served_at": 0.0, "created_at": row["created_at"]}
        session.execute(
            insert(ExperimentTurnRecord),
            [{**turn, "experiment_id": id, "owner": owner} for id, owner in pairs],
        )
        session.execute(
            insert(OwnerTurnRecord), [{"owner": owner, "served_at": 0.0} for owner in sorted(set(owners))]
        )


def _procrastinate(url: str, workers: int, count: int) -> float | None:
    """Jobs of nothing a second; None where procrastinate is not installed."""
    if find_spec(PROCRASTINATE) is None:
        return None
    context = multiprocessing.get_context("spawn")
    together, results = context.Barrier(workers), context.Queue()
    address = url.replace("postgresql+psycopg", "postgresql")
    asyncio.run(_defer(address, count))
    processes = [
        context.Process(target=_run_theirs, args=(address, together, results)) for _ in range(workers)
    ]
    for process in processes:
        process.start()
    found = [results.get(timeout=600) for _ in processes]
    for process in processes:
        process.join()
    seconds: float = max(end for _, end in found) - min(start for start, _ in found)
    return count / seconds


def _their_app(address: str) -> tuple[Any, Any]:
    procrastinate = import_module(PROCRASTINATE)
    connector = procrastinate.PsycopgConnector(conninfo=address, min_size=1, max_size=2)
    app = procrastinate.App(connector=connector)

    async def nothing() -> None:
        """Do nothing."""

    return app, app.task(name="nothing")(nothing)


async def _defer(address: str, count: int) -> None:
    app, task = _their_app(address)
    async with app.open_async():
        if not await app.check_connection_async():
            await app.schema_manager.apply_schema_async()
        await task.batch_defer_async(*({} for _ in range(count)))


def _run_theirs(address: str, together: Any, results: Any) -> None:
    app, _ = _their_app(address)

    async def run() -> None:
        async with app.open_async():
            together.wait()
            start = time.time()
            await app.run_worker_async(wait=False, concurrency=1, install_signal_handlers=False)
            results.put((start, time.time()))

    asyncio.run(run())
