"""A span for each request, in its caller's trace where that sends a traceparent."""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.metrics import METHODS, UNMATCHED
from tgsh.traces import Value

_EXPERIMENT = re.compile(r"/experiments/([0-9a-f]{16})(?![0-9A-Za-z])")


class TracingMiddleware:
    """ASGI middleware: a server span by OpenTelemetry's conventions, named by method and route.

    Its attribute tgsh.experiment names the experiment that was asked for or submitted.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on within a span, which ends with the response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in METHODS else "other"
        about: dict[str, Value] = {"http.request.method": method, "url.scheme": scope["scheme"]}
        if match := _EXPERIMENT.match(scope["path"]):
            about["tgsh.experiment"] = match[1]
        parent = Headers(scope=scope).get("traceparent")
        with scope["app"].state.services.tracing.span(method, "server", parent, about) as describe:

            async def observe(message: Message) -> None:
                if message["type"] == "http.response.start":
                    route = getattr(scope.get("route"), "path", UNMATCHED)
                    more: dict[str, Value] = {
                        "http.route": route,
                        "http.response.status_code": message["status"],
                    }
                    location = Headers(raw=message["headers"]).get("location", "")
                    if created := _EXPERIMENT.match(location):
                        more["tgsh.experiment"] = created[1]
                    describe(f"{method} {route}", more)
                await send(message)

            await self._app(scope, receive, observe)
