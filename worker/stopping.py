"""One byte that the parent sets and its children read: stop at the next batch.

It lies in shared memory without a lock, so that a child killed at any moment cannot block the others.
"""

from __future__ import annotations

import mmap

_flag: mmap.mmap | None = None


def prepare() -> None:
    """Make the flag; in the parent, before it forks."""
    global _flag
    _flag = mmap.mmap(-1, 1)


def request() -> None:
    """Ask every child to stop."""
    if _flag is not None:
        _flag[0] = 1


def is_requested() -> bool:
    """Whether this process should stop."""
    return _flag is not None and _flag[0] == 1
