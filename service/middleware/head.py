"""HEAD wherever GET is: the same headers, and nothing of the body."""

from __future__ import annotations

from anyio import CancelScope
from anyio.lowlevel import checkpoint
from starlette.types import ASGIApp, Message, Receive, Scope, Send

IS_HEAD = "tgsh.is_head"
"""The key of a request's scope that says that nothing of the body will be sent."""


class HeadMiddleware:
    """ASGI middleware: has a HEAD answered as a GET, and sends its head alone.

    What would go on behind the head, as an event stream or the rest of a large matrix does, is cancelled.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to HEAD; pass on everything else."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        has_head = False

        async def send_head(message: Message) -> None:
            nonlocal has_head
            if message["type"] != "http.response.start":
                if message.get("more_body", False):
                    await cancel()
                return
            scope["method"] = "HEAD"  # for the server, and for the middleware around this one
            has_head = True
            await send(message)
            await send({"type": "http.response.body", "body": b""})
            if not any(name.lower() == b"content-length" for name, _ in message["headers"]):
                await cancel()  # a stream: its first event may be long in coming

        async def cancel() -> None:
            rest.cancel()
            await checkpoint()

        scope["method"], scope[IS_HEAD] = "GET", True
        try:
            with CancelScope() as rest:
                await self._app(scope, receive, send_head)
        finally:
            if not has_head:
                scope["method"] = "HEAD"
