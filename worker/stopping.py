"""One byte that the parent sets and its children read: stop at the next batch.

A child whose parent was killed stops too: nobody could ask it to any more. The byte lies in shared
memory without a lock, so that a child killed at any moment cannot block the others.
"""

from __future__ import annotations

import mmap
import os

_flag: mmap.mmap | None = None
_parent = 0


def prepare() -> None:
    """Make the flag; in the parent, before it forks."""
    global _flag, _parent
    _flag = mmap.mmap(-1, 1)
    _parent = os.getpid()


def request() -> None:
    """Ask every child to stop."""
    if _flag is not None:
        _flag[0] = 1


def is_requested() -> bool:
    """Whether this process should stop."""
    return _flag is not None and (_flag[0] == 1 or _parent not in (os.getppid(), os.getpid()))
