"""No request's body is read beyond a limit of bytes and seconds, whatever its headers say."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import BodyTooLarge, TooSlow, UnsupportedEncoding, problem_for
from service.metering import Metered
from service.refusals import log_refusal
from tgsh.errors import TgshError

UPLOAD = ("POST", "/datasets")
"""The request whose body goes to the disk as it comes."""


class BodyLimit:
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
        metered = Metered(request.receive, max_bytes, self._max_seconds)
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
