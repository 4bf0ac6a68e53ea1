"""Whether a worker still hears. After a reconnect a client can be alive, connected, and consume nothing."""

from __future__ import annotations

import time

DEAF_SECONDS = 10.0
"""How long hints may wait beside an idle child. Normally that lasts milliseconds."""


class Hearing:
    """Told at every sweep what was heard so far, it says when that has gone on for too long."""

    def __init__(self) -> None:
        self._heard = -1
        self._since: float | None = None

    def is_lost(self, heard: int, *, ignored: bool) -> bool:
        """heard: messages that ever arrived. ignored: whether hints wait now though a child is idle."""
        if heard != self._heard or not ignored:
            self._heard, self._since = heard, None
        if not ignored:
            return False
        if self._since is None:
            self._since = time.monotonic()
        return time.monotonic() - self._since > DEAF_SECONDS
