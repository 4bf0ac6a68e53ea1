"""Queries of experiments, tasks and events: filters, sort orders, pages, facets."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Double, Select, cast, exists, func, or_, select, tuple_
from sqlalchemy.orm import Session, aliased, defer

from tgsh.errors import NotFound
from tgsh.schemas import TERMINAL, Progress
from tgsh.store.configurations import has_value
from tgsh.store.database import Database
from tgsh.store.lifecycle import progress_of
from tgsh.store.models import (
    EventRecord,
    ExperimentRecord,
    StudyMemberRecord,
    StudyRecord,
    TagRecord,
    TaskRecord,
    UseRecord,
    db_now,
)
from tgsh.store.sql_functions import begins, contains
from tgsh.store.tag_sets import has_tag, some_lack_a_set
from tgsh.store.visibility import is_study_visible_to, is_visible_to

Sort = Literal[
    "created", "name", "status", "suite", "dataset", "tasks", "progress", "accuracy", "balanced", "seconds",
    "owner",
    "-created", "-name", "-status", "-suite", "-dataset", "-tasks", "-progress", "-accuracy", "-balanced",
    "-seconds", "-owner",
]  # fmt: skip
"""Sort keys; with a minus descending."""

MAX_ID = 2**63 - 1
"""The greatest event id: SQL's BIGINT."""

MAX_IDS = 500
"""Most ids in one query: SQLite bounds the number of variables."""

MAX_TAGS = 200
"""Most tags in the facets."""

HEX = re.compile("[0-9a-f]{0,16}", re.IGNORECASE | re.ASCII)
"""What ids begin with."""

SORTS: tuple[Sort, ...] = get_args(Sort)

Position = Sequence[str | float]
"""Position of an experiment in a sort order: its values of the order's key."""

# Missing values sort before all others.
_COLUMNS: Mapping[str, ColumnElement[Any]] = MappingProxyType(
    {
        "name": func.lower(ExperimentRecord.name),
        "status": ExperimentRecord.status.expression,
        "suite": ExperimentRecord.suite.expression,
        "dataset": ExperimentRecord.dataset.expression,
        "tasks": cast(ExperimentRecord.tasks_total, Double),
        "progress": cast(ExperimentRecord.epochs_done, Double) / ExperimentRecord.epochs_total,
        "accuracy": func.coalesce(ExperimentRecord.mean_accuracy, -1.0),
        "balanced": func.coalesce(ExperimentRecord.mean_balanced, -1.0),
        "seconds": func.coalesce(ExperimentRecord.finished_at - ExperimentRecord.started_at, -1.0),
        "owner": func.coalesce(ExperimentRecord.owner, ""),
    }
)
_TEXTS = ("name", "status", "suite", "dataset", "owner")


@dataclass(frozen=True)
class SortOrder:
    """A sort order of experiments; among equals, newer ones are first if descending, else last."""

    sort: Sort

    @property
    def by(self) -> str:
        """The sort key without its direction."""
        return self.sort.removeprefix("-")

    @property
    def descending(self) -> bool:
        """True if the greatest value comes first."""
        return self.sort.startswith("-")

    @property
    def key(self) -> tuple[ColumnElement[Any], ...]:
        """The SQL expressions that are compared; no two experiments have the same values."""
        newest = (ExperimentRecord.created_at.expression, ExperimentRecord.id.expression)
        return newest if self.by == "created" else (_COLUMNS[self.by], *newest)

    def is_position(self, values: Sequence[Any]) -> bool:
        """True if the values have the types of `key`."""
        kinds = [float, str] if self.by == "created" else [str if self.by in _TEXTS else float, float, str]
        return [type(value) for value in values] == kinds and all(
            math.isfinite(value) if isinstance(value, float) else "\0" not in value for value in values
        )


NEWEST = SortOrder("-created")


@dataclass(frozen=True)
class Snapshot:
    """An experiment's row with its progress at one moment (`at`, seconds since 1970).

    position: its position in the list that it was read from.
    """

    record: ExperimentRecord
    progress: Progress
    at: float
    position: Position = ()


