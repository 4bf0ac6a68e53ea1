"""Figures are drawn in a process of their own: pictures neither fill nor stop the API."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Literal

import numpy as np

FigureFormat = Literal["png", "svg", "pdf"]

FIGURES_A_CHILD = 200
"""Matplotlib keeps some memory with every figure; a child is replaced after so many."""


class Artist:
    """Draws one figure at a time, in a child process that is started with the first one."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._lock = threading.Lock()

    def similarity(
        self, values: np.ndarray, labels: Sequence[str], *, title: str, measure: str, format: FigureFormat
    ) -> bytes:
        """A similarity matrix [T, T] as a picture."""
        arguments = (values, tuple(labels), title, measure, format)
        try:
            return self._open().submit(_draw_similarity, *arguments).result()
        except BrokenProcessPool:  # the child was killed; nothing was lost but its work
            self.close()
            return self._open().submit(_draw_similarity, *arguments).result()

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


def _draw_similarity(
    values: np.ndarray, labels: tuple[str, ...], title: str, measure: str, format: FigureFormat
) -> bytes:
    from tgsh.figures import render, similarity_figure  # brings matplotlib, which the API does without

    return render(similarity_figure(values, labels, title=title, measure=measure), format)
