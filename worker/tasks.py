"""The Celery task, which runs due jobs, and the stop flag that a worker's parent shares with its children.

The database decides which job is due, never a message: tgsh/docs/decisions/0002-one-message-one-job.md. The
parent imports this module before it forks, so torch is imported inside functions only.
"""

from __future__ import annotations

import logging
import mmap
import os
from typing import TYPE_CHECKING

from billiard import pool

from worker.settings import WorkerSettings

if TYPE_CHECKING:
    from tgsh.execution.context import WorkerContext
    from tgsh.store.models import Job, PreviewJob

READ_TENTHS = 10
"""Tenths of a second in which a parent that stops reads its children's last messages; billiard has 300."""

log = logging.getLogger(__name__)


class StopFlag:
    """One byte of memory that a parent shares with the children it forks: whether they should stop.

    Why: tgsh/docs/decisions/0005-stop-flag-in-shared-memory.md.
    """

    def __init__(self) -> None:
        self._byte: mmap.mmap | None = None
        self._parent = 0

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
        """True if this process should stop: it was requested, or the parent has ended."""
        if self._byte is None:
            return False
        return self._byte[0] == 1 or self._parent not in (os.getppid(), os.getpid())


stop_flag = StopFlag()

_place: tuple[WorkerSettings, str, str] | None = None
_context: WorkerContext | None = None


def run_due_jobs(*args: object, **kwargs: object) -> None:
    """The Celery task RUN_JOB_TASK: run one due job after the other until none is due.

    A repeated, late or forged message costs a query.
    """
    if args or kwargs:
        log.error("refused a message that is no job message: it has arguments")
        return
    while not stop_flag.is_requested():
        if run_one_job() is None:
            return


def run_one_job() -> Job | PreviewJob | None:
    """Run the job that is most due now, and no other; that job, or None where none is due.

    On a device that trains several tasks at once, further tasks of its experiment are part of its batch.
    """
    from tgsh.execution import runner

    return runner.run_next(_open(), stop_flag.is_requested)


def open_context(settings: WorkerSettings, device: str, name: str) -> None:
    """Connect this child to its store and device, and warm up; once, after the fork."""
    global _place
    _place = settings, device, name
    try:
        context = _open()
        from tgsh.execution import runner

        runner.warm_up(context)
    except Exception:
        log.exception("this child cannot work yet; it tries again at the next job message")


def _open() -> WorkerContext:
    from tgsh.execution import runner  # noqa: F401 - brings numba, before the first job
    from tgsh.execution.context import WorkerContext

    global _context
    if _context is None:
        assert _place is not None, "no child of the pool"
        _context = WorkerContext.from_settings(*_place)
    return _context
