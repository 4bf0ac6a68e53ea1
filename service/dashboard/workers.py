"""/dashboard/workers: who works on what, what waits, and what failed."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from service.dashboard.frame import render
from service.deps import CallerDep, PartsDep
from tgsh.store.reads import Filters, experiments
from tgsh.views import experiment_view

router = APIRouter()

MOST_FAILED = 20


@router.get("/dashboard/workers")
def workers(request: Request) -> HTMLResponse:
    """The page. Workers and queue are GET /workers, which a script asks for again and again."""
    return render(request, "workers.html")


@router.get("/dashboard/workers/failed")
def failed(request: Request, parts: PartsDep, caller: CallerDep) -> HTMLResponse:
    """The part of it with what failed, newest first, and the buttons that try again."""
    found = experiments(parts.database, Filters(status="failed", visible_to=caller.visible_to), MOST_FAILED)
    views = [experiment_view(snapshot) for snapshot in found]
    return render(
        request,
        "workers_failed.html",
        experiments=views,
        most=MOST_FAILED,
        may_change=caller.may_change,
    )
