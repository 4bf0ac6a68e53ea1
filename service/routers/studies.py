"""/studies: submit, list, change, cancel, resume, extend, delete, follow."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Body, Header, Path, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy.exc import SQLAlchemyError

from service import cursors
from service.cursors import Cursor, PageLimit, next_link
from service.dependencies import ID, CallerDep, OwnStudyId, Services, ServicesDep, StudyId
from service.middleware.auth import Caller
from service.middleware.head import IS_HEAD
from service.study_submissions import is_shared, planned, priority_of, refusal_of, stored_finder
from service.threads import writing
from service.webhooks import require_webhook, webhook_list
from tgsh.errors import Conflict, InvalidSpec, NotFound
from tgsh.execution.studies import (
    expansion_of,
    plan_members,
    study_summary,
    study_view,
)
from tgsh.execution.uploads import seen_by
from tgsh.schemas import (
    TERMINAL,
    StatusEvent,
    Study,
    StudyChanges,
    StudyExperimentEvent,
    StudyPage,
    WebhookList,
)
from tgsh.schemas.studies import StudyProgressEvent
from tgsh.schemas.study_examples import STREAM, SUBMISSIONS
from tgsh.specs.base import WITHOUT_NUL
from tgsh.specs.studies import (
    MAX_MEMBERS,
    StudyExpansion,
    StudyExtension,
    StudySubmission,
    further_seeds,
)
from tgsh.store import deleted_studies, experiments, removals, studies
from tgsh.store.idempotency import IdempotentRequest
from tgsh.store.maintenance import reopen_damaged
from tgsh.store.ownership import Owner
from tgsh.store.studies import NewStudy, StudyFilters

router = APIRouter(prefix="/studies", tags=["studies"])

POLL_SECONDS = "2"

PAUSE_SECONDS = 0.5
"""Between two looks at a study that is followed."""

FILTER = Query(max_length=64, pattern=WITHOUT_NUL)

EXTENSIONS = {
    "more": {"summary": "two more seeds", "value": {"seeds": 2}},
    "given": {"summary": "these bases, too", "value": {"base_seeds": [11, 12]}},
    "gaps": {"summary": "what is missing: deleted experiments", "value": {}},
}

IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=255, description="the same key and body: the same answer"),
]

Anew = Annotated[bool, Query(description="train experiments though they were computed before")]


@router.post("", status_code=202, summary="Submit a study")
@writing
def submit(
    submission: Annotated[StudySubmission, Body(openapi_examples=SUBMISSIONS)],
    services: ServicesDep,
    caller: CallerDep,
    response: Response,
    background: BackgroundTasks,
    idempotency_key: IdempotencyKey = None,
    anew: Anew = False,
) -> Study:
    """Queue one experiment for each seed, random base and combination of the grid's values, or none of them.

    `replicates` are numbers of seeds, from the spec's own on, or lists of them; all seeds are trained on all
    bases. `grid` lists values of any field of the spec but seeds. Experiments that were computed before are
    taken as they are; POST /estimates with the same body tells what the others cost. In place of a spec,
    `experiments` makes a study of experiments that there are: it costs nothing.
    """
    webhook = submission.webhook or (submission.spec.webhook if submission.spec is not None else None)
    require_webhook(services, webhook)
    owner = Owner(caller.name, services.settings.max_queued_tasks)
    request = None
    if idempotency_key is not None:  # before all that may refuse a new one
        body = submission.model_dump_json() + " anew" * anew
        request = IdempotentRequest(idempotency_key, body)
        if (earlier := studies.replayed(services.database, owner, request)) is not None:
            return _accepted(services, caller, earlier, response)
    expansion, members, refused = planned(services, caller, submission, anew=anew)
    submitted = studies.create(
        services.database,
        NewStudy(
            name=submission.name or expansion.template.title,
            spec=expansion.template.model_dump(mode="json"),
            seeds=expansion.seeds,
            base_seeds=expansion.base_seeds,
            grid=expansion.grid,
            cells=[cell.values for cell in expansion.cells],
            tags=submission.tags or expansion.template.tags,
            notes=submission.notes or None,
            project=submission.project,
            shared=is_shared(submission),
            priority=priority_of(submission),
            webhook=webhook,
        ),
        members,
        owner,
        request=request,
        refusal=refused,
    )
    if submitted.queued:
        background.add_task(services.wake_workers)
    return _accepted(services, caller, submitted.study_id, response)


@router.get("", summary="List studies, newest first")
def list_studies(
    request: Request,
    response: Response,
    services: ServicesDep,
    caller: CallerDep,
    q: Annotated[
        str | None,
        Query(
            max_length=200, pattern=WITHOUT_NUL, description="looked for in name, tags, notes, project, id"
        ),
    ] = None,
    tag: Annotated[str | None, FILTER] = None,
    project: Annotated[str | None, FILTER] = None,
    limit: PageLimit = 50,
    cursor: Cursor = None,
) -> StudyPage:
    """A page of studies that are one's own, shared, or nobody's, with their progress."""
    after = cursors.decode_cursor(cursor) if cursor else None
    filters = StudyFilters(q, tag, project, caller.visible_to)
    snapshots = studies.studies(services.database, filters, limit + 1, after)
    page, more = snapshots[:limit], len(snapshots) > limit
    next_cursor = cursors.encode_cursor(page[-1].record.created_at, page[-1].record.id) if more else None
    response.headers.update(next_link(request, next_cursor))
    return StudyPage(items=[study_summary(snapshot) for snapshot in page], next=next_cursor)


@router.get("/{study_id}", summary="Look at a study")
def get(study_id: StudyId, services: ServicesDep, caller: CallerDep) -> Study:
    """Spec, progress, cells, the state of every replicate, and links to everything that can be asked."""
    return view(services, caller, study_id)


def view(services: Services, caller: Caller, study_id: str) -> Study:
    """A study as the caller sees it. Raises NotFound."""
    snapshot = studies.study(services.database, study_id, caller.visible_to)
    return study_view(snapshot, studies.members(services.database, study_id, caller.visible_to))


@router.patch("/{study_id}", summary="Rename, describe or share a study")
@writing
def patch(study_id: OwnStudyId, changes: StudyChanges, services: ServicesDep, caller: CallerDep) -> Study:
    """Change its name, tags, notes or project; share it with its experiments, or no longer."""
    values = changes.model_dump(exclude_unset=True)
    if values.get("notes") == "":
        values["notes"] = None
    studies.change(services.database, study_id, values)
    return view(services, caller, study_id)


@router.delete("/{study_id}", status_code=204, summary="Delete a study")
@writing
def delete(
    study_id: OwnStudyId,
    services: ServicesDep,
    caller: CallerDep,
    members: Annotated[
        bool, Query(description="delete its experiments, too, but those of others and of other studies")
    ] = False,
    forever: Annotated[
        bool, Query(description="with its experiments, at once: nothing brings them back")
    ] = False,
) -> None:
    """Forget a study. Its experiments stay, unless they are to go with it (409 while one is running).

    For seven days POST …/restore brings it back with the experiments that went, unless they were deleted for
    ever.
    """
    if not members:
        if forever:
            raise InvalidSpec(
                "forever", "is of a study's experiments; send members=true, too, or leave it out"
            )
        studies.delete(services.database, study_id)
    elif forever:
        _delete_forever(services, study_id)
    else:
        deleted_studies.put_away_study(services.database, study_id, caller.name)


def _delete_forever(services: Services, study_id: str) -> None:
    gone = []
    try:
        for id in studies.deletable_members(services.database, study_id):
            try:
                experiments.delete(services.database, id)
            except NotFound:
                continue
            gone.append(id)
        studies.delete(services.database, study_id)
    finally:
        removals.carry_out(services.database, services.artifacts, gone)


@router.get("/{study_id}/webhooks", summary="Webhooks of a study, and how they fare")
def webhooks_of(study_id: OwnStudyId, services: ServicesDep, caller: CallerDep) -> WebhookList:
    """The webhooks that were named when it was submitted: yours, and of an admin's key all of them."""
    return webhook_list(services, caller, study_id)


