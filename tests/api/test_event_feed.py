"""Event streams: one look for all of them, and nobody loses an event."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import event

from service.event_feed import BUFFERED_EVENTS, POLL_SECONDS, EventFeed
from tests.support.jobs import completed, leased, submitted
from tgsh.store import experiments, jobs, queries
from tgsh.store.database import Database

pytestmark = pytest.mark.faults


def follow(
    database: Database, experiment_id: str, after: list[int], meanwhile: Callable[[], None]
) -> list[list[int]]:
    """What streams of one experiment get, each from behind its own event, while something happens."""

    async def one(event_feed: EventFeed, start: int) -> list[int]:
        return [event.id async for event in event_feed.events(experiment_id, start)]

    async def all_of_them() -> list[list[int]]:
        event_feed = EventFeed(database)
        streams = [asyncio.create_task(one(event_feed, start)) for start in after]
        await asyncio.sleep(0.1)
        await asyncio.to_thread(meanwhile)
        found = await asyncio.wait_for(asyncio.gather(*streams), 60)
        await event_feed.close()
        return found

    return asyncio.run(all_of_them())


def finished(database: Database, experiment_id: str) -> None:
    completed(database, leased(database, experiment_id, 0))
    jobs.complete_finish(database, leased(database, experiment_id, None), {"vectors": ("key", "s" * 64)})


def recorded(database: Database, experiment_id: str) -> list[int]:
    found: list[int] = []
    while some := queries.events(database, experiment_id, found[-1] if found else 0)[0]:
        found += [event.id for event in some]
    return found


def test_every_stream_gets_every_event_from_where_it_starts(database: Database) -> None:
    experiment_id = submitted(database, tasks=1)
    streams = follow(database, experiment_id, [0, 0, 1, 10**6], lambda: finished(database, experiment_id))
    expected = recorded(database, experiment_id)
    assert streams[:2] == [expected, expected]
    assert streams[2] == [number for number in expected if number > 1]
    assert streams[3] == []


def test_a_stream_far_behind_reads_what_is_no_longer_in_memory(database: Database) -> None:
    experiment_id = submitted(database, tasks=1)

    def a_lot() -> None:
        for _ in range(BUFFERED_EVENTS):
            jobs.release(database, leased(database, experiment_id, 0))  # two events each
        finished(database, experiment_id)

    streams = follow(database, experiment_id, [0, 0], a_lot)
    assert streams == [recorded(database, experiment_id)] * 2
    assert len(streams[0]) > 2 * BUFFERED_EVENTS


def test_idle_streams_cost_one_query_a_look(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/tgsh.db")
    database.migrate()
    ids = [submitted(database, tasks=1) for _ in range(20)]
    asking: list[int] = []
    event.listen(database.engine, "before_cursor_execute", lambda *_: asking.append(threading.get_ident()))

    async def asked_for_a_second() -> float:
        """What is asked in a second; how many looks fit into it."""
        asking.clear()
        began = time.monotonic()
        await asyncio.sleep(1)
        return (time.monotonic() - began) / POLL_SECONDS

    async def idle() -> None:
        event_feed = EventFeed(database)

        async def one(experiment_id: str) -> None:
            async for _ in event_feed.events(experiment_id, 0):
                pass

        streams = [asyncio.create_task(one(experiment_id)) for experiment_id in ids for _ in range(25)]
        for _ in range(60):  # until all 500 have opened
            looks = await asked_for_a_second()
            if len(set(asking)) == 1 and len(asking) <= 2 * (looks + 2):  # a BEGIN and a SELECT each
                break
        else:
            pytest.fail(f"{len(asking)} queries by {len(set(asking))} threads in {looks} looks")
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
        await event_feed.close()

    asyncio.run(idle())


def test_streams_end_when_the_experiment_is_deleted_and_wait_through_a_resume(database: Database) -> None:
    experiment_id = submitted(database, tasks=1)
    experiments.cancel(database, experiment_id)  # so that the history has an end in it
    experiments.resume(database, experiment_id)

    def finish() -> None:
        time.sleep(0.6)
        finished(database, experiment_id)

    expected = len(follow(database, experiment_id, [0], finish)[0])
    assert expected == len(recorded(database, experiment_id))
    gone = submitted(database, tasks=1)
    (stream,) = follow(database, gone, [0], lambda: experiments.delete(database, gone))
    assert len(stream) == 1
