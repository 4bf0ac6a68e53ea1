"""Engine and transactions on SQLite (WAL) or PostgreSQL; retry of transient errors."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import (
    URL,
    Connection,
    Dialect,
    Engine,
    NullPool,
    Select,
    UpdateBase,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler

from tgsh import progress
from tgsh.errors import ArtifactUnreachable, ArtifactUnwritable, MachineProblem
from tgsh.store.deadlines import ConnectionDeadlines

POSTGRESQL_OPTIONS: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "options": "-c idle_in_transaction_session_timeout=30s -c lock_timeout=30s "
    "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 "
    "-c tcp_user_timeout=30s",
}
"""Timeouts by which client and server notice a lost connection within half a minute. Else the connection of
a machine that crashed inside a transaction would hold its experiment's lock for hours."""

NOT_DURABLE = "SET LOCAL synchronous_commit = off"

SURVEYED = (
    "SELECT set_config('random_page_cost', '1.1', true), set_config('work_mem', '32MB', true), "
    "set_config('jit', 'off', true)"
)
"""Pages of an index are few and in memory; at the usual cost PostgreSQL reads whole rows instead. Its usual
memory is too little for groups of 100,000 rows, and to compile a query takes longer than to run it."""

BUSY_SECONDS = 15.0
"""Seconds that a SQLite connection waits for a lock before it raises, unless its Limits say otherwise."""

LOCK_POLLS, POLL_SECONDS = 100, 0.0005
"""Attempts to take SQLite's write lock, and the pause between two; see _begin_with_retry."""

RETRY_SECONDS = 0.5
"""The pause between two attempts of retry_transient."""

STORAGE_ERRORS = (ArtifactUnwritable, ArtifactUnreachable)
"""Errors of an artifact store that may be available again soon: full, read-only, cut off."""

Result = TypeVar("Result")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pool:
    """Connections of a process, at most. seconds: for which one that is free is waited for."""

    connections: int = 15
    seconds: float = 30.0


@dataclass(frozen=True)
class Limits:
    """For how long a process waits for the database, and with how many connections. The default: a worker's.

    lock_seconds: for SQLite's write lock, and for each lock of PostgreSQL where `transaction_seconds` is set.
    transaction_seconds: the length of a transaction on PostgreSQL, also where the server does not answer at
    all; None: as long as it takes. writing: the connections of transactions that write; None: those of
    `reading`.
    """

    lock_seconds: float = field(default_factory=lambda: BUSY_SECONDS)
    transaction_seconds: float | None = None
    reading: Pool = Pool()
    writing: Pool | None = None


