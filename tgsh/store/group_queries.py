"""SQL of groups of experiments: counts and sums by columns, by sets of tags and by studies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    select,
)
from sqlalchemy.orm import Session

from tgsh.store.models import (
    ExperimentRecord,
    StudyMemberRecord,
    StudyRecord,
    TagRecord,
    TagSetRecord,
)
from tgsh.store.queries import Filters
from tgsh.store.tag_sets import some_lack_a_set
from tgsh.store.visibility import is_study_visible_to

MEASURED: Mapping[str, ColumnElement[Any]] = MappingProxyType(
    {
        "accuracy": ExperimentRecord.mean_accuracy.expression,
        "balanced": ExperimentRecord.mean_balanced.expression,
        "seconds": ExperimentRecord.finished_at - ExperimentRecord.started_at,
    }
)
"""Numbers that differ from experiment to experiment."""

LABELS: Mapping[str, ColumnElement[Any]] = MappingProxyType(
    {
        "status": ExperimentRecord.status.expression,
        "suite": ExperimentRecord.suite.expression,
        "dataset": ExperimentRecord.dataset.expression,
        "project": ExperimentRecord.project.expression,
        "owner": ExperimentRecord.owner.expression,
        "seed": ExperimentRecord.seed.expression,
        "base_seed": ExperimentRecord.base_seed.expression,
        "tasks": ExperimentRecord.tasks_total.expression,
    }
)
"""Columns of an experiment that are the same for many."""

MANY: Mapping[str, ColumnElement[Any]] = MappingProxyType(
    {"tag": TagRecord.tag.expression, "study": StudyMemberRecord.study_id.expression}
)
"""Links of which an experiment may have several: it is in each of these groups."""

NAMES = ("seed", "base_seed")
"""Numbers that are names: a mean of them says nothing."""

CONFIGURED = ("suite", "dataset")
"""Columns that follow from an experiment's configuration: all that have one have the same of it."""

INDEXED = ("status", "project", "owner")
"""Columns with an index of their own, which SQLite would read in its order, and each wide row with it."""


@dataclass(frozen=True)
class Asked:
    """Columns that rows are grouped and summed up by.

    by: a name of LABELS or MANY, or a path of the spec. key: the column that tells specs apart; None: no path
    is asked for. labels: names of LABELS whose values are told apart. aggregated: those that are summed up
    within the groups, as rows of each value would be many. measured: names of MEASURED.
    """

    by: str
    key: Any
    labels: Sequence[str]
    aggregated: Sequence[str]
    measured: Sequence[str]

    @property
    def width(self) -> int:
        """Columns of counts and sums."""
        return 2 + 3 * len(self.aggregated) + 5 * len(self.measured)


def asked(session: Session, by: str, key: Any, labels: Sequence[str], measured: Sequence[str]) -> Asked:
    """The labels among those told apart, and those summed up.

    Summed up are of configurations those that follow from them; of links all, unless one has a mean, or a
    group comes from two queries.
    """
    aggregated: list[str] = []
    if key is ExperimentRecord.configuration_id:
        aggregated = [name for name in labels if name in CONFIGURED and name != by]
    elif key is None and by in MANY and "tasks" not in labels:
        aggregated = [] if by == "tag" and some_lack_a_set(session) else list(labels)
    return Asked(by, key, [name for name in labels if name not in aggregated], aggregated, measured)


class StudiesShown(NamedTuple):
    """Groups by study that are wanted. last: the last study's id; None: all. others: also those in no study.

    total: how many groups there are.
    """

    last: str | None
    others: bool
    total: int


def studies_shown(session: Session, filters: Filters, most: int | None) -> StudiesShown:
    """The first `most` studies that the filters select experiments of; None: all."""
    ids = sorted(session.scalars(_with_members(session, filters)))
    others = _has_others(session, filters)
    if most is None or len(ids) < most:
        return StudiesShown(None, others, len(ids) + others)
    return StudiesShown(ids[most - 1], False, len(ids) + others)


def _with_members(session: Session, filters: Filters) -> Select[Any]:
    """Ids of studies that have members which are selected."""
    m, r = StudyMemberRecord, ExperimentRecord
    conditions = filters.conditions(session)
    if filters != Filters(visible_to=filters.visible_to):
        # Few may be selected: the database begins with them.
        selected = select(m.study_id).join(r, _seen(filters.visible_to)).where(*conditions)
        return selected.distinct()
    one = select(m.study_id).where(m.study_id == StudyRecord.id, m.experiment_id.is_not(None))
    query = select(StudyRecord.id)
    if filters.visible_to is not None:
        one = one.join(r, r.id == m.experiment_id).where(*conditions)
        query = query.where(is_study_visible_to(filters.visible_to))
    return query.where(one.exists())  # the first one is enough: not all are looked up


def _has_others(session: Session, filters: Filters) -> bool:
    """True where an experiment is selected that is in no study."""
    r, m = ExperimentRecord, StudyMemberRecord
    if filters != Filters():
        other = select(r.id).where(*filters.conditions(session), _is_other(filters.visible_to))
        return session.scalar(other.limit(1)) is not None
    different = select(m.experiment_id).where(m.experiment_id.is_not(None)).distinct().subquery()
    members = session.scalar(select(func.count()).select_from(different))
    return members != session.scalar(select(func.count()).select_from(r))


def _seen(visible_to: str | None) -> ColumnElement[bool]:
    """The condition that an experiment is a member, of a study that this key (None: any) sees."""
    m = StudyMemberRecord
    seen = m.experiment_id == ExperimentRecord.id
    if visible_to is None:
        return seen
    # Not of a list of studies: SQLite would look for each of them in turn.
    own = select(StudyRecord.id).where(StudyRecord.id == m.study_id, is_study_visible_to(visible_to))
    return and_(seen, own.correlate(m).exists())


