"""/experiments/{id}/events: what happens, as it happens (server-sent events)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent

from service.deps import ExistingId, PartsDep
from tgsh.errors import NotFound
from tgsh.store import reads

router = APIRouter(prefix="/experiments", tags=["experiments"])

LOOK_SECONDS = 0.25


@router.get("/{experiment_id}/events", response_class=EventSourceResponse, summary="Follow an experiment")
async def events(
    experiment_id: ExistingId,
    parts: PartsDep,
    last_event_id: Annotated[int, Header(ge=0, description="go on behind this event")] = 0,
) -> AsyncIterable[ServerSentEvent]:
    """`status`, `task` and `progress` events from the first one, or from behind Last-Event-ID.

    The stream ends with the experiment's terminal status. `task` events tell of tasks that workers
    started or ended; tasks that never ran because all were cancelled or failed have none.
    """
    seen = last_event_id
    while True:
        try:
            found, is_over = await run_in_threadpool(reads.events, parts.database, experiment_id, seen)
        except NotFound:
            return  # deleted meanwhile
        for event in found:
            seen = event.id
            yield ServerSentEvent(id=str(event.id), event=event.kind, data=event.data)
        if is_over:
            return
        if not found:
            await asyncio.sleep(LOOK_SECONDS)
