"""Owners, sharing and shares in the database, and what the third schema makes of the second."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from alembic import command
from sqlalchemy import inspect

from tgsh.errors import NotFound, QuotaExceeded
from tgsh.specs import ExperimentSpec
from tgsh.store import experiments, queries
from tgsh.store.annotations import annotate
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.experiments import ExperimentPlan, PlannedTask
from tgsh.store.migrations import config
from tgsh.store.ownership import Owner, owner_of, require_storage_quota
from tgsh.store.queries import Filters

PLAN = ExperimentPlan([PlannedTask("0°", {}), PlannedTask("10°", {})], "b" * 64)


def made(database: Database, name: str | None, max_queued: int | None = None, shared: bool = False) -> str:
    owner = Owner(name, max_queued)
    return experiments.submit(database, ExperimentSpec(), PLAN, owner=owner, shared=shared)[0]


def test_owners_and_sharing(database: Database) -> None:
    of_alice, of_bob, nobodys = (made(database, name) for name in ("alice", "bob", None))
    shared = made(database, "bob", shared=True)
    assert owner_of(database, of_alice) == ("alice", False)
    assert owner_of(database, shared) == ("bob", True)
    annotate(database, of_bob, {"shared": True})
    annotate(database, shared, {"shared": False})

    def seen(name: str | None) -> set[str]:
        return {found.record.id for found in queries.experiments(database, Filters(visible_to=name), 10)}

    assert seen("alice") == {of_alice, of_bob, nobodys}
    assert seen("bob") == {of_bob, shared, nobodys}
    assert seen("") == {of_bob, nobodys}
    assert seen(None) == {of_alice, of_bob, shared, nobodys}
    for act in (lambda: owner_of(database, "f" * 16), lambda: annotate(database, "f" * 16, {"shared": True})):
        with pytest.raises(NotFound):
            act()


def test_idempotency_keys_are_an_owners(database: Database) -> None:
    one, other, nobodys = (
        experiments.submit(database, ExperimentSpec(seed=seed), PLAN, "key", Owner(name))[0]
        for seed, name in enumerate(("alice", "bob", None))
    )
    assert len({one, other, nobodys}) == 3
    assert experiments.submit(database, ExperimentSpec(seed=1), PLAN, "key", Owner("bob")) == (
        other,
        False,
        False,
    )


def test_a_share_of_the_queue_holds_though_many_ask_at_once(database: Database) -> None:
    def ask(_: int) -> bool:
        try:
            return bool(made(database, "alice", max_queued=6))
        except QuotaExceeded:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(8))) == 3
    assert made(database, "bob", max_queued=6)
    assert made(database, "alice")


def test_resume_takes_of_the_share_too(database: Database) -> None:
    first = made(database, "alice")
    experiments.cancel(database, first)
    made(database, "alice", max_queued=2)
    with pytest.raises(QuotaExceeded, match="2 tasks of alice"):
        experiments.resume(database, first, max_queued=3)
    assert queries.experiment(database, first).record.status == "cancelled"
    experiments.resume(database, first, max_queued=4)


@pytest.mark.parametrize("url", ["{}/artifacts", "memory://owners"])
def test_the_share_of_the_disk(database: Database, url: str, tmp_path: Path) -> None:
    artifacts = Artifacts(url.format(tmp_path))
    experiment = made(database, "alice")
    require_storage_quota(database, artifacts, "alice", 1)
    artifacts.save(f"{experiment}/tasks/0", {"v": np.zeros(1000, np.float32)}, {})
    assert 4_000 < artifacts.size(experiment) < 5_000
    require_storage_quota(database, artifacts, "alice", 1 << 20)
    for _ in range(2):
        with pytest.raises(QuotaExceeded, match="delete"):
            require_storage_quota(database, artifacts, "alice", 4_000)
        experiments.cancel(database, experiment)  # what has ended counts as much
    require_storage_quota(database, artifacts, "bob", 1)
    experiments.delete(database, experiment)
    require_storage_quota(database, artifacts, "alice", 1)
    artifacts.remove_all(experiment)


@pytest.fixture(params=["sqlite", "postgresql"])
def second(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database with the second schema and an experiment of then."""
    is_sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path}/tgsh.db" if is_sqlite else request.getfixturevalue("postgres_url")
    database = Database(url)
    _go(database, "0002")
    with database.engine.begin() as connection:
        for statement in (
            "INSERT INTO experiments (id, name, spec, digest, base_id, suite, dataset, status, versions, "
            "cancel_requested, tasks_total, tasks_done, epochs_total, epochs_done, pace_epochs, created_at) "
            "VALUES ('e', 'a', '{}', 'd', 'b', 'rotation', 'mnist', 'queued', '{}', false, 1, 0, 1, 0, 0, 1)",
            "INSERT INTO idempotency_keys (key, body_digest, experiment_id, created_at) "
            "VALUES ('k', 'd', 'e', 1)",
        ):
            connection.exec_driver_sql(statement)
    yield database
    with database.engine.begin() as connection:
        configuration = config()
        configuration.attributes["connection"] = connection
        command.downgrade(configuration, "base")
        connection.exec_driver_sql("DROP TABLE alembic_version")
    database.dispose()


def _go(database: Database, revision: str) -> None:
    with database.engine.begin() as connection:
        configuration = config()
        configuration.attributes["connection"] = connection
        turn = command.downgrade if revision == "0002" and _tables(database) else command.upgrade
        turn(configuration, revision)


def _tables(database: Database) -> list[str]:
    return inspect(database.engine).get_table_names()


def test_what_was_there_before_is_nobodys(second: Database) -> None:
    second.migrate()
    assert owner_of(second, "e") == (None, False)
    with second.read() as session:
        found = session.connection().exec_driver_sql("SELECT owner, key FROM idempotency_keys").all()
    assert [tuple(row) for row in found] == [("", "k")]
    for name in ("alice", "bob"):
        experiments.submit(second, ExperimentSpec(), PLAN, "k", Owner(name))


def test_the_way_back_keeps_what_the_second_schema_can_hold(second: Database) -> None:
    second.migrate()
    experiments.submit(second, ExperimentSpec(), PLAN, "k", Owner("alice"))
    experiments.submit(second, ExperimentSpec(), PLAN, "k2", Owner("alice"))
    _go(second, "0002")
    with second.read() as session:
        rows = session.connection().exec_driver_sql("SELECT key FROM idempotency_keys ORDER BY key").all()
        assert [tuple(row) for row in rows] == [("k",), ("k2",)]
    columns = {column["name"] for column in inspect(second.engine).get_columns("experiments")}
    assert not columns & {"owner", "shared"}
    second.migrate()
    assert owner_of(second, "e") == (None, False)
