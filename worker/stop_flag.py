"""The request to stop: of a parent to all its children, of a signal to one of them."""

from __future__ import annotations

import mmap
import os

from billiard import pool

READ_TENTHS = 10
"""Tenths of a second in which a parent that stops reads its children's last messages; billiard has 300."""


class StopFlag:
    """One byte of memory that a parent shares with the children it forks: whether they should stop.

    Why: tgsh/docs/decisions/0005-stop-flag-in-shared-memory.md.
    """

    def __init__(self) -> None:
        self._byte: mmap.mmap | None = None
        self._parent = 0
        self.is_told = False
        """True once a signal told this process, whatever its parent does."""

    def prepare(self) -> None:
        """Map the byte; in the parent, before it forks."""
        # A parent that stops reads no more, and its children would wait for that for half a minute, though
        # nobody needs what Celery would be sent: the database has it.
        pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = READ_TENTHS
        self._byte = mmap.mmap(-1, 1)
        self._parent = os.getpid()

    def request(self) -> None:
        """Request every child to stop."""
        if self._byte is not None:
            self._byte[0] = 1

    def is_requested(self) -> bool:
        """True if this process should stop: a signal told it, its parent requested it, or that has ended."""
        if self.is_told:
            return True
        if self._byte is None:
            return False
        return self._byte[0] == 1 or self._parent not in (os.getppid(), os.getpid())


stop_flag = StopFlag()
