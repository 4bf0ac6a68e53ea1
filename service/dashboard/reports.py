"""Pages of reports: the list, one report to be read and printed, and its editor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse

from service import cursors
from service.dashboard.notes import as_html
from service.dashboard.rendering import render
from service.dependencies import ID, CallerDep, ServicesDep, require_study_visible, require_visible
from service.reports import (
    DATA_FORMATS,
    REFUSALS,
    TITLES,
    figure_bytes,
    figures_of,
    note_of,
    report_view,
    require_report,
    summary_view,
)
from tgsh.schemas import ReportFigure
from tgsh.store import queries, reports, studies
from tgsh.store.reports import ReportRecord

router = APIRouter(prefix="/dashboard/reports", include_in_schema=False)

ReportId = Annotated[str, Path(pattern=ID)]
Subject = Annotated[str | None, Query(pattern=ID)]

ROWS = 100
"""Reports on one page, and those that figures can be added to from it."""


@router.get("")
def report_list(
    request: Request,
    services: ServicesDep,
    caller: CallerDep,
    experiment: Subject = None,
    study: Subject = None,
    cursor: Annotated[str | None, Query(max_length=cursors.MAX_CURSOR)] = None,
) -> HTMLResponse:
    """Reports; with an experiment or a study also the form that adds its figures to one."""
    kind, name = None, ""
    if experiment is not None:
        require_visible(services, caller, experiment)
        kind, name = "experiment", queries.experiment(services.database, experiment).record.name
    elif study is not None:
        require_study_visible(services, caller, study)
        kind, name = "study", studies.study(services.database, study, caller.visible_to).record.name
    after = cursors.decode_cursor(cursor) if cursor else None
    found = reports.reports(services.database, caller.visible_to, ROWS + 1, after)
    page = found[:ROWS]
    last = page[-1] if len(found) > ROWS else None
    mine: Sequence[ReportRecord] = ()
    if kind is not None:  # what the caller may change
        mine = reports.reports(services.database, caller.visible_to, ROWS + 1, of_others=False)
    return render(
        request,
        "reports.html",
        reports=[summary_view(record) for record in page],
        cursor=cursor,
        next=cursors.encode_cursor(last.changed_at, last.id) if last is not None else None,
        mine=[summary_view(record) for record in mine[:ROWS]],
        has_older=len(mine) > ROWS,
        may_make=caller.role != "read",
        kind=kind,
        subject=experiment or study,
        subject_name=name,
        figures=figures_of(kind) if kind else {},
    )


@router.get("/{report_id}")
def report_page(
    report_id: ReportId, request: Request, services: ServicesDep, caller: CallerDep
) -> HTMLResponse:
    """The report as it is read and printed."""
    record = require_report(services, caller, report_id, change=False)
    report = report_view(record, caller)
    notes: dict[int, str] = {}
    for place, item in enumerate(report.items):
        if isinstance(item, ReportFigure):
            try:
                figure_bytes(services, record.owner, item, "svg")  # kept: the picture is asked for at once
            except REFUSALS as refusal:
                notes[place] = note_of(item, refusal)
    return render(
        request,
        "report.html",
        report=report,
        notes=notes,
        markdown=as_html,
        titles=TITLES,
        formats=DATA_FORMATS,
        may_change=caller.role != "read" and caller.may_change(record.owner),
    )


@router.get("/{report_id}/edit")
def report_editor(
    report_id: ReportId, request: Request, services: ServicesDep, caller: CallerDep
) -> HTMLResponse:
    """The form that changes a report."""
    record = require_report(services, caller, report_id, change=True)
    return render(
        request,
        "report_edit.html",
        report=report_view(record, caller),
        titles=TITLES,
        figures={kind: figures_of(kind) for kind in ("experiment", "study")},
    )
