"""Redis transport and consumer for Celery that survive malformed messages and lost connections."""

from __future__ import annotations

import logging
from queue import Empty
from typing import Any

from celery.worker.consumer import Consumer as CeleryConsumer
from celery.worker.state import maybe_shutdown
from kombu.transport import TRANSPORT_ALIASES, redis

log = logging.getLogger(__name__)

MAX_PAUSE = 3
"""Seconds between two attempts to connect to Redis, at most."""

MALFORMED = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)
"""Errors of kombu where an item of the queue is no message."""


class Channel(redis.Channel):
    """A channel that logs and drops malformed messages, where kombu's would end the consumer."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[no-untyped-call]
        except MALFORMED as error:
            log.error(
                "refused something in the queue that is no message: %s: %s", type(error).__name__, error
            )
            raise Empty from error


class Transport(redis.Transport):
    """kombu's Redis transport with that channel."""

    Channel = Channel


class Consumer(CeleryConsumer):  # type: ignore[misc]
    """A consumer that retries a lost connection at least every MAX_PAUSE seconds, and asks no other worker.

    Celery's workers ask each other for a second, at every start, for what tgsh keeps in the database.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "without_mingle": True, "without_gossip": True})

    def ensure_connected(self, conn: Any) -> Any:
        """Wait for the connection; the connection."""

        def log_error(error: Exception, pause: float) -> None:
            log.error("Redis cannot be reached (%s); trying again in %g s", error, pause)

        connected = conn.ensure_connection(
            log_error,
            None,
            interval_start=1,
            interval_step=1,
            interval_max=MAX_PAUSE,
            callback=maybe_shutdown,
        )
        self.first_connection_attempt = False
        return connected


def use() -> None:
    """Use this transport for all connections of this process."""
    TRANSPORT_ALIASES["redis"] = f"{__name__}:Transport"
    TRANSPORT_ALIASES["rediss"] = f"{__name__}:Transport"
