"""One HTML file of a report: figures and data inside, no script, nothing to fetch; and its open link."""

from __future__ import annotations

from fastapi import APIRouter, Response

from service.dashboard.notes import as_html
from service.dashboard.rendering import TEMPLATES, template_text
from service.dependencies import Services, ServicesDep
from service.reports import TITLES, parts
from tgsh.store import reports
from tgsh.store.reports import ReportRecord

router = APIRouter(include_in_schema=False)

STYLE = TEMPLATES.parent / "static" / "report-file.css"


def report_file(services: Services, record: ReportRecord) -> str:
    """The whole file."""
    return template_text(
        "report_file.html",
        report=record,
        parts=list(parts(services, record)),
        markdown=as_html,
        titles=TITLES,
        style=STYLE.read_text("utf-8"),
    )


@router.get("/shared/{link}")
def shared(link: str, services: ServicesDep) -> Response:
    """A report by its link, without a key: the file, whose figures are those that its owner sees."""
    record = reports.linked(services.database, link[:64])
    headers = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}
    return Response(report_file(services, record), media_type="text/html; charset=utf-8", headers=headers)