@dataclass(frozen=True)
class Filters:
    """Conditions on a list of experiments; None: no condition.

    text: part of the name, a tag, the notes or the project, or the beginning of the id. spec: values by
    dotted path, as text. created_after, created_before: seconds since 1970. visible_to: the name of an API
    key; experiments that it does not see are left out. study: id of a study that they belong to; of one
    that it does not see there are none.
    """

    status: str | None = None
    suite: str | None = None
    dataset: str | None = None
    tag: str | None = None
    text: str | None = None
    visible_to: str | None = None
    network: str | None = None
    project: str | None = None
    owner: str | None = None
    created_after: float | None = None
    created_before: float | None = None
    spec: Sequence[tuple[str, str]] = ()
    study: str | None = None

    def conditions(self, session: Session) -> list[ColumnElement[bool]]:
        """SQL conditions for a query of ExperimentRecord in this session."""
        columns = (
            (ExperimentRecord.status, self.status),
            (ExperimentRecord.suite, self.suite),
            (ExperimentRecord.project, self.project),
            (ExperimentRecord.owner, self.owner),
        )
        conditions: list[ColumnElement[bool]] = [
            column == value for column, value in columns if value is not None
        ]
        if self.dataset is not None:
            using = select(UseRecord.experiment_id).where(UseRecord.dataset_id == self.dataset)
            conditions.append(or_(ExperimentRecord.dataset == self.dataset, ExperimentRecord.id.in_(using)))
        if self.tag is not None:
            conditions.append(has_tag(lambda tag: tag == self.tag, some_lack_a_set(session)))
        if self.text is not None:
            conditions.append(_says(self.text, some_lack_a_set(session)))
        if self.study is not None:
            conditions.append(ExperimentRecord.id.in_(_members_of(self.study, self.visible_to)))
        if self.created_after is not None:
            conditions.append(ExperimentRecord.created_at >= self.created_after)
        if self.created_before is not None:
            conditions.append(ExperimentRecord.created_at < self.created_before)
        network = () if self.network is None else (("network.kind", self.network),)
        conditions += [has_value(path, value) for path, value in (*network, *self.spec)]
        if self.visible_to is not None:
            conditions.append(is_visible_to(self.visible_to))
        return conditions


def _says(text: str, some_lack_tags: bool) -> ColumnElement[bool]:
    """The condition that a name, tag, project or notes contain a text, or an id begins with it."""
    noted = aliased(ExperimentRecord)  # notes are in no index, and few experiments have some
    noting = select(noted.id).where(noted.notes.is_not(None), contains(noted.notes, text))
    found = [
        contains(ExperimentRecord.name, text),
        contains(ExperimentRecord.project, text),
        has_tag(lambda tag: contains(tag, text), some_lack_tags),
        ExperimentRecord.id.in_(noting),
    ]
    if HEX.fullmatch(text):  # else no id is looked at
        found.append(begins(ExperimentRecord.id, text))
    return or_(*found)


def _members_of(study_id: str, visible_to: str | None) -> Select[Any]:
    """Ids of the experiments of a study; none where the key does not see it."""
    query = select(StudyMemberRecord.experiment_id).where(
        StudyMemberRecord.study_id == study_id, StudyMemberRecord.experiment_id.is_not(None)
    )
    if visible_to is None:
        return query
    return query.join(StudyRecord, StudyRecord.id == StudyMemberRecord.study_id).where(
        is_study_visible_to(visible_to)
    )


def experiment(database: Database, experiment_id: str) -> Snapshot:
    """One experiment. Raises NotFound."""
    with database.read() as session:
        record = session.get(ExperimentRecord, experiment_id)
        if record is None:
            raise NotFound(f"there is no experiment {experiment_id!r}")
        at = session.scalar(select(db_now())) or 0.0
        return Snapshot(record, progress_of(record, at), at)


def experiments(
    database: Database, filters: Filters, limit: int, after: Position | None = None, order: SortOrder = NEWEST
) -> list[Snapshot]:
    """Up to `limit` experiments in this order, after the position `after`."""
    with database.survey() as session:
        rows = session.execute(_positions(session, filters, limit, after, order)).all()
        records = _records(session, [id for id, *_ in rows])
        at = session.scalar(select(db_now())) or 0.0
        return [
            Snapshot(records[id], progress_of(records[id], at), at, values)
            for id, *values in rows
            if id in records
        ]


def positions(
    database: Database, filters: Filters, limit: int, after: Position | None = None, order: SortOrder = NEWEST
) -> list[tuple[str, Position]]:
    """Ids and positions of the same experiments, from the index alone."""
    with database.survey() as session:
        query = _positions(session, filters, limit, after, order)
        return [(id, values) for id, *values in session.execute(query)]


