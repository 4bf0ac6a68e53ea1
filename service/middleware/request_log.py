"""Request ids, and the context of log lines."""

from __future__ import annotations

import logging
import re
from secrets import token_hex

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.settings import ServiceSettings
from tgsh.logs import formatter, log_fields

OWN_LOGGERS = ("service", "tgsh")
UVICORN_LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.access")

REQUEST = "tgsh.request"
"""The key of the request id in an ASGI scope."""

_VALID_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
"""Request ids that are taken from clients: safe in log lines and headers."""

_EXPERIMENT = re.compile(r"/experiments/([0-9a-f]{16})(?:/tasks/(\d{1,9}))?(?![0-9A-Za-z])")


def configure_logging(settings: ServiceSettings) -> None:
    """Set format and level of all loggers, also of uvicorn's, which are configured by now."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(settings.log_format))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for name in OWN_LOGGERS:
        logging.getLogger(name).setLevel(settings.log_level)
    for name in UVICORN_LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True


class RequestLogMiddleware:
    """ASGI middleware: adds request id, experiment and task to all log lines of a request.

    The id is the client's X-Request-ID where that is valid, else a new one; the response repeats it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Set the log context, and add the id to the response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        ids = [value for name, value in scope["headers"] if name == b"x-request-id"]
        is_valid = len(ids) == 1 and _VALID_ID.fullmatch(ids[0])
        header = b"x-request-id", ids[0] if is_valid else token_hex(16).encode()
        scope[REQUEST] = header[1].decode()

        async def add_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], header]}
                if scope["method"] == "POST":
                    _log_created_experiment(message)
            await send(message)

        context: dict[str, object] = {"request": scope[REQUEST]}
        if match := _EXPERIMENT.match(scope["path"]):
            context["experiment"] = match[1]
            if match[2] is not None:
                context["task"] = int(match[2])
        # not reset: the asyncio task ends with the request, and uvicorn may log its failure
        log_fields.set(context)
        await self._app(scope, receive, add_id)


def _log_created_experiment(start: Message) -> None:
    """Add the experiment in the Location of the response to the log context."""
    if match := _EXPERIMENT.match(Headers(raw=start["headers"]).get("location", "")):
        log_fields.set({**log_fields.get(), "experiment": match[1]})
