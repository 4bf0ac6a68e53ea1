"""Rendered answers by content, bounded in bytes; and how many are made at a time."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from cachetools import LRUCache

from service.errors import Busy

AT_A_TIME = max(2, os.cpu_count() or 1)
"""Answers that are computed side by side: each may take seconds and hundreds of megabytes."""

MOST_WAITING = 24
"""Requests that wait for their turn; fewer than the threads there are (40), so that others get one."""

PATIENCE_SECONDS = 20.0


class Turns:
    """Lets so many compute at a time, and so many wait."""

    def __init__(self, at_a_time: int = AT_A_TIME, most_waiting: int = MOST_WAITING) -> None:
        self._free = threading.BoundedSemaphore(at_a_time)
        self._seats = threading.BoundedSemaphore(at_a_time + most_waiting)

    @contextmanager
    def turn(self, same: threading.Lock | None = None) -> Iterator[None]:
        """same: held by who makes the same answer. Raises Busy where too many wait, or one too long."""
        if not self._seats.acquire(blocking=False):
            raise Busy("too many results are being computed; try again soon")
        try:
            with _held(same) if same else nullcontext(), _held(self._free):
                yield
        finally:
            self._seats.release()


@contextmanager
def _held(lock: threading.Lock | threading.Semaphore) -> Iterator[None]:
    if not lock.acquire(timeout=PATIENCE_SECONDS):
        raise Busy("results take too long to compute; try again soon")
    try:
        yield
    finally:
        lock.release()


class ByteCache:
    """Answers by a key that follows from their content, so that none can be out of date."""

    def __init__(self, max_bytes: int) -> None:
        self.turns = Turns()
        self._bodies: LRUCache[str, bytes] = LRUCache(max_bytes, getsizeof=len)
        self._making: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: str, make: Callable[[], bytes]) -> bytes:
        """The answer under `key`, made now if it is not there; who asks meanwhile waits for the same one.

        Raises Busy.
        """
        with self._lock:
            body = self._bodies.get(key)
            if body is not None:
                return body
            same = self._making.setdefault(key, threading.Lock())
        with self.turns.turn(same):
            with self._lock:
                body = self._bodies.get(key)  # another may have made it while this one waited
            if body is None:
                body = self._keep(key, make())
        return body

    def _keep(self, key: str, body: bytes) -> bytes:
        with self._lock:
            self._making.pop(key, None)
            if len(body) <= self._bodies.maxsize:
                self._bodies[key] = body
        return body
