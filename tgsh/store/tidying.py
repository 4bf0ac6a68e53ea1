"""Files that no row names: what workers wrote that were killed before they could remove it."""

from __future__ import annotations

from sqlalchemy import select

from tgsh.store import datasets
from tgsh.store.artifacts import Artifacts
from tgsh.store.clock import now
from tgsh.store.database import Database
from tgsh.store.records import ExperimentRecord, FinishRecord, TaskRecord

ORPHAN_SECONDS = 3600.0
"""An upload's files have their row within a minute."""


def remove_leftovers(database: Database, artifacts: Artifacts, experiment_id: str) -> int:
    """Remove the files of a completed experiment that none of its rows names; how many there were.

    Nobody writes for a completed experiment but one who lost its lease, and whose files have no row either.
    """
    found = set(artifacts.keys(experiment_id))  # before the rows: what is made later is let alone
    with database.read() as session:
        experiment = session.get(ExperimentRecord, experiment_id)
        if experiment is None or experiment.status != "completed":
            return 0
        finish = session.get_one(FinishRecord, experiment_id)
        named = {key for key, _ in finish.results.values()}
        named |= set(
            session.scalars(select(TaskRecord.checkpoint).where(TaskRecord.experiment_id == experiment_id))
        )
    artifacts.remove(found - named)
    return len(found - named)


def remove_orphans(database: Database, artifacts: Artifacts) -> int:
    """Remove the files of uploads whose service was killed before their row was there; how many."""
    found = set(artifacts.older(datasets.FOLDER, ORPHAN_SECONDS))
    if not found:
        return 0
    with database.read() as session:
        orphans = found - set(datasets.files(session))
    artifacts.remove(orphans)
    return len(orphans)


def tidy(database: Database, artifacts: Artifacts, seconds: float) -> int:
    """Remove the leftovers of what was completed within the last `seconds`, and orphans; how many."""
    with database.read() as session:
        lately = select(ExperimentRecord.id).where(
            ExperimentRecord.status == "completed", ExperimentRecord.finished_at > now() - seconds
        )
        ids = session.scalars(lately).all()
    removed = sum(remove_leftovers(database, artifacts, experiment_id) for experiment_id in ids)
    return removed + remove_orphans(database, artifacts)
