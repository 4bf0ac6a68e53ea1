"""Damaged, orphaned and reusable results: repair, garbage collection, lookup."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

from sqlalchemy import select

from tgsh.errors import ArtifactUnreachable
from tgsh.specs import ExperimentSpec
from tgsh.store import analyses, datasets, deleted, removals
from tgsh.store.artifacts import Artifacts
from tgsh.store.confusions import forget_counts
from tgsh.store.database import Database
from tgsh.store.jobs import JobLease, cancel_row, fenced
from tgsh.store.lifecycle import advance, append_status_event, append_task_event
from tgsh.store.models import ExperimentRecord, FinishRecord, TaskRecord, db_now, lock_experiment
from tgsh.store.results import damaged_results, damaged_tasks
from tgsh.store.scheduling import give_turn
from tgsh.store.visibility import is_visible_to

ORPHAN_SECONDS = 3600.0
"""Age at which what has no row is orphaned; rows of uploads are written within a minute."""

EXPERIMENT_ID = "[0-9a-f]{16}"

MAX_CANDIDATES = 20
"""Of the experiments with one digest, the newest so many are examined."""

log = logging.getLogger(__name__)


def reopen_damaged(database: Database, artifacts: Artifacts, experiment_id: str) -> bool:
    """Queue the finish of a completed experiment again if one of its files is damaged; whether one is.

    The finish then queues the tasks whose checkpoints are damaged too (see `requeue_tasks`).
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
        if experiment.status == "completed":  # else another request has reopened it
            finish.status, finish.results, finish.attempts, finish.finished_at = "waiting", {}, 0, None
            experiment.status, experiment.finished_at, experiment.pace_since = "queued", None, None
            experiment.queued_at = session.scalar(select(db_now()))
            experiment.cancel_requested = False  # a cancel that came too late
            append_status_event(session, experiment_id, "queued", "a stored file is damaged")
            advance(session, experiment)
    return True


def requeue_tasks(database: Database, lease: JobLease, tasks: Sequence[int]) -> None:
    """Release the lease on a finish and queue these tasks again, without their damaged checkpoints.

    If the experiment is to be cancelled, it is; after a resume the finish calls this again.
    """
    with fenced(database, lease) as (session, finish):
        experiment = lock_experiment(session, finish.experiment_id)
        if experiment.cancel_requested:
            cancel_row(session, experiment, finish)
            return
        finish.status = "waiting"
        finish.token = finish.lease_until = finish.lease_seconds = finish.worker = None
        for index in tasks:
            task = session.get_one(TaskRecord, (experiment.id, index))
            experiment.tasks_done -= task.status == "completed"
            experiment.epochs_done -= task.epochs_done
            task.status, task.attempts, task.epochs_done, task.losses = "queued", 0, 0, []
            task.accuracy = task.checkpoint = task.checkpoint_sha256 = task.finished_at = None
            forget_counts(task)
            task.reason = "its checkpoint was damaged"
            append_task_event(session, task)
        session.flush()
        give_turn(session, experiment)


def collect_garbage(database: Database, artifacts: Artifacts, seconds: float) -> int:
    """Remove leftovers of experiments completed within the last `seconds`, and orphans; their number.

    A store that cannot be listed is looked through the next time.
    """
    with database.read() as session:
        recent = select(ExperimentRecord.id).where(
            ExperimentRecord.status == "completed", ExperimentRecord.finished_at > db_now() - seconds
        )
        ids = session.scalars(recent).all()
    removed = sum(remove_leftovers(database, artifacts, experiment_id) for experiment_id in ids)
    datasets.forget_unheld(database)
    removed += artifacts.remove_unshared()
    try:
        removed += analyses.remove_orphans(database, artifacts)
        return removed + remove_orphans(database, artifacts) + remove_orphaned_folders(database, artifacts)
    except ArtifactUnreachable as error:
        log.warning("looking for orphaned files again later: %s", error)
        return removed


def remove_leftovers(database: Database, artifacts: Artifacts, experiment_id: str) -> int:
    """Remove the files of a completed experiment that none of its rows names; their number.

    Only workers that lost their lease may still write for it, and their files have no row either. Raises
    nothing where the store fails: what stays is nobody's failure.
    """
    try:
        files = set(artifacts.keys(experiment_id))  # before the rows: files written later stay
    except ArtifactUnreachable as error:
        log.warning("looking for leftovers of %s again later: %s", experiment_id, error)
        return 0
    with database.read() as session:
        experiment = session.get(ExperimentRecord, experiment_id)
        if experiment is None or experiment.status != "completed":
            return 0
        finish = session.get_one(FinishRecord, experiment_id)
        referenced = {key for key, _ in finish.results.values()}
        referenced |= analyses.files_in_work(session, experiment_id)
        referenced |= set(
            session.scalars(select(TaskRecord.checkpoint).where(TaskRecord.experiment_id == experiment_id))
        )
    return removals.discard(database, artifacts, files - referenced)


def remove_orphans(database: Database, artifacts: Artifacts) -> int:
    """Remove the files of uploads whose service was killed before it wrote their row; their number."""
    files = set(artifacts.older(datasets.FOLDER, ORPHAN_SECONDS))
    if not files:
        return 0
    with database.read() as session:
        orphans = files - set(datasets.files(session))
    return removals.discard(database, artifacts, orphans)


def remove_orphaned_folders(database: Database, artifacts: Artifacts) -> int:
    """Remove the folders of experiments that do not exist; their number.

    Such are of workers that wrote for an experiment while it was deleted, and of versions that removed files
    without a note. Folders of other names are not ours. A row is there before its folder is.
    """
    folders = {name for name in artifacts.folders() if re.fullmatch(EXPERIMENT_ID, name)}
    if not folders:
        return 0
    with database.read() as session:
        known = set(session.scalars(select(ExperimentRecord.id))) | deleted.kept_ids(session)
    orphans = sorted(folders - known)
    old = [name for name in orphans if artifacts.is_older(name, ORPHAN_SECONDS)]
    return removals.discard(database, artifacts, old, is_folder=True)


def find_reusable(
    database: Database,
    artifacts: Artifacts,
    spec: ExperimentSpec,
    visible_to: str | None = None,
    *,
    shared: bool = False,
) -> str | None:
    """The id of a completed experiment with the results of this spec; None where there is none.

    Names, tags and the versions of the software may differ. Its files must be there and undamaged.
    visible_to: the name of an API key, whose own experiments are preferred; None: all are visible.
    shared: it must be visible to everybody.
    """
    query = (
        select(ExperimentRecord.id, ExperimentRecord.owner, FinishRecord.results, ExperimentRecord.spec)
        .join(FinishRecord, FinishRecord.experiment_id == ExperimentRecord.id)
        .where(ExperimentRecord.digest == spec.digest(), ExperimentRecord.status == "completed")
        .order_by(ExperimentRecord.created_at.desc())
        .limit(MAX_CANDIDATES)
    )
    if visible_to is not None:
        query = query.where(is_visible_to(visible_to))
    if shared:
        query = query.where(ExperimentRecord.owner.is_(None) | ExperimentRecord.shared)
    needed = {"vectors"}
    if spec.accuracy_matrix:
        needed.add("accuracy-matrix")
    if spec.null_shuffles:
        needed.add("null-shuffles")
    with database.read() as session:
        rows = session.execute(query).all()
    for row in sorted(rows, key=lambda row: row.owner != visible_to):
        enough = row.spec.get("null_shuffles", 0) >= spec.null_shuffles
        if enough and needed <= row.results.keys() and not damaged_results(database, artifacts, row.id):
            return str(row.id)
    return None
