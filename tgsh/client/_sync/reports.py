# Generated from tgsh/client/_async/reports.py: do not edit. To generate it again:
# python -m tests.architecture.generate_sync
"""Methods of `Client` about reports: pages of chosen figures and text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from tgsh import schemas
from tgsh.client._requests import (
    ApiRequest,
    delete_resource,
    get_file,
    is_id,
    parse_model,
    patch,
    without_none,
)
from tgsh.client._sync.references import (
    PAGE_SIZE,
    ExperimentReference,
    References,
    StudyReference,
)
from tgsh.errors import NotFound

ReportPart = str | Mapping[str, Any] | schemas.ReportText | schemas.ReportFigure
"""Markdown, or an item as the service has it."""


class ReportMethods(References):
    """Reports: making, listing, changing, export."""

    def create_report(
        self, title: str, items: Iterable[ReportPart] = (), *, shared: bool = False
    ) -> schemas.Report:
        """Make a report.

        Parameters
        ----------
        title : str
            Its title.
        items : Iterable[ReportPart], default=()
            Its parts: Markdown, and figures as `report_figure` makes them.
        shared : bool, default=False
            Whether everybody with a key sees it.

        Returns
        -------
        schemas.Report
            The report.

        Examples
        --------
        >>> figure = client.report_figure(experiment, "similarity", order="cluster")
        >>> report = client.create_report("Rotations", ["Neighbours are *alike*.", figure])
        """
        body = {"title": title, "items": [_item(each) for each in items], "shared": shared}
        parse = parse_model(schemas.Report)
        return self._send(ApiRequest("POST", "/reports", parse, json=body, idempotent=False))

    def report_figure(
        self, subject: ExperimentReference | StudyReference, figure: str, caption: str = "", **params: object
    ) -> schemas.ReportFigure:
        """Figure for a report; nothing is sent but what finds the id.

        Parameters
        ----------
        subject : ExperimentReference | StudyReference
            Experiment or study, its id, or the beginning of it.
        figure : str
            Name, such as ``"similarity"``.
        caption : str, default=''
            Markdown.
        **params : object
            Parameters of its answer, such as ``stage="before"``.

        Returns
        -------
        schemas.ReportFigure
            Item for `create_report` and `change_report`.
        """
        of, id = self.experiment_or_study_id(subject)
        texts = {name: str(value) for name, value in params.items()}
        return schemas.ReportFigure(of=of, id=id, figure=figure, caption=caption, params=texts)

    def reports(self) -> list[schemas.ReportSummary]:
        """Reports that the caller sees.

        Returns
        -------
        list[schemas.ReportSummary]
            All of them, the one changed last first.
        """
        found: list[schemas.ReportSummary] = []
        cursor: str | None = None
        while True:
            params = without_none(cursor=cursor, limit=PAGE_SIZE)
            request = ApiRequest("GET", "/reports", parse_model(schemas.ReportList), params=params)
            page = self._send(request)
            found += page.items
            if (cursor := page.next) is None:
                return found

    def report(self, report: str) -> schemas.Report:
        """One report.

        Parameters
        ----------
        report : str
            Its id, or the beginning of it.

        Returns
        -------
        schemas.Report
            Its title and items.
        """
        path = self._report_path(report)
        return self._send(ApiRequest("GET", path, parse_model(schemas.Report)))

    def change_report(
        self,
        report: str,
        *,
        title: str | None = None,
        items: Iterable[ReportPart] | None = None,
        shared: bool | None = None,
        link: bool | None = None,
        changed_at: datetime | None = None,
    ) -> schemas.Report:
        """Change a report; what is None stays.

        Parameters
        ----------
        report : str
            Its id, or the beginning of it.
        title : str | None, default=None
            Its title.
        items : Iterable[ReportPart] | None, default=None
            All its parts from now on.
        shared : bool | None, default=None
            Whether everybody with a key sees it.
        link : bool | None, default=None
            Whether it has a link that shows it without a key.
        changed_at : datetime | None, default=None
            That of the report as you read it: what others have changed since is not overwritten.

        Returns
        -------
        schemas.Report
            The changed report.

        Raises
        ------
        ServiceProblem
            With status 409 where it was changed since `changed_at`.
        """
        changes: dict[str, object] = {"title": title, "shared": shared, "link": link}
        changes["items"] = None if items is None else [_item(each) for each in items]
        changes["changed_at"] = None if changed_at is None else changed_at.isoformat()
        changes = {name: value for name, value in changes.items() if value is not None}
        return self._send(patch(schemas.Report, self._report_path(report), **changes))

    def export_report(self, report: str, path: str | Path) -> Path:
        """Write a report as one HTML file that works offline, with its figures and their numbers.

        Parameters
        ----------
        report : str
            Its id, or the beginning of it.
        path : str | Path
            File to write.

        Returns
        -------
        Path
            The written file.
        """
        content = self._send(get_file(self._report_path(report) + "/export"))
        target = Path(path)
        target.write_bytes(content)
        return target

    def delete_report(self, report: str) -> None:
        """Delete a report; its experiments stay.

        Parameters
        ----------
        report : str
            Its id, or the beginning of it.
        """
        self._send(delete_resource(self._report_path(report)))

    def _report_path(self, report: str) -> str:
        if is_id(beginning := report.strip().lower()):
            return f"/reports/{beginning}"
        found = [each.id for each in self.reports() if report and each.id.startswith(beginning)]
        if len(found) != 1:
            what = "no report's id begins" if not found else f"the ids of {len(found)} reports begin"
            raise NotFound(f"{what} with {report!r}; `tgsh report list` shows them all")
        return f"/reports/{found[0]}"


def _item(part: ReportPart) -> dict[str, Any]:
    if isinstance(part, str):
        return {"kind": "text", "text": part}
    return dict(part) if isinstance(part, Mapping) else part.model_dump(mode="json")
