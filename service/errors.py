"""Exceptions of the service, and problem documents (RFC 9457) for every exception."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from service.methods import methods_at
from service.middleware.request_log import REQUEST
from service.middleware.security import HEADERS
from tgsh.errors import (
    ArtifactError,
    ArtifactUnreachable,
    Conflict,
    InvalidSpec,
    KeysUnreadable,
    NotFound,
    QuotaExceeded,
    TgshError,
)
from tgsh.schemas import FieldError, Problem
from tgsh.specs.validation import sentence_of
from tgsh.store.database import is_transient

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

RETRY_SECONDS = "5"

HtmlRenderer = Callable[[Request, bytes], Response | None]
"""Renders a problem document as a page; None where the client prefers JSON."""

MAX_FIELDS = 100
"""Fields that one problem document lists: a body of 1 MiB can have 300,000 mistakes."""


class NotDrawn(TgshError):
    """A preview has no picture, yet or because it failed. retry_after: seconds; None: POST it again."""

    def __init__(self, message: str, retry_after: int | None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotAcceptable(TgshError):
    """None of the formats that the client accepts can be served."""


class BodyTooLarge(TgshError):
    """The request's body is over the limit."""


class UnsupportedMediaType(TgshError):
    """The media type of the body is not one that this endpoint reads."""


class NoKey(TgshError):
    """The request has no API key, or no valid one."""


class Forbidden(TgshError):
    """The caller may not do this, or the request comes from another site."""


class WrongHost(TgshError):
    """The Host header names no host of this service."""


class UnsupportedEncoding(TgshError):
    """The request's body is compressed."""


class TooSlow(TgshError):
    """A request did not arrive in time."""


class HeadTooLarge(TgshError):
    """The path and headers of a request are over the limit."""


class BadHttp(TgshError):
    """The bytes received are no HTTP request."""


class Busy(TgshError):
    """A limit of concurrent work is reached."""


class NoRoom(TgshError):
    """The disk is full."""


class TooManyStreams(Busy):
    """The limit of open event streams is reached."""


class TooManyConnections(Busy):
    """The limit of open connections is reached."""


KINDS: dict[type[TgshError], tuple[int, str, str]] = {
    InvalidSpec: (422, "invalid-request", "The request cannot be carried out as it is"),
    NotFound: (404, "not-found", "There is no such thing"),
    Conflict: (409, "conflict", "It is not in a state that allows this"),
    NotDrawn: (409, "not-drawn", "The preview has no picture"),
    NotAcceptable: (406, "not-acceptable", "None of the accepted formats can be served"),
    BodyTooLarge: (413, "body-too-large", "The request's body is too large"),
    UnsupportedMediaType: (415, "unsupported-media-type", "The body's type cannot be read here"),
    NoKey: (401, "no-key", "A key is needed"),
    Forbidden: (403, "forbidden", "This is not allowed"),
    WrongHost: (421, "wrong-host", "This is not the host that was asked for"),
    QuotaExceeded: (429, "quota-exceeded", "The key has used up its share"),
    KeysUnreadable: (503, "keys-unreadable", "Nobody can be let in at the moment"),
    UnsupportedEncoding: (415, "unsupported-encoding", "The body is compressed"),
    TooSlow: (408, "too-slow", "The request did not come in time"),
    HeadTooLarge: (431, "head-too-large", "The request's path and headers are too large"),
    BadHttp: (400, "bad-request", "Bad Request"),
    Busy: (503, "busy", "The service is busy"),
    NoRoom: (507, "no-room", "The disk is full"),
    ArtifactUnreachable: (503, "artifacts-unreachable", "The store of results cannot be reached"),
    ArtifactError: (500, "artifact-error", "A stored result cannot be trusted or reached"),
}
"""HTTP status, type and title of each exception; subclasses have their own or their base's."""

PLACES: dict[type[TgshError], str] = {
    BodyTooLarge: "body",
    UnsupportedMediaType: "content-type",
    WrongHost: "host",
    UnsupportedEncoding: "content-encoding",
}
"""The part of the request that an exception is about, where it names no field itself."""


def problem(
    status: int,
    kind: str,
    title: str,
    detail: str,
    instance: str | None = None,
    errors: list[FieldError] | None = None,
) -> Response:
    """A problem document as a response."""
    document = Problem(
        type=f"urn:tgsh:problem:{kind}",
        title=title,
        status=status,
        detail=detail,
        instance=instance,
        errors=errors or [],
    )
    return Response(document.model_dump_json(), status, media_type=MEDIA_TYPE)


