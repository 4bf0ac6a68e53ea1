"""Who works on what, and what waits: figures of the queue, cheap however many experiments are stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, literal, null, or_, select, union_all
from sqlalchemy.orm import Session

from tgsh.store.clock import now
from tgsh.store.database import Database
from tgsh.store.ownership import is_visible_to
from tgsh.store.records import ExperimentRecord, FinishRecord, PreviewRecord, TaskRecord

MOST_LISTED = 100
"""Experiments of the queue that are listed; the figures beside them are of all."""

JOBS = (TaskRecord, FinishRecord)


@dataclass(frozen=True)
class RunningJob:
    """A job that a worker's process has claimed. worker: host/parent/process/slot.

    experiment_id, name, owner: None for a preview, which belongs to none. index: None but for a task.
    """

    kind: str
    worker: str
    since: float
    experiment_id: str | None
    name: str | None
    owner: str | None
    shared: bool
    index: int | None
    label: str | None


@dataclass(frozen=True)
class WaitingExperiment:
    """An experiment with jobs that wait or run, and how many."""

    id: str
    name: str
    queued: int
    running: int


@dataclass(frozen=True)
class QueueFigures:
    """What waits and what runs. oldest_seconds: since the first of what waits was queued; None: nothing does.

    experiments: those that the caller may see, MOST_LISTED at most, what runs first, then the oldest.
    """

    queued_jobs: int
    running_jobs: int
    oldest_seconds: float | None
    experiments: list[WaitingExperiment]


def running_jobs(database: Database) -> list[RunningJob]:
    """Every job that runs, the longest first."""
    e, t, f, p = ExperimentRecord, TaskRecord, FinishRecord, PreviewRecord
    about = e.id, e.name, e.owner, e.shared
    tasks = (
        select(literal("task"), t.worker, t.started_at, *about, t.index, t.label)
        .join_from(t, e, e.id == t.experiment_id)
        .where(t.status == "running")
    )
    finishes = (
        select(literal("finish"), f.worker, f.started_at, *about, null(), null())
        .join_from(f, e, e.id == f.experiment_id)
        .where(f.status == "running")
    )
    nobodys = null(), null(), null(), literal(True), null(), null()
    drawn = select(literal("preview"), p.worker, p.started_at, *nobodys).where(p.status == "running")
    with database.read() as session:
        rows: list[Any] = list(session.execute(union_all(tasks, finishes, drawn)))
    return sorted((RunningJob(*row) for row in rows), key=lambda job: job.since)


def queue_figures(database: Database, visible_to: str | None) -> QueueFigures:
    """The queue as it is; visible_to: the name of a key, None: everybody's."""
    with database.read() as session:
        jobs = _jobs_by_status(session)
        waiting: list[Any] = list(session.execute(_waiting_experiments(visible_to)))
        return QueueFigures(
            queued_jobs=jobs.get("queued", 0),
            running_jobs=jobs.get("running", 0),
            oldest_seconds=_oldest(session) if jobs.get("queued") else None,
            experiments=[WaitingExperiment(*row) for row in waiting],
        )


def _jobs_by_status(session: Session) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for record in (*JOBS, PreviewRecord):
        counts = (
            select(record.status, func.count())
            .where(record.status.in_(("queued", "running")))
            .group_by(record.status)
        )
        for status, count in session.execute(counts):
            found[status] = found.get(status, 0) + count
    return found


def _oldest(session: Session) -> float | None:
    """Seconds since the first of what waits was queued: with its experiment, or as a preview."""
    waits = or_(*(exists().where(r.experiment_id == ExperimentRecord.id, r.status == "queued") for r in JOBS))
    unfinished = ExperimentRecord.status.in_(("queued", "running"))
    experiments = select(func.min(ExperimentRecord.queued_at)).where(unfinished, waits)
    previews = select(func.min(PreviewRecord.created_at)).where(PreviewRecord.status == "queued")
    found = [at for at in (session.scalar(experiments), session.scalar(previews)) if at is not None]
    return max(0.0, (session.scalar(select(now())) or 0.0) - min(found)) if found else None


def _waiting_experiments(visible_to: str | None) -> Select[Any]:
    """Only of those that are listed are the jobs counted, each by its own index range."""
    e = ExperimentRecord
    some = select(e.id, e.name).where(e.status.in_(("queued", "running")))
    if visible_to is not None:
        some = some.where(is_visible_to(visible_to))
    # "running" is greater than "queued"
    page = some.order_by(e.status.desc(), e.queued_at, e.id).limit(MOST_LISTED).subquery()

    def jobs(status: str) -> ColumnElement[int]:
        tasks, finishes = (
            select(func.count())
            .select_from(record)
            .where(record.experiment_id == page.c.id, record.status == status)
            .scalar_subquery()
            for record in JOBS
        )
        return tasks + finishes

    return select(page.c.id, page.c.name, jobs("queued"), jobs("running"))
