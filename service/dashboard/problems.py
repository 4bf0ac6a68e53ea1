"""Problem documents as pages, for who would rather have HTML: a browser that a person follows a link with."""

from __future__ import annotations

import mimeparse
from fastapi import Request, Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.dashboard.frame import render
from tgsh.schemas import Problem

DOCUMENT = "application/problem+json"


def wants_page(accept: str) -> bool:
    """Whether HTML is named, and liked better than JSON: browsers do, programs and scripts do not."""
    if "text/html" not in accept:
        return False
    try:
        html, json = (mimeparse.quality(kind, accept) for kind in ("text/html", "application/json"))
        return bool(html > json)
    except mimeparse.MimeTypeParseException:
        return False


def page_of(request: Request, document: bytes) -> Response:
    """The page that says what the problem document says."""
    problem = Problem.model_validate_json(document)
    return render(request, "problem.html", problem.status, problem=problem)


class ProblemPages:
    """ASGI middleware: puts a page in place of a problem document, where one is wanted."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, but for its problems."""
        if scope["type"] != "http" or not wants_page(Headers(scope=scope).get("accept", "")):
            await self._app(scope, receive, send)
            return
        held: list[Message] = []  # the start of a problem document, and as much of it as came

        async def hear(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_problem(message):
                held.append(message)
            elif not held:
                await send(message)
            else:
                held.append(message)
                if not message.get("more_body"):
                    await _page(scope, held)(scope, receive, send)

        await self._app(scope, receive, hear)


def _is_problem(start: Message) -> bool:
    return Headers(raw=list(start["headers"])).get("content-type", "").startswith(DOCUMENT)


def _page(scope: Scope, held: list[Message]) -> Response:
    page = page_of(Request(scope), b"".join(message.get("body", b"") for message in held[1:]))
    answered = MutableHeaders(raw=list(held[0]["headers"]))
    for name, value in answered.items():
        if name not in ("content-type", "content-length"):
            page.headers.append(name, value)  # Retry-After, both WWW-Authenticate, Connection
    return page
