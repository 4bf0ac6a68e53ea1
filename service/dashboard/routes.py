"""Pages of the dashboard: table of experiments, comparison, datasets, submission, workers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Annotated, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BeforeValidator

from service import parsing
from service.dashboard.rendering import render
from service.dependencies import CallerDep, HeldDep, Services, ServicesDep
from service.experiment_table import MOST_EXPORTED, SPEC_PREFIX
from service.middleware.auth import Caller
from service.routers.operations import readyz
from tgsh.datasets.base import DATASETS
from tgsh.datasets.named_sets import NAMED_SETS
from tgsh.errors import InvalidSpec, NotFound
from tgsh.execution.presenters import dataset_view, deleted_view, experiment_view
from tgsh.schemas import ExperimentStatus
from tgsh.specs import FlyNetSpec, GshSpec, NeuroModNetSpec, TgshSpec
from tgsh.specs.base import WITHOUT_NUL
from tgsh.specs.paths import require_field
from tgsh.specs.presets import PRESETS
from tgsh.stack.state import troubles
from tgsh.store import deleted
from tgsh.store.queries import Filters, Sort, SortOrder, experiments, facets
from tgsh.store.studies import study

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

MAX_DELETED = 200
"""Deleted experiments on their page; the API has all."""

NETWORKS = tuple(
    each.model_fields["kind"].default for each in (FlyNetSpec, NeuroModNetSpec, TgshSpec, GshSpec)
)
"""Kinds of network that the table is filtered by."""

MAX_FAILED = 20
"""Failed experiments on the page of workers."""


CHECKS = {"store": "Database", "redis": "Queue", "disk": "Disk", "workers": "Workers"}
"""Checks of /readyz, as the banner calls them."""


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
    study: str | None
    network: str | None
    project: str | None
    created_after: date | None
    created_before: date | None
    where: str | None
    sort: Sort
    cursor: str | None

    def address(self, **changes: str | None) -> str:
        """The URL of the table with these changes, at its first page unless they contain a cursor."""
        values = self._values() | changes
        return f"/?{urlencode(values)}" if (values := {k: v for k, v in values.items() if v}) else "/"

    def exported(self) -> str:
        """The URL of what is found as CSV, in the same order."""
        values = self._values()
        fields = {f"{SPEC_PREFIX}{path}": value for path, value in self.spec}
        return f"/experiments?{urlencode({'format': 'csv', **_present(values), **fields})}"

    @property
    def spec(self) -> tuple[tuple[str, str], ...]:
        """Fields of the spec that `where` names, such as training.epochs=5; those that are wrong left out."""
        parts = (part.strip().partition("=") for part in (self.where or "").split(","))
        return tuple(
            (path.strip(), value.strip()) for path, equals, value in parts if equals and path.strip()
        )

    def mistake(self) -> str | None:
        """The mistake in `where`; None where there is none."""
        written = [part for part in (self.where or "").split(",") if part.strip()]
        if len(self.spec) < len(written):
            return "write FIELD=VALUE, such as training.epochs=5, with commas between several"
        try:
            for path, _ in self.spec:
                require_field(path, "where")
        except InvalidSpec as error:
            return "; ".join(message for _, message in error.fields)
        return None

    def filters(self, visible_to: str | None) -> Filters:
        """The same for the store."""
        return Filters(
            status=self.status,
            suite=self.suite,
            dataset=self.dataset,
            tag=self.tag,
            text=self.q,
            visible_to=visible_to,
            study=self.study,
            network=self.network,
            project=self.project,
            created_after=_midnight(self.created_after),
            created_before=_midnight(self.created_before),
            spec=() if self.mistake() else self.spec,
        )

    def _values(self) -> dict[str, str | None]:
        values = asdict(self) | {"cursor": None}
        if values["sort"] == "-created":
            values["sort"] = None
        return values

    @property
    def has_more_filters(self) -> bool:
        """True where one of the filters is set that are folded away at first."""
        return any((self.network, self.project, self.created_after, self.created_before, self.where))

    @property
    def is_filtered(self) -> bool:
        """True where any filter is set."""
        first = (self.q, self.status, self.suite, self.dataset, self.tag, self.study)
        return any(first) or self.has_more_filters


def _present(values: dict[str, str | None]) -> dict[str, str]:
    """Parameters of GET /experiments that have a value."""
    return {key: str(value) for key, value in values.items() if value and key not in ("where", "cursor")}


def _midnight(day: date | None) -> float | None:
    """The beginning of a day in UTC, in seconds since 1970."""
    return None if day is None else datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def _table_query(
    q: Words = None,
    status: Annotated[ExperimentStatus | None, Blank] = None,
    suite: Words = None,
    dataset: Words = None,
    tag: Words = None,
    study: Words = None,
    network: Words = None,
    project: Words = None,
    created_after: Annotated[date | None, Blank] = None,
    created_before: Annotated[date | None, Blank] = None,
    where: Annotated[str | None, Query(max_length=500, pattern=WITHOUT_NUL), Blank] = None,
    sort: Sort = "-created",
    cursor: Annotated[str | None, Query(max_length=parsing.MAX_CURSOR), Blank] = None,
) -> TableQuery:
    return TableQuery(
        q=q,
        status=status,
        suite=suite,
        dataset=dataset,
        tag=tag,
        study=study,
        network=network,
        project=project,
        created_after=created_after,
        created_before=created_before,
        where=where,
        sort=sort,
        cursor=cursor,
    )


@router.get("/")
def table(
    request: Request,
    services: ServicesDep,
    caller: CallerDep,
    query: Annotated[TableQuery, Depends(_table_query)],
) -> HTMLResponse:
    """The page; for requests of htmx the table alone."""
    filters = query.filters(caller.visible_to)
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
        study=_study_name(services, caller, query.study) if query.study else None,
        summary=facets(services.database, filters),
        statuses=get_args(ExperimentStatus),
        networks=NETWORKS,
        mistake=query.mistake(),
        may_batch=caller.role != "read",
        most_exported=MOST_EXPORTED,
        columns=[*COLUMNS, OWNER] if has_owners else COLUMNS,
        experiments=[(view, snapshot.record.dataset) for view, snapshot in zip(views, page, strict=True)],
        may_change=caller.may_change,
        is_active=any(view.status in ("queued", "running") for view in views),
        next=query.address(cursor=parsing.encode_cursor(*page[-1].position)) if has_more else None,
    )
    response.headers["Vary"] = "Accept, HX-Request"
    return response


def _study_name(services: Services, caller: Caller, study_id: str) -> str | None:
    """Name of a study, or its id; None where the caller sees none of this id."""
    try:
        return study(services.database, study_id, caller.visible_to).record.name or study_id
    except NotFound:
        return None


@router.get("/dashboard/datasets")
def datasets(request: Request, caller: CallerDep) -> HTMLResponse:
    """The page; datasets.js fetches the uploaded datasets from GET /datasets."""
    return render(
        request,
        "datasets.html",
        named=[(info, NAMED_SETS[info.name]) for info in DATASETS.values()],
        me=caller.name,
        may_upload=caller.role != "read",
    )


@router.get("/dashboard/datasets/{dataset_id}")
def dataset(held: HeldDep, request: Request, caller: CallerDep) -> HTMLResponse:
    """The page of an uploaded dataset; dataset.js fetches its report and saves what its owner says."""
    may_change = caller.role != "read" and caller.may_change(held.owner)
    return render(request, "dataset.html", dataset=dataset_view(held), may_change=may_change, me=caller.name)


@router.get("/dashboard/submit")
def submit(request: Request, caller: CallerDep) -> HTMLResponse:
    """The form; submit.js fills it from `?preset=NAME` or `?from=ID`."""
    presets = [(name, spec.title) for name, spec in PRESETS.items()]
    presets.sort(key=lambda preset: preset[0] != "demo")  # the first choice of a newcomer
    return render(request, "submit.html", presets=presets, may_submit=caller.role != "read")


@router.get("/dashboard/health")
def health(services: ServicesDep) -> dict[str, list[str]]:
    """Lines for the banner of every page: checks of /readyz that fail, and what `tgsh up` starts again.

    200 where the service is not ready, too: the request was right.
    """
    checks = readyz(services, Response()).checks
    lines = [f"{CHECKS.get(name, name)}: {check.detail}" for name, check in checks.items() if not check.ok]
    known = " ".join(lines)
    dying = troubles(services.settings.home).items()  # some checks tell of them, too
    told = [f"{name}: {sentence}" for name, sentence in dying if f"{name}: ended" not in known]
    return {"lines": [*lines, *told]}


@router.get("/dashboard/deleted")
def deleted_experiments(request: Request, services: ServicesDep, caller: CallerDep) -> HTMLResponse:
    """Experiments that can be brought back, and studies that were deleted with them."""
    rows = deleted.listed(services.database, caller.visible_to, MAX_DELETED + 1)
    views = [deleted_view(row) for row in rows[:MAX_DELETED]]
    return render(
        request,
        "deleted.html",
        experiments=views,
        studies={each.study: each for each in views if each.study is not None},
        more=len(rows) > MAX_DELETED,
        days=deleted.KEPT_DAYS,
        may_restore=caller.role != "read",
    )


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