@router.post("/{study_id}/restore", summary="Bring a deleted study back")
@writing
def restore(
    study_id: Annotated[str, Path(pattern=ID, description="of a study that was deleted with experiments")],
    services: ServicesDep,
    caller: CallerDep,
) -> Study:
    """As it was, with the experiments that were deleted with it, within seven days.

    Experiments that waited for workers are cancelled now, and can be resumed.
    """
    deleted_studies.restore_study(services.database, study_id, caller.visible_to)
    return view(services, caller, study_id)


@router.post("/{study_id}/cancel", status_code=202, summary="Cancel a study")
@writing
def cancel(study_id: OwnStudyId, services: ServicesDep, caller: CallerDep, response: Response) -> Study:
    """Cancel its experiments that wait or run. What was learned is kept; resume goes on from there."""
    waiting = studies.own_members(services.database, study_id, *studies.UNFINISHED)
    if not waiting and not studies.own_members(services.database, study_id, "cancelled"):
        raise Conflict("no experiment of the study is queued or running")
    for id in waiting:
        _unless_changed(experiments.cancel, services, id)
    return _accepted(services, caller, study_id, response)


@router.post("/{study_id}/resume", status_code=202, summary="Resume a study")
@writing
def resume(
    study_id: OwnStudyId,
    services: ServicesDep,
    caller: CallerDep,
    response: Response,
    background: BackgroundTasks,
) -> Study:
    """Train what is missing of its failed and cancelled experiments, or what a damaged disk took of any.

    Where the caller's share has no room for all, some are resumed (429); resume again goes on.
    """
    waiting = studies.own_members(services.database, study_id, "failed", "cancelled")
    damaged = [
        id
        for id in studies.own_members(services.database, study_id, "completed")
        if reopen_damaged(services.database, services.artifacts, id)
    ]
    if not waiting and not damaged:
        raise Conflict("no experiment of the study is failed or cancelled")
    background.add_task(services.wake_workers)
    most = services.settings.max_queued_tasks
    for id in waiting:
        _unless_changed(lambda database, id: experiments.resume(database, id, most), services, id)
    return _accepted(services, caller, study_id, response)


