"""Damaged, orphaned and reusable results."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from tgsh.specs import ExperimentSpec
from tgsh.store import datasets
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.jobs import JobLease, cancel_row, fenced
from tgsh.store.lifecycle import advance, append_status_event, append_task_event
from tgsh.store.models import ExperimentRecord, FinishRecord, TaskRecord, db_now, lock_experiment
from tgsh.store.ownership import is_visible_to
from tgsh.store.results import damaged_results, damaged_tasks


def reopen_damaged(database: Database, artifacts: Artifacts, experiment_id: str) -> bool:
    """Put a completed experiment's results together again if one of its files is damaged; whether it is.

    Its finish then trains the tasks again whose checkpoints are damaged too (see `train_again`).
    """
    with database.read() as session:
        experiment = session.get(ExperimentRecord, experiment_id)
        if experiment is None or experiment.status != "completed":
            return False
    if not damaged_results(database, artifacts, experiment_id) and not damaged_tasks(
        database, artifacts, experiment_id
    ):
        return False
    with database.write() as session:
        experiment = lock_experiment(session, experiment_id)
        finish = session.get_one(FinishRecord, experiment_id)
        if experiment.status == "completed":  # else another repairs it already
            finish.status, finish.results, finish.attempts, finish.finished_at = "waiting", {}, 0, None
            experiment.status, experiment.finished_at, experiment.pace_since = "queued", None, None
            experiment.queued_at = session.scalar(select(db_now()))
            experiment.cancel_requested = False  # a cancel that came too late
            append_status_event(session, experiment_id, "queued", "a stored file is damaged")
            advance(session, experiment)
    return True


def train_again(database: Database, claimed: JobLease, tasks: Sequence[int]) -> None:
    """Give the claim on a finish back and queue these tasks anew, without their checkpoints.

    What is to be cancelled is cancelled instead, and a resume comes here again.
    """
    with fenced(database, claimed) as (session, experiment, finish):
        if experiment.cancel_requested:
            cancel_row(session, experiment, finish)
            return
        finish.status = "waiting"
        finish.token = finish.lease_until = finish.worker = None
        for index in tasks:
            task = session.get_one(TaskRecord, (experiment.id, index))
            experiment.tasks_done -= task.status == "completed"
            experiment.epochs_done -= task.epochs_done
            task.status, task.attempts, task.epochs_done, task.losses = "queued", 0, 0, []
            task.accuracy = task.checkpoint = task.checkpoint_sha256 = task.finished_at = None
            task.reason = "its checkpoint was damaged"
            append_task_event(session, task)


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


def collect_garbage(database: Database, artifacts: Artifacts, seconds: float) -> int:
    """Remove the leftovers of what was completed within the last `seconds`, and orphans; how many."""
    with database.read() as session:
        lately = select(ExperimentRecord.id).where(
            ExperimentRecord.status == "completed", ExperimentRecord.finished_at > db_now() - seconds
        )
        ids = session.scalars(lately).all()
    removed = sum(remove_leftovers(database, artifacts, experiment_id) for experiment_id in ids)
    return removed + remove_orphans(database, artifacts)


MOST_LOOKED_AT = 20
"""Of experiments with one digest, the newest: more were asked for anew."""


def stored_answer(
    database: Database,
    artifacts: Artifacts,
    spec: ExperimentSpec,
    visible_to: str | None = None,
    *,
    shared: bool = False,
) -> str | None:
    """The id of a completed experiment that has all that this spec asks for; None where there is none.

    Names and tags may be others, and so may the versions that trained it, which it tells. visible_to: the
    name of a key, whose own experiments are preferred; None sees all. shared: everybody must see it.
    Results of which a file is damaged or gone are no answer.
    """
    query = (
        select(ExperimentRecord.id, ExperimentRecord.owner, FinishRecord.results)
        .join(FinishRecord, FinishRecord.experiment_id == ExperimentRecord.id)
        .where(ExperimentRecord.digest == spec.digest(), ExperimentRecord.status == "completed")
        .order_by(ExperimentRecord.created_at.desc())
        .limit(MOST_LOOKED_AT)
    )
    if visible_to is not None:
        query = query.where(is_visible_to(visible_to))
    if shared:
        query = query.where(ExperimentRecord.owner.is_(None) | ExperimentRecord.shared)
    needed = {"vectors", "accuracy-matrix"} if spec.accuracy_matrix else {"vectors"}
    with database.read() as session:
        found = session.execute(query).all()
    for row in sorted(found, key=lambda row: row.owner != visible_to):
        if needed <= row.results.keys() and not damaged_results(database, artifacts, row.id):
            return str(row.id)
    return None
