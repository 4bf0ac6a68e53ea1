"""Deadlines of connections to a PostgreSQL server that no longer answers."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Engine, event

POLL_SECONDS = 0.5

log = logging.getLogger(__name__)


class ConnectionDeadlines:
    """Cuts connections that were taken from their pool for too long.

    The server bounds statements itself as long as it runs; one that is stopped, or whose disk hangs, bounds
    nothing, and its kernel still acknowledges what is sent. Whoever waits for it gets an OperationalError.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._taken: dict[Hashable, tuple[float, Any]] = {}
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def watch(self, engine: Engine) -> None:
        """Watch every connection of the engine, from when it is taken until it is returned or closed."""
        event.listen(engine, "checkout", lambda connection, record, _: self._start(record, connection))
        event.listen(engine, "checkin", lambda _, record: self._end(record))
        event.listen(engine, "invalidate", lambda _, record, __: self._end(record))
        event.listen(engine, "close", lambda _, record: self._end(record))
        # The pool asks a connection whether it lives before it tells that one is taken.
        dialect: Any = engine.dialect
        dialect.do_ping = self._timed(dialect.do_ping)

    def _timed(self, ping: Callable[[Any], bool]) -> Callable[[Any], bool]:
        def do_ping(connection: Any) -> bool:
            with self._taken_for_now(connection):
                return ping(connection)

        return do_ping

    @contextmanager
    def _taken_for_now(self, connection: Any) -> Iterator[None]:
        key = object()
        self._start(key, connection)
        try:
            yield
        finally:
            self._end(key)

    def _start(self, key: Hashable, connection: Any) -> None:
        with self._changed:
            self._taken[key] = time.monotonic() + self._seconds, connection
            if self._thread is None:
                self._thread = threading.Thread(target=self._cut_overdue, name="deadlines", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _end(self, key: Hashable) -> None:
        with self._changed:
            self._taken.pop(key, None)

    def _cut_overdue(self) -> None:
        while True:
            with self._changed:
                while not self._taken:
                    self._changed.wait()
                now = time.monotonic()
                for key in [key for key, (deadline, _) in self._taken.items() if deadline < now]:
                    _cut(self._taken.pop(key)[1])
            time.sleep(POLL_SECONDS)


def _cut(connection: Any) -> None:
    """Shut down the socket of a connection, so that the thread that waits for it gets an error."""
    log.warning("the database has not answered for too long; a connection to it is cut")
    with (
        suppress(Exception),  # it was closed meanwhile
        socket.socket(fileno=os.dup(connection.pgconn.socket)) as duplicate,
    ):
        duplicate.shutdown(socket.SHUT_RDWR)
