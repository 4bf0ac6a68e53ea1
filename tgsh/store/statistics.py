"""Queue, throughput and totals for /workers, /metrics, estimates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, literal, null, or_, select, union_all
from sqlalchemy.orm import Session

from tgsh.store.database import Database
from tgsh.store.leases import ALIVE_SECONDS
from tgsh.store.lifecycle import counter_totals
from tgsh.store.models import ExperimentRecord, FinishRecord, PreviewRecord, TaskRecord, WorkerRecord, db_now
from tgsh.store.ownership import is_visible_to

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
    backlog = ExperimentRecord.status.in_(("queued", "running"))
    experiments = select(func.min(ExperimentRecord.queued_at)).where(backlog, waits)
    previews = select(func.min(PreviewRecord.created_at)).where(PreviewRecord.status == "queued")
    found = [at for at in (session.scalar(experiments), session.scalar(previews)) if at is not None]
    return max(0.0, (session.scalar(select(db_now())) or 0.0) - min(found)) if found else None


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


UNENDED = ("queued", "running", "failed", "cancelled")


@dataclass(frozen=True)
class Totals:
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


def totals(database: Database) -> Totals:
    """Count."""
    with database.read() as session:
        tasks = {"completed": session.scalar(select(func.sum(ExperimentRecord.tasks_done))) or 0}
        tasks |= _by_status(session, TaskRecord, TaskRecord.status.in_(UNENDED))
        finishes = _by_status(session, FinishRecord)
        return Totals(
            experiments=_by_status(session, ExperimentRecord),
            jobs={("task", status): count for status, count in tasks.items()}
            | {("finish", status): count for status, count in finishes.items()},
            oldest_seconds=session.scalar(_oldest_queued()),
            workers=session.scalars(
                select(WorkerRecord).where(WorkerRecord.seen_at > db_now() - ALIVE_SECONDS)
            ).all(),
            counters=counter_totals(session),
        )


def _by_status(
    session: Session, record: type[ExperimentRecord | TaskRecord | FinishRecord], *conditions: object
) -> dict[str, int]:
    query = select(record.status, func.count()).where(*conditions).group_by(record.status)  # type: ignore[arg-type]
    return {row[0]: row[1] for row in session.execute(query)}


def _oldest_queued() -> Select[float]:
    waits = (
        exists().where(record.experiment_id == ExperimentRecord.id, record.status == "queued")
        for record in (TaskRecord, FinishRecord)
    )
    return select(
        func.max(db_now() - func.coalesce(ExperimentRecord.queued_at, ExperimentRecord.created_at))
    ).where(
        ExperimentRecord.status.in_(("queued", "running")),
        ExperimentRecord.cancel_requested.is_(False),
        or_(*waits),
    )


MOST_MEASURED = 3
"""Completed experiments that a pace is taken from, the newest."""

MOST_LOOKED_AT = 200
"""Among how many of the newest on the same suite and dataset they are looked for."""

MOST_AHEAD = 500
"""Unfinished experiments whose work is counted one by one; those behind them count as these do."""


@dataclass(frozen=True)
class Throughput:
    """An experiment that was completed: its tasks, their seconds in all, and those of its finish."""

    spec: dict[str, Any]
    tasks: int
    seconds: float
    finish_seconds: float


@dataclass(frozen=True)
class Backlog:
    """What is left of an experiment that waits or runs."""

    spec: dict[str, Any]
    tasks: int
    epochs: int


def throughput(database: Database, suite: str, dataset: str, network: str, device: str) -> list[Throughput]:
    """The newest completed experiments of these kinds. device: "cpu" or "cuda"."""
    e, t, f = ExperimentRecord, TaskRecord, FinishRecord
    newest = e.created_at.desc(), e.id.desc()
    of_kind = e.status == "completed", e.suite == suite, e.dataset == dataset
    recent = select(e.id).where(*of_kind).order_by(*newest).limit(MOST_LOOKED_AT)
    alike = (
        select(e.id, e.spec, e.created_at)
        .where(e.id.in_(recent), e.spec["network"]["kind"].as_string() == network)
        .order_by(*newest)
        .limit(MOST_MEASURED)
        .subquery()
    )
    done = (
        select(t.experiment_id, func.count().label("tasks"), func.sum(t.seconds).label("seconds"))
        .where(t.experiment_id.in_(select(alike.c.id)), t.compute.startswith(device))
        .group_by(t.experiment_id)
        .subquery()
    )
    query = (
        select(alike.c.spec, done.c.tasks, done.c.seconds, f.finished_at - f.started_at)
        .join_from(alike, done, done.c.experiment_id == alike.c.id)
        .join(f, f.experiment_id == alike.c.id)
        .order_by(alike.c.created_at.desc())
    )
    with database.read() as session:
        return [Throughput(*row) for row in session.execute(query)]


def backlog(database: Database) -> tuple[list[Backlog], int]:
    """What is left of experiments that wait or run, of MOST_AHEAD at most; and how many there are."""
    e = ExperimentRecord
    ahead = e.status.in_(("queued", "running")), e.cancel_requested.is_(False)
    left = e.tasks_total - e.tasks_done, e.epochs_total - e.epochs_done
    with database.read() as session:
        count = session.scalar(select(func.count()).select_from(e).where(*ahead)) or 0
        rows = session.execute(select(e.spec, *left).where(*ahead).limit(MOST_AHEAD))
        return [Backlog(*row) for row in rows], count
