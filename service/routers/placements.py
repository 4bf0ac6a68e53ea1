"""/experiments/{id}/placements: where new images fall; /accuracy/matrix: the matrix computed later."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Depends, Header, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from service import cursors
from service.cursors import Cursor, PageLimit, next_link
from service.dependencies import (
    ID,
    AskedOptions,
    CallerDep,
    ConversionDep,
    ExperimentId,
    Format,
    OwnId,
    Services,
    ServicesDep,
)
from service.errors import BodyTooLarge, Forbidden
from service.fleet import refusal
from service.middleware.auth import Caller
from service.multipart import file_pieces
from service.placements import submit_dataset, submit_images, target_of
from service.responses import documented, respond
from service.results.base import NoParams
from service.results.placements import (
    PLACED_SAMPLES,
    PLACEMENT,
    PLACEMENT_MAP,
    PlacementKey,
    describe,
    has_worker,
)
from service.threads import writing
from tgsh.datasets.uploads.ingest import ingest_in_subprocess
from tgsh.datasets.uploads.options import UploadOptions
from tgsh.datasets.uploads.sandbox import Upload
from tgsh.errors import InvalidSpec
from tgsh.execution.placement_views import matrix_job_view, summary_view
from tgsh.execution.planning import MOST_CROSSED
from tgsh.execution.requirements import torch_fields
from tgsh.schemas import MatrixJob, PlacedSamples, Placement, PlacementMap, PlacementPage
from tgsh.schemas.placement_examples import SUBMISSIONS
from tgsh.specs import ExperimentSpec
from tgsh.specs.placements import PlacementOptions, PlacementSubmission
from tgsh.specs.validation import problems_of
from tgsh.store import analyses, queries, removals
from tgsh.store.analyses import MATRIX, AnalysisRequest
from tgsh.store.idempotency import IdempotentRequest
from tgsh.store.leases import live_workers
from tgsh.store.models import AnalysisRecord
from tgsh.store.results import load_result

router = APIRouter(prefix="/experiments", tags=["placements"])

POLL_SECONDS = "1"

MAX_JSON = 1 << 20
"""Bytes of a JSON body."""

JSON = "application/json"

_SCHEMA = PlacementSubmission.model_json_schema(ref_template="#/components/schemas/{model}")
_SCHEMA.pop("$defs", None)  # those of the document, which has them of POST /experiments

BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": (
            "As JSON a dataset, and how it is placed. Or labelled images, in whatever they come, as POST "
            "/datasets takes them (zip of class folders, npz, IDX, …): what is not JSON by its Content-Type "
            "is a file, and its options are in the query. At most 100,000 images."
        ),
        "content": {
            JSON: {
                "schema": _SCHEMA,
                "examples": SUBMISSIONS,
            },
            "application/octet-stream": {
                "schema": {"type": "string", "format": "binary"},
                "examples": {
                    "file": {
                        "summary": "a file as it is",
                        "description": "curl -T leaves.npz -X POST",
                        "value": "leaves.npz",
                    }
                },
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                },
            },
        },
    }
}

PlacementId = Annotated[str, Path(pattern=ID, description="as POST /experiments/{id}/placements answered it")]


def _query(
    name: Annotated[str | None, Query(description="what to call it; of images in the body")] = None,
    classes: Annotated[
        str | None,
        Query(description='names, nearest, or a map as JSON, such as {"oak": "3", "beech": "5"}: names'),
    ] = None,
    train_limit: Annotated[
        str | None, Query(description="images that a replicate learns from, 5 to 5,000: 200")
    ] = None,
    replicates: Annotated[str | None, Query(description="contexts that are learned, 1 to 20: 5")] = None,
    seed: Annotated[str | None, Query(description="decides draws and starts: 0")] = None,
) -> dict[str, str]:
    return {key: value for key, value in locals().items() if value is not None}


@router.post(
    "/{experiment_id}/placements",
    status_code=202,
    summary="Place new images among the tasks",
    openapi_extra=BODY,
)
async def place(
    request: Request,
    response: Response,
    experiment_id: ExperimentId,
    services: ServicesDep,
    caller: CallerDep,
    background: BackgroundTasks,
    options: Annotated[dict[str, str], Depends(_query)],
    conversion: ConversionDep,
    idempotency_key: Annotated[
        str | None,
        Header(min_length=1, max_length=255, description="the same key and body: the same placement"),
    ] = None,
) -> Placement:
    """Learn contexts for labelled images on the experiment's base, and rank its tasks by their similarity.

    The experiment stays as it is. Of the images every replicate draws `train_limit` at most, and 80 % of them
    at most, and learns a context by the experiment's recipe and normalisation. The answer comes at once; its
    Location is where the placement is from now on. Those who see the experiment may place images in it; the
    placement is theirs alone.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == JSON:
        record = await _place_dataset(request, experiment_id, services, caller, idempotency_key)
    else:
        record = await _place_images(
            request, experiment_id, services, caller, options, conversion, idempotency_key
        )
    background.add_task(services.wake_workers)
    response.headers["Location"] = f"/experiments/{experiment_id}/placements/{record.id}"
    response.headers["Retry-After"] = POLL_SECONDS
    return await run_in_threadpool(describe, services, record)


