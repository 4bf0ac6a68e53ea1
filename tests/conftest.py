"""What many tests share: real stores and small specs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres import find_tool, running_postgres
from tgsh.settings import compiled_code_folder
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database

FAST = {"unit", "api", "architecture"}
"""Folders of tests that one runs while writing: pytest -m fast."""

# Not in each test's TGSH_HOME, where FlyNet would be compiled anew.
os.environ.setdefault("NUMBA_CACHE_DIR", str(compiled_code_folder()))

NOT_FAST = {"slow", "attacks", "faults"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the fast tests, and put the long ones first, as all wait for what starts last."""
    for item in items:
        marks = {mark.name for mark in item.iter_markers()}
        needs_server = "postgresql" in item.name or "postgres_url" in getattr(item, "fixturenames", ())
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        if folder in FAST and not needs_server and marks.isdisjoint(NOT_FAST):
            item.add_marker("fast")
    long = NOT_FAST | {"timeout"}
    items.sort(key=lambda item: long.isdisjoint(mark.name for mark in item.iter_markers()))


def missing(reason: str) -> None:
    """Skip for want of a part of this machine; CI, where every part must be there, fails instead."""
    if os.environ.get("TGSH_REQUIRE_ALL"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server for this run."""
    if find_tool("initdb") is None or find_tool("pg_ctl") is None:
        missing("no PostgreSQL server tools; install Debian's package postgresql")
    with running_postgres(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite database of today's schema, to copy: migrations take longer than most tests."""
    path = tmp_path_factory.mktemp("migrated") / "tgsh.db"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    database.dispose()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path, migrated_sqlite: Path) -> Iterator[Database]:
    """An empty database with today's schema, of either kind."""
    if request.param == "sqlite":
        shutil.copy(migrated_sqlite, tmp_path)
        made = Database(f"sqlite:///{tmp_path}/tgsh.db")
    else:
        made = Database(request.getfixturevalue("postgres_url"))
    made.migrate()
    yield made
    if request.param == "postgresql":
        with made.engine.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")  # whichever records are imported
            connection.exec_driver_sql("CREATE SCHEMA public")
    made.dispose()


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    """An empty artifact folder."""
    return Artifacts(str(tmp_path / "artifacts"))
