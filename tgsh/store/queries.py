"""Experiments, tasks, events; filters, order, pages, facets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Double, cast, func, or_, select, tuple_
from sqlalchemy.orm import Session

from tgsh.errors import NotFound
from tgsh.schemas import TERMINAL, Progress
from tgsh.store.database import Database
from tgsh.store.lifecycle import progress_of
from tgsh.store.models import EventRecord, ExperimentRecord, TagRecord, TaskRecord, UseRecord, db_now
from tgsh.store.ownership import is_visible_to

Sort = Literal[
    "created", "name", "status", "suite", "dataset", "tasks", "progress", "accuracy", "seconds", "owner",
    "-created", "-name", "-status", "-suite", "-dataset", "-tasks", "-progress", "-accuracy", "-seconds",
    "-owner",
]  # fmt: skip
"""By what; with a minus the greatest first."""

SORTS: tuple[Sort, ...] = get_args(Sort)

Position = Sequence[str | float]
"""Where an experiment stands in an order: its values of the order's key."""

# What is not known comes before everything that is.
_COLUMNS: Mapping[str, ColumnElement[Any]] = MappingProxyType(
    {
        "name": func.lower(ExperimentRecord.name),
        "status": ExperimentRecord.status.expression,
        "suite": ExperimentRecord.suite.expression,
        "dataset": ExperimentRecord.dataset.expression,
        "tasks": cast(ExperimentRecord.tasks_total, Double),
        "progress": cast(ExperimentRecord.epochs_done, Double) / ExperimentRecord.epochs_total,
        "accuracy": func.coalesce(ExperimentRecord.mean_accuracy, -1.0),
        "seconds": func.coalesce(ExperimentRecord.finished_at - ExperimentRecord.started_at, -1.0),
        "owner": func.coalesce(ExperimentRecord.owner, ""),
    }
)
_TEXTS = ("name", "status", "suite", "dataset", "owner")


@dataclass(frozen=True)
class SortOrder:
    """An order of experiments. Among equals the newer one is first where the greatest is, else last."""

    sort: Sort

    @property
    def by(self) -> str:
        """What is compared."""
        return self.sort.removeprefix("-")

    @property
    def descending(self) -> bool:
        """Whether the greatest is first."""
        return self.sort.startswith("-")

    @property
    def key(self) -> tuple[ColumnElement[Any], ...]:
        """What is compared, in SQL; no two experiments have the same."""
        newest = (ExperimentRecord.created_at.expression, ExperimentRecord.id.expression)
        return newest if self.by == "created" else (_COLUMNS[self.by], *newest)

    def is_position(self, values: Sequence[Any]) -> bool:
        """Whether they can be values of `key`."""
        kinds = [float, str] if self.by == "created" else [str if self.by in _TEXTS else float, float, str]
        return [type(value) for value in values] == kinds and all(
            math.isfinite(value) if isinstance(value, float) else "\0" not in value for value in values
        )


NEWEST = SortOrder("-created")


LAST_ID = 2**63 - 1
"""A greater number is none to a database."""

MOST_AT_ONCE = 500
"""Ids in one query: SQLite takes so many variables and no more."""


@dataclass(frozen=True)
class Snapshot:
    """An experiment's row with its progress at one moment (`at`, seconds since 1970).

    position: where it stands in the list that it was read from.
    """

    record: ExperimentRecord
    progress: Progress
    at: float
    position: Position = ()


@dataclass(frozen=True)
class Filters:
    """What a list of experiments is narrowed to; None: no condition. `text` is looked for in the name.

    visible_to: the name of a key; what it does not see is left out.
    """

    status: str | None = None
    suite: str | None = None
    dataset: str | None = None
    tag: str | None = None
    text: str | None = None
    visible_to: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """What all of it says, for a query of ExperimentRecord."""
        columns = ((ExperimentRecord.status, self.status), (ExperimentRecord.suite, self.suite))
        found: list[ColumnElement[bool]] = [column == value for column, value in columns if value is not None]
        if self.dataset is not None:
            using = select(UseRecord.experiment_id).where(UseRecord.dataset_id == self.dataset)
            found.append(or_(ExperimentRecord.dataset == self.dataset, ExperimentRecord.id.in_(using)))
        if self.tag is not None:
            tagged = select(TagRecord.experiment_id).where(TagRecord.tag == self.tag)
            found.append(ExperimentRecord.id.in_(tagged))
        if self.text is not None:
            found.append(ExperimentRecord.name.icontains(self.text, autoescape=True))
        if self.visible_to is not None:
            found.append(is_visible_to(self.visible_to))
        return found


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
    """Up to `limit` experiments in this order, from behind the position `after`."""
    position = (column.label(f"position_{index}") for index, column in enumerate(order.key))
    query = select(ExperimentRecord, *position).where(*filters.conditions())
    if after is not None:
        here, there = tuple_(*order.key), tuple_(*after)
        query = query.where(here < there if order.descending else here > there)
    by = [column.desc() if order.descending else column.asc() for column in order.key]
    with database.read() as session:
        rows = session.execute(query.order_by(*by).limit(limit)).all()
        at = session.scalar(select(db_now())) or 0.0
        return [Snapshot(record, progress_of(record, at), at, place) for record, *place in rows]