def _is_other(visible_to: str | None) -> ColumnElement[bool]:
    places = select(StudyMemberRecord.experiment_id).where(_seen(visible_to))
    return ~places.correlate(ExperimentRecord).exists()


def rows(
    session: Session, filters: Filters, what: Asked, studies: StudiesShown | None
) -> list[Sequence[Any]]:
    """Rows of the key of a spec or None, the value of MANY or None, values of labels, counts, sums.

    The counts are of experiments and of completed ones; then of each aggregated label how many have one, how
    many different ones, and the least; of what is measured count, sum, sum of squares, least and greatest.
    """
    found: list[Sequence[Any]] = []
    for query, has_link in _queries(session, filters, what, studies):
        for row in session.execute(query):
            if row[len(row) - what.width]:  # without keys there is a row of no experiments
                given = list(row)
                if what.key is None:
                    given.insert(0, None)
                if not has_link:
                    given.insert(1, None)
                found.append(given)
    return found


def _queries(
    session: Session, filters: Filters, what: Asked, studies: StudiesShown | None
) -> Iterator[tuple[Select[Any], bool]]:
    """Queries of all rows, and whether these have a value of MANY."""
    r, m = ExperimentRecord, StudyMemberRecord
    conditions = filters.conditions(session)
    if what.key is r.configuration_id:
        conditions.append(r.configuration_id.is_not(None))
    if what.key is r.id:
        conditions.append(r.configuration_id.is_(None))
    if what.by == "tag":
        yield _of_tags(what, conditions), True
        if some_lack_a_set(session):
            query = _grouped(what, TagRecord.tag).where(r.tag_set_id.is_(None), *conditions)
            yield query.outerjoin(TagRecord, TagRecord.experiment_id == r.id), True
    elif studies is not None:
        # In the order of the studies SQLite need not sort them; those in none are counted apart.
        query = _grouped(what, m.study_id).where(*conditions).join(m, _seen(filters.visible_to))
        if studies.last is not None:
            collation = {"sqlite": "BINARY", "postgresql": "C"}[session.get_bind().dialect.name]
            query = query.where(m.study_id.collate(collation) <= studies.last)
        yield query, True
        if studies.others:
            yield _grouped(what).where(*conditions, _is_other(filters.visible_to)), False
    else:
        yield _grouped(what).where(*conditions), False


def _grouped(what: Asked, link: Any = None, apart: Sequence[str] = ()) -> Select[Any]:
    """Rows of key (if any), link (if any), labels, counts, sums of what is measured.

    apart: aggregated labels that are told apart here, before the counts.
    """
    r = ExperimentRecord
    keys = [column for column in (what.key, link) if column is not None]
    keys += [_label(name) for name in (*what.labels, *apart)]
    sums: list[Any] = [
        func.count().label("experiments"),
        func.count(case((r.status == "completed", 1))).label("completed"),
    ]
    for name in what.aggregated:
        if name in apart:
            continue
        value = LABELS[name]
        # Of a configuration all are the same, and to count them takes as long as all the rest.
        different: Any = func.count(value.distinct()) if what.key is None else literal(1)
        sums += [
            func.count(value).label(f"{name}_count"),
            different.label(f"{name}_different"),
            func.min(value).label(f"{name}_least"),
        ]
    for name in what.measured:
        value = MEASURED[name]
        sums += [
            func.count(value).label(f"{name}_count"),
            func.sum(value).label(f"{name}_sum"),
            func.sum(value * value).label(f"{name}_squares"),
            func.min(value).label(f"{name}_least"),
            func.max(value).label(f"{name}_greatest"),
        ]
    return select(*keys, *sums).select_from(r).group_by(*keys)


def _label(name: str) -> ColumnElement[Any]:
    column = LABELS[name]
    return (column.concat(literal_column("''")) if name in INDEXED else column).label(name)


def _of_tags(what: Asked, conditions: Sequence[ColumnElement[bool]]) -> Select[Any]:
    """The same by tag: sums of each set of tags first, as each experiment has one; then of each tag."""
    r = ExperimentRecord
    conditions = [r.tag_set_id.is_not(None), *conditions]
    if what.key is not None:  # nearly as many sums as experiments
        query = _grouped(what, TagSetRecord.tag).where(*conditions)
        return query.outerjoin(TagSetRecord, TagSetRecord.id == r.tag_set_id)
    sets = _grouped(what, r.tag_set_id, what.aggregated).where(*conditions).subquery()
    each = sets.c
    keys = [TagSetRecord.tag, *(each[name] for name in what.labels)]
    sums: list[Any] = [_total(each.experiments), _total(each.completed)]
    for name in what.aggregated:
        having = case((each[name].is_not(None), each.experiments), else_=0)
        sums += [_total(having), func.count(each[name].distinct()), func.min(each[name])]
    for name in what.measured:
        sums += [
            _total(each[f"{name}_count"]),
            func.sum(each[f"{name}_sum"]),
            func.sum(each[f"{name}_squares"]),
            func.min(each[f"{name}_least"]),
            func.max(each[f"{name}_greatest"]),
        ]
    joined = sets.outerjoin(TagSetRecord, TagSetRecord.id == each.tag_set_id)
    return select(*keys, *sums).select_from(joined).group_by(*keys)


def _total(count: ColumnElement[Any]) -> ColumnElement[int]:
    """A sum of counts; that of PostgreSQL is a decimal number."""
    return cast(func.sum(count), BigInteger)
