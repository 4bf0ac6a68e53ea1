"""/previews: what the tasks of a spec look like, before it is submitted. A worker draws them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Body, Path, Request, Response

from service import results
from service.deps import CallerDep, Parts, PartsDep
from service.errors import NotDrawn
from service.negotiation import answer, choose
from service.results import Format
from service.routers.experiments import EXAMPLES
from service.showing import Shown, encode
from tgsh.datasets.info import info_of
from tgsh.errors import InvalidSpec, NotFound
from tgsh.planning import preview
from tgsh.presets import Submission
from tgsh.schemas import Preview, PreviewStatus
from tgsh.shelf import seen_by
from tgsh.spec import ExperimentSpec
from tgsh.store import previews
from tgsh.store.records import PreviewRecord
from tgsh.store.workers import living

router = APIRouter(prefix="/previews", tags=["experiments"])

OFFERED = ("json", "npy", "safetensors", "png", "svg", "pdf")

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
def draw(
    submission: Annotated[Submission, Body(openapi_examples=EXAMPLES)],
    parts: PartsDep,
    caller: CallerDep,
    response: Response,
    background: BackgroundTasks,
) -> Preview:
    """Nothing is trained. The body is that of POST /experiments; its Location is where the picture will be.

    Specs that differ in network and training alone have the same preview. One that failed is tried again.
    """
    wanted = preview(submission.spec(), seen_by(parts.database, caller.visible_to))
    if previews.ask(parts.database, parts.artifacts, wanted):
        background.add_task(parts.queue.wake_workers, parts.database)  # what gets lost, the sweeper finds
    found = _view(parts, previews.get(parts.database, wanted.key))
    response.headers["Location"] = f"/previews/{wanted.key}"
    if found.status == "ready":
        response.status_code = 200
    else:
        response.headers["Retry-After"] = str(RETRY_SECONDS)
    return found


@router.get(
    "/{key}",
    summary="What the tasks of a spec look like",
    responses=results.documented(Preview, *OFFERED),
    response_class=Response,
)
def get(key: Key, parts: PartsDep, caller: CallerDep, request: Request, format: Format = None) -> Response:
    """How far a preview is, as JSON; its images in the other formats, once they are drawn (409 until then).

    The first test image of ten classes at most, as each task shows it: what /experiments/{id}/samples keeps.
    Of more than 64 tasks, 64 are drawn: the first, the last, and others evenly between them.
    """
    name = choose(request, format, OFFERED)
    record = previews.get(parts.database, key)
    try:
        info_of(ExperimentSpec.model_validate(record.spec), seen_by(parts.database, caller.visible_to))
    except (NotFound, InvalidSpec):  # in the words for what is not there
        raise NotFound(f"there is no preview {key!r}; POST /previews has one drawn") from None
    found = _view(parts, record)
    if name == "json" and found.status != "ready":
        return Response(
            found.model_dump_json(), media_type="application/json", headers={"Cache-Control": "no-store"}
        )
    if found.status != "ready":
        waits = found.status != "failed"
        why = "" if found.reason is None else f": {found.reason}"
        raise NotDrawn(f"the preview is {found.status}{why}", RETRY_SECONDS if waits else None)
    return answer(
        request,
        parts.cache,
        ("preview", key, str(record.artifact_sha256)),
        name,
        f"preview-{key[:12]}",
        lambda: found.model_dump_json().encode() if name == "json" else _drawn(parts, record, name),
        final=True,
    )


def _view(parts: Parts, record: PreviewRecord) -> Preview:
    status, reason = STATUSES[record.status], record.reason
    if status == "queued" and not living(parts.database):
        reason = NOBODY
    if status == "ready" and not previews.is_whole(parts.artifacts, record):
        status, reason = "failed", DAMAGED
    path = f"/previews/{record.key}"
    return Preview(
        key=record.key,
        status=status,
        reason=reason,
        tasks=[label for _, label in record.tasks],
        indices=[index for index, _ in record.tasks],
        tasks_total=record.tasks_total,
        links={"self": path, **{name: f"{path}?format={name}" for name in OFFERED if name != "json"}},
    )


def _drawn(parts: Parts, record: PreviewRecord, name: str) -> bytes:
    tensors, _ = parts.artifacts.load(str(record.artifact), str(record.artifact_sha256))
    spec = ExperimentSpec.model_validate(record.spec)
    info, images = info_of(spec, parts.shelf.info), tensors["images"]
    classes = tensors["classes"].tolist()
    some = "" if len(images) == record.tasks_total else f", {len(images)} of {record.tasks_total} tasks"
    shown = Shown(
        about={"preview": record.key},
        title=f"{spec.suite.kind} on {spec.dataset_key}{some}",
        tasks=[index for index, _ in record.tasks],
        labels=[label for _, label in record.tasks],
        classes=classes,
        names=[info.class_labels[number] for number in classes],
        images=images.reshape(*images.shape[:2], *info.shape),
    )
    return encode(parts, shown, name)
