# Generated from tgsh/client/_async/connection.py: do not edit. To generate it again:
# python -m tests.architecture.generate_sync
"""HTTP connection of `Client`: retries, file transfers and resumed event streams."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

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


class Connection:
    """Connection to the service that repeats idempotent requests; see `Client` for the parameters."""

    def __init__(
        self, url: str | None, key: str | None, timeout: float, transport: httpx.BaseTransport | None
    ) -> None:
        self.url = (url or os.environ.get("TGSH_URL") or DEFAULT_URL).rstrip("/")
        key = key or os.environ.get("TGSH_API_KEY")
        try:
            self._http = httpx.Client(
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def _send(self, request: ApiRequest[T]) -> T:
        """Value in the response to a request. Raises ServiceProblem, ServiceUnreachable."""
        return parse_response(request, self._exchange(request))

    def _exchange(self, request: ApiRequest[Any]) -> httpx.Response:
        """Response to a request, which is repeated after a lost connection if it is idempotent."""
        failures = 0
        while True:
            try:
                response = self._send_once(request)
            except httpx.TransportError as error:
                if not request.idempotent:
                    raise self._unreachable(error) from None
                failures += 1
                self._back_off(failures, error)
            else:
                self._connected = True
                return response

    def _send_once(self, request: ApiRequest[Any]) -> httpx.Response:
        if not isinstance(request.content, UploadBody):
            http_request = build_request(self._http, request, request.content)
            return self._receive(http_request, request.save_to)
        with closing(_read_chunks(request.content)) as chunks:
            return self._receive(build_request(self._http, request, chunks), request.save_to)

    def _receive(self, http_request: httpx.Request, save_to: Path | None) -> httpx.Response:
        response = self._http.send(http_request, stream=save_to is not None)
        if save_to is None:
            return response
        with closing(response):
            if not response.is_success:
                response.read()
                return response
            with Path(save_to).open("wb") as file:
                for chunk in response.iter_bytes():
                    file.write(chunk)
        return response

    def _follow(
        self, path: str, last_event_id: str | None, parse: Callable[[ServerSentEvent], E | None]
    ) -> Generator[E, None, None]:
        """Events of an experiment or a study to its end; after a lost connection the stream is resumed."""
        ended, failures = False, 0
        while not ended:
            error: Exception | None = None
            try:
                http_request = build_event_request(self._http, path, last_event_id)
                response = self._http.send(http_request, stream=True)
                with closing(response):
                    self._check_event_stream(response)
                    # Read on after a terminal status: the history of a resumed experiment has several.
                    for message in EventSource(response).iter_sse():
                        failures, last_event_id = 0, message.id or last_event_id
                        if (event := parse(message)) is not None:
                            ended = is_terminal(event)
                            yield event
            except (httpx.TransportError, SSEError) as lost:
                error = lost
            if not ended:
                failures += 1
                self._back_off(failures, error)

    def _check_event_stream(self, response: httpx.Response) -> None:
        if not response.is_success:
            response.read()
            if response.status_code in GATEWAY_ERRORS and self._connected:
                raise httpx.RemoteProtocolError(f"HTTP {response.status_code}")
            raise parse_problem(response)
        self._connected = True

    def _back_off(self, failures: int, error: Exception | None) -> None:
        """Pause before the next attempt, or raise ServiceUnreachable after the last one.

        Only a service that has responded before may be restarting: any other that refuses a connection is
        not there.
        """
        refused = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.UnsupportedProtocol)
        if failures >= MAX_ATTEMPTS or (refused and not self._connected):
            raise self._unreachable(error) from None
        if isinstance(error, httpx.ReadTimeout) and failures >= 2:
            raise self._unreachable(error) from None
        time.sleep(min(5.0, 0.1 * 2**failures))

    def _unreachable(self, error: Exception | None) -> ServiceUnreachable:
        if isinstance(error, httpx.ReadTimeout):
            return ServiceUnreachable(f"the service at {self.url} is silent")
        reason = f" ({error})" if error and str(error) else ""
        return ServiceUnreachable(
            f"no service answers at {self.url}{reason}: start it with `tgsh up`, or set TGSH_URL"
        )


def _read_chunks(body: UploadBody) -> Generator[bytes, None, None]:
    """Content of files and what is around them, in chunks."""
    for part in body.parts:
        if part.head:
            yield part.head
        if part.path is not None:
            with Path(part.path).open("rb") as file:
                while chunk := file.read(CHUNK_BYTES):
                    yield chunk
        if part.tail:
            yield part.tail
