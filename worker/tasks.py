"""The Celery task; the shared stop flag."""

from __future__ import annotations

import logging
import mmap
import os
from typing import TYPE_CHECKING

from billiard import pool

from worker.settings import WorkerSettings

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


if TYPE_CHECKING:
    from tgsh.execution.context import WorkerContext

log = logging.getLogger(__name__)

_place: tuple[WorkerSettings, str, str] | None = None
_bench: WorkerContext | None = None


def open_context(settings: WorkerSettings, device: str, name: str) -> None:
    """Note where this child works, connect it to its store and device, warm up; once, after the fork."""
    global _place
    _place = settings, device, name
    try:
        context = _open()
        from tgsh.execution import runner

        runner.warm_up(context)
    except Exception:
        log.exception("this child cannot work yet; it tries again at the next hint")


def _open() -> WorkerContext:
    from tgsh.execution import runner  # noqa: F401 - brings torch, which the parent must never import, before the first job
    from tgsh.execution.context import WorkerContext

    global _bench
    if _bench is None:
        assert _place is not None, "no child of the pool"
        _bench = WorkerContext.from_settings(*_place)
    return _bench


def run_due_jobs(*args: object, **kwargs: object) -> None:
    """The one Celery task: whatever the database says is due. A repeated, late or forged hint is a look."""
    from tgsh.execution import runner

    if args or kwargs:
        log.error("refused a message that is no hint: it has arguments")
        return
    context = _open()
    while not is_requested():
        if runner.run_next(context, is_requested) is None:
            return
