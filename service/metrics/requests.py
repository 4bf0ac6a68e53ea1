"""How many requests there were, and how long it took until their answers began.

Labels are few: the route's template, never the path that was asked for.
"""

from __future__ import annotations

import os
import time

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

UNMATCHED = "unmatched"
"""The route of whatever matched none: a path that is not there, or a caller who was refused before."""

SEVERAL = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus-client's own variable: a folder where several processes of one API add up what they count."""


class Requests:
    """What is counted of requests, as long as the process lives."""

    def __init__(self) -> None:
        self.seconds = Histogram(
            "tgsh_http_request_seconds",
            "Requests, by how long it took until the answer began: of an event stream its head.",
            ("method", "route", "status"),
            buckets=BUCKETS,
            registry=None,
        )
        self._children: dict[tuple[str, str, int], Histogram] = {}

    def register(self, registry: CollectorRegistry) -> None:
        """Let the registry tell it; of all processes of this API where they add up."""
        if SEVERAL in os.environ:
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        else:
            registry.register(self.seconds)
            ProcessCollector(namespace="tgsh_api", registry=registry)

    def note(self, scope: Scope, status: int, seconds: float) -> None:
        """One more."""
        matched = scope.get("route")  # of files that are mounted none, but where they are mounted
        route = str(scope.get("root_path") or UNMATCHED) if matched is None else matched.path
        key = scope["method"], route, status // 100
        child = self._children.get(key)
        if child is None:  # to look a label up by its text takes longer than all the rest
            method = key[0] if key[0] in METHODS else "other"
            child = self._children[key] = self.seconds.labels(method, route, f"{key[2]}xx")
        child.observe(seconds)


class Counting:
    """ASGI middleware: notes every request when its answer begins, or when it fails without one."""

    def __init__(self, app: ASGIApp, requests: Requests) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, and look at the clock."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        begun = False

        async def note(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                self._requests.note(scope, message["status"], time.perf_counter() - began)
            await send(message)

        try:
            await self._app(scope, receive, note)
        except Exception:
            if not begun:  # Starlette answers 500, outside of all middleware
                self._requests.note(scope, 500, time.perf_counter() - began)
            raise
