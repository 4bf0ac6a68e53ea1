"""One database poll for all event streams of the process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from typing import TypeVar

from anyio import CapacityLimiter, to_thread
from sqlalchemy.exc import SQLAlchemyError

from tgsh.errors import NotFound
from tgsh.schemas import TERMINAL
from tgsh.store import queries
from tgsh.store.database import Database
from tgsh.store.models import EventRecord

log = logging.getLogger(__name__)

T = TypeVar("T")

POLL_SECONDS = 0.25

ACCESS_CHECK_SECONDS = 3.0
"""Interval between checks that a subscriber may still read the experiment."""

BUFFERED_EVENTS = 200
"""Events of an experiment in memory; a stream that is further behind reads the database."""


class Subscription:
    """The newest events of one experiment, for all of its streams.

    floor: all events with larger ids are in `recent`; None before the first poll.
    is_over: no event follows. is_deleted: the experiment was deleted.
    """

    def __init__(self) -> None:
        self.streams = 0
        self.recent: deque[EventRecord] = deque()
        self.floor: int | None = None
        self.newest = 0
        self.is_over = self.is_deleted = False
        self._changed = asyncio.Event()

    def start(self, newest: int) -> None:
        """Begin behind the event `newest`; older ones are read from the database."""
        self.floor = self.newest = newest
        self.notify()

    def add(self, events: Sequence[EventRecord]) -> None:
        """Append events that follow the last one."""
        self.recent.extend(events)
        self.newest = events[-1].id
        while len(self.recent) > BUFFERED_EVENTS:
            self.floor = self.recent.popleft().id

    def events_after(self, seen: int) -> list[EventRecord] | None:
        """The events with larger ids; None where they have to be read from the database."""
        if self.floor is None or seen < self.floor:
            return None
        return [event for event in self.recent if event.id > seen]

    def notify(self) -> None:
        """Wake all waiting streams."""
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def version(self) -> tuple[int, bool, bool] | None:
        """Differs after every change; None before the first poll."""
        return (
            None
            if self.floor is None and not self.is_deleted
            else (self.newest, self.is_over, self.is_deleted)
        )

    @property
    def changed(self) -> asyncio.Event:
        """Event that is set at the next change; get it before reading, wait for it afterwards."""
        return self._changed


class EventFeed:
    """Event streams of this process, served by one polling task. Used on the event loop only."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._subscriptions: dict[str, Subscription] = {}
        self._polling: asyncio.Task[None] | None = None
        self._one_thread = CapacityLimiter(1)
        self._few_threads = CapacityLimiter(4)  # a thousand streams that open at once leave threads to others
        self._news = asyncio.Event()  # set at the next change of any experiment

    async def events(
        self, experiment_id: str, after: int, may_read: Callable[[], bool] | None = None
    ) -> AsyncGenerator[EventRecord, None]:
        """Every event with an id above `after`, in order, as it occurs; ends with the experiment.

        may_read: called every ACCESS_CHECK_SECONDS, in a thread; the stream ends when it returns False.
        """
        seen, checked_at = after, time.monotonic()
        with self._subscribed(experiment_id) as subscription:
            while not subscription.is_deleted:
                if may_read is not None and time.monotonic() - checked_at > ACCESS_CHECK_SECONDS:
                    try:
                        if not await to_thread.run_sync(may_read, limiter=self._few_threads):
                            return
                    except NotFound:
                        return
                    except SQLAlchemyError as error:  # and nothing more is sent until it is known
                        log.warning("events of %s cannot be read, trying again: %s", experiment_id, error)
                        await asyncio.sleep(1)
                        continue
                    checked_at = time.monotonic()
                changed, is_over = subscription.changed, False
                events = subscription.events_after(seen)
                if events is None or (subscription.is_over and not events):  # only the database tells the end
                    try:
                        events, is_over = await self._read(experiment_id, seen)
                    except NotFound:
                        return
                    except SQLAlchemyError as error:
                        log.warning("events of %s cannot be read, trying again: %s", experiment_id, error)
                        await asyncio.sleep(1)
                        continue
                for event in events:
                    seen = event.id
                    yield event
                if is_over:
                    return
                if not events:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(changed.wait(), ACCESS_CHECK_SECONDS)

    async def changes(self, experiment_ids: Sequence[str]) -> AsyncGenerator[Sequence[str], None]:
        """The ids that changed, again and again: all at first, none where nothing happened for a while.

        Does not end by itself. What is read after an id was yielded is at least as new as that change.
        """
        with contextlib.ExitStack() as held:
            following = {id: held.enter_context(self._subscribed(id)) for id in experiment_ids}
            seen: dict[str, object] = {}
            while True:
                news = self._news
                versions = {id: each.version for id, each in following.items() if each.version is not None}
                changed = [id for id, version in versions.items() if seen.get(id) != version]
                seen |= versions
                yield changed
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), ACCESS_CHECK_SECONDS)

    async def in_thread(self, read: Callable[[], T]) -> T:
        """The answer of a short query of a stream, in one of the few threads that all streams share."""
        return await to_thread.run_sync(read, limiter=self._few_threads)

    async def close(self) -> None:
        """Stop polling."""
        if self._polling is not None:
            self._polling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._polling

    async def _read(self, experiment_id: str, after: int) -> tuple[list[EventRecord], bool]:
        limiter = self._few_threads
        return await to_thread.run_sync(queries.events, self._database, experiment_id, after, limiter=limiter)

    @contextlib.contextmanager
    def _subscribed(self, experiment_id: str) -> Iterator[Subscription]:
        subscription = self._subscriptions.setdefault(experiment_id, Subscription())
        subscription.streams += 1
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._poll_while_subscribed(), name="event-feed")
        try:
            yield subscription
        finally:
            subscription.streams -= 1
            if not subscription.streams:
                del self._subscriptions[experiment_id]

    async def _poll_while_subscribed(self) -> None:
        is_silent = False
        while self._subscriptions:
            try:
                await self._poll()
                is_silent = False
            except SQLAlchemyError as error:
                if not is_silent:
                    log.warning("events cannot be read, trying again: %s", error)
                is_silent = True
            except Exception:
                log.exception("events cannot be read, trying again")
            await asyncio.sleep(POLL_SECONDS)

    async def _poll(self) -> None:
        subscriptions = dict(self._subscriptions)
        newest = {
            key: None if subscription.floor is None else subscription.newest
            for key, subscription in subscriptions.items()
        }
        limiter = self._one_thread
        news_by_id = await to_thread.run_sync(queries.new_events, self._database, newest, limiter=limiter)
        before = [subscription.version for subscription in subscriptions.values()]
        self._distribute(subscriptions, news_by_id)
        if before != [subscription.version for subscription in subscriptions.values()]:
            self._news.set()
            self._news = asyncio.Event()

    @staticmethod
    def _distribute(subscriptions: dict[str, Subscription], news_by_id: dict[str, queries.NewEvents]) -> None:
        for experiment_id, subscription in subscriptions.items():
            news = news_by_id.get(experiment_id)
            if news is None:
                subscription.is_deleted = True
                subscription.notify()
                continue
            ended = news.status in TERMINAL and (subscription.floor is None or not news.more)
            if subscription.floor is None:
                subscription.is_over = ended
                subscription.start(news.newest)
            elif news.events or ended != subscription.is_over:
                if news.events:
                    subscription.add(news.events)
                subscription.is_over = ended
                subscription.notify()
