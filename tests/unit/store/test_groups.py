"""Groups of experiments, and specs of versions that stored no configuration."""

from __future__ import annotations

import statistics

import pytest
from sqlalchemy import delete, update

from tests.support.jobs import submitted
from tests.support.many_experiments import fill
from tgsh.store import queries
from tgsh.store.database import Database
from tgsh.store.groups import groups
from tgsh.store.models import ConfigurationRecord, ExperimentRecord
from tgsh.store.queries import Filters


def test_groups_are_those_of_the_rows_one_by_one(database: Database) -> None:
    fill(database, 200)
    with database.write() as session:  # as a version before 0.5 wrote them
        early = update(ExperimentRecord).where(ExperimentRecord.id < f"{50:016x}")
        session.execute(early.values(configuration_id=None, seed=None, base_seed=None))
    rows = [each.record for each in queries.experiments(database, Filters(suite="shift"), 200)]
    found = groups(
        database, Filters(suite="shift"), "training.epochs", ["accuracy", "network.expansion", "dataset"]
    )
    assert [group.value for group in found.groups] == sorted({row.spec["training"]["epochs"] for row in rows})
    for group in found.groups:
        own = [row for row in rows if row.spec["training"]["epochs"] == group.value]
        accuracies = [row.mean_accuracy for row in own if row.mean_accuracy is not None]
        assert (group.experiments, group.columns["accuracy"].count) == (len(own), len(accuracies))
        assert group.completed == sum(row.status == "completed" for row in own)
        if len(accuracies) > 1:
            assert group.columns["accuracy"].mean == pytest.approx(statistics.mean(accuracies))
            assert group.columns["accuracy"].deviation == pytest.approx(statistics.stdev(accuracies))
        expansions = [row for row in own if "expansion" in row.spec["network"]]
        assert group.columns["network.expansion"].count == len(expansions)
        assert group.columns["dataset"].distinct == len({row.dataset for row in own})


def test_a_spec_is_found_with_and_without_its_configuration(database: Database) -> None:
    ids = [submitted(database, tasks) for tasks in (1, 2, 2)]
    with database.write() as session:
        lacking = update(ExperimentRecord).where(ExperimentRecord.id == ids[1])
        session.execute(lacking.values(configuration_id=None))

    def found(path: str, value: str) -> list[str]:
        snapshots = queries.experiments(database, Filters(spec=((path, value),)), 10)
        return [each.record.id for each in snapshots]

    assert found("suite.tasks", "2") == [ids[2], ids[1]]
    assert found("seed", "0") == ids[::-1]
    assert found("seed", "nonsense") == found("seed", "9" * 30) == []
    assert found("name", "test") == ids[::-1]
    assert found("normalisation", "auto") == ids[::-1]
    with database.write() as session:
        session.execute(delete(ConfigurationRecord))
    assert found("suite.tasks", "2") == [ids[1]]
