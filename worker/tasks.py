"""The Celery task, which runs one job, and what a child needs for it.

The database decides which job is due, never a message: tgsh/docs/decisions/0002-one-message-one-job.md. The
parent imports this module before it forks, so torch is imported inside functions only.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tgsh import progress
from tgsh.store.messages import ERRORS, JobMessages
from tgsh.store.models import AnalysisJob, Job, PreviewJob
from tgsh.store.scheduling import QUEUE
from worker.board import Activity, Board
from worker.settings import WorkerSettings
from worker.stop_flag import stop_flag
from worker.time_limit import time_limit

if TYPE_CHECKING:
    from tgsh.execution.context import WorkerContext
    from tgsh.execution.runner import Work

NOTHING_DUE, STOPPING = "nothing due", "stopping"

LONGEST_PAUSE = 30.0
"""Seconds between two attempts of a child that cannot work, at most."""

log = logging.getLogger(__name__)

board = Board()


@dataclass
class _Place:
    """The place where this child works."""

    settings: WorkerSettings
    device: str
    context: WorkerContext
    messages: JobMessages


_place: _Place | None = None


def run_job(*args: object, **kwargs: object) -> dict[str, object]:
    """The Celery task RUN_JOB_TASK: run the job that is most due, and no other; what was done.

    On a device that trains several tasks at once, further tasks of its experiment are part of its batch. A
    repeated, late or forged message costs a query.
    """
    if args or kwargs:
        log.error("refused a message that is no job message: it has arguments")
        return _told("refused")
    assert _place is not None, "no child of the pool"
    if stop_flag.is_requested():
        _publish({QUEUE: 1})
        return _told(STOPPING)
    from tgsh.execution import runner

    board.note(Activity.BUSY)
    time_limit.start(_place.settings.job_seconds)
    try:
        work = runner.run_next(_place.context, _should_stop)
    finally:
        board.note(Activity.IDLE)
    if work is None:
        return _told(NOTHING_DUE)
    _publish(work.due)
    if "failed" in work.outcome or "lost" in work.outcome:
        _examine(_place)
    return _told(work.outcome, work)


def _should_stop() -> bool:
    time_limit.check()
    return stop_flag.is_requested()


def _told(outcome: str, work: Work | None = None) -> dict[str, object]:
    """The description of a turn for Celery, its events and its log."""
    told: dict[str, object] = {"experiment": None, "task": None, "attempt": None, "seconds": 0.0}
    if work is not None:
        first = work.jobs[0]
        names = [_name_of(job) for job in work.jobs]
        told["experiment"] = None if isinstance(first, PreviewJob) else first.experiment_id
        told["task"] = names[0] if len(names) == 1 else names
        told["attempt"], told["seconds"] = work.attempt, round(work.seconds, 3)
    return told | {"outcome": outcome}


def _name_of(job: Job | PreviewJob | AnalysisJob) -> int | str:
    if isinstance(job, Job):
        return job.task
    return "preview" if isinstance(job, PreviewJob) else job.kind


def _publish(due: dict[str, int]) -> None:
    """Publish messages for jobs that are due now, so that they need not wait for a sweep."""
    assert _place is not None
    try:
        _place.messages.publish(due)
    except ERRORS as error:
        log.warning("%d jobs wait for the sweeper, as Redis takes no message: %s", sum(due.values()), error)


def open_context(settings: WorkerSettings, device: str, name: str) -> None:
    """Connect this child to its store and device, and warm up; once, after the fork.

    A child that cannot work waits here, so that it gets no messages and leases nothing, and tries again.
    """
    global _place
    pause = 1.0
    while (trouble := _prepare(settings, device, name)) is not None:
        log.error("this child cannot work, and tries again in %g s: %s", pause, trouble)
        board.note(Activity.BROKEN, trouble)
        _sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
    board.note(Activity.IDLE)


def _prepare(settings: WorkerSettings, device: str, name: str) -> str | None:
    """Make the place of this child and do a little work on its device; the reason why that is impossible."""
    global _place
    try:
        from tgsh.execution import runner
        from tgsh.execution.context import WorkerContext

        if _place is None:
            messages = JobMessages(settings.redis)

            def trace_of(experiment_id: str) -> str | None:
                try:
                    return messages.trace(experiment_id)
                except ERRORS as error:
                    log.warning("the job's trace is apart from its submission's: %s", error)
                    return None

            context = WorkerContext.from_settings(settings, device, name, trace_of)
            _place = _Place(settings, device, context, messages)
        if (reason := _place.context.database.unreachable_reason()) is not None:
            return f"the database cannot be reached: {reason}"
        runner.warm_up(_place.context)
    except Exception as error:
        log.debug("cannot work", exc_info=True)
        return f"{device}: {type(error).__name__}: {error}".splitlines()[0]
    return None


def close_context() -> None:
    """Send the spans that wait; in a child that ends."""
    if _place is not None:
        _place.context.tracing.close()


def _examine(place: _Place) -> None:
    """After a failure on a GPU: end this child if the device is lost to it; the next one is examined."""
    if place.device == "cpu":
        return
    from tgsh.execution import runner

    try:
        runner.warm_up(place.context)
    except Exception as error:
        log.error("%s is lost to this child, which ends: %s", place.device, error)
        stop_flag.is_told = True


def _sleep(seconds: float) -> None:
    """Sleep unless the worker stops; a child that waits does not hang."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if stop_flag.is_requested():
            raise SystemExit(0)
        progress.step()
        time.sleep(min(0.2, seconds))


def start_child(slot: int) -> None:
    """Take a slot of the board; wait, where the children before died while they started."""
    _sleep(board.take(slot))
