"""How SQLite runs the queries of the table: from indexes alone, not experiment by experiment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from tests.support.many_experiments import arrange, fill
from tgsh.store.database import Database
from tgsh.store.groups import groups
from tgsh.store.queries import Filters, counts, positions

ONE_BY_ONE = "sqlite_autoindex_experiments_1"
"""The index of ids: each row that is found by it is read, and rows are wide."""

COLUMNS = ("suite", "dataset", "accuracy", "seconds")


@pytest.fixture
def many(tmp_path: Path, migrated_sqlite: Path) -> Database:
    database = Database(tmp_path / "tgsh.db")
    database.migrate()
    fill(database, 60)
    arrange(database, 60, per_study=6)
    return database


def plans(database: Database, ask: Callable[[], object]) -> list[str]:
    """Every step of every query that is run."""
    asked: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, parameters: Any, *___: object) -> None:
        if statement.startswith("SELECT"):
            asked.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    ask()
    event.remove(database.engine, "before_cursor_execute", note)
    with database.engine.connect() as connection:
        return [
            row[-1]
            for statement, parameters in asked
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]


@pytest.mark.parametrize(
    "ask",
    [
        lambda database: counts(database, Filters(tag="paper")),
        lambda database: positions(database, Filters(tag="paper"), 9),
        lambda database: counts(database, Filters(text="run 1")),
        lambda database: positions(database, Filters(text="run 1"), 9),
        lambda database: groups(database, Filters(), "tag", COLUMNS),
        lambda database: groups(database, Filters(tag="paper"), "project", COLUMNS),
        lambda database: groups(database, Filters(tag="paper"), "tag", COLUMNS),
        lambda database: groups(database, Filters(text="run 1"), "tag", COLUMNS),
    ],
    ids=[
        "counts of a tag",
        "a page of a tag",
        "counts of a search",
        "a page of a search",
        "by tag",
        "by project of a tag",
        "by tag of a tag",
        "by tag of a search",
    ],
)
def test_neither_rows_nor_their_tags_are_looked_up(many: Database, ask: Callable[[Database], object]) -> None:
    steps = plans(many, lambda: ask(many))
    reading = [step for step in steps if " experiments " in f"{step} " or "experiment_tags" in step]
    assert reading
    assert all("USING COVERING INDEX ix_experiments_" in step for step in reading), reading


def test_of_studies_those_alone_are_read_that_are_shown(many: Database) -> None:
    steps = plans(many, lambda: groups(many, Filters(), "study", COLUMNS, 3))
    [place] = (index for index, step in enumerate(steps) if ONE_BY_ONE in step)
    assert "study_members USING INDEX" in steps[place - 1]
    assert "(study_id<?)" in steps[place - 1]
    found = groups(many, Filters(), "study", COLUMNS, 3)
    assert ([each.value for each in found.groups], found.total) == ([f"{6 * n:016x}" for n in range(3)], 10)
