"""Pool of children: signals ask them to stop, and whatever dies, the parent goes on.

Celery's own pool ends children at SIGTERM in mid-batch, gives up where children die while it starts, and
counts children that are not up yet as such that can take a message.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from typing import Any

from celery.concurrency import asynpool, prefork

from worker.stop_flag import stop_flag
from worker.time_limit import time_limit

log = logging.getLogger(__name__)

SOON = 0.1
"""Seconds until a child that closes its pipes is over."""

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class PoolChild(asynpool.Worker):  # type: ignore[misc] # celery has no types
    """A child. A signal is a request: it ends once its job is given back, or at once where it has none."""

    wait_for_job: Callable[[], Any]
    _may_end_at_once = False

    def after_fork(self) -> None:
        """Handle signals as requests from here on; until now, while it starts, they ended it."""
        super().after_fork()
        for number in STOP_SIGNALS:
            signal.signal(number, self._told)
        signal.signal(signal.SIGUSR1, self._told_or_limited)

    def _told(self, *_: object) -> None:
        stop_flag.is_told = True
        if self._may_end_at_once:
            raise SystemExit(0)

    def _told_or_limited(self, *_: object) -> None:
        """Tell billiard's signal of a time limit from a batch system's warning, which is the same."""
        if time_limit.is_due:
            time_limit.reached()
        else:
            self._told()

    def _make_child_methods(self, *args: Any, **kwargs: Any) -> None:
        super()._make_child_methods(*args, **kwargs)
        receive: Callable[[], Any] = self.__dict__["wait_for_job"]

        def receive_unless_told() -> Any:
            self._may_end_at_once = True
            try:
                if stop_flag.is_told:
                    raise SystemExit(0)
                return receive()
            finally:
                self._may_end_at_once = False

        self.__dict__["wait_for_job"] = receive_unless_told

    def _do_exit(self, *args: Any, **kwargs: Any) -> None:
        self._may_end_at_once = True  # the parent answers the last message with SIGTERM
        super()._do_exit(*args, **kwargs)


class AsynPool(asynpool.AsynPool):  # type: ignore[misc]
    """Celery's pool with such children, however often they have to be replaced."""

    Worker = PoolChild

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.restart_state.maxR = 0  # no number of deaths is too many: see worker/board.py for the pauses

    def _event_process_exit(self, hub: Any, proc: Any) -> None:
        """Replace a child. Where it is not quite over yet, look again soon; Celery would in five seconds."""
        super()._event_process_exit(hub, proc)
        if proc in self._pool:
            hub.call_later(SOON, self.maintain_pool)

    def _track_child_process(self, proc: Any, hub: Any) -> None:
        """Wait for a child's end, unless that was seen already: there is nothing to wait for any more."""
        if getattr(proc, "_sentinel_poll", ...) is not None:
            super()._track_child_process(proc, hub)

    def ready(self) -> int:
        """The number of children that are up."""
        return len(self._all_inqueues)


class TaskPool(prefork.TaskPool):  # type: ignore[misc]
    """Celery's interface to that pool."""

    Pool = AsynPool

    def did_start_ok(self) -> bool:
        """Replace children that died meanwhile; Celery would end the worker for one."""
        self._pool.maintain_pool()
        return True

    @property
    def num_processes(self) -> int:
        """The number of children that can take a message, by which Celery takes messages from Redis."""
        return 0 if self._pool is None else int(self._pool.ready())

    def pids(self) -> set[int]:
        """Process ids of the children."""
        return set() if self._pool is None else {process.pid for process in self._pool._pool}
