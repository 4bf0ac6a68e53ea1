"""The methods that a path has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from starlette.requests import Request


def methods_at(request: Request) -> list[str]:
    """The methods that the routes of a request's path have together, HEAD wherever GET is."""
    scope = request.scope
    path = scope["path"].removeprefix(scope.get("app_root_path", scope.get("root_path", "")))
    methods: set[str] = set()
    for route in _routes(request.app.routes):
        pattern = getattr(route, "path_regex", None)
        if pattern is not None and pattern.match(path):
            methods |= getattr(route, "methods", None) or {"GET"}  # a folder of files
    if "GET" in methods:
        methods.add("HEAD")
    return sorted(methods)


def _routes(routes: Iterable[Any]) -> Iterator[Any]:
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is None:
            yield route
        else:
            yield from _routes(included.routes)
