"""Statistics of the queue and of all jobs: for the workers page, metrics and estimates of duration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, literal, null, or_, select, union_all
from sqlalchemy.orm import Session

from tgsh.store.clock import is_recent
from tgsh.store.database import Database
from tgsh.store.leases import ALIVE_SECONDS
from tgsh.store.lifecycle import counter_totals
from tgsh.store.models import (
    AnalysisRecord,
    ExperimentRecord,
    FinishRecord,
    PreviewRecord,
    StudyMemberRecord,
    StudyRecord,
    TaskRecord,
    WorkerRecord,
    db_now,
)
from tgsh.store.studies import Tally
from tgsh.store.visibility import is_visible_to

MAX_LISTED = 100
"""Most experiments of the queue that are listed; the numbers beside them are of all."""

MAX_MEASURED = 3
"""Most completed experiments that a throughput is measured by, the newest."""

MAX_CANDIDATES = 200
"""Of the experiments with the same suite and dataset, the newest so many are examined for those."""

MAX_UNFINISHED = 500
"""Most unfinished experiments that a backlog lists; callers extrapolate from them."""

MAX_OWNERS = 50
OTHERS = "others"
"""Metrics have a series for each of the MAX_OWNERS who have most unfinished tasks, and for OTHERS."""

JOB_MODELS = (TaskRecord, FinishRecord)
NOT_COMPLETED = ("queued", "running", "failed", "cancelled")


@dataclass(frozen=True)
class RunningJob:
    """A job with a lease. worker: host/parent/process/slot.

    experiment_id, name, owner: None for a preview, which has no experiment. index, label: of a task.
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
    """An experiment with the numbers of its queued and running jobs."""

    id: str
    name: str
    queued: int
    running: int


@dataclass(frozen=True)
class QueueFigures:
    """Queued and running jobs. oldest_seconds: since the oldest queued one was queued; None: none is queued.

    experiments: those visible to the caller, MAX_LISTED at most, running ones first, then the oldest.
    """

    queued_jobs: int
    running_jobs: int
    oldest_seconds: float | None
    experiments: list[WaitingExperiment]


def running_jobs(database: Database) -> list[RunningJob]:
    """All jobs with a lease, the oldest first."""
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
    a = AnalysisRecord
    # Whoever else's it is, it is about images that only its owner may know of.
    its_owner = func.coalesce(a.owner, e.owner)
    is_shared = and_(a.owner.is_(None), e.shared)
    analyses = (
        select(a.kind, a.worker, a.started_at, e.id, e.name, its_owner, is_shared, null(), null())
        .join_from(a, e, e.id == a.experiment_id)
        .where(a.status == "running")
    )
    no_experiment = null(), null(), null(), literal(True), null(), null()
    previews = select(literal("preview"), p.worker, p.started_at, *no_experiment).where(p.status == "running")
    with database.read() as session:
        rows: list[Any] = list(session.execute(union_all(tasks, finishes, analyses, previews)))
    return sorted((RunningJob(*row) for row in rows), key=lambda job: job.since)


def queue_figures(database: Database, visible_to: str | None) -> QueueFigures:
    """The queue now. visible_to: the name of an API key, which restricts the experiments; None: all."""
    with database.read() as session:
        jobs = _jobs_by_status(session)
        waiting: list[Any] = list(session.execute(_waiting_experiments(visible_to)))
        return QueueFigures(
            queued_jobs=jobs.get("queued", 0),
            running_jobs=jobs.get("running", 0),
            oldest_seconds=_oldest_queued_seconds(session) if jobs.get("queued") else None,
            experiments=[WaitingExperiment(*row) for row in waiting],
        )


def _jobs_by_status(session: Session) -> Mapping[str, int]:
    totals: dict[str, int] = {}
    for record in (*JOB_MODELS, PreviewRecord, AnalysisRecord):
        counts = (
            select(record.status, func.count())
            .where(record.status.in_(("queued", "running")))
            .group_by(record.status)
        )
        for status, count in session.execute(counts):
            totals[status] = totals.get(status, 0) + count
    return totals


