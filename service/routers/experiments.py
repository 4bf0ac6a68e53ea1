"""Experiments and their tasks: submit, list, change, cancel, resume, delete, bring back."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from fastapi import APIRouter, BackgroundTasks, Body, Header, Path, Query, Request, Response

from service import cursors
from service.cursors import Cursor, PageLimit, next_link
from service.dependencies import ID, CallerDep, ExperimentId, OwnId, Services, ServicesDep, require_changeable
from service.errors import Forbidden
from service.experiment_table import (
    DEFAULT_SUMMARISED,
    GROUPABLE,
    MOST_EXPORTED,
    MOST_GROUPS,
    SPEC_PARAMETERS,
    FiltersDep,
    as_csv,
    cells,
    group_table,
    parse_columns,
    parse_group_by,
    summarised,
    with_studies,
)
from service.fleet import refusal
from service.middleware.auth import Caller
from service.results.warnings import warnings_of
from service.threads import writing
from service.webhooks import require_webhook, webhook_list
from tgsh.arrays import table_csv
from tgsh.errors import Conflict, InvalidSpec, NotFound, QuotaExceeded, TgshError
from tgsh.execution.planning import plan
from tgsh.execution.presenters import change_view, deleted_view, experiment_view, task_view
from tgsh.execution.uploads import seen_by
from tgsh.schemas import (
    Batch,
    BatchOutcome,
    BatchOutcomes,
    DeletedPage,
    Experiment,
    ExperimentChanges,
    ExperimentHistory,
    ExperimentPage,
    ExperimentTable,
    Task,
    TaskList,
    WebhookList,
)
from tgsh.schemas.examples import SUBMISSIONS
from tgsh.specs import MAX_TASKS, ExperimentSpec
from tgsh.specs.base import WITHOUT_NUL
from tgsh.specs.presets import Submission
from tgsh.store import deleted, experiments, queries, removals
from tgsh.store.annotations import annotate, history, retag
from tgsh.store.experiments import Remarks
from tgsh.store.groups import groups
from tgsh.store.leases import live_workers
from tgsh.store.maintenance import find_reusable, reopen_damaged
from tgsh.store.ownership import Owner, require_storage_quota
from tgsh.store.queries import Sort, SortOrder

router = APIRouter(prefix="/experiments", tags=["experiments"])

POLL_SECONDS = "2"


@router.post(
    "",
    status_code=202,
    summary="Submit an experiment",
    responses={200: {"model": Experiment, "description": "it was computed before: `stored_answer`"}},
)
@writing
def submit(
    submission: Annotated[Submission, Body(openapi_examples=SUBMISSIONS)],
    services: ServicesDep,
    caller: CallerDep,
    response: Response,
    background: BackgroundTasks,
    idempotency_key: Annotated[
        str | None,
        Header(min_length=1, max_length=255, description="the same key and body: the same experiment"),
    ] = None,
    anew: Annotated[bool, Query(description="train it though it was computed before")] = False,
) -> Experiment:
    """Queue an experiment. The answer comes at once; its Location is where the experiment is from now on.

    Where one with the same digest is completed, and who asks may see it, the answer is that one (200, with
    `stored_answer`), whatever its name and tags are and whichever versions trained it: it tells them. It
    costs no share. One without the accuracy matrix does not answer a spec that asks for it, one that is not
    shared none that is to be, and one of which a file is damaged none at all.
    """
    spec, shared, priority = submission.spec(), submission.shared, submission.priority
    require_webhook(services, submission.webhook)
    remarks = Remarks(submission.notes or None, submission.project, submission.webhook)
    owner = Owner(caller.name, services.settings.max_queued_tasks)
    submitted = None
    if idempotency_key is not None:  # before all that may refuse a new one
        submitted = experiments.replayed(
            services.database,
            spec,
            idempotency_key,
            owner,
            shared,
            anew=anew,
            priority=priority,
            remarks=remarks,
        )
    if submitted is None:
        planned, stored = plan(spec, seen_by(services.database, caller.visible_to)), None
        if not anew:
            stored = find_reusable(
                services.database, services.artifacts, spec, caller.visible_to, shared=shared
            )
        submitted = experiments.submit(
            services.database,
            spec,
            planned,
            idempotency_key,
            owner,
            shared,
            stored=stored,
            anew=anew,
            refusal=_refusal(services, spec, caller),
            priority=priority,
            remarks=remarks,
        )
    if submitted.is_stored:
        return _stored(services, submitted.experiment_id, response)
    if submitted.is_new:
        services.keep_trace(submitted.experiment_id)
        background.add_task(services.wake_workers)
    return _accepted(services, submitted.experiment_id, response)


def _refusal(services: Services, spec: ExperimentSpec, caller: Caller) -> TgshError | None:
    """The error for a new experiment that the caller's share or the workers that live have no room for."""
    if caller.name is not None:
        most = services.settings.max_stored_bytes
        try:
            require_storage_quota(services.database, services.artifacts, caller.name, most)
        except QuotaExceeded as error:
            return error
    return refusal(spec, live_workers(services.database))


