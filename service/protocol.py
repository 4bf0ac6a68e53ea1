"""Bounded HTTP/1.1 for uvicorn (name is part of the start command)."""

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
"""Of the path with its query and all headers."""

MAX_HEADERS = 100

HEAD_SECONDS = 10.0
"""From the connection, or the end of the last answer and a first byte, to the end of a request's head."""

MAX_CONNECTIONS = 600
"""Below the 1,024 files that a process may usually open."""


class Bounded(HttpToolsProtocol):
    """A connection."""

    _deadline: asyncio.TimerHandle | None = None
    _in_head = False
    _unread = 0

    def connection_made(self, transport: Any) -> None:
        """Refuse one too many; a client that says nothing does not stay."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            self._refuse(TooManyConnections(f"{MAX_CONNECTIONS} connections are open; try again soon"))
            return
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._head_is_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count bytes that get a request no further: of a head, of a chunk's extension, of trailers."""
        if self.transport.is_closing():
            return
        self._unread += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._unread > MAX_HEAD_BYTES:
            self._refuse(_too_large())
        elif self._in_head or self.cycle is None or self.cycle.response_complete:
            self._expect_head()

    def on_message_begin(self) -> None:
        """A head begins; what else came in the same piece was bounded by the socket's buffer."""
        self._in_head, self._unread = True, 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Behind the body stand trailers: nobody asked for them, and they must not pass for headers."""
        if self._in_head:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """A part of a body, which the application bounds."""
        self._unread = 0
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """A head that came in one piece is measured here."""
        self._in_head, self._unread = False, 0
        self._head_is_there()
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        fits = size <= MAX_HEAD_BYTES and len(self.headers) <= MAX_HEADERS
        self.app = self.config.loaded_app if fits else _answer_too_large
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """What is no HTTP."""
        self._refuse(BadHttp("what was sent is no HTTP/1.1 request"))

    def _expect_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def _head_is_there(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self._refuse(TooSlow(f"no request was there after {HEAD_SECONDS:.0f} s"))

    def _refuse(self, error: TgshError) -> None:
        """Answer outside of the application, and close; what waits in the pipeline is dropped."""
        log_refusal(error, {"client": self.client})
        self.pipeline.clear()
        working = self.cycle is not None and not self.cycle.response_complete
        if not (working and self.cycle.response_started):  # not into the middle of another answer
            self.transport.write(_raw(problem_for(error)))
        if working:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()


def _too_large() -> TgshError:
    return HeadTooLarge(f"path and headers are over {MAX_HEAD_BYTES} bytes or {MAX_HEADERS} headers")


async def _answer_too_large(scope: Scope, receive: Receive, send: Send) -> None:
    error = _too_large()
    log_refusal(error, scope)
    response = problem_for(error)
    response.headers["Connection"] = "close"
    await response(scope, receive, send)


def _raw(response: Response) -> bytes:
    head = [f"HTTP/1.1 {response.status_code} ".encode(), b"\r\n", b"connection: close\r\n"]
    head += [name + b": " + value + b"\r\n" for name, value in response.raw_headers]
    return b"".join([*head, b"\r\n", bytes(response.body)])
