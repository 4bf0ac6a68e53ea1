"""Engine and transactions on SQLite (WAL) or PostgreSQL; retry of transient errors."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.orm import Session

from tgsh.errors import ArtifactUnreachable, ArtifactUnwritable, MachineProblem

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

BUSY_SECONDS = 15.0
"""Seconds that a SQLite connection waits for a lock before it raises."""

LOCK_POLLS, POLL_SECONDS = 100, 0.0005
"""Attempts to take SQLite's write lock, and the pause between two; see _begin_with_retry."""

RETRY_SECONDS = 0.5
"""The pause between two attempts of retry_transient."""

STORAGE_ERRORS = (ArtifactUnwritable, ArtifactUnreachable)
"""Errors of an artifact store that may be available again soon: full, read-only, cut off."""

Result = TypeVar("Result")

log = logging.getLogger(__name__)


class Database:
    """A database by SQLAlchemy URL. Create it after a fork, never before.

    Raises MachineProblem where its driver is not installed.
    """

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite and self.url.database:
            Path(self.url.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        connect_args = {"timeout": BUSY_SECONDS} if self.is_sqlite else POSTGRESQL_OPTIONS
        try:
            self.engine = create_engine(self.url, connect_args=connect_args, pool_pre_ping=not self.is_sqlite)
        except ImportError as error:  # the driver of this kind of database
            raise MachineProblem(
                f"a database of {self.url.drivername} needs a driver ({error}): pip install 'tgsh[postgres]'"
            ) from error
        if self.is_sqlite:
            event.listen(self.engine, "connect", _configure_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        self._writers = {
            durable: self.engine.execution_options(tgsh_write=True, tgsh_durable=durable)
            for durable in (True, False)
        }

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that sees one state of the database and changes nothing."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Session]:
        """A transaction that is committed whole, or rolled back on any exception.

        durable: whether it survives a power cut once it is committed. False, which does not wait for the
        disk, suits what a power cut voids anyway, such as a lease; the next durable transaction flushes it.
        """
        with Session(self._writers[durable], expire_on_commit=False) as session, session.begin():
            if not durable and not self.is_sqlite:
                session.execute(text("SET LOCAL synchronous_commit = off"))
            yield session

    def migrate(self) -> None:
        """Bring the schema to this version's; safe to call from many processes at once."""
        from tgsh.store.migrations import upgrade

        if self.is_sqlite:
            self._use_wal()
        with self._writers[True].begin() as connection:
            if not self.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(74677368)"))
            upgrade(connection)

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
        except OperationalError as error:
            return str(error.orig)
        return None

    def dispose(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _configure_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves, below
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that starts by reading and then writes fails at once when another has written
    # in between; one that will write takes the lock at its start and waits for it.
    options = connection.get_execution_options()
    if options.get("tgsh_write", False):
        durable = options.get("tgsh_durable", True)
        connection.exec_driver_sql(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        if not _begin_with_retry(connection):
            connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql("BEGIN")


def _begin_with_retry(connection: Connection) -> bool:
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
        cursor.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000:.0f}")
        cursor.close()


def is_transient(error: BaseException) -> bool:
    """True for errors of a database or artifact store that may be available again soon."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or isinstance(error, (OperationalError, InterfaceError))
    return isinstance(error, STORAGE_ERRORS)


def retry_transient(act: Callable[[], Result], seconds: float) -> Result:
    """Call `act`, and again for `seconds` while it raises transient errors. Raises the last such error.

    A transaction that was committed though its acknowledgement was lost may be repeated: a fenced one finds
    its own epoch recorded, or its lease gone.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return act()
        except (DBAPIError, *STORAGE_ERRORS) as error:
            if not is_transient(error) or time.monotonic() > deadline:
                raise
            log.warning("trying again: %s", error)
            time.sleep(RETRY_SECONDS)
