"""The table of experiments: filters, chosen columns, groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from typing import Annotated, Any, get_args
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import BeforeValidator

from service import cursors
from service.dashboard.rendering import format_seconds, format_share, render
from service.dependencies import CallerDep, Services, ServicesDep
from service.experiment_table import (
    MOST_EXPORTED,
    MOST_GROUPS,
    SHORT,
    SPEC_PREFIX,
    STUDY,
    common_value,
    is_column,
    numeric_columns,
    parse_group_by,
    spec_value,
    summarised,
)
from service.middleware.auth import Caller
from tgsh.errors import InvalidSpec, NotFound
from tgsh.execution.presenters import experiment_view
from tgsh.schemas import Experiment, ExperimentStatus
from tgsh.specs import FlyNetSpec, GshSpec, NeuroModNetSpec, TgshSpec
from tgsh.specs.base import WITHOUT_NUL
from tgsh.specs.paths import require_field
from tgsh.store.groups import Group, Summary, groups
from tgsh.store.queries import Filters, Sort, SortOrder, counts, experiments, facets
from tgsh.store.studies import names_by_experiment, study

router = APIRouter(include_in_schema=False)

ROWS = 50

NETWORKS = tuple(
    each.model_fields["kind"].default for each in (FlyNetSpec, NeuroModNetSpec, TgshSpec, GshSpec)
)
"""Kinds of network that the table is filtered by."""

COLUMNS: Mapping[str, str] = {
    "status": "Status",
    "progress": "Progress",
    "suite": "Suite",
    "dataset": "Images",
    "network": "Network",
    "epochs": "Epochs",
    "learning_rate": "Learning rate",
    "expansion": "Expansion",
    "seed": "Seed",
    "base_seed": "Base seed",
    "tasks": "Tasks",
    "accuracy": "Accuracy",
    "balanced": "Balanced accuracy",
    "study": "Study",
    "created": "Submitted",
    "seconds": "Took",
    "owner": "Owner",
    "id": "Id",
}
"""Columns that one can choose by their names, with their headings; beside these, any field of the spec."""

USUAL = ("status", "progress", "suite", "dataset", "accuracy", "created", "seconds")

SORTED_DOWNWARDS = ("progress", "accuracy", "balanced", "created", "seconds", "tasks")
"""Columns of which the first click brings the greatest to the top."""

SORTABLE = ("name", "status", "suite", "dataset", "owner", *SORTED_DOWNWARDS)

NUMBERS = ("accuracy", "balanced", "created", "seconds", "tasks", "epochs", "seed", "base_seed", "expansion",
           "learning_rate")  # fmt: skip

GROUPS = ("project", "study", "tag", "network", "suite", "dataset", "epochs", "learning_rate", "expansion",
          "seed", "base_seed", "status")  # fmt: skip
"""Names that the page offers to group by; any other field of the spec can be written."""

COOKIE = "tgsh_columns"
"""The columns that a person chose, with commas: columns.js writes it."""

MAX_CHOSEN = 24

ZONE_COOKIE = "tgsh_zone"
"""The time zone of the viewer: days that are filtered by are those of the times that are shown."""


def _blank_is_none(value: object) -> object:
    """Empty fields of a form are absent parameters."""
    return None if value == "" else value


Blank = BeforeValidator(_blank_is_none)
Words = Annotated[str | None, Query(max_length=200, pattern=WITHOUT_NUL), Blank]


@dataclass(frozen=True)
class TableQuery:
    """Query parameters of the table: filters, groups, sort order, page; and the columns that are shown."""

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
    group: str | None
    sort: Sort
    cursor: str | None
    columns: tuple[str, ...] = field(default=USUAL)
    zone: tzinfo = UTC

    def address(self, **changes: str | None) -> str:
        """The URL of the table with these changes, at its first page unless they contain a cursor."""
        values = self._values() | changes
        return f"/?{urlencode(values)}" if (values := {k: v for k, v in values.items() if v}) else "/"

    def exported(self) -> str:
        """The URL of what is shown as CSV, with the same columns, groups and order."""
        values = self._asked()
        if self.group:
            columns = ",".join(summarised(self.summarised))
            grouped = {"format": "csv", "group_by": self.group, **({"columns": columns} if columns else {})}
            return f"/experiments/table?{urlencode(grouped | values)}"
        columns = ",".join(("id", "name", "project", "tags", *self.columns))
        return f"/experiments?{urlencode({'format': 'csv', 'columns': columns, **values})}"

    @property
    def summarised(self) -> tuple[str, ...]:
        """The columns of groups, which tell apart from them how many are completed."""
        return tuple(name for name in self.columns if name != "status")

    def found_ids(self) -> str:
        """The URL of the ids of all that is found, as CSV."""
        return f"/experiments?{urlencode({'format': 'csv', 'columns': 'id', **self._asked()})}"

    def of_group(self, value: object) -> str | None:
        """The URL of the experiments of a group; None where no filter selects them."""
        if value is None or self.group is None:
            return None
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if self.group in ("project", "study", "tag", "status", "suite", "dataset", "network"):
            return self.address(group=None, **{self.group: text})
        if self.group == "owner" or " " in text or "," in text:
            return None
        more = f"{SHORT.get(self.group, self.group)}={text}"
        return self.address(group=None, where=f"{self.where}, {more}" if self.where else more)

    @property
    def spec(self) -> tuple[tuple[str, str], ...]:
        """Fields of the spec that `where` names, such as training.epochs=5; those that are wrong left out."""
        parts = (part.strip().partition("=") for part in (self.where or "").split(","))
        return tuple(
            (path.strip(), value.strip()) for path, equals, value in parts if equals and path.strip()
        )

    def mistakes(self) -> list[str]:
        """Mistakes in `where`."""
        found = []
        written = [part for part in (self.where or "").split(",") if part.strip()]
        if len(self.spec) < len(written):
            found.append(
                "Fields of the spec: write FIELD=VALUE, such as training.epochs=5, commas between several"
            )
        try:
            for path, _ in self.spec:
                require_field(path, "where")
        except InvalidSpec as error:
            found.append("Fields of the spec: " + "; ".join(message for _, message in error.fields))
        return found

    def group_mistakes(self) -> list[str]:
        """Mistakes in `group`."""
        try:
            if self.group:
                parse_group_by(self.group)
        except InvalidSpec as error:
            return [f"Group by: {message}" for _, message in error.fields]
        return []

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
            created_after=_seconds(self._midnight(self.created_after)),
            created_before=_seconds(self._midnight(self.created_before)),
            spec=() if self.mistakes() else self.spec,
        )

    def _values(self) -> dict[str, Any]:
        values = vars(self) | {"cursor": None}
        del values["columns"], values["zone"]
        if values["sort"] == "-created":
            values["sort"] = None
        return values

    def _asked(self) -> dict[str, str]:
        """The filters and the order as parameters of GET /experiments."""
        moments = {name: self._midnight(getattr(self, name)) for name in ("created_after", "created_before")}
        values = self._values() | {name: at and at.isoformat() for name, at in moments.items()}
        fields = {f"{SPEC_PREFIX}{path}": value for path, value in self.spec}
        skipped = ("where", "cursor", "group")
        return {name: str(value) for name, value in values.items() if value and name not in skipped} | fields

    def _midnight(self, day: date | None) -> datetime | None:
        """The beginning of a day where the viewer is."""
        return None if day is None else datetime(day.year, day.month, day.day, tzinfo=self.zone)

    @property
    def has_more_filters(self) -> bool:
        """True where one of the filters is set that are folded away at first."""
        return any((self.network, self.project, self.created_after, self.created_before, self.where))

    @property
    def is_filtered(self) -> bool:
        """True where any filter is set."""
        first = (self.q, self.status, self.suite, self.dataset, self.tag, self.study)
        return any(first) or self.has_more_filters


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _zone(name: str | None) -> tzinfo:
    """The time zone of this name; UTC where there is none."""
    try:
        return ZoneInfo(name) if name else UTC
    except (KeyError, ValueError, OSError):  # no such name, no name at all, a folder of names
        return UTC


def _table_query(
    request: Request,
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
    group: Words = None,
    sort: Sort = "-created",
    cursor: Annotated[str | None, Query(max_length=cursors.MAX_CURSOR), Blank] = None,
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
        group=group.strip() if group else None,
        sort=sort,
        cursor=cursor,
        columns=_chosen(request.cookies.get(COOKIE)),
        zone=_zone(request.cookies.get(ZONE_COOKIE)),
    )


def _chosen(cookie: str | None) -> tuple[str, ...]:
    """The columns in a cookie, the known ones first and in their order; what is none is left out."""
    if cookie is None:
        return USUAL
    names = dict.fromkeys(name.strip() for name in cookie.split(",")[:MAX_CHOSEN])
    paths = [name for name in names if name not in COLUMNS and "." in name and is_column(name)]
    return (*(name for name in COLUMNS if name in names), *paths)


@dataclass(frozen=True)
class TableHeading:
    """A column of the table. sort: the first and the second click's sort order, where it has some."""

    name: str
    words: str
    is_number: bool
    sort: tuple[str, str] | None = None