CSV = "text/csv; charset=utf-8"

CSV_FILE = {"Content-Disposition": 'attachment; filename="experiments.csv"'}

TABLE_CSV = "name,accuracy,training.epochs\r\nRotationMNIST,0.9454,3\r\none epoch,0.93,1\r\n"

GROUPS_CSV = "training.epochs,experiments,completed,accuracy_mean,accuracy_sd\r\n3,5,5,0.9457,0.0012\r\n"

MOST_LISTED = 200
"""Experiments in one page."""


@router.get(
    "",
    summary="List experiments, newest first unless asked otherwise",
    openapi_extra=SPEC_PARAMETERS,
    response_model=ExperimentPage,
    responses={200: {"content": {"text/csv": {"example": TABLE_CSV}}}},
)
def list_experiments(
    request: Request,
    response: Response,
    services: ServicesDep,
    filters: FiltersDep,
    limit: Annotated[
        int | None,
        Query(
            ge=1, le=MOST_EXPORTED, description=f"50 by default, {MOST_LISTED} at most; of CSV all that match"
        ),
    ] = None,
    cursor: Annotated[
        str | None,
        Query(max_length=cursors.MAX_CURSOR, description="`next` of the page before, in the same order"),
    ] = None,
    sort: Annotated[Sort, Query(description="by what; with a minus the greatest first")] = "-created",
    format: Annotated[Literal["json", "csv"], Query()] = "json",
    columns: Annotated[
        str | None,
        Query(
            max_length=2_000, pattern=WITHOUT_NUL, description="of CSV, such as name,accuracy,training.epochs"
        ),
    ] = None,
) -> ExperimentPage | Response:
    """A page of experiments; `next` (and the Link header) lead to the following one.

    With a key: those that are its own, shared, or nobody's; an admin's key sees them all. Any field of the
    spec is a filter, too: spec.training.epochs=3, spec.network.kind=flynet.
    """
    most = MOST_EXPORTED if format == "csv" else MOST_LISTED
    if limit is not None and limit > most:
        raise InvalidSpec("limit", f"{most:,} is the most of one page; follow `next`, or ask for format=csv")
    if format == "json" and columns is not None:
        raise InvalidSpec("columns", "are of format=csv")
    order, limit = SortOrder(sort), limit or (MOST_EXPORTED if format == "csv" else 50)
    after = cursors.decode_cursor(cursor, order) if cursor else None
    names = parse_columns(columns)
    if format == "csv" and names == ("id",):  # what pages choose by: nothing else of them is read
        found = queries.positions(services.database, filters, limit + 1, after, order)
        following = cursors.encode_cursor(*found[limit - 1][1]) if len(found) > limit else None
        link = next_link(request, following)
        ids = table_csv(names, [(id,) for id, _ in found[:limit]])
        return Response(ids, media_type=CSV, headers={**link, **CSV_FILE})
    snapshots = queries.experiments(services.database, filters, limit + 1, after, order)
    page, more = snapshots[:limit], len(snapshots) > limit
    next_cursor = cursors.encode_cursor(*page[-1].position) if more else None
    link = next_link(request, next_cursor)
    items = [experiment_view(snapshot) for snapshot in page]
    if format == "csv":
        rows = with_studies(services.database, items, names, filters.visible_to)
        return Response(as_csv(rows, names), media_type=CSV, headers={**link, **CSV_FILE})
    response.headers.update(link)
    return ExperimentPage(items=items, next=next_cursor)


