"""An application over either kind of database, and who holds up its store."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

import psutil
from fastapi import FastAPI
from pydantic import SecretStr

from service.app import create_app
from service.settings import ServiceSettings
from tgsh.store.database import Database

T = TypeVar("T")


def application(home: Path, database: Database, **settings: object) -> FastAPI:
    """The application over this database; no queue is there."""
    url = SecretStr(database.url.render_as_string(hide_password=False))
    values = {"home": home, "database_url": url, "redis_url": SecretStr("redis://127.0.0.1:1/0"), **settings}
    return create_app(ServiceSettings.model_validate(values))


def at_once(count: int, ask: Callable[[int], T]) -> list[T]:
    """What `ask` returns for each number, called in as many threads at the same moment."""
    ready = threading.Barrier(count)

    def call(number: int) -> T:
        ready.wait()
        return ask(number)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(call, range(count)))


@contextmanager
def write_locked(path: Path) -> Iterator[None]:
    """Another program holds the write lock of a SQLite database during the block."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@contextmanager
def stopped(database: Database) -> Iterator[None]:
    """A PostgreSQL server none of whose processes runs during the block, as on a machine that hangs."""
    with database.engine.connect() as connection:
        backend = psutil.Process(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
        server = backend.parent()
        assert server is not None
        processes = [server, *server.children()]
    for process in processes:
        os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process.pid, signal.SIGCONT)