def completed_with_digest(database: Database, digest: str, visible_to: str | None) -> str | None:
    """The newest completed experiment of that digest that a key of that name sees (None: any); its id."""
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
    """Tasks of an experiment in their order: all, those of one status, the first so many. Raises NotFound."""
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
        found = session.get(TaskRecord, (experiment_id, index))
        if found is None:
            raise NotFound(f"there is no task {index} of an experiment {experiment_id!r}")
        return found


def events(
    database: Database, experiment_id: str, after: int, limit: int = 500
) -> tuple[list[EventRecord], bool]:
    """Events with ids behind `after`, in order; and whether no more will come. Raises NotFound."""
    with database.read() as session:
        # The status is read first: an event written between the two reads is then found next time.
        status = session.scalar(select(ExperimentRecord.status).where(ExperimentRecord.id == experiment_id))
        if status is None:
            raise NotFound(f"there is no experiment {experiment_id!r}")
        query = (
            select(EventRecord)
            .where(EventRecord.experiment_id == experiment_id, EventRecord.id > min(after, LAST_ID))
            .order_by(EventRecord.id)
            .limit(limit)
        )
        found = list(session.scalars(query))
        return found, status in TERMINAL and len(found) < limit


@dataclass(frozen=True)
class News:
    """What has happened to an experiment: its newest event's id, events to tell of, its status.

    more: whether there are further events behind those.
    """

    status: str
    newest: int
    events: Sequence[EventRecord] = ()
    more: bool = False


def news(database: Database, seen: Mapping[str, int | None], limit: int = 500) -> dict[str, News]:
    """News of these experiments behind the event ids given; None: only the newest id is wanted.

    Costs one query, and another for each experiment that has news. One that is gone is left out.
    """
    ids = list(seen)
    found: dict[str, News] = {}
    with database.read() as session:
        for start in range(0, len(ids), MOST_AT_ONCE):
            newest = (
                select(func.max(EventRecord.id))
                .where(EventRecord.experiment_id == ExperimentRecord.id)
                .scalar_subquery()
            )
            some = ExperimentRecord.id.in_(ids[start : start + MOST_AT_ONCE])
            rows = session.execute(select(ExperimentRecord.id, ExperimentRecord.status, newest).where(some))
            for experiment_id, status, top in rows.all():
                found[experiment_id] = _news(session, experiment_id, status, top or 0, seen, limit)
    return found


def _news(
    session: Session, experiment_id: str, status: str, top: int, seen: Mapping[str, int | None], limit: int
) -> News:
    after = seen[experiment_id]
    if after is None or top <= after:
        return News(status, top)
    query = (
        select(EventRecord)
        .where(EventRecord.experiment_id == experiment_id, EventRecord.id > after, EventRecord.id <= top)
        .order_by(EventRecord.id)
        .limit(limit)
    )
    events = list(session.scalars(query))
    return News(status, top, events, more=bool(events) and events[-1].id < top)


MOST_TAGS = 200


@dataclass(frozen=True)
class Facets:
    """matching: how many experiments are found, by status. all: how many there are without the filters.

    suites, datasets, tags: those of all that are visible; of tags, the ones used most.
    """

    matching: Mapping[str, int]
    all: int
    suites: Sequence[str]
    datasets: Sequence[str]
    tags: Sequence[str]


def facets(database: Database, filters: Filters) -> Facets:
    """Of the experiments that the filters find, and of all that are visible to whom they name."""
    visible = replace(Filters(), visible_to=filters.visible_to)
    with database.read() as session:
        groups = (ExperimentRecord.suite, ExperimentRecord.dataset)
        rows = session.execute(
            select(*groups, func.count()).where(*visible.conditions()).group_by(*groups)
        ).all()
        return Facets(
            matching=_by_status(session, filters),
            all=sum(count for *_, count in rows),
            suites=sorted({suite for suite, *_ in rows}),
            datasets=sorted({dataset for _, dataset, _ in rows}),
            tags=_tags(session, visible),
        )


def _by_status(session: Session, filters: Filters) -> dict[str, int]:
    status = ExperimentRecord.status
    query = select(status, func.count()).where(*filters.conditions()).group_by(status)
    return {name: count for name, count in session.execute(query)}  # noqa: C416 - rows are no tuples to mypy


def _tags(session: Session, visible: Filters) -> list[str]:
    query = select(TagRecord.tag)
    if visible.visible_to is not None:
        query = query.join(ExperimentRecord, ExperimentRecord.id == TagRecord.experiment_id)
        query = query.where(*visible.conditions())
    query = query.group_by(TagRecord.tag).order_by(func.count().desc(), TagRecord.tag).limit(MOST_TAGS)
    return list(session.scalars(query))