def _unless_changed(action: Callable[..., None], services: Services, experiment_id: str) -> None:
    """Carry out an action, unless the experiment is gone or in another state meanwhile."""
    try:
        action(services.database, experiment_id)
    except (Conflict, NotFound):
        return


@router.post("/{study_id}/extend", status_code=202, summary="Extend a study by further replicates")
@writing
def extend(
    study_id: OwnStudyId,
    extension: Annotated[StudyExtension, Body(openapi_examples=EXTENSIONS)],
    services: ServicesDep,
    caller: CallerDep,
    response: Response,
    background: BackgroundTasks,
    idempotency_key: IdempotencyKey = None,
    anew: Anew = False,
) -> Study:
    """Queue further seeds on all bases, further bases for all seeds, in all cells, or nothing at all.

    What is missing, such as experiments that were deleted, is queued again; an empty body does only that.
    """
    owner_name, _ = studies.owner_of_study(services.database, study_id)
    owner = Owner(owner_name, services.settings.max_queued_tasks)
    request = None
    if idempotency_key is not None:
        body = json.dumps([study_id, extension.model_dump(mode="json"), anew])
        request = IdempotentRequest(idempotency_key, f"extend {body}")
        if (earlier := studies.replayed(services.database, owner, request)) is not None:
            return _accepted(services, caller, earlier, response)
    snapshot = studies.study(services.database, study_id, None)
    before = expansion_of(snapshot.record)
    seeds = (*before.seeds, *further_seeds(extension.seeds, before.seeds, "seeds"))
    bases = (*before.base_seeds, *further_seeds(extension.base_seeds, before.base_seeds, "base_seeds"))
    expansion = StudyExpansion(before.template, seeds, bases, before.grid, before.cells)
    if expansion.members > MAX_MEMBERS:
        raise InvalidSpec(
            "seeds",
            f"the study would have {expansion.members:,} experiments, and {MAX_MEMBERS:,} are the most",
        )
    there = {
        (each.cell, each.seed, each.base_seed)
        for each in studies.members(services.database, study_id, None)
        if each.record is not None
    }
    find = stored_finder(services, caller, shared=snapshot.record.shared, anew=anew)
    uploads = seen_by(services.database, caller.visible_to)
    members = plan_members(expansion, uploads, find, snapshot.record.name, there)
    if not members:
        raise InvalidSpec("seeds", "nothing is missing; send how many more seeds or base_seeds, or a list")
    submitted = studies.extend(
        services.database,
        study_id,
        seeds,
        bases,
        members,
        owner,
        request=request,
        refusal=refusal_of(services, caller, expansion),
    )
    if submitted.queued:
        background.add_task(services.wake_workers)
    return _accepted(services, caller, study_id, response)


