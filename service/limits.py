"""No request's body is read beyond a limit, whatever its headers say."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import BodyTooLarge, problem_for


class BodyLimit:
    """ASGI middleware: reads the body up to the limit, then hands it on whole."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 413 to what is over the limit."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS", "DELETE"):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        declared = request.headers.get("content-length", "0")
        body = bytearray()
        too_large = declared.isdecimal() and int(declared) > self._max_bytes
        if not too_large:
            async for chunk in request.stream():
                body += chunk
                if len(body) > self._max_bytes:
                    too_large = True
                    break
        if too_large:
            error = BodyTooLarge(
                f"the body is over {self._max_bytes} bytes; a spec is far smaller, and images go in parts"
            )
            response = problem_for(error, request.url.path)
            response.headers["Connection"] = "close"
            await response(scope, receive, send)
            return
        await self._app(scope, _replay(bytes(body), receive), send)


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def next_message() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return next_message
