"""Notes of what is to be removed: written once, tried again ever later, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import select, update

from tgsh.errors import ArtifactNotRemoved
from tgsh.store import removals
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.models import RemovalRecord


@pytest.fixture
def stubborn(artifacts: Artifacts, tmp_path: Path) -> str:
    """The key of a folder, which is no file that could be removed."""
    (tmp_path / "artifacts" / "e" / "x.npy" / "full").mkdir(parents=True)
    return "e/x.npy"


def noted(database: Database) -> list[RemovalRecord]:
    with database.read() as session:
        return list(session.scalars(select(RemovalRecord)))


def make_due(database: Database, retry_at: float = 0.0) -> None:
    with database.write() as session:
        session.execute(update(RemovalRecord).values(retry_at=retry_at))


def test_pauses_grow_up_to_the_longest(database: Database, artifacts: Artifacts, stubborn: str) -> None:
    with pytest.raises(ArtifactNotRemoved, match="Is a directory"):
        artifacts.remove([stubborn])
    assert removals.discard(database, artifacts, [stubborn, "e/missing.npy"]) == 1
    pauses = []
    for _ in range(12):
        (record,) = noted(database)
        make_due(database)
        assert removals.carry_out(database, artifacts) == 0
        (after,) = noted(database)
        assert after.attempts == record.attempts + 1
        pauses.append(after.retry_at)
    lengths = [later - earlier for earlier, later in pairwise(pauses)]
    assert lengths[0] >= removals.FIRST_PAUSE
    assert lengths[-1] < 60  # the longest pause is reached
    assert max(pauses) - noted(database)[0].created_at < removals.LONGEST_PAUSE + 60
    assert removals.overdue(database) == 1
    (record,) = noted(database)
    assert "Is a directory" in str(record.reason)


def test_a_clock_set_back_keeps_nothing_waiting(
    database: Database, artifacts: Artifacts, stubborn: str, tmp_path: Path
) -> None:
    removals.discard(database, artifacts, [stubborn])
    (tmp_path / "artifacts" / stubborn / "full").rmdir()
    (tmp_path / "artifacts" / stubborn).rmdir()
    assert removals.carry_out(database, artifacts) == 0
    make_due(database, noted(database)[0].created_at + 10 * removals.LONGEST_PAUSE)
    assert removals.carry_out(database, artifacts) == 1
    assert noted(database) == []


def test_several_processes_may_note_and_remove_at_once(
    database: Database, artifacts: Artifacts, stubborn: str, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: removals.discard(database, artifacts, [stubborn]), range(16)))
    assert len(noted(database)) == 1
    with database.write() as session:
        removals.note(session, ["f", stubborn, "f"], is_folder=True)  # what is noted stays as it is
    assert {record.key: record.is_folder for record in noted(database)} == {"f": True, stubborn: False}
    (tmp_path / "artifacts" / "f").mkdir()
    make_due(database)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: removals.carry_out(database, artifacts), range(8)))
    assert not (tmp_path / "artifacts" / "f").exists()
    assert [record.key for record in noted(database)] == [stubborn]


def test_a_database_that_is_away_fails_nobody(artifacts: Artifacts, stubborn: str, tmp_path: Path) -> None:
    empty = Database(tmp_path / "empty.db")
    assert removals.discard(empty, artifacts, [stubborn]) == 0
    assert removals.carry_out(empty, artifacts) == 0
    empty.dispose()
