"""GET /: the experiments in a table, that filters, sorts, searches and pages."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import BeforeValidator

from service import cursors
from service.dashboard.frame import render
from service.deps import CallerDep, PartsDep
from tgsh.schemas import ExperimentStatus
from tgsh.spec.values import WITHOUT_NUL
from tgsh.store.listing import summary
from tgsh.store.orders import Order, Sort
from tgsh.store.reads import Filters, experiments
from tgsh.views import experiment_view

router = APIRouter()

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
    cursor: Annotated[str | None, Query(max_length=cursors.MOST), Blank] = None,
) -> Asked:
    return Asked(q, status, suite, dataset, tag, sort, cursor)


@router.get("/")
def table(
    request: Request, parts: PartsDep, caller: CallerDep, asked: Annotated[Asked, Depends(_asked)]
) -> HTMLResponse:
    """The page; for htmx the table alone, which it puts in place of the one that is there."""
    filters = Filters(asked.status, asked.suite, asked.dataset, asked.tag, asked.q, caller.visible_to)
    order = Order(asked.sort)
    after = cursors.decode(asked.cursor, order) if asked.cursor else None
    found = experiments(parts.database, filters, ROWS + 1, after, order)
    page, more = found[:ROWS], len(found) > ROWS
    views = [experiment_view(snapshot) for snapshot in page]
    has_owners = caller.name is not None or any(view.owner for view in views)
    is_part = "hx-request" in request.headers and "hx-history-restore-request" not in request.headers
    response = render(
        request,
        "table_found.html" if is_part else "table.html",
        asked=asked,
        summary=summary(parts.database, filters),
        statuses=get_args(ExperimentStatus),
        columns=[*COLUMNS, OWNER] if has_owners else COLUMNS,
        experiments=[(view, snapshot.record.dataset) for view, snapshot in zip(views, page, strict=True)],
        may_change=caller.may_change,
        is_active=any(view.status in ("queued", "running") for view in views),
        next=asked.address(cursor=cursors.encode(*page[-1].position)) if more else None,
    )
    response.headers["Vary"] = "Accept, HX-Request"
    return response