def _accepted(services: Services, caller: Caller, study_id: str, response: Response) -> Study:
    response.headers["Location"] = f"/studies/{study_id}"
    response.headers["Retry-After"] = POLL_SECONDS
    return view(services, caller, study_id)


# --- events


@router.get(
    "/{study_id}/events",
    response_class=EventSourceResponse,
    summary="Follow a study",
    responses={200: {"content": {"text/event-stream": {"example": STREAM}}}},
)
async def events(
    study_id: StudyId, services: ServicesDep, caller: CallerDep, request: Request
) -> AsyncIterable[ServerSentEvent]:
    """`experiment`, `progress` and `status` events: the present state first, then every change.

    The stream ends with the study's terminal status. Who comes back after a lost connection gets the present
    state again, so nothing is missed.
    """
    if request.scope.get(IS_HEAD):
        return
    is_authenticated: Callable[[], bool] = request.state.is_authenticated
    async with aclosing(_states(services, caller, study_id, is_authenticated)) as states:
        seen: dict[tuple[int, int, int], str] = {}
        last = ("", "")
        async for study in states:
            for event in _member_events(study, seen):
                yield ServerSentEvent(event="experiment", data=event.model_dump(mode="json"))
            progress = StudyProgressEvent(progress=study.progress)
            status = StatusEvent(status=study.status, reason=study.reason)
            texts = progress.model_dump_json(), status.model_dump_json()
            if texts[0] != last[0]:
                yield ServerSentEvent(event="progress", data=progress.model_dump(mode="json"))
            if texts[1] != last[1]:
                yield ServerSentEvent(event="status", data=status.model_dump(mode="json"))
            last = texts


def _member_events(study: Study, seen: dict[tuple[int, int, int], str]) -> list[StudyExperimentEvent]:
    """Events of the experiments that have changed; `seen` is brought up to date."""
    events = []
    for each in study.members:
        if each.experiment is None or each.status is None:
            continue
        event = StudyExperimentEvent(
            experiment=each.experiment,
            cell=each.cell,
            seed=each.seed,
            base_seed=each.base_seed,
            status=each.status,
            fraction=each.fraction or 0.0,
        )
        place, text = (each.cell, each.seed, each.base_seed), event.model_dump_json()
        if seen.get(place) != text:
            seen[place] = text
            events.append(event)
    return events


async def _states(
    services: Services, caller: Caller, study_id: str, is_authenticated: Callable[[], bool]
) -> AsyncGenerator[Study, None]:
    """The study whenever one of its experiments changes, until it ends, is deleted or hidden."""

    def read() -> Study | None:
        if not is_authenticated():
            return None
        try:
            return view(services, caller, study_id)
        except NotFound:
            return None

    while True:  # again where it was extended, as others have to be followed then
        study = await _patiently(services, read)
        if study is None:
            return
        ids = [each.experiment for each in study.members if each.experiment is not None]
        async with aclosing(services.event_feed.changes(ids)) as changes:
            yield study
            async for _ in changes:
                if study.status in TERMINAL:
                    return
                await asyncio.sleep(PAUSE_SECONDS)
                study = await _patiently(services, read)
                if study is None:
                    return
                yield study
                if ids != [each.experiment for each in study.members if each.experiment is not None]:
                    break


async def _patiently(services: Services, read: Callable[[], Study | None]) -> Study | None:
    """The answer of a read, tried again while the store is away."""
    while True:
        try:
            return await services.event_feed.in_thread(read)
        except SQLAlchemyError:
            await asyncio.sleep(1)
