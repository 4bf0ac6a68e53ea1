"""How many requests in a minute."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from tgsh.errors import QuotaExceeded

MINUTE = 60.0


class Rates:
    """A bucket of a minute's requests for every name, filled again steadily. Each process has its own."""

    def __init__(self, a_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._a_minute = a_minute
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}  # requests left, and when that was so

    def take(self, name: str) -> None:
        """One request more. Raises QuotaExceeded."""
        now = self._clock()
        left, at = self._buckets.get(name, (float(self._a_minute), now))
        left = min(float(self._a_minute), left + (now - at) * self._a_minute / MINUTE)
        if left < 1:
            self._buckets[name] = (left, now)
            wait = math.ceil((1 - left) * MINUTE / self._a_minute)
            raise QuotaExceeded(f"{self._a_minute} requests a minute are the most for {name}", wait)
        self._buckets[name] = (left - 1, now)
