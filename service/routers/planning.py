"""Previews and estimates of experiments that are not submitted yet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Body, Path, Request, Response
from pydantic import ValidatorFunctionWrapHandler, WrapValidator

from service.dependencies import CallerDep, Format, Services, ServicesDep
from service.errors import NotDrawn
from service.fleet import preview_refusal, refusal
from service.middleware.auth import Caller
from service.responses import choose, documented, respond
from service.results.base import NoParams
from service.results.classes import overlap_document
from service.results.images import PREVIEW, DrawnPreview
from service.study_submissions import planned
from service.threads import note, writing
from tgsh.datasets.classes import class_warnings, conversions
from tgsh.datasets.descriptions import UploadInfo, info_of
from tgsh.errors import InvalidSpec, NotFound
from tgsh.execution.planning import (
    SECONDS_A_FINISHED_TASK,
    crossing_seconds,
    plan,
    preview,
    shuffle_seconds,
    task_seconds,
)
from tgsh.execution.uploads import seen_by
from tgsh.schemas import Estimate, Preview, PreviewStatus, StudyEstimate
from tgsh.schemas.examples import ESTIMATE, SUBMISSIONS
from tgsh.schemas.study_examples import SUBMISSIONS as STUDY_SUBMISSIONS
from tgsh.specs import ExperimentSpec
from tgsh.specs.presets import Submission
from tgsh.specs.studies import StudySubmission
from tgsh.store import previews, queries, statistics
from tgsh.store.database import Database
from tgsh.store.leases import live_workers
from tgsh.store.models import PreviewRecord
from tgsh.suites import build

router = APIRouter(prefix="/previews", tags=["experiments"])

RETRY_SECONDS = 1

STATUSES: dict[str, PreviewStatus] = {
    "queued": "queued",
    "running": "drawing",
    "completed": "ready",
    "failed": "failed",
}
NOBODY = "no worker runs that could draw it; start one with `tgsh up`, or: celery -A worker.app worker"
DAMAGED = "its images are damaged or gone; POST /previews draws them again"

Key = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="as POST /previews answered it")]


@router.post(
    "",
    status_code=202,
    summary="Draw what the tasks of a spec look like",
    responses={200: {"model": Preview, "description": "it is drawn already"}},
)
@writing
def draw(
    submission: Annotated[Submission, Body(openapi_examples=SUBMISSIONS)],
    services: ServicesDep,
    caller: CallerDep,
    response: Response,
    background: BackgroundTasks,
) -> Preview:
    """Nothing is trained. The body is that of POST /experiments; its Location is where the picture will be.

    Specs that differ in network and training alone have the same preview. One that failed is tried again.
    """
    spec = submission.spec()
    preview_request = preview(spec, seen_by(services.database, caller.visible_to))
    _raise(preview_refusal(spec, live_workers(services.database)))
    if previews.request_preview(services.database, services.artifacts, preview_request):
        background.add_task(services.wake_workers)
    document = _view(services, previews.get(services.database, preview_request.key), caller)
    response.headers["Location"] = f"/previews/{preview_request.key}"
    if document.status == "ready":
        response.status_code = 200
    else:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return document


@router.get(
    "/{key}",
    summary="What the tasks of a spec look like",
    responses=documented(Preview, PREVIEW.formats),
    response_class=Response,
)
def get(
    key: Key,
    services: ServicesDep,
    caller: CallerDep,
    request: Request,
    background: BackgroundTasks,
    format: Format = None,
) -> Response:
    """How far a preview is, as JSON; its images in the other formats, once they are drawn (409 until then).

    The first test image of ten classes at most, as each task shows it: what /experiments/{id}/samples keeps.
    Of more than 64 tasks, 64 are drawn: the first, the last, and others evenly between them.
    """
    name = choose(request, format, PREVIEW.formats)
    record = previews.get(services.database, key)
    try:
        info_of(ExperimentSpec.model_validate(record.spec), seen_by(services.database, caller.visible_to))
    except (NotFound, InvalidSpec):  # in the words for what is not there
        raise NotFound(f"there is no preview {key!r}; POST /previews has one drawn") from None
    document = _view(services, record, caller)
    background.add_task(note, services, partial(previews.note_use, services.database, key))
    if document.status == "ready":
        return respond(request, services, PREVIEW, DrawnPreview(record, document), NoParams(), name)
    if name == "json":
        return Response(
            document.model_dump_json(), media_type="application/json", headers={"Cache-Control": "no-store"}
        )
    waits = document.status != "failed"
    why = "" if document.reason is None else f": {document.reason}"
    raise NotDrawn(f"the preview is {document.status}{why}", RETRY_SECONDS if waits else None)


def _raise(error: InvalidSpec | None) -> None:
    if error is not None:
        raise error


def _view(services: Services, record: PreviewRecord, caller: Caller) -> Preview:
    spec = ExperimentSpec.model_validate(record.spec)
    info = info_of(spec, seen_by(services.database, caller.visible_to))
    status, reason = STATUSES[record.status], record.reason
    if status == "queued" and not live_workers(services.database):
        reason = NOBODY
    if status == "ready" and not previews.is_whole(services.artifacts, record):
        status, reason = "failed", DAMAGED
    path = f"/previews/{record.key}"
    # A label may be the name that a holder gave to a dataset: those who ask see their own, not the drawer's.
    labels = {task.index: task.label for task in build(spec.suite, info)}
    return Preview(
        key=record.key,
        status=status,
        reason=reason,
        tasks=[labels[index] for index, _ in record.tasks],
        indices=[index for index, _ in record.tasks],
        tasks_total=record.tasks_total,
        class_overlap=overlap_document(spec, info),
        warnings=[*class_warnings(spec, info), *conversions(info)],
        links={"self": path, **{name: f"{path}?format={name}" for name in PREVIEW.formats if name != "json"}},
    )


@dataclass(frozen=True)
class _Pace:
    """Ratio of measured to typical training time, and seconds of a finish for each task."""

    factor: float = 1.0
    finish: float = SECONDS_A_FINISHED_TASK
    is_measured: bool = False


class _Paces:
    """The pace of each kind of experiment on a kind of device, queried once."""

    def __init__(self, database: Database, uploads: UploadInfo, device: str, visible_to: str | None) -> None:
        self._database, self._uploads, self._device = database, uploads, device
        self._visible_to = visible_to
        self._known: dict[tuple[str, ...], _Pace] = {}

    def of(self, spec: ExperimentSpec) -> _Pace:
        kind = (spec.suite.kind, spec.dataset_key, spec.network.kind)
        if kind not in self._known:
            self._known[kind] = _pace(
                statistics.throughput(self._database, *kind, self._device, self._visible_to), self._uploads
            )
        return self._known[kind]

    def task_seconds(self, spec: ExperimentSpec) -> float:
        return self.of(spec).factor * task_seconds(spec, info_of(spec, self._uploads))


def _pace(alike: list[statistics.Throughput], uploads: UploadInfo) -> _Pace:
    specs = [ExperimentSpec.model_validate(each.spec) for each in alike]
    typical = sum(
        each.tasks * task_seconds(spec, info_of(spec, uploads))
        for each, spec in zip(alike, specs, strict=True)
    )
    taken = sum(each.seconds for each in alike)
    if not typical or not taken:
        return _Pace()
    plain = [
        each
        for each, spec in zip(alike, specs, strict=True)
        if not (spec.accuracy_matrix or spec.null_shuffles)
    ]
    tasks = sum(each.tasks for each in plain)
    finish = sum(each.finish_seconds for each in plain) / tasks if tasks else SECONDS_A_FINISHED_TASK
    return _Pace(taken / typical, finish, is_measured=True)


def estimate(
    database: Database, uploads: UploadInfo, spec: ExperimentSpec, visible_to: str | None
) -> Estimate:
    """Cost of a spec on today's workers. Writes nothing. Raises InvalidSpec as a submission does.

    uploads: what any uploaded dataset is; the spec's must be there for who asks, too.
    """
    tasks = len(plan(spec, seen_by(database, visible_to)).tasks)
    seen = info_of(spec, seen_by(database, visible_to))  # with the names that who asks gave
    workers = live_workers(database)
    _raise(refusal(spec, workers))
    slots = [str(slot) for worker in workers for slot in worker.slots]
    device = "cuda" if any(slot.startswith("cuda") for slot in slots) else "cpu"
    paces = _Paces(database, uploads, device, visible_to)
    own, a_task = paces.of(spec), paces.task_seconds(spec)
    ahead, count = statistics.backlog(database)
    more = count / len(ahead) if ahead else 1.0  # of those that were not looked at
    # Experiments share the workers evenly, so nobody waits for more of another's work than it has itself.
    waited_for = [
        min(each.epochs / one.training.epochs * paces.task_seconds(one), tasks * a_task)
        for each, one in ((each, ExperimentSpec.model_validate(each.spec)) for each in ahead)
    ]
    info = info_of(spec, uploads)
    more_measured = crossing_seconds(spec, info, tasks) + shuffle_seconds(spec, info, tasks)
    finish = own.finish * tasks + own.factor * more_measured
    return Estimate(
        digest=spec.digest(),
        tasks=tasks,
        task_epochs=tasks * spec.training.epochs,
        seconds=math.ceil(tasks / len(slots)) * a_task + finish if slots else None,
        queue_seconds=more * sum(waited_for) / len(slots) if slots else None,
        experiments_ahead=count,
        tasks_ahead=round(more * sum(min(each.tasks, tasks) for each in ahead)),
        workers=len(slots),
        basis="measured" if own.is_measured else "typical",
        stored=queries.completed_with_digest(database, spec.digest(), visible_to),
        class_overlap=overlap_document(spec, seen),
        warnings=[*class_warnings(spec, seen), *conversions(seen)],
    )


MOST_CELLS = 20
"""Cells of a study whose estimates are told apart."""


def study_estimate(services: Services, caller: Caller, submission: StudySubmission) -> StudyEstimate:
    """Cost of a study on today's workers. Writes nothing. Raises what a submission does."""
    expansion, members, refused = planned(services, caller, submission)
    new = [each for each in members if each.experiment_id is None and each.stored is None]
    if new and refused is not None:
        raise refused
    database, uploads, visible_to = services.database, services.uploads.info, caller.visible_to
    slots = [str(slot) for worker in live_workers(database) for slot in worker.slots]
    device = "cuda" if any(slot.startswith("cuda") for slot in slots) else "cpu"
    paces = _Paces(database, uploads, device, visible_to)
    work, longest = 0.0, 0.0
    for place, cell in enumerate(expansion.cells):
        of_cell = [each for each in new if each.cell == place]
        if of_cell:
            tasks, a_task = len(of_cell[0].plan.tasks), paces.task_seconds(cell.spec)
            info = info_of(cell.spec, uploads)
            measured = crossing_seconds(cell.spec, info, tasks) + shuffle_seconds(cell.spec, info, tasks)
            finish = paces.of(cell.spec).finish * tasks + paces.of(cell.spec).factor * measured
            work += len(of_cell) * (tasks * a_task + finish)
            longest = max(longest, math.ceil(tasks / max(len(slots), 1)) * a_task + finish)
    ahead, count = statistics.backlog(database)
    more = count / len(ahead) if ahead else 1.0
    waited_for = [
        min(each.epochs / one.training.epochs * paces.task_seconds(one), work)
        for each, one in ((each, ExperimentSpec.model_validate(each.spec)) for each in ahead)
    ]
    cells = expansion.cells if submission.experiments is None else ()
    return StudyEstimate(
        experiments=len(members),
        stored=len(members) - len(new),
        tasks=sum(len(each.plan.tasks) for each in new),
        task_epochs=sum(len(each.plan.tasks) * each.spec.training.epochs for each in new),
        seconds=max(work / len(slots), longest) if slots else None,
        queue_seconds=more * sum(waited_for) / len(slots) if slots else None,
        workers=len(slots),
        cells=[estimate(database, uploads, cell.spec, visible_to) for cell in cells[:MOST_CELLS]],
    )


