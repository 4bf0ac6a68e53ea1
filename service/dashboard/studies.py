"""Pages of studies: the list, and one study while it runs and afterwards."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from service import cursors
from service.dashboard.rendering import render
from service.dashboard.study_words import cell_words
from service.dependencies import CallerDep, Services, ServicesDep, StudyId
from service.middleware.auth import Caller
from tgsh.execution.studies import study_summary, study_view
from tgsh.schemas import TERMINAL, Statistic, Study, StudyMemberState
from tgsh.specs.base import WITHOUT_NUL
from tgsh.specs.studies import MAX_MEMBERS
from tgsh.store import queries, studies
from tgsh.store.studies import StudyFilters
from tgsh.task_names import told_apart

router = APIRouter(prefix="/dashboard/studies", include_in_schema=False)

ROWS = 50

MAX_LISTED = 200
"""Experiments, and cells, in the tables of a study; more are listed among all experiments."""


@router.get("")
def study_list(
    request: Request,
    services: ServicesDep,
    caller: CallerDep,
    q: Annotated[str, Query(max_length=200, pattern=WITHOUT_NUL)] = "",
    cursor: Annotated[str | None, Query(max_length=cursors.MAX_CURSOR)] = None,
) -> HTMLResponse:
    """Studies, newest first; for requests of htmx the table alone."""
    after = cursors.decode_cursor(cursor) if cursor else None
    filters = StudyFilters(text=q or None, visible_to=caller.visible_to)
    snapshots = studies.studies(services.database, filters, ROWS + 1, after)
    page = snapshots[:ROWS]
    last = page[-1].record if len(snapshots) > ROWS else None
    following = cursors.encode_cursor(last.created_at, last.id) if last is not None else None
    found = [study_summary(snapshot) for snapshot in page]
    is_part = "hx-request" in request.headers and "hx-history-restore-request" not in request.headers
    response = render(
        request,
        "studies_found.html" if is_part else "studies.html",
        studies=found,
        is_active=any(study.status not in TERMINAL for study in found),
        may_submit=caller.role != "read",
        q=q,
        cursor=cursor,
        next=following,
    )
    response.headers["Vary"] = "Accept, HX-Request"
    return response


@dataclass(frozen=True)
class CellRow:
    """A cell in words, how many of its experiments are in which state, and their mean accuracy."""

    cell: int
    words: str
    counts: dict[str, int]
    accuracy: float | None
    deviation: float | None


@router.get("/{study_id}")
def study_page(
    study_id: StudyId,
    request: Request,
    services: ServicesDep,
    caller: CallerDep,
    cell: Annotated[int, Query(ge=0, lt=MAX_MEMBERS)] = 0,
) -> HTMLResponse:
    """The page; while the study runs its state polls itself, and study.js fetches the plots."""
    values = _state(services, caller, study_id)
    study: Study = values["study"]
    chosen = min(cell, len(study.cells) - 1)
    tasks = _tasks(services, study, chosen)
    return render(
        request,
        "study.html",
        **values,
        cell=chosen,
        tasks=tasks,
        statistics=get_args(Statistic),
        me=caller.name,
        # Other cells may have other tasks, and then the lists of tasks are others.
        has_own_tasks=any(path.split(".")[0] in ("suite", "dataset") for path in study.grid),
    )


@router.get("/{study_id}/state")
def study_state(
    study_id: StudyId, request: Request, services: ServicesDep, caller: CallerDep
) -> HTMLResponse:
    """The part of the page that changes while a study runs."""
    return render(request, "study_state.html", **_state(services, caller, study_id))


def _state(services: Services, caller: Caller, study_id: str) -> dict[str, Any]:
    snapshot = studies.study(services.database, study_id, caller.visible_to)
    study = study_view(snapshot, studies.members(services.database, study_id, caller.visible_to))
    completed = [each for each in study.members if each.status == "completed"]
    replicates = {(each.seed, each.base_seed) for each in completed}
    return {
        "study": study,
        "root": f"/studies/{study_id}",
        "rows": [_cell_row(study, place) for place in range(len(study.cells))][:MAX_LISTED],
        "listed": study.members[:MAX_LISTED],
        "is_active": study.status not in TERMINAL,
        "is_single": bool(completed) and len(replicates) == 1,
        "completed": len(completed),
        "may_change": caller.role != "read" and caller.may_change(study.owner),
    }


def _cell_row(study: Study, place: int) -> CellRow:
    members = [each for each in study.members if each.cell == place]
    counts: dict[str, int] = {}
    for each in members:
        state = each.status or "missing"
        counts[state] = counts.get(state, 0) + 1
    known = _accuracies(members)
    return CellRow(
        cell=place,
        words=cell_words(study.cells[place].values),
        counts=counts,
        accuracy=statistics.fmean(known) if known else None,
        deviation=statistics.stdev(known) if len(known) > 1 else None,
    )


def _accuracies(members: list[StudyMemberState]) -> list[float]:
    return [each.mean_accuracy for each in members if each.mean_accuracy is not None]


def _tasks(services: Services, study: Study, cell: int) -> list[tuple[int, str]]:
    """Index and label of the tasks of a cell, of the first of its experiments that is there."""
    experiments = study.cells[cell].experiments
    if not experiments:
        return []
    tasks = queries.tasks(services.database, experiments[0])
    numbers = [task.index for task in tasks]
    return list(zip(numbers, told_apart([task.label for task in tasks], numbers), strict=True))
