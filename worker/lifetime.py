"""End of a worker that is there for a while only, as a batch job is: once idle, or before its time limit.

Draining is what SIGTERM does: children give their jobs back at the next batch, and the parent ends.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from celery import bootsteps
from celery.worker import state

from worker import tasks
from worker.board import Activity, Child
from worker.settings import WorkerSettings
from worker.stop_flag import stop_flag

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5

DRAIN_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
"""Signals that drain a worker. Batch systems warn by SIGUSR1. Whoever starts one may block them, so that one
that comes while it starts waits for its handler."""


@dataclass(frozen=True)
class End:
    """The reason why a worker ends, and its exit status."""

    reason: str
    status: int = os.EX_OK


@dataclass(frozen=True)
class Lifetime:
    """Limits of a worker's life. Times are of the machine's monotonic clock.

    idle_seconds: without a job for so long, it ends; life_seconds: it drains so long after its start. None:
    no limit.
    """

    idle_seconds: float | None
    life_seconds: float | None
    started_at: float

    def end(self, now: float, children: Sequence[Child]) -> End | None:
        """The end of a worker with these children, if it has come."""
        if self.life_seconds is not None and now - self.started_at >= self.life_seconds:
            return End(f"its time of {self.life_seconds:.0f} s is over")
        if self.idle_seconds is None or not children:
            return None
        if any(child.state in (Activity.BUSY, Activity.STARTING) for child in children):
            return None
        idle = now - max(self.started_at, *(child.since for child in children))
        if idle < self.idle_seconds:
            return None
        broken = [child.reason for child in children if child.state is Activity.BROKEN]
        if len(broken) == len(children):  # a batch system should show that
            return End(f"none of its processes can work: {broken[0]}", os.EX_UNAVAILABLE)
        return End(f"it had no job for {idle:.0f} s")


class Drain(bootsteps.StartStopStep):  # type: ignore[misc] # celery has no types
    """Celery bootstep: drains the worker on a signal, and at the end of its lifetime."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, controller: Any, **_: Any) -> None:
        settings: WorkerSettings = controller.app.conf["tgsh_settings"]
        self._lifetime = Lifetime(settings.idle_seconds, settings.life_seconds, time.monotonic())
        self._timer: Any = None

    def start(self, controller: Any) -> None:
        """Install the handlers, after Celery's, whose others kill jobs or start anew; begin to look."""
        for number in DRAIN_SIGNALS[1:]:
            signal.signal(number, signal.getsignal(signal.SIGTERM))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, DRAIN_SIGNALS)
        if (self._lifetime.idle_seconds, self._lifetime.life_seconds) != (None, None):
            self._timer = controller.timer.call_repeatedly(LOOK_SECONDS, self._look)

    def stop(self, _: Any) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        end = self._lifetime.end(time.monotonic(), tasks.board.children())
        if end is not None and state.should_stop is None:
            log.warning("this worker ends, and gives its jobs back: %s", end.reason)
            stop_flag.request()
            state.should_stop = end.status
