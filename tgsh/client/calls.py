"""Requests to the API as values, and how their answers are read. Nothing here sends anything."""

from __future__ import annotations

import io
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import quote

import httpx
import numpy as np
from httpx_sse import ServerSentEvent
from pydantic import BaseModel, ValidationError

from tgsh import schemas
from tgsh.client.steps import Call, Listen
from tgsh.client.values import Experiment, ExperimentPage, Predictions
from tgsh.errors import ServiceProblem
from tgsh.specs import ExperimentSpec

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
Event = schemas.ProgressEvent | schemas.TaskEvent | schemas.StatusEvent
Spec = ExperimentSpec | Mapping[str, Any] | str
Images = np.ndarray | Sequence[Any]
Content = bytes | BinaryIO | AsyncIterator[bytes]

SILENCE = 60.0  # seconds without even a keep-alive after which an event stream is taken for dead

_EVENTS: Mapping[str, type[schemas.ProgressEvent] | type[schemas.TaskEvent] | type[schemas.StatusEvent]] = {
    "progress": schemas.ProgressEvent,
    "task": schemas.TaskEvent,
    "status": schemas.StatusEvent,
}


def request(
    http: httpx.Client | httpx.AsyncClient, call: Call[Any], content: Content | None
) -> httpx.Request:
    """A call as httpx sends it; `content` is the call's, opened where it is a file."""
    headers = dict(call.headers)
    if isinstance(call.content, Path):  # else httpx would send it in chunks, and no limit be checked at once
        headers["Content-Length"] = str(call.content.stat().st_size)
    return http.build_request(
        call.method,
        call.path,
        params=call.params,
        json=call.body,
        content=content,
        headers=headers,
        timeout=_timeout(http, call.patience),
    )


def stream(http: httpx.Client | httpx.AsyncClient, listen: Listen) -> httpx.Request:
    """The request that opens a stream of events."""
    return http.build_request("GET", listen.path, headers=listen.headers, timeout=_timeout(http, SILENCE))


def _timeout(http: httpx.Client | httpx.AsyncClient, silence: float | None) -> httpx.Timeout:
    """The client's, but for the seconds of silence that are borne, where they are given."""
    timeout = httpx.Timeout(http.timeout)
    if silence is not None:
        timeout.read = silence
    return timeout


def model(kind: type[M]) -> Callable[[httpx.Response], M]:
    """Reads a JSON document of that kind; an experiment learns where it was read from."""

    def read_document(response: httpx.Response) -> M:
        where = str(response.request.url).partition("?")[0]
        service = where.rpartition("/experiments")[0]
        return kind.model_validate_json(response.content, context={"service": service})

    return read_document


def path(*parts: str | int) -> str:
    """The path of an experiment, or of something below it."""
    return "/experiments/" + "/".join(quote(str(part), safe="") for part in parts)


def given(**params: Any) -> dict[str, Any]:
    """The parameters that are not None."""
    return {name: value for name, value in params.items() if value is not None}


def submission(
    spec: Spec, idempotency_key: str | None = None, *, shared: bool | None = None, anew: bool = False
) -> Call[Experiment]:
    """POST a spec, a mapping with a spec's keys, or the name of a preset."""
    body = _body(spec) | given(shared=shared)
    key = idempotency_key or str(uuid.uuid4())
    return Call(
        "POST",
        "/experiments",
        model(Experiment),
        params={"anew": True} if anew else {},
        body=body,
        headers={"Idempotency-Key": key},
    )


def _body(spec: Spec) -> dict[str, Any]:
    if isinstance(spec, ExperimentSpec):
        return spec.model_dump(mode="json")
    return {"preset": spec} if isinstance(spec, str) else dict(spec)


def estimation(spec: Spec) -> Call[schemas.Estimate]:
    """POST what a submission would be, and read what it would cost."""
    return Call("POST", "/estimates", model(schemas.Estimate), body=_body(spec))


def preview(spec: Spec) -> Call[schemas.Preview]:
    """POST what a submission would be, to have drawn what its tasks look like."""
    return Call("POST", "/previews", model(schemas.Preview), body=_body(spec))


def preview_images(key: str, format: str) -> Call[bytes]:
    """GET what a preview shows, as a file's bytes."""
    where = "/previews/" + quote(key, safe="")
    return Call("GET", where, lambda response: response.content, params={"format": format})


