"""Redis transport and consumer for Celery that survive malformed messages, a full and a lost Redis."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from queue import Empty
from typing import Any

import redis as client
from celery.utils.functional import noop
from celery.worker import loops
from celery.worker.consumer import Consumer as CeleryConsumer
from celery.worker.state import maybe_shutdown
from kombu.common import ignore_errors
from kombu.transport import TRANSPORT_ALIASES, redis

log = logging.getLogger(__name__)

MAX_PAUSE = 3
"""Seconds between two attempts to connect to Redis, at most."""

SOON = 10.0
"""A connection that is lost within so many seconds of the last loss is not worth an attempt at once."""

UNREACHABLE_SECONDS = 2.0
"""Seconds in which Redis has to take a connection and to answer."""

MALFORMED = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)
"""Errors of kombu where an item of the queue is no message."""


class Channel(redis.Channel):
    """A channel that drops malformed messages, where kombu's would end the consumer, and counts all."""

    received = 0
    """What came from Redis, in this process."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            found = super()._brpop_read(**options)  # type: ignore[no-untyped-call]
            Channel.received += 1
            return found
        except MALFORMED as error:
            Channel.received += 1
            log.error(
                "refused something in the queue that is no message: %s: %s", type(error).__name__, error
            )
            raise Empty from error

    def _queue_bind(self, *args: Any) -> None:
        """Tell others how kombu would find the queue; nobody needs it, and a full Redis takes nothing."""
        try:
            super()._queue_bind(*args)  # type: ignore[no-untyped-call]
        except client.ResponseError as error:
            log.warning("Redis takes nothing: %s", error)


class Transport(redis.Transport):
    """kombu's Redis transport with that channel."""

    Channel = Channel


class Consumer(CeleryConsumer):  # type: ignore[misc]
    """A consumer whose worker works on while Redis is away, and that asks no other worker.

    Celery's stops everything until it is connected: results of children are not read, time limits do not
    hold and timers do not run. Its workers ask each other for a second, at every start, for what tgsh keeps
    in the database.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "without_mingle": True, "without_gossip": True})
        self._callbacks: set[Any] = set()
        self._lost_at = float("-inf")
        self._pause = 0

    def connect(self) -> Any:
        """Connect; note what the connection adds to the loop, as kombu leaves it there for ever."""
        connection = self.connection_for_read(heartbeat=self.amqheartbeat)
        before = set(self.hub.on_tick)
        connection.transport.register_with_event_loop(connection.connection, self.hub)
        self._callbacks = self.hub.on_tick - before
        return connection

    def ensure_connected(self, conn: Any) -> Any:
        """Work on until Redis is there again; the connection."""
        while True:
            if self._pause:
                self._work_on(self._pause)
            if (error := self._reach(conn)) is None:
                break
            self._pause = min(self._pause + 1, MAX_PAUSE)
            log.error("Redis cannot be reached (%s); trying again in %g s", error, self._pause)
        self._pause = 0
        self.first_connection_attempt = False
        return conn

    def on_connection_error_before_connected(self, exc: Exception) -> None:
        """Note it."""
        super().on_connection_error_before_connected(exc)
        self._note_loss()

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Note it, and send no events of what is done meanwhile."""
        super().on_connection_error_after_connected(exc)
        if self.event_dispatcher is not None:
            ignore_errors(self, self.event_dispatcher.disable)  # type: ignore[no-untyped-call]
        self._note_loss()

    def _note_loss(self) -> None:
        self.hub.on_tick -= self._callbacks
        self._callbacks = set()
        now = time.monotonic()
        self._pause = 1 if now - self._lost_at < SOON else 0
        self._lost_at = now

    def _reach(self, conn: Any) -> Exception | None:
        """Connect; the reason why that is impossible. A Redis that hangs is asked in a thread of its own."""
        found: list[Exception | None] = []
        url = self.app.conf["tgsh_settings"].redis

        def ask() -> None:
            found.append(_unreachable(url))
            self.hub.call_soon(noop)

        threading.Thread(target=ask, name="reach-redis", daemon=True).start()
        self._work_on(2 * UNREACHABLE_SECONDS, lambda: bool(found))
        if not found:
            return TimeoutError("it hangs")
        if found[0] is None:
            try:
                conn.connect()
            except (*conn.recoverable_connection_errors, *conn.recoverable_channel_errors) as error:
                return error if isinstance(error, Exception) else None
        return found[0]

    def _work_on(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Do all that needs no Redis, for a while: read results, hold time limits, sweep, give turns."""
        hub, deadline = self.hub, time.monotonic() + seconds
        before = loops._timer_entries(hub.timer)
        self.controller.register_with_event_loop(hub)
        ours = loops._timer_entries(hub.timer) - before
        ours.add(hub.call_later(seconds, noop))
        hub.propagate_errors = ()
        loop = hub.create_loop()
        try:
            while time.monotonic() < deadline and not until():
                maybe_shutdown()
                try:
                    next(loop)
                except StopIteration:
                    loop = hub.create_loop()
        finally:
            loops._cancel_timer_entries(hub.timer, ours)


def _unreachable(url: str) -> Exception | None:
    """The reason why Redis does not answer; None where it does."""
    limits = {"socket_connect_timeout": UNREACHABLE_SECONDS, "socket_timeout": UNREACHABLE_SECONDS}
    try:
        with client.Redis.from_url(url, **limits) as connection:
            connection.ping()
    except (client.RedisError, OSError, ValueError) as error:
        return error
    return None


def use() -> None:
    """Use this transport for all connections of this process."""
    TRANSPORT_ALIASES["redis"] = f"{__name__}:Transport"
    TRANSPORT_ALIASES["rediss"] = f"{__name__}:Transport"
