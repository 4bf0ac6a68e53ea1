"""One database poll for all event streams."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence

from anyio import CapacityLimiter, to_thread
from sqlalchemy.exc import SQLAlchemyError

from tgsh.errors import NotFound
from tgsh.schemas import TERMINAL
from tgsh.store import queries
from tgsh.store.database import Database
from tgsh.store.models import EventRecord

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.25

WELCOME_SECONDS = 3.0
"""How often it is asked whether who follows may still."""

KEPT_EVENTS = 200
"""Events of an experiment in memory; a stream that is further behind reads the database."""


class Subscription:
    """The newest events of one experiment, for everybody who follows it.

    floor: the events behind it are all in `recent`; None before the first look. gone: it was deleted.
    """

    def __init__(self) -> None:
        self.followers = 0
        self.recent: deque[EventRecord] = deque()
        self.floor: int | None = None
        self.top = 0
        self.is_over = self.is_gone = False
        self._changed = asyncio.Event()

    def start(self, newest: int) -> None:
        """What there is up to `newest` is in the database."""
        self.floor = self.top = newest
        self.tell()

    def add(self, events: Sequence[EventRecord]) -> None:
        """Append events that follow the last one."""
        self.recent.extend(events)
        self.top = events[-1].id
        while len(self.recent) > KEPT_EVENTS:
            self.floor = self.recent.popleft().id

    def behind(self, seen: int) -> list[EventRecord] | None:
        """The events with larger ids; None where the database has to be asked."""
        if self.floor is None or seen < self.floor:
            return None
        return [event for event in self.recent if event.id > seen]

    def tell(self) -> None:
        """Wake all who wait."""
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def changed(self) -> asyncio.Event:
        """Is set at the next change; take it before looking, wait for it afterwards."""
        return self._changed


class EventFeed:
    """All open streams of this process. Lives on the event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._feeds: dict[str, Subscription] = {}
        self._looking: asyncio.Task[None] | None = None
        self._one_thread = CapacityLimiter(1)
        self._few_threads = CapacityLimiter(4)  # a thousand streams that open at once leave some to others

    async def events(
        self, experiment_id: str, after: int, is_welcome: Callable[[], bool] | None = None
    ) -> AsyncGenerator[EventRecord, None]:
        """Every event behind the id `after`, in order, as it happens; ends with the experiment.

        is_welcome: is asked now and then, in a thread; the stream ends when it says no.
        """
        seen, asked = after, time.monotonic()
        with self._followed(experiment_id) as feed:
            while not feed.is_gone:
                if is_welcome is not None and time.monotonic() - asked > WELCOME_SECONDS:
                    if not await to_thread.run_sync(is_welcome, limiter=self._few_threads):
                        return
                    asked = time.monotonic()
                changed, over = feed.changed, False
                found = feed.behind(seen)
                if found is None or (feed.is_over and not found):  # the end is never told from memory
                    try:
                        found, over = await self._read(experiment_id, seen)
                    except NotFound:
                        return
                    except SQLAlchemyError as error:
                        log.warning("events of %s cannot be read, trying again: %s", experiment_id, error)
                        await asyncio.sleep(1)
                        continue
                for event in found:
                    seen = event.id
                    yield event
                if over:
                    return
                if not found:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(changed.wait(), WELCOME_SECONDS)

    async def close(self) -> None:
        """Stop looking."""
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking

    async def _read(self, experiment_id: str, after: int) -> tuple[list[EventRecord], bool]:
        limiter = self._few_threads
        return await to_thread.run_sync(queries.events, self._database, experiment_id, after, limiter=limiter)

    @contextlib.contextmanager
    def _followed(self, experiment_id: str) -> Iterator[Subscription]:
        feed = self._feeds.setdefault(experiment_id, Subscription())
        feed.followers += 1
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_on(), name="following")
        try:
            yield feed
        finally:
            feed.followers -= 1
            if not feed.followers:
                del self._feeds[experiment_id]

    async def _look_on(self) -> None:
        """For as long as anybody follows anything."""
        while self._feeds:
            try:
                await self._look()
            except Exception:
                log.exception("events cannot be read, trying again")
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        feeds = dict(self._feeds)
        tops = {key: None if feed.floor is None else feed.top for key, feed in feeds.items()}
        limiter = self._one_thread
        found = await to_thread.run_sync(queries.new_events, self._database, tops, limiter=limiter)
        for experiment_id, feed in feeds.items():
            news = found.get(experiment_id)
            if news is None:
                feed.is_gone = True
                feed.tell()
                continue
            ended = news.status in TERMINAL and (feed.floor is None or not news.more)
            if feed.floor is None:
                feed.is_over = ended
                feed.start(news.newest)
            elif news.events or ended != feed.is_over:
                if news.events:
                    feed.add(news.events)
                feed.is_over = ended
                feed.tell()
