"""Security headers, refusal log."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Figures as SVG bring their own style, and heatmaps within them their pixels.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class SecurityHeadersMiddleware:
    """ASGI middleware: sets what an answer does not set itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, with these headers."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


log = logging.getLogger(__name__)

MOST_SHOWN = 200
"""Characters of a path in the log."""


def log_refusal(error: Exception, scope: Mapping[str, Any]) -> None:
    """Note who was refused what, and why. scope: ASGI's, or as much of it as is known."""
    client = scope.get("client")
    where = f"{scope.get('method', '-')} {scope.get('path', '-')[:MOST_SHOWN]}"
    log.warning(
        "refused %s from %s: %s: %s", where, client[0] if client else "-", type(error).__name__, error
    )
