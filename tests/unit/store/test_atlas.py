"""Random bases and what was learned on them, on both databases."""

from __future__ import annotations

from sqlalchemy import update

from tests.support.many_experiments import fill
from tgsh.store.atlas import AtlasFilters, base, bases, pieces_of
from tgsh.store.database import Database
from tgsh.store.models import ExperimentRecord

BASE = "b" * 64


def test_pages_of_bases_and_the_pieces_of_one(database: Database) -> None:
    fill(database, 40, owner="alice")
    with database.write() as session:
        for number in range(3):  # three newer experiments, each on a base of its own
            this = ExperimentRecord.id == f"{number:016x}"
            values = {"base_id": str(number) * 64, "owner": "bob", "created_at": 2e9 + number}
            session.execute(update(ExperimentRecord).where(this).values(**values))
    every = bases(database, None, 10)
    assert [each.base_id[0] for each in every] == ["2", "1", "0", "b"]
    found, after = [], None
    while page := bases(database, None, 1, after):
        found += page
        after = page[-1].created_at, page[-1].base_id
    assert found == every
    assert every[-1].experiments == 37
    assert every[-1] == base(database, BASE, "alice")
    assert [each.base_id for each in bases(database, "alice", 10)] == [BASE]
    assert [each.base_id[0] for each in bases(database, "bob", 10)] == ["2", "1", "0"]
    pieces = pieces_of(database, BASE, AtlasFilters("alice"))
    assert len(pieces) > 10  # the completed ones: these rows have no tasks
    assert [piece.experiment for piece in pieces] == sorted((p.experiment for p in pieces), reverse=True)
    shifts = pieces_of(database, BASE, AtlasFilters("alice", suite="shift", dataset="mnist"))
    assert {(piece.suite, piece.dataset) for piece in shifts} == {("shift", "mnist")}
    assert pieces_of(database, BASE, AtlasFilters("bob")) == []
    assert pieces_of(database, BASE, AtlasFilters(project="thesis")) == []
