"""One-second cache of final responses."""

from __future__ import annotations

from cachetools import TTLCache
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.responses import FINAL, has_tag

SECONDS = 1.0
"""How long an answer is given again; another process may have deleted its experiment meanwhile."""

TELLING = (b"accept", b"authorization")
"""Headers that make another question."""


class CachedResponse:
    """A response as it was sent, and the 304 that takes its place; of a 304 alone, nothing else is known.

    route: what answered, for who counts requests.
    """

    def __init__(self, start: Message, body: bytes, route: object) -> None:
        self.route = route
        headers = MutableHeaders(raw=list(start["headers"]))
        self.etag = headers["etag"]
        for name in ("content-length", "content-type", "content-disposition"):
            del headers[name]
        self.size = len(body) + 1_000  # what it takes in memory, about
        self._whole = None if start["status"] == 304 else (start, _body(body))
        self._known = ({**start, "status": 304, "headers": headers.raw}, _body(b""))

    async def give(self, if_none_match: list[bytes], send: Send) -> bool:
        """Send it, or 304 to who has it; whether either could be done."""
        has = any(has_tag(tags.decode("latin-1"), self.etag) for tags in if_none_match)
        if (answer := self._known if has else self._whole) is None:
            return False
        for message in answer:
            await send(message)
        return True


def _body(content: bytes) -> Message:
    return {"type": "http.response.body", "body": content}


class FinalResponseCache:
    """ASGI middleware: the same question within SECONDS gets the same answer, or 304.

    Only final answers are kept: those about completed experiments, which nothing but a deletion ends. A
    question is a path, a query, what is accepted and whose key it is; whatever is no GET forgets everything.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._answers: TTLCache[tuple[object, ...], CachedResponse] = TTLCache(
            max_bytes, SECONDS, getsizeof=lambda answer: answer.size
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer from memory, or let the application answer and listen."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] != "GET":
            await self._app(scope, receive, send)
            self._answers.clear()
            return
        headers = scope["headers"]  # as they came: to make Headers of them takes longer than all the rest
        question = (scope["path"], scope["query_string"], *(h for h in headers if h[0] in TELLING))
        known = self._answers.get(question)
        tags = [value for name, value in headers if name == b"if-none-match"]
        if known is not None:
            scope["route"] = known.route
            if await known.give(tags, send):
                return
        await self._listen(question, scope, receive, send)

    async def _listen(self, question: tuple[object, ...], scope: Scope, receive: Receive, send: Send) -> None:
        sent: list[Message] = []

        async def heard(message: Message) -> None:
            if len(sent) < 3:  # of a stream enough to tell that it is one
                sent.append(message)
            await send(message)

        await self._app(scope, receive, heard)
        if scope.get(FINAL) and len(sent) == 2 and sent[0]["status"] in (200, 304):
            answer = CachedResponse(sent[0], sent[1].get("body", b""), scope.get("route"))
            if answer.size <= self._answers.maxsize:
                self._answers[question] = answer
