"""Hardened Redis transport."""

from __future__ import annotations

import logging
from queue import Empty
from typing import Any

from celery.worker.consumer import Consumer as CeleryConsumer
from celery.worker.state import maybe_shutdown
from kombu.transport import TRANSPORT_ALIASES, redis

log = logging.getLogger(__name__)

LONGEST_PAUSE = 3

NO_MESSAGE = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)


class Channel(redis.Channel):
    """Reads what is a message, and goes on."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[no-untyped-call]
        except NO_MESSAGE as error:
            log.error(
                "refused something in the queue that is no message: %s: %s", type(error).__name__, error
            )
            raise Empty from error


class Transport(redis.Transport):
    """Redis, with our channel."""

    Channel = Channel


class Consumer(CeleryConsumer):  # type: ignore[misc]
    """Never waits long before it looks for Redis again."""

    def ensure_connected(self, conn: Any) -> Any:
        """The connection, once there is one."""

        def tell(error: Exception, pause: float) -> None:
            log.error("Redis cannot be reached (%s); trying again in %g s", error, pause)

        found = conn.ensure_connection(
            tell, None, interval_start=1, interval_step=1, interval_max=LONGEST_PAUSE, callback=maybe_shutdown
        )
        self.first_connection_attempt = False
        return found


def use() -> None:
    """Let every connection of this process have our transport."""
    TRANSPORT_ALIASES["redis"] = f"{__name__}:Transport"
    TRANSPORT_ALIASES["rediss"] = f"{__name__}:Transport"
