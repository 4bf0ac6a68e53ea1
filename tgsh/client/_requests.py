"""HTTP requests of the client, and the parsing of their responses; sends nothing itself."""

from __future__ import annotations

import copy
import io
import json
import os
import uuid
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx
import numpy as np
from httpx_sse import ServerSentEvent
from pydantic import BaseModel, ValidationError

from tgsh import schemas
from tgsh.client.results import Experiment, ExperimentPage, ExperimentTable
from tgsh.client.uploads import UploadBody, file_body, folder_body, npz_body
from tgsh.errors import InvalidSpec, ServiceProblem
from tgsh.specs import ExperimentSpec
from tgsh.specs.presets import NAMES

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
Event = schemas.ProgressEvent | schemas.TaskEvent | schemas.StatusEvent
StudyEvent = schemas.StudyExperimentEvent | schemas.StudyProgressEvent | schemas.StatusEvent
Spec = ExperimentSpec | Mapping[str, Any] | str
Images = np.ndarray | Sequence[Any]

ID_LENGTH = 16

EVENT_TIMEOUT = 60.0
"""Seconds without even a keep-alive after which an event stream counts as disconnected."""

UPLOAD_TIMEOUT = 900.0
"""Seconds to wait for the response to an upload: the service unpacks gigabytes first."""

_EVENT_TYPES: Mapping[
    str, type[schemas.ProgressEvent] | type[schemas.TaskEvent] | type[schemas.StatusEvent]
] = {
    "progress": schemas.ProgressEvent,
    "task": schemas.TaskEvent,
    "status": schemas.StatusEvent,
}


_STUDY_EVENT_TYPES: Mapping[
    str,
    type[schemas.StudyExperimentEvent] | type[schemas.StudyProgressEvent] | type[schemas.StatusEvent],
] = {
    "experiment": schemas.StudyExperimentEvent,
    "progress": schemas.StudyProgressEvent,
    "status": schemas.StatusEvent,
}


@dataclass(frozen=True)
class ApiRequest(Generic[T]):
    """HTTP request to the service, and how the value is parsed from its response."""

    method: str
    path: str  # below the base URL, percent-encoded
    parse: Callable[[httpx.Response], T]  # of a successful response
    params: Mapping[str, Any] = field(default_factory=dict)
    json: Any = None  # body; None sends none
    content: bytes | UploadBody | None = None  # body as bytes, or files that are streamed
    headers: Mapping[str, str] = field(default_factory=dict)
    idempotent: bool = True  # may be sent again after a lost connection
    save_to: Path | None = None  # file into which a successful response is streamed
    read_timeout: float | None = None  # seconds to wait for the response; None: the client's timeout


