"""Event streams stay open for hours, so their number is bounded: per client, and altogether."""

from __future__ import annotations

from collections import Counter

from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import TooManyStreams, problem_for
from service.refusals import log_refusal


class StreamLimit:
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
