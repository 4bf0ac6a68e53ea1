"""/dashboard/events: the states of several experiments as one stream of server-sent events.

A browser has six connections to a service, and a researcher more tabs than that: one stream serves all.
It tells states, not the log of /experiments/{id}/events: each connection begins with the present state of
every experiment, and of a change only the last state counts. So nothing has to be resumed, whatever was
missed.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterable, Sequence
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy.exc import SQLAlchemyError

from service.dependencies import ID, CallerDep, ServicesDep
from service.event_feed import ACCESS_CHECK_SECONDS
from tgsh.errors import InvalidSpec
from tgsh.schemas import TERMINAL
from tgsh.store import queries

log = logging.getLogger(__name__)

router = APIRouter(include_in_schema=False)

MAX_FOLLOWED = 50
"""Experiments in one stream."""

State = dict[str, Any]
"""Status, tasks and share of an experiment, and the id of its newest event; status None: it is gone."""


def _followed_ids(
    experiments: Annotated[str, Query(max_length=MAX_FOLLOWED * 17)],
) -> tuple[str, ...]:
    ids = tuple(dict.fromkeys(experiments.split(",")))
    for id in ids:
        if not re.fullmatch(ID, id):
            raise InvalidSpec("experiments", f"{id[:40]!r} is no id; write ids with commas between them")
    if len(ids) > MAX_FOLLOWED:
        raise InvalidSpec("experiments", f"{MAX_FOLLOWED} are the most in one stream, not {len(ids)}")
    return ids


@router.get("/dashboard/events", response_class=EventSourceResponse)
async def events(
    request: Request,
    services: ServicesDep,
    caller: CallerDep,
    ids: Annotated[tuple[str, ...], Depends(_followed_ids)],
) -> AsyncIterable[ServerSentEvent]:
    """A `state` for each experiment, and another whenever it changes; ends when all have ended.

    One that is deleted, unknown, or invisible to the caller is told as gone, in equal words.
    """
    feed, sent, checked_at = services.event_feed, dict[str, State](), time.monotonic()
    async with aclosing(feed.changes(ids)) as changes:
        async for changed in changes:
            is_due = time.monotonic() - checked_at >= ACCESS_CHECK_SECONDS
            if is_due:
                checked_at = time.monotonic()
                if not await feed.in_thread(request.state.is_authenticated):
                    return
            # What is no longer shared has no event: all are looked at now and then.
            wanted = ids if is_due and caller.visible_to is not None else changed
            states = await _states(services, wanted, caller.visible_to)
            for id in wanted:
                if sent.get(id) != states[id]:
                    sent[id] = states[id]
                    yield ServerSentEvent(event="state", data={"experiment": id, **states[id]})
            if len(sent) == len(ids) and all(_is_over(state) for state in sent.values()):
                return


def _is_over(state: State) -> bool:
    return state["status"] is None or state["status"] in TERMINAL


async def _states(services: ServicesDep, ids: Sequence[str], visible_to: str | None) -> dict[str, State]:
    """The state of each; waits for a database that does not answer."""
    while ids:
        try:
            found = await services.event_feed.in_thread(
                lambda: queries.states(services.database, ids, visible_to)
            )
        except SQLAlchemyError as error:
            log.warning("states of experiments cannot be read, trying again: %s", error)
            await asyncio.sleep(1)
        else:
            return {id: _document(found.get(id)) for id in ids}
    return {}


def _document(found: queries.Standing | None) -> State:
    if found is None:
        return {"status": None}
    return {
        "status": found.status,
        "tasks_done": found.progress.tasks_done,
        "tasks_total": found.progress.tasks_total,
        "fraction": found.progress.fraction,
        "newest": found.newest,
    }
