"""Lists, filters, pages, events."""

from __future__ import annotations

from tests.store.steps import submitted
from tgsh.store import queries
from tgsh.store.database import Database
from tgsh.store.queries import Filters


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
