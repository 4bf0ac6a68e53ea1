"""Turns that a worker's parent gives its own idle children, where Redis brings none.

A turn is what a job message gives: the child does the job that is most due. Celery is handed a message that
never was in Redis, so time limits and events are those of any other.
"""

from __future__ import annotations

import base64
from typing import Any

from celery.worker import state
from kombu.message import Message

from tgsh.store.messages import BODY, job_message
from tgsh.store.scheduling import QUEUE, RUN_JOB_TASK


class _OwnMessage(Message):
    """A message of no channel: there is nobody to acknowledge it to."""

    def ack_log_error(self, *_: object, **__: object) -> None:
        """Do nothing."""

    reject_log_error = ack_log_error


class OwnTurns:
    """Hands turns to idle children, as many as it is allowed."""

    def __init__(self, controller: Any) -> None:
        self._controller = controller
        self._allowed = 0

    def idle(self) -> int:
        """The number of children that are up and have nothing to do."""
        children: int = self._controller.pool.num_processes
        return max(0, children - len(state.reserved_requests))

    def allow(self, turns: int) -> None:
        """Give so many turns and no more, now and whenever a child becomes idle."""
        self._allowed = turns

    def give(self) -> None:
        """Give what is allowed to who is idle; Celery's loop calls this whenever something happened."""
        while self._allowed > 0 and self.idle() > 0:
            self._allowed -= 1
            self._give_one()

    def _give_one(self) -> None:
        consumer = self._controller.consumer
        if RUN_JOB_TASK not in consumer.strategies:  # it was never connected
            consumer.update_strategies()
        raw = job_message(QUEUE)
        consumer.create_task_handler()(
            _OwnMessage(  # type: ignore[no-untyped-call]
                body=base64.b64decode(BODY),
                delivery_tag=raw["properties"]["delivery_tag"],
                content_type=raw["content-type"],
                content_encoding=raw["content-encoding"],
                delivery_info=raw["properties"]["delivery_info"],
                properties=raw["properties"],
                headers=raw["headers"],
                accept={raw["content-type"]},
            )
        )
