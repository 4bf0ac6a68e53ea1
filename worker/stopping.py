"""One byte that the parent sets and its children read: stop at the next batch.

A child whose parent was killed stops too: nobody could ask it to any more. The byte lies in shared
memory without a lock, so that a child killed at any moment cannot block the others.
"""

from __future__ import annotations

import mmap
import os

from billiard import pool

READ_TENTHS = 10
"""Tenths of a second in which the parent may read what a child that ends sent it last; billiard has 300."""

_flag: mmap.mmap | None = None
_parent = 0


def prepare() -> None:
    """Make the flag; in the parent, before it forks.

    A parent that stops reads no more, and its children would wait for that for half a minute, though nobody
    needs what Celery would have been told: the database knows.
    """
    global _flag, _parent
    pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = READ_TENTHS
    _flag = mmap.mmap(-1, 1)
    _parent = os.getpid()


def request() -> None:
    """Ask every child to stop."""
    if _flag is not None:
        _flag[0] = 1


def is_requested() -> bool:
    """Whether this process should stop."""
    return _flag is not None and (_flag[0] == 1 or _parent not in (os.getppid(), os.getpid()))