def plain(value: Any) -> Any:
    """A value with Python's numbers and lists in place of NumPy's."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | range):
        return [plain(each) for each in value]
    return value


# ---- httpx requests ---------------------------------------------------------------------------------------


def build_request(
    http: httpx.Client | httpx.AsyncClient,
    request: ApiRequest[Any],
    content: bytes | Iterable[bytes] | AsyncIterable[bytes] | None,
) -> httpx.Request:
    """httpx request of an API request.

    Parameters
    ----------
    http : httpx.Client | httpx.AsyncClient
        HTTP client that will send it.
    request : ApiRequest[Any]
        Request to build.
    content : bytes | Iterable[bytes] | AsyncIterable[bytes] | None
        Body: `request.content`, or its chunks where that is a file.

    Returns
    -------
    httpx.Request
        Request ready to be sent.
    """
    headers = dict(request.headers)
    if isinstance(request.content, UploadBody):
        # otherwise httpx sends chunks without a length, and the service cannot refuse a large one at once
        headers["Content-Length"] = str(request.content.size)
    return http.build_request(
        request.method,
        request.path,
        params=plain(request.params),
        json=plain(request.json),
        content=content,
        headers=headers,
        timeout=_timeout(http, request.read_timeout),
    )


def build_event_request(
    http: httpx.Client | httpx.AsyncClient, path: str, last_event_id: str | None
) -> httpx.Request:
    """httpx request that opens an event stream (SSE) behind `last_event_id`."""
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
    if last_event_id:
        headers["Last-Event-ID"] = last_event_id
    return http.build_request("GET", path, headers=headers, timeout=_timeout(http, EVENT_TIMEOUT))


def _timeout(http: httpx.Client | httpx.AsyncClient, read_timeout: float | None) -> httpx.Timeout:
    timeout = httpx.Timeout(http.timeout)
    if read_timeout is not None:
        timeout.read = read_timeout
    return timeout


# ---- Paths and parameters ---------------------------------------------------------------------------------


def is_id(text: str) -> bool:
    """True for the whole id of an experiment or a dataset."""
    return len(text) == ID_LENGTH and set(text) <= set("0123456789abcdef")


def experiment_path(*parts: str | int) -> str:
    """Path of an experiment, or of a resource below it."""
    return "/experiments/" + "/".join(quote(str(part), safe="") for part in parts)


def dataset_path(dataset: str) -> str:
    """Path of an uploaded dataset."""
    return "/datasets/" + quote(dataset, safe="")


def without_none(**params: Any) -> dict[str, Any]:
    """Parameters that are not None."""
    return {name: value for name, value in params.items() if value is not None}


# ---- Requests about any resource --------------------------------------------------------------------------


def get_document(kind: type[M], experiment: str, /, *parts: str | int, **params: Any) -> ApiRequest[M]:
    """GET an experiment, or a resource below it, as a JSON document."""
    return ApiRequest(
        "GET", experiment_path(experiment, *parts), parse_model(kind), params=without_none(**params)
    )


def get_file(path: str, /, **params: Any) -> ApiRequest[bytes]:
    """GET a resource as the bytes of a file; ranges and switches are written as the service reads them."""
    written = {name: _in_query(name, value) for name, value in params.items()}
    return ApiRequest("GET", path, lambda response: response.content, params=without_none(**written))


def _in_query(name: str, value: Any) -> Any:
    if name == "title" and isinstance(value, bool):
        return "on" if value else "off"
    return ",".join(map(str, value)) if isinstance(value, (tuple, list)) else value


def patch(kind: type[M], path: str, **changes: Any) -> ApiRequest[M]:
    """PATCH an experiment or a dataset."""
    return ApiRequest("PATCH", path, parse_model(kind), json=changes)


def delete_resource(path: str) -> ApiRequest[None]:
    """DELETE an experiment or a dataset."""
    return ApiRequest("DELETE", path, lambda _: None, idempotent=False)


# ---- Requests about experiments ---------------------------------------------------------------------------


def post_experiment(
    spec: Spec,
    idempotency_key: str | None,
    *,
    anew: bool,
) -> ApiRequest[Experiment]:
    """POST a submission; without an idempotency key under a random one, so that it may be repeated."""
    return ApiRequest(
        "POST",
        "/experiments",
        parse_model(Experiment),
        params={"anew": True} if anew else {},
        json=submission_of(spec),
        headers={"Idempotency-Key": idempotency_key or str(uuid.uuid4())},
    )


def post_estimate(spec: Spec) -> ApiRequest[schemas.Estimate]:
    """POST a submission to /estimates."""
    return ApiRequest("POST", "/estimates", parse_model(schemas.Estimate), json=submission_of(spec))


def post_preview(spec: Spec) -> ApiRequest[schemas.Preview]:
    """POST a submission to /previews."""
    return ApiRequest("POST", "/previews", parse_model(schemas.Preview), json=submission_of(spec))


def submission_of(spec: Spec) -> dict[str, Any]:
    """Body of a submission: a spec as it is, a mapping, or a preset by name."""
    if isinstance(spec, ExperimentSpec):
        return spec.model_dump(mode="json")
    return {"preset": spec} if isinstance(spec, str) else dict(plain(spec))


def changed_submission(spec: Spec, changes: Mapping[str, object]) -> dict[str, Any]:
    """Body of POST /experiments of a spec with some fields changed, by their dotted paths.

    A spec that is changed is another experiment: it has the name and tags of the first only where they are
    given. (Of a preset the service sees to that.)
    """
    source = submission_of(spec)
    body = copy.deepcopy(source)
    for path, value in changes.items():
        place = body
        *above, last = path.split(".")
        for part in above:
            if not isinstance(place.get(part), dict):
                place[part] = {}
            place = place[part]
        if last == "kind" and place.get("kind") != value:
            place.clear()  # another kind has its own fields
        place[last] = plain(value)
    is_other = any(body[key] != source.get(key, ...) for key in body if key not in NAMES)
    if is_other and "preset" not in body:
        return {key: value for key, value in body.items() if key not in NAMES or key in changes}
    return body


def spec_filters(fields: Mapping[str, object]) -> dict[str, str]:
    """Query parameters of the fields of a spec by their paths."""
    return {
        f"spec.{path}": value if isinstance(value, str) else json.dumps(value)
        for path, value in fields.items()
    }


FILTERS = frozenset(
    {"status", "suite", "dataset", "network", "tag", "study", "project", "owner", "created_after"}
    | {"created_before", "q"}
)
"""Filters of GET /experiments; any other name is a field of the spec."""


def table_filters(filters: Mapping[str, object]) -> dict[str, Any]:
    """Query parameters of filters, and of fields of the spec by their paths."""
    fields = {name: value for name, value in filters.items() if name not in FILTERS}
    own = {name: value for name, value in filters.items() if name in FILTERS and value is not None}
    return own | spec_filters(fields)


def get_table(
    columns: Sequence[str] | None, cursor: str | None, **params: Any
) -> ApiRequest[ExperimentTable]:
    """GET experiments, or groups of them, under these columns."""
    names = None if columns is None else ",".join(columns)
    params = without_none(columns=names, cursor=cursor, **params)
    return ApiRequest("GET", "/experiments/table", parse_model(ExperimentTable), params=params)


def get_deleted_page(cursor: str | None) -> ApiRequest[schemas.DeletedPage]:
    """GET one page of deleted experiments, the last deleted first."""
    params = without_none(cursor=cursor)
    return ApiRequest("GET", "/experiments/deleted", parse_model(schemas.DeletedPage), params=params)


def post_batch(action: str, ids: list[str], value: str | None) -> ApiRequest[schemas.BatchOutcomes]:
    """POST one action on many experiments."""
    body = {"action": action, "ids": ids} | without_none(value=value)
    return ApiRequest(
        "POST", "/experiments/batch", parse_model(schemas.BatchOutcomes), json=body, idempotent=False
    )


def get_experiment_page(cursor: str | None, **filters: Any) -> ApiRequest[ExperimentPage]:
    """GET one page of experiments, newest first."""
    params = without_none(cursor=cursor, **filters)
    return ApiRequest("GET", "/experiments", parse_model(ExperimentPage), params=params)


def post_action(experiment: str, action: str) -> ApiRequest[Experiment]:
    """POST "cancel" or "resume" of an experiment."""
    path = experiment_path(experiment, action)
    return ApiRequest("POST", path, parse_model(Experiment), idempotent=False)


def get_bundle(experiment: str, file: Path) -> ApiRequest[None]:
    """GET the bundle of an experiment, streamed into a file."""
    return ApiRequest("GET", experiment_path(experiment, "bundle"), lambda _: None, save_to=file)


def post_agreement(experiment: str, question: Mapping[str, Any]) -> ApiRequest[schemas.Agreement]:
    """POST a geometry to compare the similarities of an experiment with; nothing is stored."""
    path = experiment_path(experiment, "agreement")
    return ApiRequest("POST", path, parse_model(schemas.Agreement), json=question)


def geometry_json(geometry: object) -> object:
    """A formula as it is; a matrix as lists of numbers, None where it has NaN.

    Raises InvalidSpec for what is neither.
    """
    if isinstance(geometry, str):
        return geometry
    try:
        matrix = np.asarray(geometry, np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidSpec("geometry", "is neither a formula nor a matrix of numbers") from error
    if matrix.ndim != 2 or np.isinf(matrix).any():
        raise InvalidSpec("geometry", "is no matrix of finite numbers; NaN stands for tasks without a place")
    return [[None if np.isnan(value) else value for value in row] for row in matrix.tolist()]


# ---- Requests about datasets ------------------------------------------------------------------------------


def upload_body(
    source: str | os.PathLike[str] | Mapping[str, Any] | Sequence[Any] | None, arrays: Mapping[str, Any]
) -> UploadBody:
    """Body of images: a file, a folder, or arrays; arguments and errors as of `post_dataset`."""
    if isinstance(source, Mapping):
        arrays = {**source, **arrays}
        source = None
    elif isinstance(source, Sequence) and not isinstance(source, str):
        if len(source) != 2:
            raise InvalidSpec("source", f"has {len(source)} parts; (images, classes) has two")
        arrays = {"x": source[0], "y": source[1], **arrays}
        source = None
    if source is None and not arrays:
        raise InvalidSpec("source", "upload a file, a folder, or arrays x and y")
    if source is None:
        return npz_body(arrays)
    if arrays:
        raise InvalidSpec("source", "upload a file or arrays, not both")
    path = Path(source)
    return folder_body(path) if path.is_dir() else file_body(path)


def post_dataset(
    source: str | os.PathLike[str] | Mapping[str, Any] | Sequence[Any] | None,
    arrays: Mapping[str, Any],
    **params: Any,
) -> ApiRequest[schemas.Dataset]:
    """POST a dataset.

    Parameters
    ----------
    source : str | os.PathLike[str] | Mapping[str, Any] | Sequence[Any] | None
        File or folder, which is streamed; arrays by name; or (images, classes).
    arrays : Mapping[str, Any]
        Further arrays by name, or all of them.
    **params : Any
        Query parameters; None leaves one out.

    Returns
    -------
    ApiRequest[schemas.Dataset]
        Request that uploads.

    Raises
    ------
    InvalidSpec
        If there are both a file and arrays, or neither, if a file cannot be read, or if an array holds
        something else than numbers and text.
    """
    body = upload_body(source, arrays)
    return ApiRequest(
        "POST",
        "/datasets",
        parse_model(schemas.Dataset),
        params=without_none(**params),
        content=body,
        headers={"Content-Type": "application/octet-stream"},
        idempotent=False,  # gigabytes; sending them again by hand makes no second dataset
        read_timeout=UPLOAD_TIMEOUT,
    )


def get_dataset_page(cursor: str | None, limit: int | None) -> ApiRequest[schemas.DatasetPage]:
    """GET one page of uploaded datasets, newest first."""
    params = without_none(cursor=cursor, limit=limit)
    return ApiRequest("GET", "/datasets", parse_model(schemas.DatasetPage), params=params)


def get_dataset(dataset: str) -> ApiRequest[schemas.Dataset]:
    """GET an uploaded dataset."""
    return ApiRequest("GET", dataset_path(dataset), parse_model(schemas.Dataset))


# ---- Responses and events ---------------------------------------------------------------------------------


def parse_model(kind: type[M]) -> Callable[[httpx.Response], M]:
    """Parser of a JSON document; an experiment or a study keeps the base URL that it was read from."""

    def parse(response: httpx.Response) -> M:
        url = str(response.request.url).partition("?")[0]
        service_url = url.rpartition("/experiments")[0] or url.rpartition("/studies")[0]
        return kind.model_validate_json(response.content, context={"service": service_url})

    return parse


def parse_npy(response: httpx.Response) -> np.ndarray:
    """Array in an .npy response.

    Parameters
    ----------
    response : httpx.Response
        Successful response.

    Returns
    -------
    np.ndarray
        The array, as it was sent.

    Raises
    ------
    ServiceProblem
        If the response is no .npy file.
    """
    try:
        array: np.ndarray = np.load(io.BytesIO(response.content), allow_pickle=False)
    except (ValueError, EOFError) as error:
        detail = f"{response.request.url} answered no .npy file; is this a tgsh service?"
        raise ServiceProblem({"detail": detail}) from error
    return array


def parse_problem(response: httpx.Response) -> ServiceProblem:
    """Problem document of an error response, or one made from its status line."""
    try:
        return ServiceProblem(schemas.Problem.model_validate_json(response.content).model_dump())
    except ValidationError:
        detail = f"{response.request.url} answered {response.status_code} {response.reason_phrase}"
        return ServiceProblem({"status": response.status_code, "detail": f"{detail}; is it a tgsh service?"})


def parse_response(request: ApiRequest[T], response: httpx.Response) -> T:
    """Value in the response to a request.

    Parameters
    ----------
    request : ApiRequest[T]
        Request that was sent.
    response : httpx.Response
        Its response.

    Returns
    -------
    T
        Parsed value.

    Raises
    ------
    ServiceProblem
        If the response is an error, or is not what the request expects.
    """
    if not response.is_success:
        raise parse_problem(response)
    try:
        return request.parse(response)
    except ValidationError as error:
        raise _unreadable(str(response.request.url), error) from None


def parse_event(message: ServerSentEvent) -> Event | None:
    """Typed event of a server-sent event.

    Parameters
    ----------
    message : ServerSentEvent
        Message of an event stream.

    Returns
    -------
    Event | None
        The event; None for a kind that this version does not know.

    Raises
    ------
    ServiceProblem
        If its data is not an event of its kind.
    """
    try:
        kind = _EVENT_TYPES.get(message.event)
        return kind.model_validate_json(message.data) if kind else None
    except ValidationError as error:
        raise _unreadable(f"event {message.event!r}", error) from None


def parse_study_event(message: ServerSentEvent) -> StudyEvent | None:
    """The same of a study's event stream."""
    try:
        kind = _STUDY_EVENT_TYPES.get(message.event)
        return kind.model_validate_json(message.data) if kind else None
    except ValidationError as error:
        raise _unreadable(f"event {message.event!r}", error) from None


def is_terminal(event: object) -> bool:
    """True if an event ends an experiment or a study; a resumed one has several such in its history."""
    return isinstance(event, schemas.StatusEvent) and event.status in schemas.TERMINAL


def _unreadable(source: str, error: ValidationError) -> ServiceProblem:
    return ServiceProblem({"detail": f"{source} is not a readable {error.title}; is this a tgsh service?"})
