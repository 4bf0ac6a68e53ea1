"""Security headers of every response, and the log of refusals."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

MAX_LOGGED_PATH = 200
"""Characters of a path in the log."""

# SVG figures have inline styles, and heatmaps in them are data: images.
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
    """ASGI middleware: sets the security headers that a response does not set itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers to the response."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def log_refusal(error: Exception, scope: Mapping[str, Any]) -> None:
    """Log a refused request with its client and the reason. scope: an ASGI scope, or a part of one."""
    client = scope.get("client")
    target = f"{scope.get('method', '-')} {scope.get('path', '-')[:MAX_LOGGED_PATH]}"
    log.warning(
        "refused %s from %s: %s: %s", target, client[0] if client else "-", type(error).__name__, error
    )
