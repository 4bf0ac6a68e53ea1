"""Experiments and their tasks: submit, list, change, cancel, resume, delete."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Body, Header, Path, Query, Request, Response

from service import parsing
from service.dependencies import CallerDep, ExperimentId, OwnId, Services, ServicesDep
from service.fleet import refusal
from service.results.warnings import warnings_of
from tgsh.execution.planning import plan
from tgsh.execution.presenters import experiment_view, task_view
from tgsh.execution.uploads import seen_by
from tgsh.schemas import Experiment, ExperimentPage, ExperimentStatus, Sharing, Task, TaskList
from tgsh.schemas.examples import SUBMISSIONS
from tgsh.specs import MAX_TASKS
from tgsh.specs.base import WITHOUT_NUL
from tgsh.specs.presets import Submission
from tgsh.store import experiments, queries
from tgsh.store.leases import live_workers
from tgsh.store.maintenance import find_reusable, reopen_damaged
from tgsh.store.ownership import Owner, require_storage_quota, share
from tgsh.store.queries import Sort, SortOrder

router = APIRouter(prefix="/experiments", tags=["experiments"])

POLL_SECONDS = "2"

FILTER = Query(max_length=64, pattern=WITHOUT_NUL)


@router.post(
    "",
    status_code=202,
    summary="Submit an experiment",
    responses={200: {"model": Experiment, "description": "it was computed before: `stored_answer`"}},
)
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
    spec, settings = submission.spec(), services.settings
    planned, shared = plan(spec, seen_by(services.database, caller.visible_to)), submission.shared
    stored = None
    if not anew:
        stored = find_reusable(services.database, services.artifacts, spec, caller.visible_to, shared=shared)
    if caller.name is not None and stored is None:
        require_storage_quota(services.database, services.artifacts, caller.name, settings.max_stored_bytes)
    owner = Owner(caller.name, settings.max_queued_tasks)
    submitted = experiments.submit(
        services.database,
        spec,
        planned,
        idempotency_key,
        owner,
        shared,
        stored=stored,
        anew=anew,
        refusal=refusal(spec, live_workers(services.database)),
    )
    if submitted.is_stored:
        return _stored(services, submitted.experiment_id, response)
    if submitted.is_new:
        background.add_task(
            services.queue.wake_workers, services.database
        )  # what gets lost, the sweeper finds
    return _accepted(services, submitted.experiment_id, response)


@router.get("", summary="List experiments, newest first unless asked otherwise")
def list_experiments(
    request: Request,
    response: Response,
    services: ServicesDep,
    caller: CallerDep,
    status: ExperimentStatus | None = None,
    suite: Annotated[str | None, FILTER] = None,
    dataset: Annotated[str | None, FILTER] = None,
    tag: Annotated[str | None, FILTER] = None,
    q: Annotated[
        str | None, Query(max_length=200, pattern=WITHOUT_NUL, description="looked for in the name")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[
        str | None,
        Query(max_length=parsing.MAX_CURSOR, description="`next` of the page before, in the same order"),
    ] = None,
    sort: Annotated[Sort, Query(description="by what; with a minus the greatest first")] = "-created",
) -> ExperimentPage:
    """A page of experiments; `next` (and the Link header) lead to the following one.

    With a key: those that are its own, shared, or nobody's; an admin's key sees them all.
    """
    filters, order = queries.Filters(status, suite, dataset, tag, q, caller.visible_to), SortOrder(sort)
    after = parsing.decode_cursor(cursor, order) if cursor else None
    snapshots = queries.experiments(services.database, filters, limit + 1, after, order)
    page, more = snapshots[:limit], len(snapshots) > limit
    next_cursor = parsing.encode_cursor(*page[-1].position) if more else None
    if next_cursor is not None:
        response.headers["Link"] = f'<{request.url.include_query_params(cursor=next_cursor)}>; rel="next"'
    return ExperimentPage(items=[experiment_view(snapshot) for snapshot in page], next=next_cursor)


@router.get("/{experiment_id}", summary="Look at an experiment")
def get(experiment_id: ExperimentId, services: ServicesDep) -> Experiment:
    """Spec, status, progress, warnings, and links to everything that can be asked of it."""
    document = experiment_view(queries.experiment(services.database, experiment_id))
    return document.model_copy(update={"warnings": warnings_of(services, experiment_id)})


@router.patch("/{experiment_id}", summary="Share an experiment")
def patch(experiment_id: OwnId, sharing: Sharing, services: ServicesDep) -> Experiment:
    """Let everybody with a key see an experiment and its results, or its owner alone again."""
    share(services.database, experiment_id, sharing.shared)
    return experiment_view(queries.experiment(services.database, experiment_id))


@router.delete("/{experiment_id}", status_code=204, summary="Delete an experiment")
def delete(experiment_id: OwnId, services: ServicesDep) -> None:
    """Forget an experiment and its results. A running one must be cancelled first (409)."""
    experiments.delete(services.database, experiment_id)
    services.artifacts.remove_all(experiment_id)


@router.post("/{experiment_id}/cancel", status_code=202, summary="Cancel an experiment")
def cancel(experiment_id: OwnId, services: ServicesDep, response: Response) -> Experiment:
    """Stop at the next batch. What was learned is kept; resume goes on from there."""
    experiments.cancel(services.database, experiment_id)
    return _accepted(services, experiment_id, response)


@router.post("/{experiment_id}/resume", status_code=202, summary="Resume an experiment")
def resume(
    experiment_id: OwnId, services: ServicesDep, response: Response, background: BackgroundTasks
) -> Experiment:
    """Train what is missing of a failed or cancelled experiment, or what a damaged disk took of any."""
    if not reopen_damaged(services.database, services.artifacts, experiment_id):
        experiments.resume(services.database, experiment_id, services.settings.max_queued_tasks)
    background.add_task(services.queue.wake_workers, services.database)
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
