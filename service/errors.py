"""From errors to RFC 9457 problem documents. The only place that knows status codes of errors."""

from __future__ import annotations

import logging
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from tgsh.errors import ArtifactError, Conflict, InvalidSpec, NotFound, TgshError
from tgsh.schemas import FieldError, Problem

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class NotAcceptable(TgshError):
    """None of the formats that the caller takes can be served."""


class BodyTooLarge(TgshError):
    """The request's body is over the limit."""


class UnsupportedMediaType(TgshError):
    """The request's body is of a type that this endpoint does not read."""


KINDS: dict[type[TgshError], tuple[int, str, str]] = {
    InvalidSpec: (422, "invalid-request", "The request cannot be carried out as it is"),
    NotFound: (404, "not-found", "There is no such thing"),
    Conflict: (409, "conflict", "The experiment is not in a state that allows this"),
    NotAcceptable: (406, "not-acceptable", "None of the accepted formats can be served"),
    BodyTooLarge: (413, "body-too-large", "The request's body is too large"),
    UnsupportedMediaType: (415, "unsupported-media-type", "The body's type cannot be read here"),
    ArtifactError: (500, "artifact-error", "A stored result cannot be trusted or reached"),
}


PLACES: dict[type[TgshError], str] = {BodyTooLarge: "body", UnsupportedMediaType: "content-type"}
"""The part of a request that an error is about, where it does not name a field itself."""


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
    """The problem document of one of our own errors."""
    for kind in type(error).__mro__:
        if kind in KINDS:
            status, name, title = KINDS[kind]
            break
    else:
        status, name, title = 500, "internal-error", "The service failed"
    fields = [FieldError(field=error.field, message=error.message)] if isinstance(error, InvalidSpec) else []
    if type(error) in PLACES:
        fields = [FieldError(field=PLACES[type(error)], message=str(error))]
    remedy = "; POST /experiments/{id}/resume computes it again" if isinstance(error, ArtifactError) else ""
    return problem(status, name, title, f"{error}{remedy}", instance, fields)


def install(app: FastAPI) -> None:
    """Let every error leave the application as a problem document."""
    app.add_exception_handler(TgshError, _on_tgsh_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(OperationalError, _on_database_error)
    app.add_exception_handler(Exception, _on_unforeseen)


def _on_tgsh_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, TgshError)
    response = problem_for(error, request.url.path)
    if response.status_code >= 500:
        log.error("%s %s: %s", request.method, request.url.path, error)
    return response


def _on_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fields = [FieldError(field=_field(item["loc"]), message=_message(item)) for item in error.errors()]
    first = fields[0]
    more = f" (and {len(fields) - 1} more)" if len(fields) > 1 else ""
    detail = f"{first.field}: {first.message}{more}"
    return problem(422, "invalid-request", KINDS[InvalidSpec][2], detail, request.url.path, fields)


def _field(location: tuple[int | str, ...]) -> str:
    """A dotted path; what comes from the body is named as the body names it."""
    source, *path = location
    if source == "body" and path and all(isinstance(part, int) for part in path):
        return "body"  # a position in text that is no JSON
    return ".".join(map(str, path)) or str(source)


def _message(item: dict[str, object]) -> str:
    match item["type"]:
        case "extra_forbidden":
            return "unknown key; remove it or check its spelling against GET /catalog"
        case "json_invalid":
            return "the body is no JSON; send a JSON object with Content-Type: application/json"
        case "missing" if item["loc"] == ("body",):
            return 'the body is empty; send a JSON object such as {"preset": "rotation-mnist"}'
        case "model_attributes_type" | "model_type" if item["loc"] == ("body",):
            return "the body is no JSON object; send one with Content-Type: application/json"
    return str(item["msg"])


def _on_http_exception(request: Request, error: Exception) -> Response:
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
    return response


def _on_database_error(request: Request, error: Exception) -> Response:
    log.error("%s %s: the database: %s", request.method, request.url.path, error)
    detail = "the database cannot be reached or is locked; try again soon"
    response = problem(503, "store-unavailable", "The store cannot be reached", detail, request.url.path)
    response.headers["Retry-After"] = "5"
    return response


def _on_unforeseen(request: Request, _: Exception) -> Response:
    # Starlette logs the traceback; the caller learns nothing of the inside.
    detail = "something unforeseen happened; the service's log has the details"
    return problem(500, "internal-error", "The service failed", detail, request.url.path)