def problem_for(error: TgshError, instance: str | None = None) -> Response:
    """The problem document of an exception."""
    for kind in type(error).__mro__:
        if kind in KINDS:
            status, name, title = KINDS[kind]
            break
    else:
        status, name, title = 500, "internal-error", "The service failed"
    fields = (
        [FieldError(field=field, message=message) for field, message in error.fields]
        if isinstance(error, InvalidSpec)
        else []
    )
    if type(error) in PLACES:
        fields = [FieldError(field=PLACES[type(error)], message=str(error))]
    damaged = isinstance(error, ArtifactError) and not isinstance(error, ArtifactUnreachable)
    remedy = "; POST /experiments/{id}/resume computes it again" if damaged else ""
    response = problem(status, name, title, f"{error}{remedy}", instance, fields)
    if isinstance(error, QuotaExceeded | NotDrawn) and error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, (Busy, ArtifactUnreachable)):
        response.headers["Retry-After"] = RETRY_SECONDS
    return response


def install(app: FastAPI, html: HtmlRenderer | None = None) -> None:
    """Answer every exception with a problem document. html: renders it for browsers.

    The handlers are coroutines: a refusal needs no thread, of which none may be free.
    """
    app.add_exception_handler(TgshError, _on_tgsh_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(SQLAlchemyError, _on_database_error)
    app.add_exception_handler(Exception, partial(_on_unexpected_error, html=html))


async def _on_tgsh_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, TgshError)
    response = problem_for(error, request.url.path)
    if response.status_code >= 500:
        log.error("%s %s: %s", request.method, request.url.path, error)
    return response


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    mistakes = error.errors()
    fields = [FieldError(field=_field(item["loc"]), message=_message(item)) for item in mistakes[:MAX_FIELDS]]
    first = fields[0]
    more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
    detail = f"{first.field}: {first.message}{more}"
    return problem(422, "invalid-request", KINDS[InvalidSpec][2], detail, request.url.path, fields)


def _field(location: tuple[int | str, ...]) -> str:
    """A dotted path, without the prefix `body`, `query` or `path`."""
    source, *path = location
    if source == "body" and path and all(isinstance(part, int) for part in path):
        return "body"  # a position in text that is no JSON
    return ".".join(map(str, path)) or str(source)


def _message(item: dict[str, object]) -> str:
    match item["type"]:
        case "json_invalid":
            return "the body is no JSON; send a JSON object with Content-Type: application/json"
        case "missing" if item["loc"] == ("body",):
            return 'the body is empty; send a JSON object such as {"preset": "rotation-mnist"}'
        case "model_attributes_type" | "model_type" if item["loc"] == ("body",):
            return "the body is no JSON object; send one with Content-Type: application/json"
    return sentence_of(item)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    kind = phrase.lower().replace(" ", "-")
    detail = {
        404: f"nothing is at {request.url.path}; see /docs",
        405: f"{request.method} is not possible at {request.url.path}; see /docs",
    }.get(error.status_code, str(error.detail))
    fields = [FieldError(field="body", message=str(error.detail))] if error.status_code == 400 else []
    response = problem(error.status_code, kind, phrase, detail, request.url.path, fields)
    response.headers.update(error.headers or {})
    if error.status_code == 405:  # the router tells the methods of one route, and a path may have several
        response.headers["Allow"] = ", ".join(methods_at(request))
    return response


async def _on_database_error(request: Request, error: Exception) -> Response:
    if not is_transient(error):
        raise error
    log.error("%s %s: the database: %s", request.method, request.url.path, error)
    detail = "the database cannot be reached, is locked or takes too long; try again soon"
    response = problem(503, "store-unavailable", "The store cannot be reached", detail, request.url.path)
    response.headers["Retry-After"] = RETRY_SECONDS
    return response


async def _on_unexpected_error(request: Request, _: Exception, html: HtmlRenderer | None) -> Response:
    # Starlette logs the traceback; the client learns nothing of the inside.
    detail = "something unforeseen happened; the service's log has the details"
    response = problem(500, "internal-error", "The service failed", detail, request.url.path)
    # Starlette sends this response outside of all middleware: no page and no headers are added later.
    page = html(request, bytes(response.body)) if html is not None else None
    response = page or response
    response.headers.update({**HEADERS, **response.headers, "X-Request-ID": request.scope.get(REQUEST, "-")})
    return response
