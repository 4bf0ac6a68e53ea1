"""Status transitions of an experiment, its event log and the counters, inside the caller's transaction."""

from __future__ import annotations

import math
import zlib
from functools import cache
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from tgsh.schemas import Progress, ProgressEvent, StatusEvent, TaskEvent
from tgsh.store.models import CounterRecord, EventRecord, ExperimentRecord, FinishRecord, TaskRecord, db_now

LANES = 16
"""Rows of one counter: workers that commit at the same moment seldom wait for each other's lock."""

DURATION_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, float("inf"))
"""Upper bounds of the histogram of job durations."""

Step = tuple[str, str, float]
"""A counter's name, its label ("" where it has none), and what is added."""


def advance(session: Session, experiment: ExperimentRecord) -> None:
    """Advance the experiment if none of its tasks is queued or running any more.

    All completed: the finish is queued. Else the experiment is cancelled or failed, with the first
    failed task's reason.
    """
    session.flush()
    unfinished = select(TaskRecord.index).where(
        TaskRecord.experiment_id == experiment.id, TaskRecord.status.in_(("queued", "running"))
    )
    if session.scalar(unfinished.limit(1)) is not None:
        return
    experiment.mean_accuracy = _mean_accuracy(session, experiment.id)
    by_status = (
        select(TaskRecord.status, func.count())
        .where(TaskRecord.experiment_id == experiment.id)
        .group_by(TaskRecord.status)
    )
    counts = {row[0]: row[1] for row in session.execute(by_status)}
    finish = session.get_one(FinishRecord, experiment.id)
    if experiment.cancel_requested and (counts.get("cancelled") or finish.status in ("waiting", "cancelled")):
        end_experiment(session, experiment, "cancelled")
    elif failed := counts.get("failed"):
        end_experiment(session, experiment, "failed", _failure(session, experiment, failed))
    elif finish.status == "waiting":
        session.execute(
            update(FinishRecord).where(FinishRecord.experiment_id == experiment.id).values(status="queued")
        )


def end_experiment(
    session: Session, experiment: ExperimentRecord, status: str, reason: str | None = None
) -> None:
    """Give the experiment its terminal status, once."""
    experiment.status = status
    experiment.reason = reason
    experiment.finished_at = session.scalar(select(db_now()))
    append_status_event(session, experiment.id, status, reason)
    add_to_counter(session, None, ("experiments", status, 1))


def _mean_accuracy(session: Session, experiment_id: str) -> float | None:
    accuracies = session.scalars(
        select(TaskRecord.accuracy).where(
            TaskRecord.experiment_id == experiment_id, TaskRecord.status == "completed"
        )
    ).all()
    # fsum rounds once, so the mean does not depend on the order in which tasks ended.
    total = math.fsum(value for value in accuracies if value is not None)
    return total / len(accuracies) if accuracies else None


def _failure(session: Session, experiment: ExperimentRecord, failed: int) -> str:
    index, label, reason = session.execute(
        select(TaskRecord.index, TaskRecord.label, TaskRecord.reason)
        .where(TaskRecord.experiment_id == experiment.id, TaskRecord.status == "failed")
        .order_by(TaskRecord.index)
        .limit(1)
    ).one()
    summary = f"{failed} of {experiment.tasks_total} tasks failed"
    return f"{summary}; task {index} ({label}): {reason}"


def progress_of(experiment: ExperimentRecord, at: float) -> Progress:
    """Progress of the experiment at the time `at`; time left by its pace since work last began."""
    done, total = experiment.epochs_done, experiment.epochs_total
    eta = None
    if experiment.status == "running" and experiment.pace_since is not None:
        gained = done - experiment.pace_epochs
        elapsed = at - experiment.pace_since
        eta = elapsed / gained * (total - done) if gained > 0 and elapsed > 0 else None
    fraction = 1.0 if experiment.status == "completed" else min(done / total, 1.0)
    return Progress(
        tasks_total=experiment.tasks_total,
        tasks_done=experiment.tasks_done,
        fraction=fraction,
        eta_seconds=eta,
    )


def append_status_event(session: Session, experiment_id: str, status: Any, reason: str | None = None) -> None:
    """Append a `status` event."""
    _append(session, experiment_id, "status", StatusEvent(status=status, reason=reason))


def append_task_event(session: Session, task: TaskRecord) -> None:
    """Append a `task` event with the task's state."""
    event = TaskEvent.model_validate(
        {
            "index": task.index,
            "label": task.label,
            "status": task.status,
            "attempt": task.attempts,
            "accuracy": task.accuracy,
            "reason": task.reason,
        }
    )
    _append(session, task.experiment_id, "task", event)


def append_progress_event(
    session: Session, experiment: ExperimentRecord, index: int, epoch: int, loss: float
) -> None:
    """Append a `progress` event: an epoch of a task was recorded."""
    at = session.scalar(select(db_now())) or 0.0
    event = ProgressEvent(index=index, epoch=epoch, loss=loss, progress=progress_of(experiment, at))
    _append(session, experiment.id, "progress", event)


def _append(
    session: Session, experiment_id: str, kind: str, event: StatusEvent | TaskEvent | ProgressEvent
) -> None:
    session.add(EventRecord(experiment_id=experiment_id, kind=kind, data=event.model_dump(mode="json")))
    session.flush()


def add_to_counter(session: Session, worker: str | None, *steps: Step) -> None:
    """Add to counters, in this transaction. worker: the one whose work is counted; None: a user's request."""
    lane = zlib.crc32(worker.encode()) % LANES if worker else 0
    rows = [{"name": name, "label": label, "lane": lane, "value": value} for name, label, value in steps]
    session.connection().execute(_increment(session.get_bind().dialect.name), rows)


def count_ended_job(
    session: Session, worker: str | None, kind: str, outcome: str, seconds: float | None
) -> None:
    """Count a job that ended. kind: task or finish. seconds: of its last attempt; None: it never started."""
    if seconds is None:
        return
    bound = next(bound for bound in DURATION_BUCKETS if seconds <= bound)
    add_to_counter(
        session,
        worker,
        ("job_seconds", f"{kind}/{outcome}", max(seconds, 0.0)),
        ("jobs", f"{kind}/{outcome}/{bound}", 1),
    )


def counter_totals(session: Session) -> dict[str, dict[str, float]]:
    """Values of all counters, by name and label."""
    sums = select(CounterRecord.name, CounterRecord.label, func.sum(CounterRecord.value)).group_by(
        CounterRecord.name, CounterRecord.label
    )
    totals: dict[str, dict[str, float]] = {}
    for name, label, value in session.execute(sums):
        totals.setdefault(name, {})[label] = float(value)
    return totals


@cache  # building the statement takes longer than running it
def _increment(dialect: str) -> Any:
    insert = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[dialect]
    statement: Any = insert(CounterRecord)
    return statement.on_conflict_do_update(
        index_elements=["name", "label", "lane"],
        set_={"value": CounterRecord.value + statement.excluded.value},
    )
