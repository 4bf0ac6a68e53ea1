"""One-second cache of responses that can no longer change."""

from __future__ import annotations

from cachetools import TTLCache
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.responses import FINAL, has_tag

SECONDS = 1.0
"""Lifetime of an entry: another process may delete the experiment meanwhile."""

KEY_HEADERS = (b"accept", b"authorization")
"""Request headers that are part of the cache key."""


class CachedResponse:
    """A response and its 304; only the 304 where the response itself was a 304.

    route: of the endpoint, for the request metrics.
    """

    def __init__(self, start: Message, body: bytes, route: object) -> None:
        self.route = route
        headers = MutableHeaders(raw=list(start["headers"]))
        self.etag = headers["etag"]
        for name in ("content-length", "content-type", "content-disposition"):
            del headers[name]
        self.size = len(body) + 1_000  # estimate of its memory
        self._full = None if start["status"] == 304 else (start, _body(body))
        self._not_modified = ({**start, "status": 304, "headers": headers.raw}, _body(b""))

    async def replay(self, if_none_match: list[bytes], send: Send) -> bool:
        """Send the response, or 304 to a client that has it; False where neither is possible."""
        is_fresh = any(has_tag(tags.decode("latin-1"), self.etag) for tags in if_none_match)
        if (messages := self._not_modified if is_fresh else self._full) is None:
            return False
        for message in messages:
            await send(message)
        return True


def _body(content: bytes) -> Message:
    return {"type": "http.response.body", "body": content}


class FinalResponseCacheMiddleware:
    """ASGI middleware: caches final responses for SECONDS, and responds with them or with 304.

    Final are responses about completed experiments, which only a deletion invalidates. The key is path,
    query, Accept and Authorization. Any request that is no GET clears the cache.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._cache: TTLCache[tuple[object, ...], CachedResponse] = TTLCache(
            max_bytes, SECONDS, getsizeof=lambda response: response.size
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond from the cache, or pass the request on and store the response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] != "GET":
            await self._app(scope, receive, send)
            self._cache.clear()
            return
        headers = scope["headers"]  # raw: building a Headers object takes longer than all the rest
        key = (scope["path"], scope["query_string"], *(h for h in headers if h[0] in KEY_HEADERS))
        cached = self._cache.get(key)
        tags = [value for name, value in headers if name == b"if-none-match"]
        if cached is not None:
            scope["route"] = cached.route
            if await cached.replay(tags, send):
                return
        await self._respond_and_store(key, scope, receive, send)

    async def _respond_and_store(
        self, key: tuple[object, ...], scope: Scope, receive: Receive, send: Send
    ) -> None:
        sent: list[Message] = []

        async def record(message: Message) -> None:
            if len(sent) < 3:  # a third message shows that it is a stream
                sent.append(message)
            await send(message)

        await self._app(scope, receive, record)
        if scope.get(FINAL) and len(sent) == 2 and sent[0]["status"] in (200, 304):
            response = CachedResponse(sent[0], sent[1].get("body", b""), scope.get("route"))
            if response.size <= self._cache.maxsize:
                self._cache[key] = response
