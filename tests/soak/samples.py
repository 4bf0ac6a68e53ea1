"""Sizes of a running stack: memory, handles and threads of its processes, files, database, rows, messages."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil
from redis import Redis
from sqlalchemy import func, select, text

from tests.support.compose_stack import WORKER
from tests.system.faults.stack import FaultStack
from tgsh.store.database import Database
from tgsh.store.migrations import metadata
from tgsh.store.models import ExperimentRecord
from tgsh.store.scheduling import QUEUE, TORCH_QUEUE, count_by_queue

MEMORY, HANDLES, THREADS, ROWS = "memory, MB", "handles", "threads", "rows"
"""First words of a size's name; the process or table follows."""

FILES, STORED, DATABASE = "files in the home", "files in the home, MB", "database, MB"
SURPLUS, KEYS, LOG = "messages less queued jobs", "keys in Redis", "append-only file of Redis, MB"

HELD = ("Pss_Anon:", "Pss_Shmem:", "SwapPss:")

OF_EXPERIMENTS = frozenset(
    table.name
    for table in metadata().sorted_tables
    if table.name == "experiments"
    or any(key.column.table.name == "experiments" for key in table.foreign_keys)
)
"""Tables whose rows go with their experiments."""


@dataclass(frozen=True)
class Sample:
    """Sizes at one moment, by name. jobs: done until then. live: the number of experiments that exist."""

    seconds: float
    jobs: int
    live: int
    sizes: dict[str, float]


class Gauge:
    """Takes samples of a stack, over connections of its own that stay open."""

    def __init__(self, stack: FaultStack) -> None:
        self._stack = stack
        self._database = stack.database()
        self._redis = Redis.from_url(stack.redis_url)

    def sample(self, seconds: float, jobs: int) -> Sample:
        """All sizes now."""
        rows = row_counts(self._database)
        sizes = {
            **self._processes(),
            **self._files(),
            DATABASE: _database_bytes(self._database, self._stack.home) / 1e6,
            SURPLUS: self.surplus(),
            KEYS: float(str(self._redis.dbsize())),
            **{f"{ROWS} of {name}": float(count) for name, count in rows.items()},
        }
        return Sample(seconds, jobs, rows[ExperimentRecord.__tablename__], sizes)

    def surplus(self) -> float:
        """How many more messages wait in Redis than jobs are queued."""
        waiting = sum(int(str(self._redis.llen(name))) for name in (QUEUE, TORCH_QUEUE))
        return float(waiting - sum(count_by_queue(self._database).values()))

    def remains(self) -> dict[str, float]:
        """What is there of experiments, to be asked when all are deleted: nothing is expected."""
        left: dict[str, float] = {
            f"{ROWS} of {name}": count
            for name, count in row_counts(self._database).items()
            if name in OF_EXPERIMENTS or name == "removals"
        }
        artifacts = self._stack.home / "artifacts"
        left["files of experiments"] = sum(
            _tree(folder)[0] for folder in artifacts.iterdir() if folder.name != "previews"
        )
        left["messages"] = sum(int(str(self._redis.llen(name))) for name in (QUEUE, TORCH_QUEUE))
        return {name: count for name, count in left.items() if count}

    def close(self) -> None:
        """Close the connections."""
        self._database.dispose()
        self._redis.close()

    def _processes(self) -> dict[str, float]:
        members = {
            "API": [self._stack.parent("service")],
            "worker's parent": [self._stack.parent(WORKER)],
            "worker's children": self._stack.children(),
            "Redis": [self._stack.parent("redis")],
        }
        sizes = {}
        for name, processes in members.items():
            memory, handles, threads = _usage(processes)
            sizes[f"{MEMORY}: {name}"] = memory / 1e6
            sizes[f"{HANDLES}: {name}"] = float(handles)
            sizes[f"{THREADS}: {name}"] = float(threads)
        return sizes

    def _files(self) -> dict[str, float]:
        files, size = _tree(self._stack.home)
        _, log = _tree(self._stack.home.parent / "redis")
        return {FILES: float(files), STORED: size / 1e6, LOG: log / 1e6}


def row_counts(database: Database) -> dict[str, int]:
    """The number of rows of every table."""
    with database.read() as session:
        return {
            table.name: session.scalar(select(func.count()).select_from(table)) or 0
            for table in metadata().sorted_tables
        }


def _usage(processes: Iterable[psutil.Process]) -> tuple[float, int, int]:
    """Bytes of memory, open file descriptors and threads of processes together."""
    memory, handles, threads = 0.0, 0, 0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):  # a child that is being replaced
            memory += memory_bytes(process.pid)
            handles += process.num_fds()
            threads += process.num_threads()
    return memory, handles, threads


def memory_bytes(pid: int) -> int:
    """Memory that holds data, also what is swapped out; of what forked processes share each has its part.

    Without code: how much of a library is this process's depends on who else on the machine runs it. Where
    the system tells no shares, all that is resident.
    """
    rollup = Path(f"/proc/{pid}/smaps_rollup")
    if not rollup.exists():
        return int(psutil.Process(pid).memory_info().rss)
    sizes = (line.split() for line in rollup.read_text("ascii").splitlines()[1:])
    return sum(int(words[1]) << 10 for words in sizes if words[0] in HELD)


def _database_bytes(database: Database, home: Path) -> int:
    if database.is_sqlite:
        return sum(path.stat().st_size for path in home.glob("tgsh.db*"))
    with database.read() as session:
        return int(session.scalar(text("SELECT pg_database_size(current_database())")) or 0)


def _tree(folder: Path) -> tuple[int, int]:
    """Files below a folder and their bytes; others may remove some meanwhile."""
    count, size = 0, 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                size += (Path(parent) / name).stat().st_size
                count += 1
    return count, size
