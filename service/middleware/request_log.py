"""Request ids and log lines."""

from __future__ import annotations

import logging
import re
from secrets import token_hex

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.settings import ServiceSettings
from tgsh.logs import formatter, log_fields

OURS = ("service", "tgsh")
UVICORN = ("uvicorn", "uvicorn.error", "uvicorn.access")

REQUEST = "tgsh.request"
"""The key of a request's scope that has its id."""

_SANE = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
"""A request id that a caller may choose: nothing in it that breaks a line, a header or a search."""

_EXPERIMENT = re.compile(r"/experiments/([0-9a-f]{16})(?:/tasks/(\d{1,9}))?(?![0-9A-Za-z])")


def configure_logging(settings: ServiceSettings) -> None:
    """Write lines as the settings say, uvicorn's too: it has set up its own by now."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(settings.log_format))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for ours in OURS:
        logging.getLogger(ours).setLevel(settings.log_level)
    for name in UVICORN:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True


class RequestLogMiddleware:
    """ASGI middleware: lines that are written on the way name the request, the experiment and the task.

    The request's id is the caller's X-Request-ID where that is sane, else a new one; the answer tells it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = [value for name, value in scope["headers"] if name == b"x-request-id"]
        sane = len(given) == 1 and _SANE.fullmatch(given[0])
        header = b"x-request-id", given[0] if sane else token_hex(16).encode()
        scope[REQUEST] = header[1].decode()

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], header]}
                if scope["method"] == "POST":
                    _tell_what_was_made(message)
            await send(message)

        known: dict[str, object] = {"request": scope[REQUEST]}
        if found := _EXPERIMENT.match(scope["path"]):
            known["experiment"] = found[1]
            if found[2] is not None:
                known["task"] = int(found[2])
        log_fields.set(known)  # for good: the task is this request's, and uvicorn may yet log how it failed
        await self._app(scope, receive, tell)


def _tell_what_was_made(start: Message) -> None:
    """The line about a submission names the experiment, too, which the answer's Location knows."""
    if made := _EXPERIMENT.match(Headers(raw=start["headers"]).get("location", "")):
        log_fields.set({**log_fields.get(), "experiment": made[1]})
