"""A look at everything at once: what is there, what waits, who works, what was done. For /metrics.

Cheap with 10,000 experiments of 36 tasks: whatever has ended well is not counted task by task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Select, exists, func, or_, select
from sqlalchemy.orm import Session

from tgsh.store.clock import now
from tgsh.store.counters import totals
from tgsh.store.database import Database
from tgsh.store.records import ExperimentRecord, FinishRecord, TaskRecord, WorkerRecord
from tgsh.store.workers import ALIVE_SECONDS

UNENDED = ("queued", "running", "failed", "cancelled")


@dataclass(frozen=True)
class Census:
    """How things stand at one moment.

    experiments: how many, by status. jobs: likewise, by kind (task, finish) and status.
    oldest_seconds: how long ago the experiment was queued whose jobs have waited longest; None: none waits.
    workers: those that live. counters: what was ever done, by name and label.
    """

    experiments: Mapping[str, int]
    jobs: Mapping[tuple[str, str], int]
    oldest_seconds: float | None
    workers: Sequence[WorkerRecord]
    counters: Mapping[str, Mapping[str, float]]


def census(database: Database) -> Census:
    """Count."""
    with database.read() as session:
        tasks = {"completed": session.scalar(select(func.sum(ExperimentRecord.tasks_done))) or 0}
        tasks |= _by_status(session, TaskRecord, TaskRecord.status.in_(UNENDED))
        finishes = _by_status(session, FinishRecord)
        return Census(
            experiments=_by_status(session, ExperimentRecord),
            jobs={("task", status): count for status, count in tasks.items()}
            | {("finish", status): count for status, count in finishes.items()},
            oldest_seconds=session.scalar(_oldest()),
            workers=session.scalars(
                select(WorkerRecord).where(WorkerRecord.seen_at > now() - ALIVE_SECONDS)
            ).all(),
            counters=totals(session),
        )


def _by_status(
    session: Session, record: type[ExperimentRecord | TaskRecord | FinishRecord], *conditions: object
) -> dict[str, int]:
    query = select(record.status, func.count()).where(*conditions).group_by(record.status)  # type: ignore[arg-type]
    return {row[0]: row[1] for row in session.execute(query)}


def _oldest() -> Select[float]:
    waits = (
        exists().where(record.experiment_id == ExperimentRecord.id, record.status == "queued")
        for record in (TaskRecord, FinishRecord)
    )
    return select(
        func.max(now() - func.coalesce(ExperimentRecord.queued_at, ExperimentRecord.created_at))
    ).where(
        ExperimentRecord.status.in_(("queued", "running")),
        ExperimentRecord.cancel_requested.is_(False),
        or_(*waits),
    )
