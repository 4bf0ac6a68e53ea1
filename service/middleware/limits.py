"""Body size and time, number of event streams."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import BodyTooLarge, TooManyStreams, TooSlow, UnsupportedEncoding, problem_for
from service.middleware.security import log_refusal
from tgsh.errors import TgshError

SLOWEST = 64 << 10
"""Bytes a second that a sender must reach on average, once the first seconds are over."""


class MeteredReceive:
    """What an application receives. It raises BodyTooLarge and TooSlow where the sender goes beyond."""

    def __init__(self, receive: Receive, max_bytes: int, max_seconds: float) -> None:
        self._receive = receive
        self._max_bytes, self._max_seconds = max_bytes, max_seconds
        self._received, self._waited = 0, 0.0
        self._whole = False

    async def __call__(self) -> Message:
        """The next message."""
        if self._whole:  # whoever asks now waits for the sender to go away
            return await self._receive()
        loop = asyncio.get_running_loop()
        began = loop.time()
        # Only waiting counts: how long the disk takes is not the sender's fault.
        patience = self._max_seconds + self._received / SLOWEST - self._waited
        try:
            async with asyncio.timeout(max(0.0, patience)):
                message = await self._receive()
        except TimeoutError as error:
            raise TooSlow(
                f"the body came more slowly than {SLOWEST >> 10} KiB/s after {self._max_seconds:g} s"
            ) from error
        self._waited += loop.time() - began
        self._received += len(message.get("body", b""))
        if self._received > self._max_bytes:
            raise BodyTooLarge(f"the body is over {self._max_bytes:,} bytes (TGSH_MAX_UPLOAD_BYTES)")
        self._whole = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    def closing(self, send: Send) -> Send:
        """`send`, but that an answer to a body that was not read to its end closes the connection."""

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start" and not self._whole:
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        return send_on


UPLOAD = ("POST", "/datasets")
"""The request whose body goes to the disk as it comes."""


class BodyLimitMiddleware:
    """ASGI middleware: reads the body up to the limits, then hands it on whole.

    Also the body of a GET, which nobody needs: else it would be waited for at the end of the answer. One
    request alone gets its body piece by piece: a dataset's upload, with a limit of its own.
    """

    def __init__(
        self, app: ASGIApp, max_bytes: int, max_seconds: float, max_upload_bytes: int | None = None
    ) -> None:
        self._app = app
        self._max_upload_bytes = max_upload_bytes
        self._max_bytes = max_bytes
        self._max_seconds = max_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 408 to what is too slow, 413 to what is over the limit, 415 to what is compressed."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        if self._max_upload_bytes is not None and (scope["method"], scope["path"]) == UPLOAD:
            await self._hand_on(request, self._max_upload_bytes, send)
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

    async def _hand_on(self, request: Request, max_bytes: int, send: Send) -> None:
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
    given = False

    async def next_message() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return next_message


class StreamLimitMiddleware:
    """ASGI middleware: answers 503 to one event stream too many."""

    def __init__(self, app: ASGIApp, most: int, most_per_client: int) -> None:
        self._app = app
        self._most = most
        self._most_per_client = most_per_client
        self._open: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count a stream for as long as it is served."""
        if scope["type"] != "http" or not scope["path"].rstrip("/").endswith("/events"):
            await self._app(scope, receive, send)
            return
        client = scope["client"][0] if scope.get("client") else ""
        if self._open.total() >= self._most or self._open[client] >= self._most_per_client:
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
