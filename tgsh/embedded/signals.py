"""Ctrl-C and SIGTERM as exactly one exception, at a moment when it can do no harm."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any


class Stopped(KeyboardInterrupt):
    """This process was asked to stop, by the signal `number`."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class StopSignals:
    """While entered, the first SIGINT, SIGTERM or SIGHUP raises Stopped; later ones only set `again`.

    So the way out cannot itself be interrupted: a second Ctrl-C tells it to hurry. Signals that come
    inside `held()` are raised at its end. Python delivers signals to the main thread only, and in any
    other thread this does nothing.
    """

    def __init__(self) -> None:
        self.again = False
        self._raised = False
        self._holds = 0
        self._pending = 0
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                handler = signal.getsignal(number)
                if number == signal.SIGHUP and handler == signal.SIG_IGN:
                    continue  # nohup
                self._previous[number] = handler
                signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Nothing is raised in here."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
        if self._pending and not self._holds:
            number, self._pending = self._pending, 0
            self._raise(number)

    def spent(self) -> None:
        """From now on no signal raises: the way out has begun."""
        self._raised = True

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._raised:
            self.again = True
        elif self._holds:
            self._pending = number
        else:
            self._raise(number)

    def _raise(self, number: int) -> None:
        self._raised = True
        raise Stopped(number)
