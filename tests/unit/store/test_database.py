"""Schema and connections."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, select, text

from tests.support.jobs import submitted
from tgsh.errors import MachineProblem
from tgsh.specs import AugmentSuite, ExperimentSpec, NeuroModNetSpec
from tgsh.store import jobs, queries
from tgsh.store.database import Database
from tgsh.store.migrations import config, metadata
from tgsh.store.models import ExperimentRecord, Job, WorkerRecord


def test_the_migrations_make_the_records(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata()) == []


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
    held.wait(60)
    experiment_id = submitted(database)
    thread.join()
    assert queries.experiment(database, experiment_id).record.status == "queued"


def test_what_a_power_cut_makes_void_does_not_wait_for_the_disk(database: Database) -> None:
    question = text("PRAGMA synchronous" if database.is_sqlite else "SHOW synchronous_commit")
    answers = []
    for durable in (True, False, True):
        with database.write(durable=durable) as session:
            answers.append(session.scalar(question))
    assert answers == ([2, 1, 2] if database.is_sqlite else ["on", "off", "on"])  # FULL is 2, NORMAL 1


def test_the_second_schema_keeps_what_the_first_one_held(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/tgsh.db")
    with database.engine.begin() as connection:
        configuration = config()
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, "0001")
        for statement in (
            "INSERT INTO experiments (id, name, spec, digest, base_id, suite, dataset, status, versions, "
            "cancel_requested, tasks_total, tasks_done, epochs_total, epochs_done, pace_epochs, created_at) "
            "VALUES ('e', 'old', '{}', 'd', 'b', 'rotation', 'mnist', 'queued', '{}', 0, 1, 0, 1, 0, 0, 1.0)",
            "INSERT INTO tasks (experiment_id, task_index, label, params, epochs_done, losses, seconds, "
            "status, attempts) VALUES ('e', 0, '0°', '{}', 0, '[]', 0.0, 'queued', 0)",
            "INSERT INTO finishes (experiment_id, results, status, attempts) "
            "VALUES ('e', '{}', 'waiting', 0)",
        ):
            connection.exec_driver_sql(statement)
    database.migrate()
    lease = jobs.lease_next(database, "w", 60)
    assert lease is not None
    assert lease.job == Job("e", 0)


def test_what_waits_from_before_keeps_away_from_workers_without_torch(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/tgsh.db")
    specs = {
        "fly": ExperimentSpec(),
        "augment": ExperimentSpec(suite=AugmentSuite()),
        "layers": ExperimentSpec(network=NeuroModNetSpec()),
    }
    with database.engine.begin() as connection:
        configuration = config()
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, "0006")
        for name, spec in specs.items():
            row: dict[str, object] = dict.fromkeys(
                ("cancel_requested", "tasks_done", "epochs_total", "epochs_done", "pace_epochs", "shared"), 0
            )
            row |= dict.fromkeys(("name", "digest", "base_id", "dataset"), "old")
            row |= {"id": name, "spec": spec.model_dump_json(), "suite": spec.suite.kind, "versions": "{}"}
            row |= {"status": "queued", "tasks_total": 1, "created_at": 1.0}
            names = ", ".join(f":{column}" for column in row)
            connection.execute(text(f"INSERT INTO experiments ({', '.join(row)}) VALUES ({names})"), row)
        connection.exec_driver_sql(
            "INSERT INTO workers (name, host, pid, slots, memory_bytes, seen_at) "
            "VALUES ('w', 'h', 1, '[]', 0, 0)"
        )
    database.migrate()
    with database.read() as session:
        rows = session.execute(select(ExperimentRecord.id, ExperimentRecord.needs_torch))
        needs = {row.id: row.needs_torch for row in rows}
        worker = session.get_one(WorkerRecord, "w")
    assert needs == {"fly": False, "augment": True, "layers": True}
    assert (worker.has_torch, worker.datasets) == (True, None)  # every worker had torch, and told no datasets


def test_the_newest_schema_can_be_left_again(database: Database) -> None:
    """For who goes back to the version before: what that knows is still there."""
    experiment_id = submitted(database)
    with database.engine.begin() as connection:
        configuration = config()
        configuration.attributes["connection"] = connection
        command.downgrade(configuration, "0003")
        tables = inspect(connection).get_table_names()
    assert "previews" not in tables
    assert "workers" in tables
    database.migrate()
    assert queries.experiment(database, experiment_id).record.status == "queued"
