"""/reports: pages of chosen figures and text: make, list, change, delete, export."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Request, Response

from service import cursors
from service.cursors import Cursor, PageLimit, next_link
from service.dashboard.report_file import report_file
from service.dependencies import ID, CallerDep, ServicesDep
from service.errors import NotAcceptable
from service.reports import checked_items, figure_bytes, items_of, report_view, require_report, summary_view
from service.responses import MEDIA_TYPES
from service.threads import writing
from tgsh.errors import NotFound
from tgsh.schemas import NewReport, Report, ReportChanges, ReportFigure, ReportList
from tgsh.schemas.reports import EXAMPLE
from tgsh.store import reports

router = APIRouter(prefix="/reports", tags=["reports"])

ReportId = Annotated[str, Path(pattern=ID, description="as POST /reports answered it")]

PICTURES = ("svg", "png", "pdf", "csv", "json")

NUMBERS: dict[str, dict[str, Any]] = {
    "csv": {"example": ",0°,10°\n0°,1.0,0.74\n10°,0.74,1.0\n"},
    "json": {"example": {"labels": ["0°", "10°"], "values": [[1.0, 0.74], [0.74, 1.0]]}},
}
"""The numbers of a figure of similarities."""

EXAMPLES = {"one": {"summary": "text and a figure", "value": EXAMPLE}}


@router.post("", status_code=201, summary="Make a report")
@writing
def make(
    report: Annotated[NewReport, Body(openapi_examples=EXAMPLES)],
    services: ServicesDep,
    caller: CallerDep,
    response: Response,
) -> Report:
    """A page of text (Markdown) and of figures of experiments and studies that you see.

    Its figures are drawn whenever it is looked at. Others see it, with its figures, when you share it.
    """
    items = checked_items(services, caller, report.items)
    record = reports.create(services.database, caller.name, report.title, items, shared=report.shared)
    response.headers["Location"] = f"/reports/{record.id}"
    return report_view(record, caller)


@router.get("", summary="List reports")
def list_reports(
    request: Request,
    response: Response,
    services: ServicesDep,
    caller: CallerDep,
    limit: PageLimit = 50,
    cursor: Cursor = None,
) -> ReportList:
    """A page of your reports and of those that are shared, the one changed last first."""
    after = cursors.decode_cursor(cursor) if cursor else None
    found = reports.reports(services.database, caller.visible_to, limit + 1, after)
    page, more = found[:limit], len(found) > limit
    next_cursor = cursors.encode_cursor(page[-1].changed_at, page[-1].id) if more else None
    response.headers.update(next_link(request, next_cursor))
    return ReportList(items=[summary_view(record) for record in page], next=next_cursor)


@router.get("/{report_id}", summary="A report")
def read(report_id: ReportId, services: ServicesDep, caller: CallerDep) -> Report:
    """Its items in their order. `link` is told to whoever may change it."""
    return report_view(require_report(services, caller, report_id, change=False), caller)


@router.patch("/{report_id}", summary="Change a report")
@writing
def change(report_id: ReportId, changes: ReportChanges, services: ServicesDep, caller: CallerDep) -> Report:
    """Title, all its items in their order, whether it is shared, whether it has a link."""
    require_report(services, caller, report_id, change=True)
    values = changes.model_dump(exclude_unset=True, exclude={"changed_at"})
    values = {name: value for name, value in values.items() if value is not None}
    if changes.items is not None:
        values["items"] = checked_items(services, caller, changes.items)
    return report_view(reports.change(services.database, report_id, values, changes.changed_at), caller)


@router.delete("/{report_id}", status_code=204, summary="Delete a report")
@writing
def delete(report_id: ReportId, services: ServicesDep, caller: CallerDep) -> None:
    """Its experiments and studies stay."""
    require_report(services, caller, report_id, change=True)
    reports.delete(services.database, report_id)


@router.get(
    "/{report_id}/export",
    summary="The report as one HTML file",
    responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
    response_class=Response,
)
def export(report_id: ReportId, services: ServicesDep, caller: CallerDep) -> Response:
    """It works offline: figures are in it as SVG, and their numbers as CSV and JSON to be saved from it."""
    record = require_report(services, caller, report_id, change=False)
    name = f'attachment; filename="report-{report_id}.html"'
    return Response(
        report_file(services, record),
        media_type="text/html; charset=utf-8",
        headers={"Content-Disposition": name},
    )


@router.get(
    "/{report_id}/figures/{place}.{format}",
    summary="A figure of a report, or its numbers",
    responses={
        200: {
            "content": {
                MEDIA_TYPES[each]: {"schema": {"type": "string"}, **NUMBERS.get(each, {})}
                for each in PICTURES
            }
        },
    },
    response_class=Response,
)
def figure(
    report_id: ReportId,
    place: Annotated[int, Path(ge=0, lt=100, description="of the item in the report, from 0")],
    format: Annotated[str, Path(json_schema_extra={"enum": list(PICTURES)})],
    services: ServicesDep,
    caller: CallerDep,
) -> Response:
    """As the owner of the report sees it."""
    record = require_report(services, caller, report_id, change=False)
    items = items_of(record)
    item = items[place] if place < len(items) else None
    if not isinstance(item, ReportFigure):
        raise NotFound(f"item {place} of the report is no figure")
    if format not in PICTURES:
        raise NotAcceptable(f"figures are written as {', '.join(PICTURES)}, not {format!r}")
    content = figure_bytes(services, record.owner, item, format)
    return Response(content, media_type=MEDIA_TYPES[format], headers={"Cache-Control": "no-cache"})