def _headings(columns: Sequence[str]) -> list[TableHeading]:
    found = []
    for name in columns:
        up = name in SORTED_DOWNWARDS
        sort = ((f"-{name}", name) if up else (name, f"-{name}")) if name in SORTABLE else None
        found.append(
            TableHeading(name, COLUMNS.get(name, name), name in NUMBERS or name not in COLUMNS, sort)
        )
    return found


@router.get("/")
def table(
    request: Request,
    services: ServicesDep,
    caller: CallerDep,
    query: Annotated[TableQuery, Depends(_table_query)],
) -> HTMLResponse:
    """The page; for requests of htmx the table alone."""
    is_part = "hx-request" in request.headers and "hx-history-restore-request" not in request.headers
    mistakes = [*query.mistakes(), *(wrong := query.group_mistakes())]
    filters = query.filters(caller.visible_to)
    grouped = bool(query.group) and not wrong
    response = render(
        request,
        "table_found.html" if is_part else "table.html",
        query=query,
        study=_study_name(services, caller, query.study) if query.study else None,
        counts=counts(services.database, filters),
        summary=None if is_part else facets(services.database, caller.visible_to),
        statuses=get_args(ExperimentStatus),
        networks=NETWORKS,
        mistakes=mistakes,
        may_batch=caller.role != "read",
        most_exported=MOST_EXPORTED,
        may_change=caller.may_change,
        usual=USUAL,
        all_columns=COLUMNS,
        spec_columns=[name for name in query.columns if name not in COLUMNS],
        offered_groups=GROUPS,
        group=_grouped(services, query, filters) if grouped else None,
        **_listed(services, caller, query, filters, is_shown=not grouped),
    )
    response.headers["Vary"] = "Accept, HX-Request, Cookie"
    return response