def _oldest_queued_seconds(session: Session) -> float | None:
    """Seconds since the oldest queued job was queued: with its experiment, as a preview or an analysis."""
    has_queued = or_(
        *(exists().where(r.experiment_id == ExperimentRecord.id, r.status == "queued") for r in JOB_MODELS)
    )
    is_unfinished = ExperimentRecord.status.in_(("queued", "running"))
    experiments = select(func.min(ExperimentRecord.queued_at)).where(is_unfinished, has_queued)
    short = (
        select(func.min(record.created_at)).where(record.status == "queued")
        for record in (PreviewRecord, AnalysisRecord)
    )
    times = [at for at in map(session.scalar, (experiments, *short)) if at is not None]
    return max(0.0, (session.scalar(select(db_now())) or 0.0) - min(times)) if times else None


def _waiting_experiments(visible_to: str | None) -> Select[Any]:
    """A page of unfinished experiments with counts of jobs, which are computed for the page only."""
    e = ExperimentRecord
    query = select(e.id, e.name).where(e.status.in_(("queued", "running")))
    if visible_to is not None:
        query = query.where(is_visible_to(visible_to))
    # "running" is greater than "queued"
    page = query.order_by(e.status.desc(), e.queued_at, e.id).limit(MAX_LISTED).subquery()

    def jobs(status: str) -> ColumnElement[int]:
        tasks, finishes = (
            select(func.count())
            .select_from(record)
            .where(record.experiment_id == page.c.id, record.status == status)
            .scalar_subquery()
            for record in JOB_MODELS
        )
        return tasks + finishes

    return select(page.c.id, page.c.name, jobs("queued"), jobs("running"))


@dataclass(frozen=True)
class Totals:
    """Totals of the store at one moment.

    experiments, studies: counts by status.
    jobs: counts by kind (task, finish, placement, accuracy-matrix) and status.
    oldest_seconds: since the oldest experiment with queued jobs was queued; None: there is none.
    owner_tasks: queued and running tasks by owner ("": nobody's) and status, of the MAX_OWNERS who have most;
    what others have is of OTHERS. workers: those with a recent heartbeat.
    counters: values since the store was made, by name and label.
    """

    experiments: Mapping[str, int]
    studies: Mapping[str, int]
    jobs: Mapping[tuple[str, str], int]
    oldest_seconds: float | None
    owner_tasks: Mapping[tuple[str, str], int]
    workers: Sequence[WorkerRecord]
    counters: Mapping[str, Mapping[str, float]]


def totals(database: Database) -> Totals:
    """Totals of the store now."""
    with database.read() as session:
        tasks = {"completed": session.scalar(select(func.sum(ExperimentRecord.tasks_done))) or 0}
        tasks |= _by_status(session, TaskRecord, TaskRecord.status.in_(NOT_COMPLETED))
        finishes = _by_status(session, FinishRecord)
        return Totals(
            experiments=_by_status(session, ExperimentRecord),
            studies=_studies_by_status(session),
            jobs={("task", status): count for status, count in tasks.items()}
            | {("finish", status): count for status, count in finishes.items()}
            | _analyses_by_status(session),
            oldest_seconds=session.scalar(_oldest_experiment()),
            owner_tasks=_tasks_by_owner(session),
            workers=session.scalars(
                select(WorkerRecord).where(is_recent(WorkerRecord.seen_at, ALIVE_SECONDS))
            ).all(),
            counters=counter_totals(session),
        )


def _by_status(
    session: Session, record: type[ExperimentRecord | TaskRecord | FinishRecord], *conditions: object
) -> dict[str, int]:
    query = select(record.status, func.count()).where(*conditions).group_by(record.status)  # type: ignore[arg-type]
    return {row[0]: row[1] for row in session.execute(query)}


