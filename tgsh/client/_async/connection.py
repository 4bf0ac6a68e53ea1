"""HTTP connection of `AsyncClient`: retries, file transfers and resumed event streams."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import anyio
import httpx
from httpx_sse import EventSource, ServerSentEvent, SSEError

from tgsh.client._requests import (
    ApiRequest,
    build_event_request,
    build_request,
    is_terminal,
    parse_problem,
    parse_response,
)
from tgsh.client.uploads import UploadBody
from tgsh.errors import ServiceUnreachable

T = TypeVar("T")
E = TypeVar("E")

DEFAULT_URL = "http://127.0.0.1:8000"
MAX_ATTEMPTS = 8  # in a row; their pauses add up to 16 s, enough for an API to restart
GATEWAY_ERRORS = {502, 503, 504}  # status codes of a proxy while the service restarts
CHUNK_BYTES = 1 << 16


class AsyncConnection:
    """Connection to the service that repeats idempotent requests; see `AsyncClient` for the parameters."""

    def __init__(
        self, url: str | None, key: str | None, timeout: float, transport: httpx.AsyncBaseTransport | None
    ) -> None:
        self.url = (url or os.environ.get("TGSH_URL") or DEFAULT_URL).rstrip("/")
        key = key or os.environ.get("TGSH_API_KEY")
        try:
            self._http = httpx.AsyncClient(
                base_url=self.url,
                timeout=timeout,
                headers={"Authorization": f"Bearer {key}"} if key else None,
                # a proxy cannot reach the loopback interface of this machine
                trust_env=urlsplit(self.url).hostname not in {"127.0.0.1", "localhost", "::1"},
                transport=transport,
            )
        except httpx.InvalidURL as error:
            raise ServiceUnreachable(f"{self.url} is not a URL: {error}") from None
        self._connected = False  # whether the service has responded before

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def _send(self, request: ApiRequest[T]) -> T:
        """Value in the response to a request. Raises ServiceProblem, ServiceUnreachable."""
        return parse_response(request, await self._exchange(request))

    async def _exchange(self, request: ApiRequest[Any]) -> httpx.Response:
        """Response to a request, which is repeated after a lost connection if it is idempotent."""
        failures = 0
        while True:
            try:
                response = await self._send_once(request)
            except httpx.TransportError as error:
                if not request.idempotent:
                    raise self._unreachable(error) from None
                failures += 1
                await self._back_off(failures, error)
            else:
                self._connected = True
                return response

    async def _send_once(self, request: ApiRequest[Any]) -> httpx.Response:
        if not isinstance(request.content, UploadBody):
            http_request = build_request(self._http, request, request.content)
            return await self._receive(http_request, request.save_to)
        async with aclosing(_read_chunks(request.content)) as chunks:
            return await self._receive(build_request(self._http, request, chunks), request.save_to)

    async def _receive(self, http_request: httpx.Request, save_to: Path | None) -> httpx.Response:
        response = await self._http.send(http_request, stream=save_to is not None)
        if save_to is None:
            return response
        async with aclosing(response):
            if not response.is_success:
                await response.aread()
                return response
            async with await anyio.Path(save_to).open("wb") as file:
                async for chunk in response.aiter_bytes():
                    await file.write(chunk)
        return response

    async def _follow(
        self, path: str, last_event_id: str | None, parse: Callable[[ServerSentEvent], E | None]
    ) -> AsyncGenerator[E, None]:
        """Events of an experiment or a study to its end; after a lost connection the stream is resumed."""
        ended, failures = False, 0
        while not ended:
            error: Exception | None = None
            try:
                http_request = build_event_request(self._http, path, last_event_id)
                response = await self._http.send(http_request, stream=True)
                async with aclosing(response):
                    await self._check_event_stream(response)
                    # Read on after a terminal status: the history of a resumed experiment has several.
                    async for message in EventSource(response).aiter_sse():
                        failures, last_event_id = 0, message.id or last_event_id
                        if (event := parse(message)) is not None:
                            ended = is_terminal(event)
                            yield event
            except (httpx.TransportError, SSEError) as lost:
                error = lost
            if not ended:
                failures += 1
                await self._back_off(failures, error)

    async def _check_event_stream(self, response: httpx.Response) -> None:
        if not response.is_success:
            await response.aread()
            if response.status_code in GATEWAY_ERRORS and self._connected:
                raise httpx.RemoteProtocolError(f"HTTP {response.status_code}")
            raise parse_problem(response)
        self._connected = True

    async def _back_off(self, failures: int, error: Exception | None) -> None:
        """Pause before the next attempt, or raise ServiceUnreachable after the last one.

        Only a service that has responded before may be restarting: any other that refuses a connection is
        not there.
        """
        refused = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.UnsupportedProtocol)
        if failures >= MAX_ATTEMPTS or (refused and not self._connected):
            raise self._unreachable(error) from None
        if isinstance(error, httpx.ReadTimeout) and failures >= 2:
            raise self._unreachable(error) from None
        await anyio.sleep(min(5.0, 0.1 * 2**failures))

    def _unreachable(self, error: Exception | None) -> ServiceUnreachable:
        if isinstance(error, httpx.ReadTimeout):
            return ServiceUnreachable(f"the service at {self.url} is silent")
        reason = f" ({error})" if error and str(error) else ""
        return ServiceUnreachable(
            f"no service answers at {self.url}{reason}: start it with `tgsh up`, or set TGSH_URL"
        )


async def _read_chunks(body: UploadBody) -> AsyncGenerator[bytes, None]:
    """Content of files and what is around them, in chunks."""
    for part in body.parts:
        if part.head:
            yield part.head
        if part.path is not None:
            async with await anyio.Path(part.path).open("rb") as file:
                while chunk := await file.read(CHUNK_BYTES):
                    yield chunk
        if part.tail:
            yield part.tail