async def _place_dataset(
    request: Request, experiment_id: str, services: Services, caller: Caller, key: str | None
) -> AnalysisRecord:
    if request.query_params:
        raise InvalidSpec(*_misplaced(request)[0], _misplaced(request)[1:])
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_JSON:
            raise BodyTooLarge(f"the body is over {MAX_JSON:,} bytes; images are sent as a file, not as JSON")
    try:
        submission = PlacementSubmission.model_validate_json(bytes(body), strict=True)
    except ValidationError as error:
        raise RequestValidationError(
            [{**each, "loc": ("body", *each["loc"])} for each in error.errors(include_url=False)]
        ) from error
    sent = _sent(key, experiment_id, submission.model_dump_json())
    return await services.writing.run(
        lambda: submit_dataset(services, caller, experiment_id, submission, sent)
    )


def _sent(key: str | None, experiment_id: str, *body: str) -> IdempotentRequest | None:
    return None if key is None else IdempotentRequest(key, "\n".join([experiment_id, *body]))


def _misplaced(request: Request) -> list[tuple[str, str]]:
    return [
        (name, "goes into the body where that is JSON; in the query are options of a file")
        for name in dict.fromkeys(request.query_params)
    ]


async def _place_images(
    request: Request,
    experiment_id: str,
    services: Services,
    caller: Caller,
    options: dict[str, str],
    conversion: dict[str, str],
    key: str | None,
) -> AnalysisRecord:
    parsed, upload_options = _parsed(options, conversion)
    if key is None:
        await run_in_threadpool(target_of, services, experiment_id)  # before anything is sent
    await run_in_threadpool(services.upload_staging.require_space, 0)
    with services.upload_staging.room() as folder:
        target = folder / "upload"
        await services.upload_staging.receive(file_pieces(request), target)
        request_sent = None
        if key is not None:  # before all that may refuse a new one
            digest = await run_in_threadpool(_digest, target)
            described = json.dumps([options, conversion], sort_keys=True)
            request_sent = _sent(key, experiment_id, described, digest)
            assert request_sent is not None
            first = await run_in_threadpool(analyses.replayed, services.database, caller.name, request_sent)
            if first is not None:
                return first
            await run_in_threadpool(target_of, services, experiment_id)
        sent = Upload(target, upload_options, services.settings.max_upload_bytes)
        async with services.upload_staging.turn(caller.name):
            ingested = await run_in_threadpool(ingest_in_subprocess, sent, folder)
        return await services.writing.run(
            lambda: submit_images(services, caller, experiment_id, parsed, ingested, folder, request_sent)
        )


