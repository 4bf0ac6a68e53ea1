"""HTTP/1.1 protocol for uvicorn with bounds on heads, time and connections.

The name `service.protocol:Bounded` is part of the start command.
"""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.errors import BadHttp, HeadTooLarge, TooManyConnections, TooSlow, problem_for
from service.middleware.security import log_refusal
from tgsh.errors import TgshError

MAX_HEAD_BYTES = 32 << 10
"""Path with query, and all headers."""

MAX_HEADERS = 100

HEAD_SECONDS = 10.0
"""Time for a request's head, from the connection or the end of the previous response."""

MAX_CONNECTIONS = 600
"""Below the 1,024 files that a process may usually open."""


class Bounded(HttpToolsProtocol):
    """One connection, with bounds that uvicorn does not have."""

    _deadline: asyncio.TimerHandle | None = None
    _in_head = False
    _unread = 0

    def connection_made(self, transport: Any) -> None:
        """Refuse a connection beyond the limit; start the timer of the first head."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            self._refuse(TooManyConnections(f"{MAX_CONNECTIONS} connections are open; try again soon"))
            return
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timer."""
        self._cancel_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count bytes that are no body: of heads, chunk extensions and trailers."""
        if self.transport.is_closing():
            return
        self._unread += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._unread > MAX_HEAD_BYTES:
            self._refuse(_head_too_large())
        elif self._in_head or self.cycle is None or self.cycle.response_complete:
            self._expect_head()

    def on_message_begin(self) -> None:
        """Start counting a head; other bytes of the same read were bounded by the socket's buffer."""
        self._in_head, self._unread = True, 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; drop trailers behind the body, which must not pass for headers."""
        if self._in_head:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Reset the count: the application bounds bodies."""
        self._unread = 0
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """Measure a head that arrived in one read, and pass the request on."""
        self._in_head, self._unread = False, 0
        self._cancel_deadline()
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        fits = size <= MAX_HEAD_BYTES and len(self.headers) <= MAX_HEADERS
        self.app = self.config.loaded_app if fits else _respond_head_too_large
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """Refuse bytes that are no HTTP."""
        self._refuse(BadHttp("what was sent is no HTTP/1.1 request"))

    def _expect_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self._refuse_slow)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse_slow(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self._refuse(TooSlow(f"no request was there after {HEAD_SECONDS:.0f} s"))

    def _refuse(self, error: TgshError) -> None:
        """Send a problem document outside of the application, and close; pipelined requests are dropped."""
        log_refusal(error, {"client": self.client})
        self.pipeline.clear()
        is_busy = self.cycle is not None and not self.cycle.response_complete
        if not (is_busy and self.cycle.response_started):  # not into another response
            self.transport.write(_serialized(problem_for(error)))
        if is_busy:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()


def _head_too_large() -> TgshError:
    return HeadTooLarge(f"path and headers are over {MAX_HEAD_BYTES} bytes or {MAX_HEADERS} headers")


async def _respond_head_too_large(scope: Scope, receive: Receive, send: Send) -> None:
    error = _head_too_large()
    log_refusal(error, scope)
    response = problem_for(error)
    response.headers["Connection"] = "close"
    await response(scope, receive, send)


def _serialized(response: Response) -> bytes:
    head = [f"HTTP/1.1 {response.status_code} ".encode(), b"\r\n", b"connection: close\r\n"]
    head += [name + b": " + value + b"\r\n" for name, value in response.raw_headers]
    return b"".join([*head, b"\r\n", bytes(response.body)])
