"""`AsyncClient`: takes steps in an event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, closing
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import anyio
import httpx
from httpx_sse import EventSource, ServerSentEvent

from tgsh.client import calls
from tgsh.client.methods import Methods
from tgsh.client.operations import Awaiting
from tgsh.client.steps import NOTHING, Call, Flow, Hand, Hear, Listen, Outcome, Pause, Series, Step, advance
from tgsh.errors import ServiceUnreachable

T = TypeVar("T")

CHUNK = 1 << 16  # bytes


class AsyncClient(Methods, Awaiting):
    """A connection to the service with the methods of `Client`, to be awaited; use it as `async with`.

    url: default TGSH_URL, else http://127.0.0.1:8000. key: bearer key, default TGSH_API_KEY.
    timeout: seconds to wait for an answer.
    Every method raises ServiceUnreachable where nothing answers, ServiceProblem where the service refuses.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        key: str | None = None,
        timeout: float = 30.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(url, key, timeout)
        try:
            self._http = httpx.AsyncClient(transport=transport, **self._options)
        except httpx.InvalidURL as error:
            raise ServiceUnreachable(f"{self.url} is not a URL: {error}") from error

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def _run(self, flow: Flow[T]) -> T:
        outcome = NOTHING
        async with _Line(self._http) as line:
            try:
                while True:
                    outcome = await line.take(advance(flow, outcome))
            except StopIteration as end:
                value: T = end.value
                return value

    async def _iterate(self, series: Series[T]) -> AsyncIterator[T]:
        outcome = NOTHING
        with closing(series):
            async with _Line(self._http) as line:
                while True:
                    try:
                        step = advance(series, outcome)
                    except StopIteration:
                        return
                    if isinstance(step, Hand):
                        outcome = NOTHING
                        yield step.value
                    else:
                        outcome = await line.take(step)


class _Line:
    """Takes the steps of one flow; at most one stream of events is open at a time."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._open = AsyncExitStack()
        self._events: AsyncIterator[ServerSentEvent] = _none()

    async def __aenter__(self) -> _Line:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def take(self, step: Step) -> Outcome:
        try:
            return await self._taken(step), None
        except BaseException as error:  # Ctrl-C, too: the flow may have something to say to it
            return None, error

    async def _taken(self, step: Step) -> Any:
        match step:
            case Call():
                return await self._send(step)
            case Listen():
                return await self._listen(step)
            case Hear():
                return await anext(self._events, None)
            case Pause():
                await anyio.sleep(step.seconds)
                return None

    async def _send(self, call: Call[Any]) -> httpx.Response:
        if not isinstance(call.content, Path):
            return await self._receive(call, calls.request(self._http, call, call.content))
        return await self._receive(call, calls.request(self._http, call, _chunks(call.content)))

    async def _receive(self, call: Call[Any], request: httpx.Request) -> httpx.Response:
        response = await self._http.send(request, stream=call.into is not None)
        if call.into is None:
            return response
        async with aclosing(response):
            if not response.is_success:
                await response.aread()
                return response
            async with await anyio.open_file(call.into, "wb") as file:
                async for piece in response.aiter_bytes():
                    await file.write(piece)
        return response

    async def _listen(self, listen: Listen) -> httpx.Response:
        await self._open.aclose()
        response = await self._http.send(calls.stream(self._http, listen), stream=True)
        self._open.push_async_callback(response.aclose)
        if not response.is_success:
            await response.aread()
        self._events = EventSource(response).aiter_sse()
        return response


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    """A file piece by piece, read in a thread."""
    async with await anyio.open_file(path, "rb") as file:
        while piece := await file.read(CHUNK):
            yield piece


async def _none() -> AsyncIterator[ServerSentEvent]:
    """No events, before a stream is open."""
    return
    yield
