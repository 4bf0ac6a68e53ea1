"""Threads of requests that write, apart from those of all others.

A writer may wait for a lock of the database. With the threads that serve reads it would take those from them.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from functools import partial, wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from anyio import CapacityLimiter, Semaphore, fail_after, to_thread
from sqlalchemy.exc import SQLAlchemyError

from service.errors import Busy
from tgsh.store.database import Limits, Pool, is_transient

if TYPE_CHECKING:
    from service.dependencies import Services

P = ParamSpec("P")
T = TypeVar("T")

WRITERS = 6
"""Requests that write side by side. SQLite has one writer at a time, and PostgreSQL other clients."""

TURN_SECONDS = 10.0
"""For which a request that writes waits for its turn."""

LIMITS = Limits(
    lock_seconds=10.0,
    transaction_seconds=12.0,
    reading=Pool(connections=10, seconds=5.0),
    writing=Pool(connections=WRITERS, seconds=5.0),
)
"""Of the database, for the service: who asks it waits for an answer, so it gives up sooner than workers."""

log = logging.getLogger(__name__)


class WritingThreads:
    """Threads of their own for what writes."""

    def __init__(self, threads: int = WRITERS, turn_seconds: float = TURN_SECONDS) -> None:
        self._turns = Semaphore(threads)
        self._threads = CapacityLimiter(threads)  # a request that has its turn never waits here
        self._turn_seconds = turn_seconds

    async def run(self, write: Callable[[], T]) -> T:
        """Run it in one of the threads. Raises Busy where none is free in time, and what it raises."""
        try:
            with fail_after(self._turn_seconds):
                await self._turns.acquire()
        except TimeoutError:
            raise Busy(
                "others are writing, and the store is slow; nothing was changed, try again soon"
            ) from None
        try:
            return await to_thread.run_sync(write, limiter=self._threads)
        finally:
            self._turns.release()


def writing(endpoint: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    """Decorator of an endpoint that writes: it runs in one of the service's writing threads."""

    @wraps(endpoint)
    async def run(*args: P.args, **kwargs: P.kwargs) -> T:
        services: Services = kwargs["services"]  # type: ignore[assignment]
        return await services.writing.run(partial(endpoint, *args, **kwargs))

    assert "services" in inspect.signature(endpoint).parameters
    return run


async def note(services: Services, write: Callable[[], object]) -> None:
    """Write behind a response what may also be lost: a store that is slow or away is logged, no more."""
    try:
        await services.writing.run(write)
    except (SQLAlchemyError, Busy) as error:
        if isinstance(error, SQLAlchemyError) and not is_transient(error):
            raise
        log.warning("not noted: %s", error)