class Database:
    """A database by SQLAlchemy URL, or SQLite's file of that path. Create it after a fork, never before.

    Raises MachineProblem where its driver is not installed.
    """

    def __init__(self, url: str | Path, limits: Limits | None = None) -> None:
        # A path is no part of a URL as it is: % and ? have a meaning there.
        self.url = URL.create("sqlite", database=str(url)) if isinstance(url, Path) else make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._limits = limits or Limits()
        if self.is_sqlite and self.url.database:
            Path(self.url.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        seconds = self._limits.transaction_seconds
        self._deadlines = None if self.is_sqlite or seconds is None else ConnectionDeadlines(seconds)
        self.engine = self._engine(self._limits.reading)
        writing = self._limits.writing
        self._writing = self.engine if writing is None else self._engine(writing)
        self._writers = {
            durable: self._writing.execution_options(tgsh_write=True, tgsh_durable=durable)
            for durable in (True, False)
        }

    @property
    def dialect(self) -> str:
        """sqlite or postgresql."""
        return self.engine.dialect.name

    def _engine(self, pool: Pool) -> Engine:
        engine = _created(
            self.url,
            connect_args={"timeout": self._limits.lock_seconds} if self.is_sqlite else self._options(),
            pool_pre_ping=not self.is_sqlite,
            pool_size=min(pool.connections, 5),
            max_overflow=max(pool.connections - 5, 0),
            pool_timeout=pool.seconds,
        )
        if self.is_sqlite:
            event.listen(engine, "connect", _configure_sqlite)
            event.listen(engine, "begin", self._begin_sqlite)
        if self._deadlines is not None:
            self._deadlines.watch(engine)
        return engine

    def _options(self) -> dict[str, Any]:
        options, limits = dict(POSTGRESQL_OPTIONS), self._limits
        if limits.transaction_seconds is not None:
            milliseconds = round(limits.transaction_seconds * 1000)
            options["connect_timeout"] = max(2, round(limits.lock_seconds / 2))
            options["options"] += f" -c statement_timeout={milliseconds}"
            options["options"] += f" -c lock_timeout={round(limits.lock_seconds * 1000)}"
        return options

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that sees one state of the database and changes nothing."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def survey(self) -> Iterator[Session]:
        """The same for queries over all of a table, of which indexes have what is asked for."""
        with self.read() as session:
            if not self.is_sqlite:
                session.execute(text(SURVEYED))
            yield session

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Session]:
        """A transaction that is committed whole, or rolled back on any exception.

        durable: whether it survives a power cut once it is committed. False, which does not wait for the
        disk, suits what a power cut voids anyway, such as a lease; the next durable transaction flushes it.
        """
        with Session(self._writers[durable], expire_on_commit=False) as session, session.begin():
            if not durable and not self.is_sqlite:
                session.execute(text(NOT_DURABLE))
            yield session

    def run_together(
        self,
        statements: Sequence[UpdateBase | Select[Any]],
        parameters: Mapping[str, object],
        *,
        lock: int = 0,
        durable: bool = False,
    ) -> list[list[Any]]:
        """Run statements that need no answer in between as one transaction (see `write`); their rows.

        On PostgreSQL all are sent at once, and transactions with the same `lock` (0: none) run one after the
        other: each holds it for as long as the server needs, however slow its client is.
        """
        if self.is_sqlite:
            with self.write(durable=durable) as session:
                connection = session.connection()
                results = [connection.execute(statement, parameters) for statement in statements]
                return [list(result) if result.returns_rows else [] for result in results]
        with self._writing.connect() as connection:
            driver: Any = connection.connection.driver_connection
            try:
                with driver.pipeline(), driver.transaction():
                    if not durable:
                        driver.execute(NOT_DURABLE)
                    if lock:
                        driver.execute("SELECT pg_advisory_xact_lock(%s)", (lock,))
                    cursors = [
                        driver.execute(*_for_driver(self._writing.dialect, statement, parameters))
                        for statement in statements
                    ]
                return [cursor.fetchall() if cursor.description else [] for cursor in cursors]
            except driver.Error as error:
                lost = bool(driver.closed)
                if lost:
                    connection.invalidate(error)
                raise DBAPIError.instance(
                    None,
                    None,
                    error,
                    driver.Error,
                    connection_invalidated=lost,
                    dialect=self._writing.dialect,
                ) from error

    def migrate(self) -> None:
        """Bring the schema to this version's; safe to call from many processes at once."""
        from tgsh.store.migrations import upgrade

        if self.is_sqlite:
            self._use_wal()
        with self._unlimited() as connection:
            if not self.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(74677368)"))
            upgrade(connection)

    @contextmanager
    def _unlimited(self) -> Iterator[Connection]:
        """A transaction that writes, on a connection of its own: a migration takes as long as it takes."""
        if self._deadlines is None:
            with self._writers[True].begin() as connection:
                yield connection
            return
        engine = _created(self.url, connect_args=POSTGRESQL_OPTIONS, poolclass=NullPool)
        with engine.begin() as connection:
            yield connection

    def _use_wal(self) -> None:
        # Changing the journal mode does not wait for locks as other statements do.
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            connection = self.engine.raw_connection()
            try:
                connection.cursor().execute("PRAGMA journal_mode=WAL")
                return
            except Exception as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            finally:
                connection.close()

    def unreachable_reason(self) -> str | None:
        """None if a statement runs, else the error's text."""
        try:
            with self.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except SQLAlchemyError as error:
            if not is_transient(error):
                raise
            return str(getattr(error, "orig", None) or error)
        return None

    def dispose(self) -> None:
        """Close every connection."""
        self.engine.dispose()
        self._writing.dispose()

    def _begin_sqlite(self, connection: Connection) -> None:
        # A transaction that starts by reading and then writes fails at once when another has written
        # in between; one that will write takes the lock at its start and waits for it.
        options = connection.get_execution_options()
        if not options.get("tgsh_write", False):
            connection.exec_driver_sql("BEGIN")
            return
        durable = options.get("tgsh_durable", True)
        connection.exec_driver_sql(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        if not _begin_with_retry(connection, self._limits.lock_seconds):
            connection.exec_driver_sql("BEGIN IMMEDIATE")


def _created(url: URL, **options: Any) -> Engine:
    try:
        return create_engine(url, **options)
    except ImportError as error:  # the driver of this kind of database
        raise MachineProblem(
            f"a database of {url.drivername} needs a driver ({error}): pip install 'tgsh[postgres]'"
        ) from error


def _for_driver(
    dialect: Dialect, statement: UpdateBase | Select[Any], parameters: Mapping[str, object]
) -> tuple[str, dict[str, Any]]:
    """A statement as text for the driver, and its parameters."""
    compiled = _compiled(dialect, statement)
    values = compiled.construct_params(dict(parameters))
    processors = compiled._bind_processors
    return str(compiled), {
        name: processors[name](value) if name in processors else value  # type: ignore[operator]
        for name, value in values.items()
    }


@lru_cache(maxsize=64)
def _compiled(dialect: Dialect, statement: UpdateBase | Select[Any]) -> SQLCompiler:
    compiled = statement.compile(dialect=dialect)
    assert isinstance(compiled, SQLCompiler)
    return compiled


def _configure_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, below
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_with_retry(connection: Connection, seconds: float) -> bool:
    # Most transactions take two milliseconds. SQLite's own waiting sleeps 1, 2, 5, 10, ... 100 of them
    # between its attempts, so that a frequent writer waits longer than the lock is held.
    cursor = connection.connection.cursor()
    cursor.execute("PRAGMA busy_timeout=0")
    try:
        for _ in range(LOCK_POLLS):
            try:
                cursor.execute("BEGIN IMMEDIATE")
                return True
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    return False  # the caller's attempt raises it as SQLAlchemy's error
            time.sleep(POLL_SECONDS)
        return False
    finally:
        cursor.execute(f"PRAGMA busy_timeout={seconds * 1000:.0f}")
        cursor.close()


def is_transient(error: BaseException) -> bool:
    """True for errors of a database or artifact store that may be available again soon."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or isinstance(error, (OperationalError, InterfaceError))
    return isinstance(error, (PoolTimeout, *STORAGE_ERRORS))


def retry_transient(act: Callable[[], Result], seconds: float) -> Result:
    """Call `act`, and again for `seconds` while it raises transient errors. Raises the last such error.

    A transaction that was committed though its acknowledgement was lost may be repeated: a fenced one finds
    its own epoch recorded, or its lease gone.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return act()
        except (DBAPIError, PoolTimeout, *STORAGE_ERRORS) as error:
            if not is_transient(error) or time.monotonic() > deadline:
                raise
            log.warning("trying again: %s", error)
            progress.step()  # it does not hang, and ends after `seconds`
            time.sleep(RETRY_SECONDS)
