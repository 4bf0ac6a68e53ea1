"""What is told of a list of experiments besides the experiments: how many they are, what to filter by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tgsh.store.database import Database
from tgsh.store.reads import Filters
from tgsh.store.records import ExperimentRecord, TagRecord

MOST_TAGS = 200


@dataclass(frozen=True)
class Summary:
    """matching: how many experiments are found, by status. all: how many there are without the filters.

    suites, datasets, tags: those of all that are visible; of tags, the ones used most.
    """

    matching: Mapping[str, int]
    all: int
    suites: Sequence[str]
    datasets: Sequence[str]
    tags: Sequence[str]


def summary(database: Database, filters: Filters) -> Summary:
    """Of the experiments that the filters find, and of all that are visible to whom they name."""
    visible = replace(Filters(), visible_to=filters.visible_to)
    with database.read() as session:
        groups = (ExperimentRecord.suite, ExperimentRecord.dataset)
        rows = session.execute(
            select(*groups, func.count()).where(*visible.conditions()).group_by(*groups)
        ).all()
        return Summary(
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
