"""What is stored and no longer what was written: found by digest, and computed again."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from tgsh.store.artifacts import Artifacts
from tgsh.store.claims import Claim, cancel_row, fenced
from tgsh.store.clock import now
from tgsh.store.database import Database
from tgsh.store.records import ExperimentRecord, FinishRecord, TaskRecord, locked
from tgsh.store.results import damaged_results, damaged_tasks
from tgsh.store.settling import announce_status, announce_task, settle


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
        experiment = locked(session, experiment_id)
        finish = session.get_one(FinishRecord, experiment_id)
        if experiment.status == "completed":  # else another repairs it already
            finish.status, finish.results, finish.attempts, finish.finished_at = "waiting", {}, 0, None
            experiment.status, experiment.finished_at, experiment.pace_since = "queued", None, None
            experiment.queued_at = session.scalar(select(now()))
            experiment.cancel_requested = False  # a cancel that came too late
            announce_status(session, experiment_id, "queued", "a stored file is damaged")
            settle(session, experiment)
    return True


def train_again(database: Database, claimed: Claim, tasks: Sequence[int]) -> None:
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
            announce_task(session, task)