def _listed(
    services: Services, caller: Caller, query: TableQuery, filters: Filters, *, is_shown: bool
) -> dict[str, Any]:
    """A page of experiments for the template; none where groups are shown."""
    order = SortOrder(query.sort)
    after = cursors.decode_cursor(query.cursor, order) if query.cursor else None
    snapshots = experiments(services.database, filters, ROWS + 1, after, order) if is_shown else []
    page, has_more = snapshots[:ROWS], len(snapshots) > ROWS
    views = [experiment_view(snapshot) for snapshot in page]
    columns = query.columns
    has_owners = caller.name is not None or any(view.owner for view in views)
    if has_owners and columns == USUAL:
        columns = (*columns, "owner")
    studies = {}
    if STUDY in columns:
        studies = names_by_experiment(services.database, [each.id for each in views], caller.visible_to)
    return {
        "columns": _headings(columns),
        "experiments": [(view, snapshot.record.dataset) for view, snapshot in zip(views, page, strict=True)],
        "studies_of": studies,
        "value_at": _value_at,
        "is_active": any(view.status in ("queued", "running") for view in views),
        "next": query.address(cursor=cursors.encode_cursor(*page[-1].position)) if has_more else None,
    }


def _value_at(experiment: Experiment, column: str) -> str:
    value = spec_value(experiment.spec.model_dump(mode="json"), column)
    return "–" if value is None else _number(value) if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class GroupRow:
    """A group as the page shows it. cells: a text for each column."""

    words: str
    address: str | None
    experiments: int
    completed: int
    cells: Sequence[str]


@dataclass(frozen=True)
class GroupTable:
    """Groups as the page shows them."""

    heading: str
    columns: Sequence[TableHeading]
    rows: Sequence[GroupRow]
    found: int


def _grouped(services: Services, query: TableQuery, filters: Filters) -> GroupTable:
    by = parse_group_by(query.group or "")
    paths = summarised(query.summarised)
    found = groups(services.database, filters, by, list(dict.fromkeys(paths.values())), MOST_GROUPS)
    numeric = numeric_columns(found.groups, query.summarised)
    rows = [
        GroupRow(
            _words(each, query.group or ""),
            query.of_group(each.value),
            each.experiments,
            each.completed,
            [_summary(name, each.columns[path], numeric[name]) for name, path in paths.items()],
        )
        for each in found.groups
    ]
    heading = COLUMNS.get(query.group or "", (query.group or "").capitalize())
    columns = [TableHeading(name, COLUMNS.get(name, name), True) for name in paths]
    return GroupTable(heading if "." not in by or query.group in SHORT else by, columns, rows, found.total)


def _words(group: Group, by: str) -> str:
    if group.value is None:
        return f"no {by}" if by in ("project", "study", "tag", "owner") else "–"
    return group.name or (_number(group.value) if isinstance(group.value, float) else str(group.value))


def _summary(name: str, summary: Summary, is_number: bool) -> str:
    """Mean ± standard deviation, or the value that all have."""
    if not summary.count:
        return "–"
    if not is_number or (summary.distinct == 1 and summary.value is not None):
        value = common_value(summary)
        return "–" if value is None else _number(value) if isinstance(value, float) else str(value)
    mean, deviation = summary.mean or 0.0, summary.deviation
    if name in ("accuracy", "balanced"):
        if deviation is None:
            return format_share(mean)
        return f"{100 * mean:.1f} ± {100 * deviation:.1f} %"
    if name == "seconds":
        return format_seconds(mean) + ("" if deviation is None else f" ± {format_seconds(deviation)}")
    return _number(mean) + ("" if deviation is None else f" ± {_number(deviation)}")


def _number(value: float) -> str:
    return f"{value:.4g}"


def _study_name(services: Services, caller: Caller, study_id: str) -> str | None:
    """Name of a study, or its id; None where the caller sees none of this id."""
    try:
        return study(services.database, study_id, caller.visible_to).record.name or study_id
    except NotFound:
        return None
