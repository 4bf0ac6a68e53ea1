"""/experiments/{id}/events: server-sent events of an experiment."""

from __future__ import annotations

from collections.abc import AsyncIterable
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from service.dependencies import AccessCheckDep, ExistingId, ServicesDep
from service.middleware.head import IS_HEAD

router = APIRouter(prefix="/experiments", tags=["experiments"])

PROGRESS = '{"tasks_total":2,"tasks_done":1,"fraction":0.75,"eta_seconds":1.2}'
STREAM = f"""\
event: status
data: {{"status":"running","reason":null}}
id: 2

event: task
data: {{"index":1,"label":"10°","status":"running","attempt":1,"accuracy":null,"reason":null}}
id: 5

event: progress
data: {{"index":1,"epoch":1,"loss":0.412,"progress":{PROGRESS}}}
id: 6

event: status
data: {{"status":"completed","reason":null}}
id: 9

"""
"""Event stream example on the API page."""


@router.get(
    "/{experiment_id}/events",
    response_class=EventSourceResponse,
    summary="Follow an experiment",
    responses={200: {"content": {"text/event-stream": {"example": STREAM}}}},
)
async def events(
    experiment_id: ExistingId,
    services: ServicesDep,
    may_read: AccessCheckDep,
    request: Request,
    last_event_id: Annotated[int, Header(ge=0, description="go on behind this event")] = 0,
) -> AsyncIterable[ServerSentEvent]:
    """`status`, `task` and `progress` events from the first one, or from behind Last-Event-ID.

    The stream ends with the experiment's terminal status. `task` events tell of tasks that workers
    started or ended; tasks that never ran because all were cancelled or failed have none.
    """
    if request.scope.get(IS_HEAD):
        return
    async with aclosing(services.event_feed.events(experiment_id, last_event_id, may_read)) as sent:
        async for event in sent:
            yield ServerSentEvent(id=str(event.id), event=event.kind, data=event.data)
