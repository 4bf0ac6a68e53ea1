"""Pages of reports: the list, one report to be read and printed, and its editor."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse

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

router = APIRouter(prefix="/dashboard/reports", include_in_schema=False)

ReportId = Annotated[str, Path(pattern=ID)]
Subject = Annotated[str | None, Query(pattern=ID)]


@router.get("")
def report_list(
    request: Request,
    services: ServicesDep,
    caller: CallerDep,
    experiment: Subject = None,
    study: Subject = None,
) -> HTMLResponse:
    """Reports; with an experiment or a study also the form that adds its figures to one."""
    kind, name = None, ""
    if experiment is not None:
        require_visible(services, caller, experiment)
        kind, name = "experiment", queries.experiment(services.database, experiment).record.name
    elif study is not None:
        require_study_visible(services, caller, study)
        kind, name = "study", studies.study(services.database, study, caller.visible_to).record.name
    found = reports.reports(services.database, caller.visible_to)
    return render(
        request,
        "reports.html",
        reports=[summary_view(record) for record in found],
        mine=[summary_view(record) for record in found if caller.may_change(record.owner)],
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
