"""Work in a process of its own, so that it neither stops nor fills the API."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Child:
    """Does one thing at a time, in a process that is started with the first one.

    calls: after so many the process is replaced, as libraries keep memory with what they do.
    """

    def __init__(self, calls: int) -> None:
        self._calls = calls
        self._pool: ProcessPoolExecutor | None = None
        self._lock = threading.Lock()

    def call(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """What `work`, a function of a module, answers or raises there."""
        try:
            return self._open().submit(work, *args, **kwargs).result()
        except BrokenProcessPool:  # the child was killed; nothing was lost but its work
            self.close()
            return self._open().submit(work, *args, **kwargs).result()

    def close(self) -> None:
        """End the process."""
        with self._lock:
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def _open(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._pool is None:
                context = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(
                    1, context, _leave_signals_to_the_parent, max_tasks_per_child=self._calls
                )
            return self._pool


def _leave_signals_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