@router.get(
    "/table",
    summary="Experiments, or groups of them, as a table of chosen columns",
    openapi_extra=SPEC_PARAMETERS,
    response_model=ExperimentTable,
    responses={200: {"content": {"text/csv": {"example": GROUPS_CSV}}}},
)
def table(
    services: ServicesDep,
    filters: FiltersDep,
    columns: Annotated[
        str | None,
        Query(max_length=2_000, pattern=WITHOUT_NUL, description="such as accuracy,seed,training.epochs"),
    ] = None,
    group_by: Annotated[
        str | None,
        Query(max_length=200, pattern=WITHOUT_NUL, description=GROUPABLE),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_EXPORTED, description="experiments; of groups all")] = 1_000,
    cursor: Annotated[
        str | None,
        Query(max_length=cursors.MAX_CURSOR, description="`next` of the rows before, in the same order"),
    ] = None,
    sort: Annotated[Sort, Query(description="of experiments; with a minus the greatest first")] = "-created",
    format: Annotated[Literal["json", "csv"], Query()] = "json",
) -> ExperimentTable | Response:
    """The same filters as GET /experiments. Grouped: mean and standard deviation of numbers in each group.

    The deviation is that of a sample, and empty where a group has fewer than two. Seeds have no mean: of
    them, as of words, there is the one that all have, or how many different ones there are. An experiment of
    two tags is in both groups; one of no project is in the group without a value. There are 1,000 groups at
    most.
    """
    if group_by is None:
        order = SortOrder(sort)
        names = parse_columns(columns)
        after = cursors.decode_cursor(cursor, order) if cursor else None
        snapshots = queries.experiments(services.database, filters, limit + 1, after, order)
        page, more = snapshots[:limit], len(snapshots) > limit
        items = [experiment_view(snapshot) for snapshot in page]
        rows = cells(with_studies(services.database, items, names, filters.visible_to), names)
        next_cursor = cursors.encode_cursor(*page[-1].position) if more else None
        found = ExperimentTable(columns=list(names), rows=rows, next=next_cursor)
    else:
        names, by = parse_columns(columns, DEFAULT_SUMMARISED), parse_group_by(group_by)
        paths = list(dict.fromkeys(summarised(names).values()))
        found = group_table(group_by, groups(services.database, filters, by, paths, MOST_GROUPS), names)
    if format == "csv":
        return Response(table_csv(found.columns, found.rows), media_type=CSV, headers=CSV_FILE)
    return found


@router.get("/deleted", summary="List deleted experiments that can be brought back")
def list_deleted(
    request: Request,
    response: Response,
    services: ServicesDep,
    caller: CallerDep,
    limit: PageLimit = 50,
    cursor: Cursor = None,
) -> DeletedPage:
    """One's own experiments that were deleted within seven days; an admin's key sees them all."""
    after = cursors.decode_cursor(cursor) if cursor else None
    records = deleted.listed(services.database, caller.visible_to, limit + 1, after)
    page, more = records[:limit], len(records) > limit
    next_cursor = cursors.encode_cursor(page[-1].record.deleted_at, page[-1].record.id) if more else None
    response.headers.update(next_link(request, next_cursor))
    return DeletedPage(items=[deleted_view(record) for record in page], next=next_cursor)


@router.post("/batch", summary="Do one thing to many experiments")
@writing
def batch(
    request: Batch, services: ServicesDep, caller: CallerDep, background: BackgroundTasks
) -> BatchOutcomes:
    """Cancel, resume, delete, restore, tag, untag, or move to a project: one outcome for each id."""
    outcomes = [
        _outcome(services, caller, request, experiment_id) for experiment_id in dict.fromkeys(request.ids)
    ]
    if request.action == "resume" and any(outcome.done for outcome in outcomes):
        background.add_task(services.wake_workers)
    return BatchOutcomes(outcomes=outcomes)


def _outcome(services: Services, caller: Caller, request: Batch, experiment_id: str) -> BatchOutcome:
    try:
        if request.action == "restore":
            deleted.restore(services.database, experiment_id, caller.visible_to)
        else:
            if not re.fullmatch(ID, experiment_id):
                raise NotFound(f"there is no experiment {experiment_id!r}")
            require_changeable(services, caller, experiment_id)
            _act(services, caller, request, experiment_id)
    except (Conflict, Forbidden, NotFound, QuotaExceeded) as error:
        return BatchOutcome(id=experiment_id, done=False, detail=str(error))
    return BatchOutcome(id=experiment_id, done=True)


def _act(services: Services, caller: Caller, request: Batch, experiment_id: str) -> None:
    database, value = services.database, request.value
    match request.action:
        case "cancel":
            experiments.cancel(database, experiment_id)
        case "resume":
            if not reopen_damaged(database, services.artifacts, experiment_id):
                experiments.resume(database, experiment_id, services.settings.max_queued_tasks)
        case "delete":
            deleted.put_away(database, experiment_id, caller.name)
        case "tag" | "untag":
            tags = [str(value)]
            add, remove = (tags, []) if request.action == "tag" else ([], tags)
            retag(database, experiment_id, add, remove, caller.name)
        case _:
            annotate(database, experiment_id, {"project": value}, caller.name)


@router.get("/{experiment_id}", summary="Look at an experiment")
def get(experiment_id: ExperimentId, services: ServicesDep) -> Experiment:
    """Spec, status, progress, warnings, and links to everything that can be asked of it."""
    document = experiment_view(queries.experiment(services.database, experiment_id))
    return document.model_copy(update={"warnings": warnings_of(services, experiment_id)})


