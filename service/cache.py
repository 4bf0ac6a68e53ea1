"""Rendered answers by content, bounded in bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable

from cachetools import LRUCache


class ByteCache:
    """Answers by a key that follows from their content, so that none can be out of date."""

    def __init__(self, max_bytes: int) -> None:
        self._bodies: LRUCache[str, bytes] = LRUCache(max_bytes, getsizeof=len)
        self._lock = threading.Lock()

    def get(self, key: str, make: Callable[[], bytes]) -> bytes:
        """The answer under `key`, made now if it is not there."""
        with self._lock:
            body = self._bodies.get(key)
        if body is None:
            body = make()
            with self._lock:
                if len(body) <= self._bodies.maxsize:
                    self._bodies[key] = body
        return body
