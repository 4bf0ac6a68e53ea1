"""Limits of a body's size and time, and of open event streams."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from contextlib import suppress

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import BodyTooLarge, TooManyStreams, TooSlow, UnsupportedEncoding, problem_for
from service.middleware.security import log_refusal
from service.multipart import is_file
from tgsh.errors import TgshError

MIN_BYTES_PER_S = 64 << 10
"""Rate that a sender must keep up, but for so many seconds as the limit grants at any time."""

UPLOAD = re.compile("POST /(datasets|experiments/[0-9a-f]{16}/placements)")
"""The requests whose bodies are streamed to disk."""

FILE_OR_ARRAY = re.compile("POST /experiments/[0-9a-f]{16}/inference")
"""The request whose body is streamed to disk where it is a file by its Content-Type."""


class MeteredReceive:
    """ASGI receive callable that raises BodyTooLarge and TooSlow beyond the limits."""

    def __init__(self, receive: Receive, max_bytes: int, max_seconds: float) -> None:
        self._receive = receive
        self._max_bytes, self._max_seconds = max_bytes, max_seconds
        self._received, self._credit = 0, max_seconds
        self._is_complete = False

    async def __call__(self) -> Message:
        """The next message."""
        if self._is_complete:  # the next message is the disconnect
            return await self._receive()
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        try:
            async with asyncio.timeout(max(0.0, self._credit)):
                message = await self._receive()
        except TimeoutError as error:
            raise TooSlow(
                f"the body came more slowly than {MIN_BYTES_PER_S >> 10} KiB/s for {self._max_seconds:g} s"
            ) from error
        size = len(message.get("body", b""))
        self._received += size
        # Only time spent waiting counts, not that of writing to disk; who was fast at first saves up nothing.
        waited = loop.time() - started_at
        self._credit = min(self._max_seconds, self._credit - waited + size / MIN_BYTES_PER_S)
        if self._received > self._max_bytes:
            raise BodyTooLarge(f"the body is over {self._max_bytes:,} bytes (TGSH_MAX_UPLOAD_BYTES)")
        self._is_complete = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    def closing(self, send: Send) -> Send:
        """`send` that closes the connection after a response to a body that was not read to its end."""

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start" and not self._is_complete:
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        return send_on


class BodyLimitMiddleware:
    """ASGI middleware: reads the body within the limits, then passes it on as a whole.

    This includes the body of a GET, for which uvicorn would wait at the end of the response. Only uploads
    of images are streamed, with a limit of their own.
    """

    def __init__(
        self, app: ASGIApp, max_bytes: int, max_seconds: float, max_upload_bytes: int | None = None
    ) -> None:
        self._app = app
        self._max_upload_bytes = max_upload_bytes
        self._max_bytes = max_bytes
        self._max_seconds = max_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond with 408 to slow bodies, 413 to large ones, and 415 to compressed ones."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        target = f"{scope['method']} {scope['path']}"
        is_upload = UPLOAD.fullmatch(target) is not None or (
            FILE_OR_ARRAY.fullmatch(target) is not None and is_file(request.headers.get("content-type"))
        )
        if self._max_upload_bytes is not None and is_upload:
            await self._stream(request, self._max_upload_bytes, send)
            return
        try:
            async with asyncio.timeout(self._max_seconds):
                body = await self._read(request)
        except ClientDisconnect:
            return
        except TimeoutError:
            await self._refuse(TooSlow(f"the body took over {self._max_seconds:g} s"), scope, receive, send)
        except (BodyTooLarge, UnsupportedEncoding) as error:
            await self._refuse(error, scope, receive, send)
        else:
            await self._app(scope, _replay(body, receive), send)

    async def _stream(self, request: Request, max_bytes: int, send: Send) -> None:
        metered = MeteredReceive(request.receive, max_bytes, self._max_seconds)
        try:
            _check_encoding(request)
            declared = request.headers.get("content-length", "0")
            if declared.isdecimal() and int(declared[:20]) > max_bytes:
                raise BodyTooLarge(f"the body is over {max_bytes:,} bytes (TGSH_MAX_UPLOAD_BYTES)")
        except (BodyTooLarge, UnsupportedEncoding) as error:
            await self._refuse(error, request.scope, metered, send)
            return
        with suppress(ClientDisconnect):
            await self._app(request.scope, metered, metered.closing(send))

    async def _read(self, request: Request) -> bytes:
        _check_encoding(request)
        declared = request.headers.get("content-length", "0")
        body = bytearray()
        too_large = declared.isdecimal() and int(declared[:20]) > self._max_bytes
        if not too_large:
            async for chunk in request.stream():
                body += chunk
                if too_large := len(body) > self._max_bytes:
                    break
        if too_large:
            raise BodyTooLarge(
                f"the body is over {self._max_bytes} bytes; a spec is far smaller, and images go in parts"
            )
        return bytes(body)

    @staticmethod
    async def _refuse(error: TgshError, scope: Scope, receive: Receive, send: Send) -> None:
        log_refusal(error, scope)
        response = problem_for(error, scope["path"])
        response.headers["Connection"] = "close"
        await response(scope, receive, send)


def _check_encoding(request: Request) -> None:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise UnsupportedEncoding(f"Content-Encoding: {encoding[:40]} is not read; send the body as it is")


def _replay(body: bytes, receive: Receive) -> Receive:
    is_sent = False

    async def next_message() -> Message:
        nonlocal is_sent
        if is_sent:
            return await receive()
        is_sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return next_message


class StreamLimitMiddleware:
    """ASGI middleware: responds with 503 to event streams beyond the limits."""

    def __init__(self, app: ASGIApp, max_streams: int, max_per_client: int) -> None:
        self._app = app
        self._max_streams = max_streams
        self._max_per_client = max_per_client
        self._open: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count a stream for as long as it is open."""
        if scope["type"] != "http" or not scope["path"].rstrip("/").endswith("/events"):
            await self._app(scope, receive, send)
            return
        client = scope["client"][0] if scope.get("client") else ""
        if self._open.total() >= self._max_streams or self._open[client] >= self._max_per_client:
            error = TooManyStreams(
                f"{self._open[client]} event streams are open from {client}, {self._open.total()} in all; "
                "close one, or poll the experiment instead"
            )
            log_refusal(error, scope)
            await problem_for(error, scope["path"])(scope, receive, send)
            return
        self._open[client] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._open[client] -= 1
            if not self._open[client]:
                del self._open[client]