STUDY_KEYS = ("spec", "experiments", "replicates", "grid")
"""Keys of a body that make it a study."""


def _submission(body: Any, _otherwise: ValidatorFunctionWrapHandler) -> Submission | StudySubmission:
    """A study where the body has one of its keys, else a spec; errors name fields of that."""
    is_study = isinstance(body, Mapping) and any(key in body for key in STUDY_KEYS)
    return StudySubmission.model_validate(body) if is_study else Submission.model_validate(body)


estimates_router = APIRouter(prefix="/estimates", tags=["experiments"])


@estimates_router.post(
    "",
    summary="Estimate what a spec or a study would cost",
    responses={200: {"content": {"application/json": {"example": ESTIMATE}}}},
)
def post(
    submission: Annotated[
        Submission | StudySubmission,
        WrapValidator(_submission),
        Body(openapi_examples=SUBMISSIONS | STUDY_SUBMISSIONS),
    ],
    services: ServicesDep,
    caller: CallerDep,
) -> Estimate | StudyEstimate:
    """Nothing is submitted and nothing is written. The body is that of POST /experiments or POST /studies.

    Seconds follow from experiments of the same suite, dataset and network that were trained here and that you
    see, scaled by images, epochs and the network's size (`basis` measured), or else from what was measured
    elsewhere.
    """
    if isinstance(submission, StudySubmission):
        return study_estimate(services, caller, submission)
    return estimate(services.database, services.uploads.info, submission.spec(), caller.visible_to)