def page(cursor: str | None = None, **filters: Any) -> Call[ExperimentPage]:
    """One page of experiments, newest first."""
    return Call("GET", "/experiments", model(ExperimentPage), params=given(cursor=cursor, **filters))


def action(experiment: str, name: str) -> Call[Experiment]:
    """POST cancel or resume."""
    return Call("POST", path(experiment, name), model(Experiment), repeatable=False)


def sharing(experiment: str, shared: bool) -> Call[Experiment]:
    """PATCH who sees an experiment."""
    body = schemas.Sharing(shared=shared).model_dump()
    return Call("PATCH", path(experiment), model(Experiment), body=body)


def document(experiment: str, kind: type[M], *parts: str | int, **params: Any) -> Call[M]:
    """GET something of an experiment as JSON."""
    return Call("GET", path(experiment, *parts), model(kind), params=given(**params))


def predictions(experiment: str, task: int, images: Images, **params: Any) -> Call[Predictions]:
    """POST images, and read what a task's network sees in them."""
    return _posted(images, path(experiment, "tasks", task, "predictions"), model(Predictions), params)


def representations(experiment: str, task: int, images: Images, **params: Any) -> Call[np.ndarray]:
    """POST images, and read how a task's network represents them."""
    where = path(experiment, "tasks", task, "representations")
    return _posted(images, where, array, {**params, "format": "npy"})


def _posted(
    images: Images, where: str, read: Callable[[httpx.Response], T], params: Mapping[str, Any]
) -> Call[T]:
    headers = {"Content-Type": "application/x-npy"}
    return Call("POST", where, read, params=params, content=_npy(images), headers=headers)


def _npy(images: Images) -> bytes:
    """An array as .npy, in no more bytes than its pixels need: NumPy makes 8 of each number in a list."""
    pixels = np.asarray(images)
    if pixels.dtype.kind in "iu" and pixels.size and pixels.min() >= 0 and pixels.max() <= 255:
        pixels = pixels.astype(np.uint8)
    elif pixels.dtype.kind == "f" and pixels.itemsize > 4:
        with np.errstate(over="ignore"):  # infinities are refused where they arrive
            pixels = pixels.astype(np.float32)
    file = io.BytesIO()
    np.save(file, pixels, allow_pickle=False)
    return file.getvalue()


def array(response: httpx.Response) -> np.ndarray:
    """Reads a .npy file. Raises: ServiceProblem."""
    try:
        found: np.ndarray = np.load(io.BytesIO(response.content), allow_pickle=False)
    except (ValueError, EOFError) as error:
        detail = f"{response.request.url} answered no .npy file; is this a tgsh service?"
        raise ServiceProblem({"detail": detail}) from error
    return found


def problem(response: httpx.Response) -> ServiceProblem:
    """The problem document in a refused response, or one made from its status line."""
    try:
        return ServiceProblem(schemas.Problem.model_validate_json(response.content).model_dump())
    except ValidationError:
        detail = f"{response.request.url} answered {response.status_code} {response.reason_phrase}"
        return ServiceProblem({"status": response.status_code, "detail": f"{detail}; is it a tgsh service?"})


def read(call: Call[T], response: httpx.Response) -> T:
    """The value in a response. Raises: ServiceProblem."""
    if not response.is_success:
        raise problem(response)
    try:
        return call.read(response)
    except ValidationError as error:
        raise _unreadable(str(response.request.url), error) from error


def event(sent: ServerSentEvent) -> Event | None:
    """A typed event; None for kinds that this version does not know. Raises: ServiceProblem."""
    try:
        kind = _EVENTS.get(sent.event)
        return kind.model_validate_json(sent.data) if kind else None
    except ValidationError as error:
        raise _unreadable(f"event {sent.event!r}", error) from error


def _unreadable(what: str, error: ValidationError) -> ServiceProblem:
    return ServiceProblem({"detail": f"{what} is not a readable {error.title}; is this a tgsh service?"})


def is_last(happened: Event) -> bool:
    """Whether an experiment rests after this event (a resumed one may show several in its history)."""
    return isinstance(happened, schemas.StatusEvent) and happened.status in schemas.TERMINAL
