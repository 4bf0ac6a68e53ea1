"""Groups of experiments, and specs of versions that stored no configuration."""

from __future__ import annotations

import statistics

import pytest
from sqlalchemy import delete, insert, update

from tests.support.jobs import submitted
from tests.support.many_experiments import arrange, fill
from tgsh.store import queries
from tgsh.store.annotations import annotate
from tgsh.store.database import Database
from tgsh.store.groups import groups
from tgsh.store.models import ConfigurationRecord, ExperimentRecord, StudyMemberRecord, StudyRecord
from tgsh.store.queries import Filters
from tgsh.store.studies import names_by_experiment


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


@pytest.mark.parametrize("owner", [None, "alice"])
def test_links_are_those_of_the_rows_one_by_one(database: Database, owner: str | None) -> None:
    """Tags, of which an experiment has several or none, and studies, of which some are not seen."""
    fill(database, 60)
    arrange(database, 60, per_study=7)
    with database.write() as session:
        late = ExperimentRecord.id >= f"{50:016x}"
        session.execute(update(ExperimentRecord).where(late).values(owner="bob"))
        session.execute(update(StudyRecord).where(StudyRecord.id == f"{14:016x}").values(owner="bob"))
        session.execute(
            delete(StudyMemberRecord).where(StudyMemberRecord.experiment_id.in_([f"{5:016x}", f"{6:016x}"]))
        )
        again = {"study_id": f"{7:016x}", "cell": 1, "seed": 0, "base_seed": 0}
        session.execute(insert(StudyMemberRecord), {**again, "experiment_id": f"{0:016x}"})
    annotate(database, f"{1:016x}", {"tags": []})
    filters = Filters(visible_to=owner)
    records = [each.record for each in queries.experiments(database, filters, 99)]
    studies = {
        record.id: [id for id, _ in names_by_experiment(database, [record.id], owner).get(record.id, ())]
        for record in records
    }
    for by, links in (("tag", {each.id: each.spec["tags"] for each in records}), ("study", studies)):
        expected: dict[str | None, list[ExperimentRecord]] = {}
        for record in records:
            for value in links[record.id] or [None]:
                expected.setdefault(value, []).append(record)
        order = sorted(expected, key=lambda value: (value is None, value or ""))
        for most in (None, 2, len(order) - 1, len(order)):
            found = groups(database, filters, by, ("suite", "dataset", "tasks", "accuracy"), most)
            plain = groups(database, filters, by, ("suite", "dataset"), most)
            assert found.total == plain.total == len(order)
            assert [each.value for each in found.groups] == [each.value for each in plain.groups]
            assert [each.value for each in found.groups] == order[:most]
            for group, without in zip(found.groups, plain.groups, strict=True):
                own = expected[group.value]  # type: ignore[index]
                assert group.experiments == without.experiments == len(own)
                assert group.completed == sum(each.status == "completed" for each in own)
                assert group.columns["tasks"].mean == pytest.approx(
                    statistics.mean(each.tasks_total for each in own)
                )
                for name in ("suite", "dataset"):
                    values = {getattr(each, name) for each in own}
                    assert group.columns[name] == without.columns[name]
                    assert (group.columns[name].count, group.columns[name].distinct) == (
                        len(own),
                        len(values),
                    )
                    assert group.columns[name].value == (values.pop() if len(values) == 1 else None)


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