def _digest(file: FilePath) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _parsed(options: dict[str, str], conversion: dict[str, str]) -> tuple[PlacementOptions, UploadOptions]:
    """Options of a query. Raises InvalidSpec with all that are wrong."""
    wrong: list[tuple[str, str]] = []
    upload_options = UploadOptions()
    try:
        upload_options = UploadOptions.parsed(conversion)
    except InvalidSpec as error:
        wrong += error.fields
    values: dict[str, object] = dict(options)
    for name in ("train_limit", "replicates", "seed"):
        if name in options and options[name].isascii() and options[name].isdigit():
            values[name] = int(options[name][:20])
    if options.get("classes", "").lstrip().startswith("{"):
        try:
            values["classes"] = json.loads(options["classes"])
        except ValueError as error:
            wrong.append(("classes", f"is no JSON: {error}"))
            values.pop("classes")
    parsed = PlacementOptions()
    try:
        parsed = PlacementOptions.model_validate(values)
    except ValidationError as error:
        wrong += problems_of(error.errors())
    if wrong:
        raise InvalidSpec(*wrong[0], wrong[1:])
    return parsed, upload_options


@router.get("/{experiment_id}/placements", summary="Placements of an experiment, newest first")
def list_placements(
    experiment_id: ExperimentId,
    request: Request,
    response: Response,
    services: ServicesDep,
    caller: CallerDep,
    limit: PageLimit = 50,
    cursor: Cursor = None,
) -> PlacementPage:
    """A page of placements that are one's own or nobody's."""
    queries.experiment(services.database, experiment_id)
    after = cursors.decode_cursor(cursor) if cursor else None
    rows = analyses.page(services.database, experiment_id, caller.visible_to, limit + 1, after)
    page, more = rows[:limit], len(rows) > limit
    next_cursor = cursors.encode_cursor(page[-1].created_at, page[-1].id) if more else None
    response.headers.update(next_link(request, next_cursor))
    is_served = has_worker(services)
    return PlacementPage(items=[summary_view(record, is_served) for record in page], next=next_cursor)


def _key(
    experiment_id: ExperimentId, placement_id: PlacementId, services: ServicesDep, caller: CallerDep
) -> PlacementKey:
    analyses.get(services.database, experiment_id, placement_id, caller.visible_to)
    return PlacementKey(experiment_id, placement_id)


KeyDep = Annotated[PlacementKey, Depends(_key)]
"""A placement that is there for who asks."""


@router.get(
    "/{experiment_id}/placements/{placement_id}",
    summary="Where new images fall",
    responses=documented(
        Placement, PLACEMENT.formats, csv="task,label,similarity,low,high\n2,20°,0.39,0.36,0.42\n"
    ),
    response_class=Response,
)
def get(
    key: KeyDep, services: ServicesDep, request: Request, asked: AskedOptions, format: Format = None
) -> Response:
    """Tasks ranked by similarity, with intervals over the replicates, and whether the images are like any.

    Cosines of small sets are lower than those of large ones. So `expected` tells what samples of known tasks
    as small as a replicate have with their own tasks, `corrected` is the highest similarity divided by that,
    and `percentile` compares it with the similarities between the experiment's tasks. `novel` is true where
    `corrected` is below `threshold`, or where p is above 0.05: classes dealt out at random do as well.

    As JSON it also tells how far the job is; the other formats are there when it is completed (409 until
    then). npy and safetensors are the replicates' vectors, pictures the ranking.
    """
    return respond(request, services, PLACEMENT, key, NoParams(), format, asked)


@router.get(
    "/{experiment_id}/placements/{placement_id}/map",
    summary="New images in the map of the tasks",
    responses=documented(
        PlacementMap, PLACEMENT_MAP.formats, csv="task,label,x,y\n0,0°,-0.25,0.07\n,your images,0.2,0.03\n"
    ),
    response_class=Response,
)
def placement_map(
    key: KeyDep, services: ServicesDep, request: Request, asked: AskedOptions, format: Format = None
) -> Response:
    """The experiment's embedding by classical MDS, and the point of the new images in it, by Gower's formula.

    The tasks' points stay as they are. Similarities of the images are corrected as for `percentile`.
    """
    return respond(request, services, PLACEMENT_MAP, key, NoParams(), format, asked)


