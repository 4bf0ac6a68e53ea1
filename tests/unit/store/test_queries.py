"""Lists, filters, pages, events."""

from __future__ import annotations

from collections import Counter

import pytest
from sqlalchemy import update

from tests.support.jobs import submitted
from tgsh.store import queries
from tgsh.store.database import Database
from tgsh.store.models import ExperimentRecord
from tgsh.store.queries import SORTS, Filters, Sort, SortOrder


def test_pages_are_newest_first_and_whole(database: Database) -> None:
    ids = [submitted(database, name=f"number {index}") for index in range(7)]
    seen: list[str] = []
    after = None
    while page := queries.experiments(database, Filters(), 3, after):
        seen += [snapshot.record.id for snapshot in page]
        after = (page[-1].record.created_at, page[-1].record.id)
    assert seen == ids[::-1]


def test_filters(database: Database) -> None:
    one = submitted(database, name="100% Rotation", tags=("a", "b"))
    two = submitted(database, name="other", tags=("b",))

    def found(filters: Filters) -> list[str]:
        return [snapshot.record.id for snapshot in queries.experiments(database, filters, 10)]

    assert found(Filters(tag="a")) == [one]
    assert found(Filters(tag="b")) == [two, one]
    assert found(Filters(text="rotation")) == [one]
    assert found(Filters(text="100%")) == [one]
    assert found(Filters(text="%")) == [one]  # no wildcard
    assert found(Filters(status="completed")) == []
    assert found(Filters(status="queued", suite="rotation", dataset="mnist")) == [two, one]


def test_events_go_on_behind_the_last_seen(database: Database) -> None:
    experiment_id = submitted(database)
    [first], is_over = queries.events(database, experiment_id, 0)
    assert (first.kind, first.data["status"], is_over) == ("status", "queued", False)
    assert queries.events(database, experiment_id, first.id) == ([], False)


ROWS = [
    {"name": "b", "status": "completed", "mean_accuracy": 0.5, "started_at": 1.0, "finished_at": 9.0},
    {"name": "A", "status": "failed", "mean_accuracy": None, "started_at": None, "finished_at": 3.0},
    {"name": "Ä", "status": "running", "mean_accuracy": 0.25, "started_at": 2.0, "finished_at": None},
    {"name": "b", "status": "completed", "mean_accuracy": 0.5, "started_at": 1.0, "finished_at": 2.5},
    {"name": "c", "status": "queued", "mean_accuracy": None, "started_at": None, "finished_at": None},
]


@pytest.fixture
def filled(database: Database) -> Database:
    for index, row in enumerate(ROWS):
        experiment_id = submitted(
            database, tasks=1 + index % 3, name=str(row["name"]), tags=("t",) * (index > 2)
        )
        owner = ("alice", None)[index % 2]
        with database.write() as session:
            session.execute(
                update(ExperimentRecord)
                .where(ExperimentRecord.id == experiment_id)
                .values(row | {"owner": owner, "epochs_done": index % 3})
            )
    return database


@pytest.mark.parametrize("sort", SORTS)
def test_pages_in_every_order_are_whole_and_sorted(filled: Database, sort: Sort) -> None:
    order = SortOrder(sort)
    whole = queries.experiments(filled, queries.Filters(), 10, order=order)
    assert len(whole) == len(ROWS)
    assert all(order.is_position(found.position) for found in whole)
    key = [found.position for found in whole]
    if order.by not in ("name", "status", "suite", "dataset", "owner"):  # a database has its own alphabet
        assert key == sorted(key, reverse=order.descending)
    seen, after = [], None
    while page := queries.experiments(filled, queries.Filters(), 2, after, order):
        seen += [found.record.id for found in page]
        after = page[-1].position
    assert seen == [found.record.id for found in whole]
    other = SortOrder(order.by if order.descending else f"-{order.by}")  # type: ignore[arg-type]
    assert [
        found.record.id for found in queries.experiments(filled, queries.Filters(), 10, order=other)
    ] == seen[::-1]


def test_names_are_sorted_whatever_their_case(filled: Database) -> None:
    found = queries.experiments(filled, queries.Filters(), 2, order=SortOrder("name"))
    assert found[0].record.name == "A"
    assert found[1].record.name in ("b", "Ä")


def test_a_summary_counts_what_is_visible(filled: Database) -> None:
    counted = queries.counts(filled, queries.Filters(text="B"))
    listed = [each.record for each in queries.experiments(filled, queries.Filters(text="B"), 9)]
    assert (counted.matching, counted.all) == (Counter(each.status for each in listed), 5)
    assert sum(each.name in ("b", "B") for each in listed) == 2
    assert all("b" in each.name.lower() or each.id.startswith("b") for each in listed)
    found = queries.facets(filled, None)
    assert (found.suites, found.datasets, found.tags) == (["rotation"], ["mnist"], ["t"])
    hers = queries.counts(filled, queries.Filters(visible_to="bob"))
    assert (sum(hers.matching.values()), hers.all) == (2, 2)
    assert queries.facets(filled, "bob").tags == ["t"]
