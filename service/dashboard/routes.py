"""All pages but one."""

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
"""By what it is sorted, the heading, and whether a first click shows the greatest first."""

OWNER = ("owner", "Owner", False)


def _blank_is_none(value: object) -> object:
    """A form sends its empty fields, too."""
    return None if value == "" else value


Blank = BeforeValidator(_blank_is_none)
Words = Annotated[str | None, Query(max_length=200, pattern=WITHOUT_NUL), Blank]


@dataclass(frozen=True)
class Asked:
    """What the address says: filters, order, page."""

    q: str | None
    status: str | None
    suite: str | None
    dataset: str | None
    tag: str | None
    sort: Sort
    cursor: str | None

    def address(self, **changes: str | None) -> str:
        """Where the list is with these changes; from its first page on, unless they name a cursor."""
        values = asdict(self) | {"cursor": None} | changes
        values = {
            key: value for key, value in values.items() if value and (key, value) != ("sort", "-created")
        }
        return f"/?{urlencode(values)}" if values else "/"

    @property
    def is_filtered(self) -> bool:
        """Whether anything is narrowed down."""
        return any((self.q, self.status, self.suite, self.dataset, self.tag))


def _asked(
    q: Words = None,
    status: Annotated[ExperimentStatus | None, Blank] = None,
    suite: Words = None,
    dataset: Words = None,
    tag: Words = None,
    sort: Sort = "-created",
    cursor: Annotated[str | None, Query(max_length=parsing.MAX_CURSOR), Blank] = None,
) -> Asked:
    return Asked(q, status, suite, dataset, tag, sort, cursor)


@router.get("/")
def table(
    request: Request, services: ServicesDep, caller: CallerDep, asked: Annotated[Asked, Depends(_asked)]
) -> HTMLResponse:
    """The page; for htmx the table alone, which it puts in place of the one that is there."""
    filters = Filters(asked.status, asked.suite, asked.dataset, asked.tag, asked.q, caller.visible_to)
    order = SortOrder(asked.sort)
    after = parsing.decode_cursor(asked.cursor, order) if asked.cursor else None
    found = experiments(services.database, filters, ROWS + 1, after, order)
    page, more = found[:ROWS], len(found) > ROWS
    views = [experiment_view(snapshot) for snapshot in page]
    has_owners = caller.name is not None or any(view.owner for view in views)
    is_part = "hx-request" in request.headers and "hx-history-restore-request" not in request.headers
    response = render(
        request,
        "table_found.html" if is_part else "table.html",
        asked=asked,
        summary=facets(services.database, filters),
        statuses=get_args(ExperimentStatus),
        columns=[*COLUMNS, OWNER] if has_owners else COLUMNS,
        experiments=[(view, snapshot.record.dataset) for view, snapshot in zip(views, page, strict=True)],
        may_change=caller.may_change,
        is_active=any(view.status in ("queued", "running") for view in views),
        next=asked.address(cursor=parsing.encode_cursor(*page[-1].position)) if more else None,
    )
    response.headers["Vary"] = "Accept, HX-Request"
    return response


MOST = 6
"""Experiments side by side."""

OFFERED = 20
"""Experiments to choose from; the search finds the others."""


@dataclass(frozen=True)
class Shown:
    """What the page shows: ids in the viewer's order, the stage and the measure of their matrices."""

    ids: tuple[str, ...]
    stage: str
    measure: Measure

    def address(self, path: str = "/dashboard/compare", **changes: object) -> str:
        """Where the same is with these changes, on the page or in the API."""
        values = {"ids": ",".join(self.ids), "stage": self.stage, "measure": self.measure} | changes
        return f"{path}?{urlencode(values, safe=',')}"

    def with_one(self, experiment_id: str) -> str:
        """The page with one more."""
        return self.address(ids=",".join((*self.ids, experiment_id)))

    def without(self, experiment_id: str) -> str:
        """The page with one less."""
        return self.address(ids=",".join(found for found in self.ids if found != experiment_id))


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
    """The page: what is chosen, what else there is, and the comparison, which its script asks for."""
    wanted = list(dict.fromkeys(part.strip() for part in ids.split(",") if part.strip()))
    chosen: list[Experiment] = []
    missing: list[str] = []
    for experiment_id in wanted:
        try:
            if not re.fullmatch(ID, experiment_id):
                raise NotFound(experiment_id)
            require_visible(services, caller, experiment_id)
            chosen.append(experiment_view(queries.experiment(services.database, experiment_id)))
        except NotFound:
            missing.append(experiment_id)
    shown = Shown(tuple(experiment.id for experiment in chosen[:MOST]), stage, measure)
    filters = queries.Filters(text=q.strip() or None, visible_to=caller.visible_to)
    found = queries.experiments(services.database, filters, OFFERED + len(shown.ids))
    return render(
        request,
        "compare.html",
        shown=shown,
        chosen=chosen[:MOST],
        missing=missing,
        too_many=len(chosen) > MOST,
        most=MOST,
        q=q,
        offered=[experiment_view(snapshot) for snapshot in found if snapshot.record.id not in shown.ids][
            :OFFERED
        ],
    )


@router.get("/dashboard/datasets")
def datasets(request: Request, caller: CallerDep) -> HTMLResponse:
    """The page. The uploaded ones are GET /datasets, which a script asks for."""
    return render(
        request, "datasets.html", named=DATASETS.values(), me=caller.name, may_upload=caller.role != "read"
    )


@router.get("/dashboard/submit")
def submit(request: Request, caller: CallerDep) -> HTMLResponse:
    """The form. `?preset=NAME` and `?from=ID` fill it: scripts read them from the address."""
    presets = [(name, spec.title) for name, spec in PRESETS.items()]
    presets.sort(key=lambda preset: preset[0] != "demo")  # what a newcomer begins with
    return render(request, "submit.html", presets=presets, may_submit=caller.role != "read")


MOST_FAILED = 20


@router.get("/dashboard/workers")
def workers(request: Request) -> HTMLResponse:
    """The page. Workers and queue are GET /workers, which a script asks for again and again."""
    return render(request, "workers.html")


@router.get("/dashboard/workers/failed")
def failed(request: Request, services: ServicesDep, caller: CallerDep) -> HTMLResponse:
    """The part of it with what failed, newest first, and the buttons that try again."""
    found = experiments(
        services.database, Filters(status="failed", visible_to=caller.visible_to), MOST_FAILED
    )
    views = [experiment_view(snapshot) for snapshot in found]
    return render(
        request,
        "workers_failed.html",
        experiments=views,
        most=MOST_FAILED,
        may_change=caller.may_change,
    )