def _studies_by_status(session: Session) -> dict[str, int]:
    m, e = StudyMemberRecord, ExperimentRecord
    query = (
        select(StudyRecord.id, e.status, func.count())
        .outerjoin(m, m.study_id == StudyRecord.id)
        .outerjoin(e, e.id == m.experiment_id)
        .group_by(StudyRecord.id, e.status)
    )
    members: dict[str, dict[str, int]] = {}
    for study_id, status, count in session.execute(query):
        of_study = members.setdefault(study_id, {})
        if status is not None:  # else they were deleted
            of_study[status] = count
    return Counter(Tally(by_status=counts).status for counts in members.values())


def _analyses_by_status(session: Session) -> dict[tuple[str, str], int]:
    kind, status = AnalysisRecord.kind, AnalysisRecord.status
    query = select(kind, status, func.count()).group_by(kind, status)
    return {(row[0], row[1]): row[2] for row in session.execute(query)}


def _tasks_by_owner(session: Session) -> dict[tuple[str, str], int]:
    e, t = ExperimentRecord, TaskRecord
    query = (
        select(func.coalesce(e.owner, ""), t.status, func.count())
        .join_from(t, e, e.id == t.experiment_id)
        .where(t.status.in_(("queued", "running")))
        .group_by(func.coalesce(e.owner, ""), t.status)
    )
    counts = {(row[0], row[1]): int(row[2]) for row in session.execute(query)}
    by_owner = Counter[str]()
    for (owner, _), count in counts.items():
        by_owner[owner] += count
    named = {owner for owner, _ in by_owner.most_common(MAX_OWNERS)}
    bounded = Counter[tuple[str, str]]()
    for (owner, status), count in counts.items():
        bounded[owner if owner in named else OTHERS, status] += count
    return bounded


def _oldest_experiment() -> Select[float]:
    has_queued = (
        exists().where(record.experiment_id == ExperimentRecord.id, record.status == "queued")
        for record in JOB_MODELS
    )
    return select(
        func.max(db_now() - func.coalesce(ExperimentRecord.queued_at, ExperimentRecord.created_at))
    ).where(
        ExperimentRecord.status.in_(("queued", "running")),
        ExperimentRecord.cancel_requested.is_(False),
        or_(*has_queued),
    )


@dataclass(frozen=True)
class Throughput:
    """A completed experiment: the number of its tasks, their seconds in all, and the finish's."""

    spec: dict[str, Any]
    tasks: int
    seconds: float
    finish_seconds: float


@dataclass(frozen=True)
class Backlog:
    """Tasks and epochs that remain of a queued or running experiment."""

    spec: dict[str, Any]
    tasks: int
    epochs: int


def throughput(
    database: Database, suite: str, dataset: str, network: str, device: str, visible_to: str | None = None
) -> list[Throughput]:
    """The newest completed experiments with these kinds of specs. device: "cpu" or "cuda".

    visible_to: the name of an API key, which learns of no others than it sees; None: all.
    """
    e, t, f = ExperimentRecord, TaskRecord, FinishRecord
    newest = e.created_at.desc(), e.id.desc()
    of_kind = [e.status == "completed", e.suite == suite, e.dataset == dataset]
    if visible_to is not None:
        of_kind.append(is_visible_to(visible_to))
    recent = select(e.id).where(*of_kind).order_by(*newest).limit(MAX_CANDIDATES)
    alike = (
        select(e.id, e.spec, e.created_at)
        .where(e.id.in_(recent), e.spec["network"]["kind"].as_string() == network)
        .order_by(*newest)
        .limit(MAX_MEASURED)
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
    """Backlog of up to MAX_UNFINISHED queued or running experiments, and the number of all of them."""
    e = ExperimentRecord
    is_unfinished = e.status.in_(("queued", "running")), e.cancel_requested.is_(False)
    remaining = e.tasks_total - e.tasks_done, e.epochs_total - e.epochs_done
    with database.read() as session:
        count = session.scalar(select(func.count()).select_from(e).where(*is_unfinished)) or 0
        rows = session.execute(select(e.spec, *remaining).where(*is_unfinished).limit(MAX_UNFINISHED))
        return [Backlog(*row) for row in rows], count
