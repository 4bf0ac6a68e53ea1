"""Schema and connections."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from tests.store.steps import submitted
from tgsh.errors import MachineProblem
from tgsh.store import reads
from tgsh.store.database import Database
from tgsh.store.records import Record


def test_the_migrations_make_the_records(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, Record.metadata) == []


def test_a_newer_schema_is_refused_with_what_to_do(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(MachineProblem, match="another version of tgsh"):
        database.migrate()


def test_many_processes_may_migrate_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/home/tgsh.db"
    with ProcessPoolExecutor(4) as pool:
        list(pool.map(_migrate, [url] * 8))
    assert submitted(Database(url))


def _migrate(url: str) -> None:
    Database(url).migrate()


def test_the_home_is_this_users_alone(tmp_path: Path) -> None:
    Database(f"sqlite:///{tmp_path}/home/tgsh.db").migrate()
    assert (tmp_path / "home").stat().st_mode & 0o077 == 0


def test_a_writer_waits_for_a_locked_database(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/tgsh.db")
    database.migrate()
    held = threading.Event()

    def hold() -> None:
        with database.write():
            held.set()
            time.sleep(0.5)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(5)
    experiment_id = submitted(database)
    thread.join()
    assert reads.experiment(database, experiment_id).record.status == "queued"
