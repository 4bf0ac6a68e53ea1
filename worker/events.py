"""Events for monitors such as Flower, sent by a thread: a Redis that hangs stops no worker.

Celery's dispatcher sends them in the worker's loop, where it tries for ever to connect.
"""

from __future__ import annotations

import logging
import queue
import threading
from contextlib import suppress
from typing import Any

from celery.app import events
from celery.events.dispatcher import EventDispatcher

MOST_WAITING = 1_000
"""Events that wait to be sent, at most; what comes then is dropped: it is there to be looked at only."""

log = logging.getLogger(__name__)


class ThreadedDispatcher(EventDispatcher):  # type: ignore[misc] # celery has no types
    """A dispatcher that never waits. Its connection is used by its thread only."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._waiting: queue.Queue[tuple[Any, Any, str] | None] = queue.Queue(MOST_WAITING)
        self._thread: threading.Thread | None = None
        super().__init__(*args, **{**kwargs, "buffer_while_offline": False})

    def _publish(self, event: Any, producer: Any, routing_key: str, *_: Any, **__: Any) -> None:
        if producer is None:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._send_all, name="events", daemon=True)
            self._thread.start()
        with suppress(queue.Full):
            self._waiting.put_nowait((event, producer, routing_key))

    def _send_all(self) -> None:
        while (item := self._waiting.get()) is not None:
            try:
                super()._publish(*item)
            except Exception as error:
                log.debug("an event was not sent: %s", error)

    def close(self) -> None:
        """Send no more; the thread ends once it has sent what waits, or at once where it cannot."""
        super().close()
        with suppress(queue.Full):
            self._waiting.put_nowait(None)
            return
        with suppress(queue.Empty):  # it is stuck: make room for the sign that it should end
            while True:
                self._waiting.get_nowait()
        with suppress(queue.Full):
            self._waiting.put_nowait(None)


class Events(events.Events):  # type: ignore[misc]
    """Celery's shortcuts to events, with that dispatcher."""

    dispatcher_cls = f"{__name__}:ThreadedDispatcher"