@router.get(
    "/{experiment_id}/placements/{placement_id}/samples",
    summary="New images beside those of the nearest task",
    responses=documented(PlacedSamples, PLACED_SAMPLES.formats),
    response_class=Response,
)
def samples(
    key: KeyDep, services: ServicesDep, request: Request, asked: AskedOptions, format: Format = None
) -> Response:
    """The first image of each class above one of that class of the task that the images are most like.

    Where samples of 36 tasks are kept only, the most alike of those is shown.
    """
    return respond(request, services, PLACED_SAMPLES, key, NoParams(), format, asked)


@router.delete("/{experiment_id}/placements/{placement_id}", status_code=204, summary="Delete a placement")
@writing
def delete(key: KeyDep, services: ServicesDep, caller: CallerDep) -> None:
    """Forget a placement and its images; one that waits or runs is not carried out."""
    record = analyses.get(services.database, key.experiment_id, key.placement_id, caller.visible_to)
    if not caller.may_change(record.owner):
        raise Forbidden(f"the placement is of no key: {caller.name} may look at it, not delete it")
    files = analyses.remove(services.database, key.placement_id)
    removals.carry_out(services.database, services.artifacts, files)


matrix_router = APIRouter(prefix="/experiments", tags=["results"])


@matrix_router.post(
    "/{experiment_id}/accuracy/matrix",
    status_code=202,
    summary="Compute the accuracy matrix later",
    responses={200: {"model": MatrixJob, "description": "it is there already"}},
)
@writing
def compute_matrix(
    experiment_id: OwnId,
    services: ServicesDep,
    caller: CallerDep,
    response: Response,
    background: BackgroundTasks,
) -> MatrixJob:
    """Measure every task's context on every task's test images, for an experiment submitted without.

    Its Location tells how far it is. One that failed is tried again.
    """
    record = queries.experiment(services.database, experiment_id).record
    analyses.require_completed(record)
    if load_result(services.database, services.artifacts, experiment_id, MATRIX) is not None:
        response.status_code = 200
        return describe_matrix_job(services, experiment_id)
    if record.tasks_total > MOST_CROSSED:
        raise InvalidSpec(
            "experiment_id",
            f"the matrix is for {MOST_CROSSED} tasks at most: {record.tasks_total:,} take "
            f"{record.tasks_total**2:,} evaluations",
        )
    spec = ExperimentSpec.model_validate(record.spec)
    if (refused := refusal(spec, live_workers(services.database))) is not None:
        raise refused
    needs_torch = bool(torch_fields(spec))
    job = AnalysisRequest(analyses.new_id(), experiment_id, MATRIX, caller.name, {}, needs_torch)
    analyses.create(services.database, job)
    background.add_task(services.wake_workers)
    response.headers["Location"] = f"/experiments/{experiment_id}/accuracy/matrix/job"
    response.headers["Retry-After"] = POLL_SECONDS
    return describe_matrix_job(services, experiment_id)


@matrix_router.get(
    "/{experiment_id}/accuracy/matrix/job", summary="How far the accuracy matrix is that was asked for later"
)
def matrix_job(experiment_id: ExperimentId, services: ServicesDep) -> MatrixJob:
    """Status of the job of POST …/accuracy/matrix; completed too where the finish measured the matrix."""
    queries.experiment(services.database, experiment_id)
    return describe_matrix_job(services, experiment_id)


def describe_matrix_job(services: Services, experiment_id: str) -> MatrixJob:
    """Status of the job that computes the matrix; completed too where the finish measured it."""
    record = analyses.latest_matrix(services.database, experiment_id)
    is_there = load_result(services.database, services.artifacts, experiment_id, MATRIX) is not None
    return matrix_job_view(experiment_id, record, is_there, has_worker(services))
