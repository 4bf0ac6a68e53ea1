"""Figures are drawn in a process of their own: pictures neither fill nor stop the API."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Literal, ParamSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

P = ParamSpec("P")

FigureFormat = Literal["png", "svg", "pdf"]

DRAWN: dict[str, FigureFormat] = {"png": "png", "svg": "svg", "pdf": "pdf"}
"""The formats that are pictures."""

FIGURES_A_CHILD = 200
"""Matplotlib keeps some memory with every figure; a child is replaced after so many."""


class Artist:
    """Draws one figure at a time, in a child process that is started with the first one."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._lock = threading.Lock()

    def draw(
        self, sketch: Callable[P, Figure], format: FigureFormat, /, *args: P.args, **kwargs: P.kwargs
    ) -> bytes:
        """The figure that `sketch`, one of service/sketches.py, makes of these values, as a file's bytes."""
        try:
            return self._open().submit(_draw, sketch, format, *args, **kwargs).result()
        except BrokenProcessPool:  # the child was killed; nothing was lost but its work
            self.close()
            return self._open().submit(_draw, sketch, format, *args, **kwargs).result()

    def close(self) -> None:
        """End the child."""
        with self._lock:
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def _open(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._pool is None:
                context = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(
                    1, context, _leave_signals_to_the_parent, max_tasks_per_child=FIGURES_A_CHILD
                )
            return self._pool


def _leave_signals_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _draw(sketch: Callable[P, Figure], format: FigureFormat, /, *args: P.args, **kwargs: P.kwargs) -> bytes:
    from tgsh.figures import render

    return render(sketch(*args, **kwargs), format)
