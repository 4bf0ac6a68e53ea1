"""Rendered answers by content, bounded in bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable

from cachetools import LRUCache


class ByteCache:
    """Answers by a key that follows from their content, so that none can be out of date."""

    def __init__(self, max_bytes: int) -> None:
        self._bodies: LRUCache[str, bytes] = LRUCache(max_bytes, getsizeof=len)
        self._making: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: str, make: Callable[[], bytes]) -> bytes:
        """The answer under `key`, made now if it is not there; who asks meanwhile waits for the same one."""
        with self._lock:
            body = self._bodies.get(key)
            if body is not None:
                return body
            turn = self._making.setdefault(key, threading.Lock())
        with turn:
            with self._lock:
                body = self._bodies.get(key)
            if body is None:
                body = self._keep(key, make())
        return body

    def _keep(self, key: str, body: bytes) -> bytes:
        with self._lock:
            self._making.pop(key, None)
            if len(body) <= self._bodies.maxsize:
                self._bodies[key] = body
        return body