def _positions(
    session: Session, filters: Filters, limit: int, after: Position | None, order: SortOrder
) -> Select[Any]:
    key = order.key
    if filters.text is not None:
        # No index has this order. In that of the newest all wide rows would be read where few fit.
        key = tuple(column + 0.0 if column.key == "created_at" else column for column in key)
    position = (column.label(f"position_{index}") for index, column in enumerate(key))
    query = select(ExperimentRecord.id, *position).where(*filters.conditions(session))
    if after is not None:
        place, bound = tuple_(*key), tuple_(*after)
        query = query.where(place < bound if order.descending else place > bound)
    by = [column.desc() if order.descending else column.asc() for column in key]
    return query.order_by(*by).limit(limit)


def _records(session: Session, ids: Sequence[str]) -> dict[str, ExperimentRecord]:
    """Rows by id. They are read last: a row is wide, and what lists are sorted by is in an index."""
    found: dict[str, ExperimentRecord] = {}
    for start in range(0, len(ids), MAX_IDS):
        query = select(ExperimentRecord).where(ExperimentRecord.id.in_(ids[start : start + MAX_IDS]))
        found |= {record.id: record for record in session.scalars(query)}
    return found


def completed_with_digest(database: Database, digest: str, visible_to: str | None) -> str | None:
    """The id of the newest completed experiment of a digest that is visible to a key (None: of any)."""
    query = select(ExperimentRecord.id).where(
        ExperimentRecord.digest == digest, ExperimentRecord.status == "completed"
    )
    if visible_to is not None:
        query = query.where(is_visible_to(visible_to))
    newest = query.order_by(ExperimentRecord.created_at.desc(), ExperimentRecord.id.desc()).limit(1)
    with database.read() as session:
        return session.scalar(newest)


def tasks(
    database: Database, experiment_id: str, *, status: str | None = None, limit: int | None = None
) -> list[TaskRecord]:
    """The first `limit` tasks of an experiment, of one status or all, by index. Raises NotFound."""
    with database.read() as session:
        if session.get(ExperimentRecord, experiment_id) is None:
            raise NotFound(f"there is no experiment {experiment_id!r}")
        query = select(TaskRecord).where(TaskRecord.experiment_id == experiment_id).order_by(TaskRecord.index)
        if status is not None:
            query = query.where(TaskRecord.status == status)
        return list(session.scalars(query.limit(limit)))


def task(database: Database, experiment_id: str, index: int) -> TaskRecord:
    """One task. Raises NotFound."""
    with database.read() as session:
        record = session.get(TaskRecord, (experiment_id, index))
        if record is None:
            raise NotFound(f"there is no task {index} of an experiment {experiment_id!r}")
        return record


def events(
    database: Database, experiment_id: str, after: int, limit: int = 500
) -> tuple[list[EventRecord], bool]:
    """Events with ids greater than `after`, and whether no more will come. Raises NotFound."""
    with database.read() as session:
        # The status is read first: an event written between the two reads is then found next time.
        status = session.scalar(select(ExperimentRecord.status).where(ExperimentRecord.id == experiment_id))
        if status is None:
            raise NotFound(f"there is no experiment {experiment_id!r}")
        query = (
            select(EventRecord)
            .where(EventRecord.experiment_id == experiment_id, EventRecord.id > min(after, MAX_ID))
            .order_by(EventRecord.id)
            .limit(limit)
        )
        events = list(session.scalars(query))
        return events, status in TERMINAL and len(events) < limit


@dataclass(frozen=True)
class NewEvents:
    """New events of an experiment, the id of its newest event, and its status.

    more: whether there are further events after these.
    """

    status: str
    newest: int
    events: Sequence[EventRecord] = ()
    more: bool = False


def new_events(database: Database, seen: Mapping[str, int | None], limit: int = 500) -> dict[str, NewEvents]:
    """Events after the id `seen` of each experiment; None: its newest id, and no events.

    Costs one query, and another for each experiment that has new events. Deleted ones are left out.
    """
    ids = list(seen)
    updates: dict[str, NewEvents] = {}
    with database.read() as session:
        for start in range(0, len(ids), MAX_IDS):
            newest = (
                select(func.max(EventRecord.id))
                .where(EventRecord.experiment_id == ExperimentRecord.id)
                .scalar_subquery()
            )
            of_chunk = ExperimentRecord.id.in_(ids[start : start + MAX_IDS])
            rows = session.execute(
                select(ExperimentRecord.id, ExperimentRecord.status, newest).where(of_chunk)
            )
            for experiment_id, status, top in rows.all():
                updates[experiment_id] = _new_events(session, experiment_id, status, top or 0, seen, limit)
    return updates


