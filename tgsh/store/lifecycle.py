"""Status transitions of an experiment, its event log and the counters, inside the caller's transaction."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Insert,
    UpdateBase,
    bindparam,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.orm import Session

from tgsh.schemas import Progress, ProgressEvent, StatusEvent, TaskEvent
from tgsh.store import webhooks
from tgsh.store.insertion import insert_into
from tgsh.store.models import (
    CounterRecord,
    EventRecord,
    ExperimentRecord,
    FinishRecord,
    TaskRecord,
    db_now,
    table_of,
)

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
    experiment.mean_accuracy, experiment.mean_balanced = _mean_accuracies(session, experiment.id)
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
    webhooks.make_due(session, experiment.id)
    add_to_counter(session, None, ("experiments", status, 1))


def _mean_accuracies(session: Session, experiment_id: str) -> tuple[float | None, float | None]:
    """Of the completed tasks, and balanced; None where there is none, or where one was not counted."""
    query = select(TaskRecord.accuracy, TaskRecord.balanced).where(
        TaskRecord.experiment_id == experiment_id, TaskRecord.status == "completed"
    )
    rows = session.execute(query).all()
    if not rows:
        return None, None
    # fsum rounds once, so the mean does not depend on the order in which tasks ended.
    mean = math.fsum(accuracy for accuracy, _ in rows if accuracy is not None) / len(rows)
    balanced = [each for _, each in rows if each is not None]
    return mean, math.fsum(balanced) / len(rows) if len(balanced) == len(rows) else None


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
    append_event(session, experiment_id, "status", StatusEvent(status=status, reason=reason))


def append_status_events(session: Session, experiment_ids: Sequence[str], status: Any) -> None:
    """Append the same `status` event to experiments that this transaction inserts."""
    data = StatusEvent(status=status).model_dump(mode="json")
    rows = [{"experiment_id": each, "kind": "status", "data": data} for each in experiment_ids]
    session.execute(insert(EventRecord), rows)


def append_task_event(session: Session, task: TaskRecord) -> None:
    """Append a `task` event with the task's state."""
    event = task_event(task.index, task.label, task.status, task.attempts, task.accuracy, task.reason)
    append_event(session, task.experiment_id, "task", event)


def task_event(
    index: int,
    label: str,
    status: str,
    attempt: int,
    accuracy: float | None = None,
    reason: str | None = None,
) -> TaskEvent:
    """A `task` event."""
    values = {"index": index, "label": label, "status": status, "attempt": attempt}
    return TaskEvent.model_validate({**values, "accuracy": accuracy, "reason": reason})


def append_event(
    session: Session, experiment_id: str, kind: str, event: StatusEvent | TaskEvent | ProgressEvent
) -> None:
    """Append an event; the caller holds the experiment's lock, so that ids and commits have one order."""
    session.add(EventRecord(experiment_id=experiment_id, kind=kind, data=event.model_dump(mode="json")))
    session.flush()


@cache
def append_statement(kind: str) -> Insert:
    """A statement that locks the experiment and appends an event. Parameters: of_experiment, event."""
    e = ExperimentRecord
    locked = select(e.id).where(e.id == bindparam("of_experiment")).with_for_update(key_share=True).subquery()
    event = select(locked.c.id, literal(kind), bindparam("event", type_=JSON()))
    return insert(table_of(EventRecord)).from_select(["experiment_id", "kind", "data"], event)


def add_to_counter(session: Session, worker: str | None, *steps: Step) -> None:
    """Add to counters, in this transaction. worker: the one whose work is counted; None: a user's request."""
    lane = lane_of(worker)
    rows = [{"name": name, "label": label, "lane": lane, "value": value} for name, label, value in steps]
    session.connection().execute(_increment(session.get_bind().dialect.name), rows)


def lane_of(worker: str | None) -> int:
    """The lane of a worker's counts; that of users is nobody else's."""
    return zlib.crc32(worker.encode()) % LANES if worker else LANES


def add_if(
    dialect: str, name: str, label: ColumnElement[str], lane: ColumnElement[int], value: Any, condition: Any
) -> UpdateBase:
    """A statement that adds to a counter where a condition holds."""
    row = select(
        literal(name).label("name"),
        label.label("label"),
        lane.label("lane"),
        value.label("value"),
    ).where(condition)
    into = _into_counters(dialect).from_select(["name", "label", "lane", "value"], row)
    statement: UpdateBase = _added(into)
    return statement


def duration_bucket(seconds: float) -> float:
    """The bucket of the histogram of job durations."""
    return next(bound for bound in DURATION_BUCKETS if seconds <= bound)


def count_ended_job(
    session: Session, worker: str | None, kind: str, outcome: str, seconds: float | None
) -> None:
    """Count a job that ended. kind: task or finish. seconds: of its last attempt; None: it never started."""
    if seconds is None:
        return
    bound = duration_bucket(seconds)
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
    return _added(_into_counters(dialect))


def _into_counters(dialect: str) -> Any:
    return insert_into(dialect, table_of(CounterRecord))


def _added(statement: Any) -> Any:
    """The insert, adding to rows that are there already."""
    return statement.on_conflict_do_update(
        index_elements=["name", "label", "lane"],
        set_={"value": CounterRecord.value + statement.excluded.value},
    )
