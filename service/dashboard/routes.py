"""Pages of the dashboard: table of experiments, comparison, datasets, submission, workers."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Annotated, Literal, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import BeforeValidator

from service import parsing
from service.dashboard.rendering import render
from service.dependencies import ID, CallerDep, ServicesDep, require_visible
from tgsh.datasets.base import DATASETS
from tgsh.errors import NotFound
from tgsh.execution.presenters import experiment_view
from tgsh.schemas import Experiment, ExperimentStatus, Measure
from tgsh.specs.base import WITHOUT_NUL
from tgsh.specs.presets import PRESETS
from tgsh.store import queries
from tgsh.store.queries import Filters, Sort, SortOrder, experiments, facets

router = APIRouter(include_in_schema=False)

ROWS = 50

COLUMNS: tuple[tuple[str, str, bool], ...] = (
    ("name", "Experiment", False),
    ("status", "Status", False),
    ("progress", "Progress", True),
    ("suite", "Suite", False),
    ("dataset", "Images", False),
    ("accuracy", "Accuracy", True),
    ("created", "Submitted", True),
    ("seconds", "Took", True),
)
"""Sort key, heading, and True where the first click sorts in descending order."""

OWNER = ("owner", "Owner", False)

MAX_COMPARED = 6
"""Experiments side by side."""

MAX_OFFERED = 20
"""Experiments in the list to choose from; the search finds the others."""

MAX_FAILED = 20
"""Failed experiments on the page of workers."""


def _blank_is_none(value: object) -> object:
    """Empty fields of a form are absent parameters."""
    return None if value == "" else value


Blank = BeforeValidator(_blank_is_none)
Words = Annotated[str | None, Query(max_length=200, pattern=WITHOUT_NUL), Blank]


@dataclass(frozen=True)
class TableQuery:
    """Query parameters of the table: filters, sort order, page."""

    q: str | None
    status: str | None
    suite: str | None
    dataset: str | None
    tag: str | None
    sort: Sort
    cursor: str | None

    def address(self, **changes: str | None) -> str:
        """The URL of the table with these changes, at its first page unless they contain a cursor."""
        values = asdict(self) | {"cursor": None} | changes
        values = {
            key: value for key, value in values.items() if value and (key, value) != ("sort", "-created")
        }
        return f"/?{urlencode(values)}" if values else "/"

    @property
    def is_filtered(self) -> bool:
        """True where any filter is set."""
        return any((self.q, self.status, self.suite, self.dataset, self.tag))


def _table_query(
    q: Words = None,
    status: Annotated[ExperimentStatus | None, Blank] = None,
    suite: Words = None,
    dataset: Words = None,
    tag: Words = None,
    sort: Sort = "-created",
    cursor: Annotated[str | None, Query(max_length=parsing.MAX_CURSOR), Blank] = None,
) -> TableQuery:
    return TableQuery(q, status, suite, dataset, tag, sort, cursor)


@router.get("/")
def table(
    request: Request,
    services: ServicesDep,
    caller: CallerDep,
    query: Annotated[TableQuery, Depends(_table_query)],
) -> HTMLResponse:
    """The page; for requests of htmx the table alone."""
    filters = Filters(query.status, query.suite, query.dataset, query.tag, query.q, caller.visible_to)
    order = SortOrder(query.sort)
    after = parsing.decode_cursor(query.cursor, order) if query.cursor else None
    snapshots = experiments(services.database, filters, ROWS + 1, after, order)
    page, has_more = snapshots[:ROWS], len(snapshots) > ROWS
    views = [experiment_view(snapshot) for snapshot in page]
    has_owners = caller.name is not None or any(view.owner for view in views)
    is_part = "hx-request" in request.headers and "hx-history-restore-request" not in request.headers
    response = render(
        request,
        "table_found.html" if is_part else "table.html",
        query=query,
        summary=facets(services.database, filters),
        statuses=get_args(ExperimentStatus),
        columns=[*COLUMNS, OWNER] if has_owners else COLUMNS,
        experiments=[(view, snapshot.record.dataset) for view, snapshot in zip(views, page, strict=True)],
        may_change=caller.may_change,
        is_active=any(view.status in ("queued", "running") for view in views),
        next=query.address(cursor=parsing.encode_cursor(*page[-1].position)) if has_more else None,
    )
    response.headers["Vary"] = "Accept, HX-Request"
    return response


@dataclass(frozen=True)
class ComparisonQuery:
    """Query parameters of the comparison: ids in the viewer's order, stage and measure of the matrices."""

    ids: tuple[str, ...]
    stage: str
    measure: Measure

    def address(self, path: str = "/dashboard/compare", **changes: object) -> str:
        """The URL of the comparison with these changes, of the page or in the API."""
        values = {"ids": ",".join(self.ids), "stage": self.stage, "measure": self.measure} | changes
        return f"{path}?{urlencode(values, safe=',')}"

    def with_one(self, experiment_id: str) -> str:
        """The URL of the page with one more experiment."""
        return self.address(ids=",".join((*self.ids, experiment_id)))

    def without(self, experiment_id: str) -> str:
        """The URL of the page with one experiment less."""
        return self.address(ids=",".join(id for id in self.ids if id != experiment_id))


@router.get("/dashboard/compare")
def compare(
    request: Request,
    services: ServicesDep,
    caller: CallerDep,
    ids: Annotated[str, Query(max_length=400)] = "",
    q: Annotated[str, Query(max_length=200)] = "",
    stage: Literal["before", "after"] = "after",
    measure: Measure = "cosine",
) -> HTMLResponse:
    """The page: chosen experiments, others to choose from, and the comparison, which compare.js fetches."""
    requested = list(dict.fromkeys(part.strip() for part in ids.split(",") if part.strip()))
    chosen: list[Experiment] = []
    missing: list[str] = []
    for experiment_id in requested:
        try:
            if not re.fullmatch(ID, experiment_id):
                raise NotFound(experiment_id)
            require_visible(services, caller, experiment_id)
            chosen.append(experiment_view(queries.experiment(services.database, experiment_id)))
        except NotFound:
            missing.append(experiment_id)
    query = ComparisonQuery(tuple(experiment.id for experiment in chosen[:MAX_COMPARED]), stage, measure)
    filters = queries.Filters(text=q.strip() or None, visible_to=caller.visible_to)
    snapshots = queries.experiments(services.database, filters, MAX_OFFERED + len(query.ids))
    others = [snapshot for snapshot in snapshots if snapshot.record.id not in query.ids]
    return render(
        request,
        "compare.html",
        query=query,
        chosen=chosen[:MAX_COMPARED],
        missing=missing,
        too_many=len(chosen) > MAX_COMPARED,
        most=MAX_COMPARED,
        q=q,
        offered=[experiment_view(snapshot) for snapshot in others[:MAX_OFFERED]],
    )


@router.get("/dashboard/datasets")
def datasets(request: Request, caller: CallerDep) -> HTMLResponse:
    """The page; datasets.js fetches the uploaded datasets from GET /datasets."""
    return render(
        request, "datasets.html", named=DATASETS.values(), me=caller.name, may_upload=caller.role != "read"
    )


@router.get("/dashboard/submit")
def submit(request: Request, caller: CallerDep) -> HTMLResponse:
    """The form; submit.js fills it from `?preset=NAME` or `?from=ID`."""
    presets = [(name, spec.title) for name, spec in PRESETS.items()]
    presets.sort(key=lambda preset: preset[0] != "demo")  # the first choice of a newcomer
    return render(request, "submit.html", presets=presets, may_submit=caller.role != "read")


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