def _new_events(
    session: Session, experiment_id: str, status: str, top: int, seen: Mapping[str, int | None], limit: int
) -> NewEvents:
    after = seen[experiment_id]
    if after is None or top <= after:
        return NewEvents(status, top)
    query = (
        select(EventRecord)
        .where(EventRecord.experiment_id == experiment_id, EventRecord.id > after, EventRecord.id <= top)
        .order_by(EventRecord.id)
        .limit(limit)
    )
    events = list(session.scalars(query))
    return NewEvents(status, top, events, more=bool(events) and events[-1].id < top)


@dataclass(frozen=True)
class Standing:
    """Status and progress of an experiment, and the id of its newest event."""

    status: str
    progress: Progress
    newest: int


def states(database: Database, ids: Sequence[str], visible_to: str | None) -> dict[str, Standing]:
    """The state of each experiment that exists and that this key (None: any) sees. ids: at most MAX_IDS."""
    newest = select(func.max(EventRecord.id)).where(EventRecord.experiment_id == ExperimentRecord.id)
    query = select(ExperimentRecord, newest.scalar_subquery()).where(ExperimentRecord.id.in_(ids))
    if visible_to is not None:
        query = query.where(is_visible_to(visible_to))
    with database.read() as session:
        rows = session.execute(query.options(defer(ExperimentRecord.spec))).all()
        at = session.scalar(select(db_now())) or 0.0
        return {record.id: Standing(record.status, progress_of(record, at), top or 0) for record, top in rows}


@dataclass(frozen=True)
class Facets:
    """Choices of filters: suites, datasets, tags, projects of all visible experiments, MAX_TAGS at most."""

    suites: Sequence[str]
    datasets: Sequence[str]
    tags: Sequence[str]
    projects: Sequence[str]


def facets(database: Database, visible_to: str | None) -> Facets:
    """Facets of all experiments that this key (None: any) sees."""
    visible = Filters(visible_to=visible_to)
    groups = (ExperimentRecord.suite, ExperimentRecord.dataset)
    with database.survey() as session:
        rows = session.execute(select(*groups).where(*visible.conditions(session)).distinct()).all()
        return Facets(
            suites=sorted({suite for suite, _ in rows}),
            datasets=sorted({dataset for _, dataset in rows}),
            tags=_tags(session, visible),
            projects=_projects(session, visible),
        )


@dataclass(frozen=True)
class Counts:
    """Numbers of experiments. matching: those that the filters select, by status. all: all visible ones."""

    matching: Mapping[str, int]
    all: int


def counts(database: Database, filters: Filters) -> Counts:
    """Numbers of the experiments that the filters select, and that `filters.visible_to` sees."""
    visible = Filters(visible_to=filters.visible_to)
    with database.survey() as session:
        matching = _by_status(session, filters)
        everything = matching if filters == visible else _by_status(session, visible)
        return Counts(matching, sum(everything.values()))


def _by_status(session: Session, filters: Filters) -> dict[str, int]:
    status: ColumnElement[str] = ExperimentRecord.status.expression
    if filters != Filters():  # else SQLite reads whole rows in the order of the status, and they are wide
        status = func.coalesce(status, "")
    query = select(status, func.count()).where(*filters.conditions(session)).group_by(status)
    return {name: count for name, count in session.execute(query)}  # noqa: C416 - rows are no tuples to mypy


def _projects(session: Session, visible: Filters) -> list[str]:
    project = ExperimentRecord.project
    query = select(project).where(project.is_not(None), *visible.conditions(session)).group_by(project)
    return [name for name in session.scalars(query.order_by(project).limit(MAX_TAGS)) if name is not None]


def _tags(session: Session, visible: Filters) -> list[str]:
    """Tags of visible experiments, those first that most experiments have."""
    query = select(TagRecord.tag).group_by(TagRecord.tag)
    if visible.visible_to is not None:  # the first that is seen is enough: not all are looked up
        other = aliased(TagRecord)
        seen = select(other.tag).join(ExperimentRecord, ExperimentRecord.id == other.experiment_id)
        query = query.having(exists(seen.where(other.tag == TagRecord.tag, *visible.conditions(session))))
    query = query.order_by(func.count().desc(), TagRecord.tag).limit(MAX_TAGS)
    return list(session.scalars(query))
