"""Pages of the dashboard: datasets, submission, deleted experiments, workers."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from service.dashboard.rendering import render
from service.dependencies import CallerDep, HeldDep, ServicesDep
from service.routers.operations import readyz
from tgsh.datasets.base import DATASETS
from tgsh.datasets.named_sets import NAMED_SETS
from tgsh.execution.presenters import dataset_view, deleted_view, experiment_view
from tgsh.specs.presets import PRESETS
from tgsh.stack.state import troubles
from tgsh.store import deleted
from tgsh.store.queries import Filters, experiments

router = APIRouter(include_in_schema=False)

MAX_DELETED = 200
"""Deleted experiments on their page; the API has all."""

MAX_FAILED = 20
"""Failed experiments on the page of workers."""


CHECKS = {"store": "Database", "redis": "Queue", "disk": "Disk", "workers": "Workers"}
"""Checks of /readyz, as the banner calls them."""


@router.get("/dashboard")
@router.get("/dashboard/experiments")
def start(request: Request) -> RedirectResponse:
    """The table of experiments is the start page; who types its folder is led there."""
    return RedirectResponse(f"/?{request.url.query}" if request.url.query else "/")


@router.get("/dashboard/datasets")
def datasets(request: Request, caller: CallerDep) -> HTMLResponse:
    """The page; datasets.js fetches the uploaded datasets from GET /datasets."""
    return render(
        request,
        "datasets.html",
        named=[(info, NAMED_SETS[info.name]) for info in DATASETS.values()],
        me=caller.name,
        may_upload=caller.role != "read",
    )


@router.get("/dashboard/datasets/{dataset_id}")
def dataset(held: HeldDep, request: Request, caller: CallerDep) -> HTMLResponse:
    """The page of an uploaded dataset; dataset.js fetches its report and saves what its owner says."""
    may_change = caller.role != "read" and caller.may_change(held.owner)
    return render(request, "dataset.html", dataset=dataset_view(held), may_change=may_change, me=caller.name)


@router.get("/dashboard/submit")
def submit(request: Request, caller: CallerDep) -> HTMLResponse:
    """The form; submit.js fills it from `?preset=NAME` or `?from=ID`."""
    presets = [(name, spec.title) for name, spec in PRESETS.items()]
    presets.sort(key=lambda preset: preset[0] != "demo")  # the first choice of a newcomer
    return render(request, "submit.html", presets=presets, may_submit=caller.role != "read")


@router.get("/dashboard/health")
def health(services: ServicesDep) -> dict[str, list[str]]:
    """Lines for the banner of every page: checks of /readyz that fail, and what `tgsh up` starts again.

    200 where the service is not ready, too: the request was right.
    """
    checks = readyz(services, Response()).checks
    lines = [f"{CHECKS.get(name, name)}: {check.detail}" for name, check in checks.items() if not check.ok]
    known = " ".join(lines)
    dying = troubles(services.settings.home).items()  # some checks tell of them, too
    told = [f"{name}: {sentence}" for name, sentence in dying if f"{name}: ended" not in known]
    return {"lines": [*lines, *told]}


@router.get("/dashboard/deleted")
def deleted_experiments(request: Request, services: ServicesDep, caller: CallerDep) -> HTMLResponse:
    """Experiments that can be brought back, and studies that were deleted with them."""
    rows = deleted.listed(services.database, caller.visible_to, MAX_DELETED + 1)
    views = [deleted_view(row) for row in rows[:MAX_DELETED]]
    return render(
        request,
        "deleted.html",
        experiments=views,
        studies={each.study: each for each in views if each.study is not None},
        more=len(rows) > MAX_DELETED,
        days=deleted.KEPT_DAYS,
        may_restore=caller.role != "read",
    )


@router.get("/dashboard/workers")
def workers(request: Request) -> HTMLResponse:
    """The page; workers.js polls GET /workers."""
    return render(request, "workers.html")


@router.get("/dashboard/workers/failed")
def failed(request: Request, services: ServicesDep, caller: CallerDep) -> HTMLResponse:
    """The part of the page with failed experiments, newest first, and their retry buttons."""
    filters = Filters(status="failed", visible_to=caller.visible_to)
    snapshots = experiments(services.database, filters, MAX_FAILED)
    views = [experiment_view(snapshot) for snapshot in snapshots]
    return render(
        request,
        "workers_failed.html",
        experiments=views,
        most=MAX_FAILED,
        may_change=caller.may_change,
    )
