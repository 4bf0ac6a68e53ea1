"""Sets of tags: as the tags are, whoever wrote them, and as the migration counts them."""

from __future__ import annotations

import pytest
from alembic import command
from sqlalchemy import select, update

from tests.support.jobs import submitted
from tests.support.many_experiments import fill
from tgsh.store import deleted, queries
from tgsh.store.annotations import annotate, retag
from tgsh.store.database import Database
from tgsh.store.groups import groups
from tgsh.store.migrations import config
from tgsh.store.models import ExperimentRecord, TagSetRecord
from tgsh.store.queries import Filters
from tgsh.store.tag_sets import tag_set_id


def found(database: Database, **filters: object) -> set[str]:
    return {id for id, _ in queries.positions(database, Filters(**filters), 99)}  # type: ignore[arg-type]


def stored(database: Database) -> tuple[dict[str, int | None], set[tuple[int, str]]]:
    """The set of each experiment, and the tags of each set."""
    with database.read() as session:
        of_experiments = session.execute(select(ExperimentRecord.id, ExperimentRecord.tag_set_id))
        tags = session.execute(select(TagSetRecord.id, TagSetRecord.tag))
        return {id: number for id, number in of_experiments}, {(id, tag) for id, tag in tags}  # noqa: C416


def test_a_set_is_the_same_in_any_order_and_stored_once(database: Database) -> None:
    ids = [submitted(database, tags=tags) for tags in (("a", "b"), ("b", "a"), ("a",), ())]
    of_experiments, tags = stored(database)
    assert [of_experiments[id] for id in ids] == [tag_set_id(some) for some in ("ab", "ba", "a", "")]
    assert tags == {(tag_set_id("ab"), "a"), (tag_set_id("ab"), "b"), (tag_set_id("a"), "a")}
    assert len({*of_experiments.values()}) == 3
    assert tag_set_id(["a,b"]) != tag_set_id(["a", "b"])


def test_an_experiment_is_found_by_the_tags_it_has_now(database: Database) -> None:
    id, other = submitted(database, tags=("old",)), submitted(database, tags=("old", "more"))
    annotate(database, id, {"tags": ["new"]})
    assert (found(database, tag="old"), found(database, tag="new")) == ({other}, {id})
    retag(database, id, ["more"], ["new"], None)
    assert found(database, tag="more") == {id, other}
    assert found(database, tag="new") == found(database, text="new") == set()
    annotate(database, id, {"tags": []})
    assert {each.value: each.experiments for each in groups(database, Filters(), "tag", ()).groups} == {
        "more": 1,
        "old": 1,
        None: 1,
    }


def test_what_comes_back_has_its_tags(database: Database) -> None:
    id = submitted(database, tags=("kept",))
    deleted.put_away(database, id)
    assert found(database, tag="kept") == set()
    deleted.restore(database, id, None)
    assert found(database, tag="kept") == {id}
    assert stored(database)[0] == {id: tag_set_id(["kept"])}


def test_experiments_without_a_set_are_found_as_well(database: Database) -> None:
    """A version before 0.5 inserts such ones during a rolling upgrade."""
    fill(database, 60)
    columns = ("suite", "dataset", "accuracy", "training.epochs")
    asked = [Filters(tag="paper"), Filters(text="week"), Filters(text="tr", tag="try"), Filters(tag="none")]
    before = [(queries.counts(database, each), queries.positions(database, each, 99)) for each in asked]
    grouped = [groups(database, each, "tag", some) for each in asked for some in (columns, columns[:3])]
    with database.write() as session:
        early = update(ExperimentRecord).where(ExperimentRecord.id.like("%3"))
        session.execute(early.values(tag_set_id=None))
    after = [(queries.counts(database, each), queries.positions(database, each, 99)) for each in asked]
    assert after == before
    for page, other in zip(
        grouped,
        [groups(database, each, "tag", some) for each in asked for some in (columns, columns[:3])],
        strict=True,
    ):
        for group, same in zip(page.groups, other.groups, strict=True):
            assert (group.value, group.experiments, group.completed) == (
                same.value,
                same.experiments,
                same.completed,
            )
            for name, summary in group.columns.items():
                assert same.columns[name].mean == pytest.approx(summary.mean)
                assert same.columns[name].deviation == pytest.approx(summary.deviation)
                assert (same.columns[name].count, same.columns[name].distinct) == (
                    summary.count,
                    summary.distinct,
                )
    annotate(database, f"{3:016x}", {"tags": ["anew"]})
    assert found(database, tag="anew") == {f"{3:016x}"}


def test_the_migration_counts_the_same_sets(database: Database) -> None:
    fill(database, 40)
    submitted(database)
    submitted(database, tags=("Übung", "a b", '"'))
    before = stored(database)
    with database.engine.begin() as connection:
        configuration = config()
        configuration.attributes["connection"] = connection
        command.downgrade(configuration, "0018")
    database.migrate()
    assert stored(database) == before
