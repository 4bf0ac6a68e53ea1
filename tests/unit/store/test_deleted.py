"""Deleted experiments: they come back as they were within a week, and are gone with their files after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select, update

from tests.support.jobs import completed, leased, submitted
from tgsh.errors import Conflict, NotFound
from tgsh.store import deleted, deleted_studies, experiments, maintenance, queries, removals
from tgsh.store.annotations import annotate, history
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.models import Base, DeletedRecord, ExperimentRecord, StudyMemberRecord, TaskRecord

LONG_AGO = 8 * 86_400.0


def rows(database: Database, experiment_id: str) -> dict[str, list[dict[str, Any]]]:
    """All rows of an experiment that come back, by their tables."""
    found = {}
    with database.read() as session:
        for name in ("experiments", "tasks", "finishes", "experiment_tags", "dataset_uses", "study_members"):
            table = Base.metadata.tables[name]
            key = table.c.id if name == "experiments" else table.c.experiment_id
            read = session.execute(select(table).where(key == experiment_id))
            found[name] = sorted((dict(row._mapping) for row in read), key=str)
    return found


def age(database: Database, seconds: float) -> None:
    with database.write() as session:
        session.execute(update(DeletedRecord).values(deleted_at=DeletedRecord.deleted_at - seconds))


def test_it_comes_back_as_it_was(database: Database) -> None:
    id = submitted(database, tags=("a", "b"))
    for index in (0, 1):
        completed(database, leased(database, id, index), 0.25 + index / 2)
    with database.write() as session:
        session.execute(update(TaskRecord).values(confusion=b"\x00\xff{"))
        session.execute(update(ExperimentRecord).values(status="completed", finished_at=1e9 + 0.1))
    annotate(database, id, {"notes": "odd"}, "alice")
    before, changes = rows(database, id), history(database, id)
    deleted.put_away(database, id, "bob")
    with pytest.raises(NotFound):
        queries.experiment(database, id)
    [row] = deleted.listed(database, None, 10)
    record = row.record
    assert (row.study_id, row.study_name) == (None, None)
    assert (record.id, record.tasks_total, record.deleted_by) == (id, 2, "bob")
    deleted.restore(database, id, None)
    assert rows(database, id) == before
    assert [each.after for each in history(database, id)] == [each.after for each in changes]
    assert not deleted.listed(database, None, 10)
    with pytest.raises(NotFound):
        deleted.restore(database, id, None)


def test_what_waited_is_cancelled_and_can_be_resumed(database: Database) -> None:
    id = submitted(database)
    deleted.put_away(database, id)
    deleted.restore(database, id, None)
    assert queries.experiment(database, id).record.status == "cancelled"
    experiments.resume(database, id)
    completed(database, leased(database, id, 0))
    with pytest.raises(Conflict, match="running"):
        deleted.put_away(database, id)


def test_owners_see_and_restore_their_own_alone(database: Database) -> None:
    id = submitted(database)
    with database.write() as session:
        session.execute(update(ExperimentRecord).values(owner="alice"))
    deleted.put_away(database, id, "alice")
    assert not deleted.listed(database, "bob", 10)
    with pytest.raises(NotFound):
        deleted.restore(database, id, "bob")
    assert [each.record.id for each in deleted.listed(database, "alice", 10)] == [id]
    deleted.restore(database, id, "alice")


def test_its_place_in_a_study_is_its_own_again(database: Database) -> None:
    id, other = submitted(database), submitted(database)
    with database.write() as session:
        study = Base.metadata.tables["studies"]
        columns = {"tags": [], "spec": {}, "replicates": {}, "grid": {}, "cells": [], "created_at": 0.0}
        session.execute(study.insert().values(id="5" * 16, name="study", **columns))
        for seed, member in enumerate((id, other)):
            session.add(
                StudyMemberRecord(study_id="5" * 16, cell=0, seed=seed, base_seed=0, experiment_id=member)
            )
    for each in (id, other):
        deleted.put_away(database, each)
    taken = submitted(database)
    with database.write() as session:
        place = StudyMemberRecord.seed == 1
        session.execute(update(StudyMemberRecord).where(place).values(experiment_id=taken))
    for each in (id, other):
        deleted.restore(database, each, None)
    with database.read() as session:
        members = session.scalars(select(StudyMemberRecord.experiment_id).order_by(StudyMemberRecord.seed))
        assert list(members) == [id, taken]


def test_a_study_comes_back_with_the_experiments_that_went_with_it(database: Database) -> None:
    one, two, shared = submitted(database), submitted(database), submitted(database)
    columns = {"tags": ["t"], "spec": {}, "replicates": {}, "grid": {}, "cells": [{}], "created_at": 1.5}
    members = {"5" * 16: (one, two, shared), "6" * 16: (shared,)}
    with database.write() as session:
        session.execute(update(ExperimentRecord).values(owner="alice"))
        for study, ids in members.items():
            table = Base.metadata.tables["studies"]
            session.execute(table.insert().values(id=study, name=study[0], owner="alice", **columns))
            for seed, id in enumerate(ids):
                session.add(
                    StudyMemberRecord(study_id=study, cell=0, seed=seed, base_seed=0, experiment_id=id)
                )

    def study_rows() -> list[list[Any]]:
        tables = [Base.metadata.tables[name] for name in ("studies", "study_members")]
        with database.read() as session:
            return [sorted(map(tuple, session.execute(select(table)))) for table in tables]

    before = study_rows()
    for _ in range(2):
        deleted_studies.put_away_study(database, "5" * 16, "alice")
        listed = deleted.listed(database, "alice", 10)
        assert {row.record.id for row in listed} == {one, two}
        assert {(row.study_id, row.study_name) for row in listed} == {("5" * 16, "5")}
        with pytest.raises(NotFound):
            deleted_studies.restore_study(database, "5" * 16, "bob")
        assert set(deleted_studies.restore_study(database, "5" * 16, "alice")) == {one, two}
        assert study_rows() == before
    deleted_studies.put_away_study(database, "5" * 16)
    deleted.restore(database, two, None)
    assert [row for row in study_rows()[1] if row[0] == "5" * 16] == before[1][1:3], "with what stayed"
    experiments.delete(database, two)
    age(database, LONG_AGO)
    with pytest.raises(NotFound):
        deleted_studies.restore_study(database, "5" * 16, None)


def test_files_stay_for_a_week(database: Database, tmp_path: Path) -> None:
    artifacts = Artifacts(str(tmp_path / "artifacts"))
    id = submitted(database)
    artifacts.save(f"{id}/vectors.safetensors", {"vectors": np.zeros(3)}, {})
    deleted.put_away(database, id)
    monkey = pytest.MonkeyPatch()
    monkey.setattr(maintenance, "ORPHAN_SECONDS", -1.0)
    try:
        maintenance.remove_orphaned_folders(database, artifacts)
    finally:
        monkey.undo()
    assert deleted.forget(database) == []
    removals.carry_out(database, artifacts)
    assert list(artifacts.keys(id)) == [f"{id}/vectors.safetensors"]
    age(database, LONG_AGO)
    assert not deleted.listed(database, None, 10)
    assert deleted.forget(database) == [id]
    removals.carry_out(database, artifacts)
    assert list(artifacts.keys(id)) == []