@router.patch("/{experiment_id}", summary="Rename, describe, tag, share or rank an experiment")
@writing
def patch(
    experiment_id: OwnId, changes: ExperimentChanges, services: ServicesDep, caller: CallerDep
) -> Experiment:
    """ExperimentChange what people say of an experiment; GET …/history tells who did.

    shared: whether everybody with a key sees it. priority: which of its owner's experiments is served first;
    it takes no turn from other owners, and jobs that run are not interrupted.
    """
    values = changes.model_dump(exclude_unset=True)
    if values.get("notes") == "":
        values["notes"] = None
    annotate(services.database, experiment_id, values, caller.name)
    return experiment_view(queries.experiment(services.database, experiment_id))


@router.get("/{experiment_id}/history", summary="Who changed what of an experiment")
def history_of(experiment_id: ExperimentId, services: ServicesDep) -> ExperimentHistory:
    """Changes of its name, tags, notes, project, sharing and priority, the newest first."""
    queries.experiment(services.database, experiment_id)  # a missing one has no history
    return ExperimentHistory(
        items=[change_view(record) for record in history(services.database, experiment_id)]
    )


@router.get("/{experiment_id}/webhooks", summary="Webhooks of an experiment, and how they fare")
def webhooks_of(experiment_id: OwnId, services: ServicesDep, caller: CallerDep) -> WebhookList:
    """The webhooks that were named when it was submitted: yours, and of an admin's key all of them."""
    return webhook_list(services, caller, experiment_id)


@router.delete("/{experiment_id}", status_code=204, summary="Delete an experiment")
@writing
def delete(
    experiment_id: OwnId,
    services: ServicesDep,
    caller: CallerDep,
    forever: Annotated[bool, Query(description="at once: nothing brings it back")] = False,
) -> None:
    """Delete an experiment and its results. A running one must be cancelled first (409).

    For seven days POST …/restore brings it back, unless it is deleted for ever.
    """
    if forever:
        experiments.delete(services.database, experiment_id)
        removals.carry_out(services.database, services.artifacts, [experiment_id])
    else:
        deleted.put_away(services.database, experiment_id, caller.name)


@router.post("/{experiment_id}/restore", summary="Bring a deleted experiment back")
@writing
def restore(
    experiment_id: Annotated[str, Path(pattern=ID, description="of an experiment that was deleted lately")],
    services: ServicesDep,
    caller: CallerDep,
) -> Experiment:
    """As it was, with its results; one that waited for workers is cancelled now, and can be resumed."""
    deleted.restore(services.database, experiment_id, caller.visible_to)
    return experiment_view(queries.experiment(services.database, experiment_id))


@router.post("/{experiment_id}/cancel", status_code=202, summary="Cancel an experiment")
@writing
def cancel(experiment_id: OwnId, services: ServicesDep, response: Response) -> Experiment:
    """Stop at the next batch. What was learned is kept; resume goes on from there."""
    experiments.cancel(services.database, experiment_id)
    return _accepted(services, experiment_id, response)


@router.post("/{experiment_id}/resume", status_code=202, summary="Resume an experiment")
@writing
def resume(
    experiment_id: OwnId, services: ServicesDep, response: Response, background: BackgroundTasks
) -> Experiment:
    """Train what is missing of a failed or cancelled experiment, or what a damaged disk took of any."""
    if not reopen_damaged(services.database, services.artifacts, experiment_id):
        experiments.resume(services.database, experiment_id, services.settings.max_queued_tasks)
    services.keep_trace(experiment_id)
    background.add_task(services.wake_workers)
    return _accepted(services, experiment_id, response)


def _accepted(services: Services, experiment_id: str, response: Response) -> Experiment:
    response.headers["Location"] = f"/experiments/{experiment_id}"
    response.headers["Retry-After"] = POLL_SECONDS
    return experiment_view(queries.experiment(services.database, experiment_id))


def _stored(services: Services, experiment_id: str, response: Response) -> Experiment:
    response.status_code = 200
    response.headers["Location"] = f"/experiments/{experiment_id}"
    document = experiment_view(queries.experiment(services.database, experiment_id))
    return document.model_copy(update={"stored_answer": True})


tasks_router = APIRouter(prefix="/experiments", tags=["tasks"])


@tasks_router.get("/{experiment_id}/tasks", summary="The tasks of an experiment")
def tasks(experiment_id: ExperimentId, services: ServicesDep) -> TaskList:
    """Label, parameters, status, accuracy, loss per epoch, attempts and worker of every task."""
    return TaskList(items=[task_view(record) for record in queries.tasks(services.database, experiment_id)])


@tasks_router.get("/{experiment_id}/tasks/{index}", summary="One task")
def task(
    experiment_id: ExperimentId, index: Annotated[int, Path(ge=0, le=MAX_TASKS)], services: ServicesDep
) -> Task:
    """One task of an experiment."""
    return task_view(queries.task(services.database, experiment_id, index))
