"""ORM models, locks of their rows, and the database's clock as an SQL expression."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
    select,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tgsh.errors import NotFound
from tgsh.store.sql_functions import db_now as db_now


class Base(DeclarativeBase):
    """Base of all tables; constraint names are fixed so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        }
    )
    type_annotation_map = {float: Double(), dict[str, Any]: JSON(), list[Any]: JSON(), str: String(255)}  # noqa: RUF012


HAS_NOTES = text("notes IS NOT NULL")

LISTED = (
    "configuration_id created_at id status project owner shared suite dataset seed base_seed mean_accuracy "
    "mean_balanced started_at finished_at tasks_total name"
)

BY_TAGS = ("tag_set_id", "suite", "dataset")


class ExperimentRecord(Base):
    """An experiment; `spec` is the truth, the columns beside it are for filters.

    queued_at: when it was submitted or last resumed. served_at: written by versions before 0.5, and read by
    their workers where they run beside new ones; see ExperimentTurnRecord.
    owner: the name of the API key that submitted it; None: submitted without a key, visible to everybody.
    shared: whether other owners see it too. needs_torch: whether workers without torch leave its jobs alone.
    priority: among the experiments of the same owner, the greater first. configuration_id, tag_set_id, seed,
    base_seed: what the spec says, see ConfigurationRecord and TagSetRecord; None where a version before 0.5
    wrote the row.
    mean_balanced: of the tasks that are done, once none is left; None: not counted for all of them.
    """

    __tablename__ = "experiments"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str]
    spec: Mapped[dict[str, Any]]
    digest: Mapped[str] = mapped_column(String(64), index=True)
    base_id: Mapped[str] = mapped_column(String(64), index=True)
    suite: Mapped[str]
    dataset: Mapped[str]
    status: Mapped[str] = mapped_column(String(16), index=True)
    reason: Mapped[str | None] = mapped_column(Text)
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    versions: Mapped[dict[str, Any]] = mapped_column(default=dict)
    tasks_total: Mapped[int]
    tasks_done: Mapped[int] = mapped_column(default=0)
    epochs_total: Mapped[int]
    epochs_done: Mapped[int] = mapped_column(default=0)
    mean_accuracy: Mapped[float | None]
    mean_balanced: Mapped[float | None]
    pace_since: Mapped[float | None]
    pace_epochs: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[float]
    queued_at: Mapped[float | None]
    served_at: Mapped[float | None]
    started_at: Mapped[float | None]
    finished_at: Mapped[float | None]
    owner: Mapped[str | None] = mapped_column(String(64), index=True)
    shared: Mapped[bool] = mapped_column(default=False)
    needs_torch: Mapped[bool] = mapped_column(default=False)
    priority: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    notes: Mapped[str | None] = mapped_column(Text)
    project: Mapped[str | None] = mapped_column(String(64), index=True)
    configuration_id: Mapped[str | None] = mapped_column(String(32))
    seed: Mapped[int | None] = mapped_column(BigInteger)
    base_seed: Mapped[int | None] = mapped_column(BigInteger)
    tag_set_id: Mapped[int | None] = mapped_column(BigInteger)

    # `listed` has all that lists are filtered, sorted and grouped by: rows are wide, and it is not. `tagged`
    # has the same in the order of the tags.
    __table_args__ = (
        Index("ix_experiments_newest", "created_at", "id"),
        Index("ix_experiments_listed", *LISTED.split()),
        Index("ix_experiments_tagged", *BY_TAGS, *(each for each in LISTED.split() if each not in BY_TAGS)),
        Index("ix_experiments_noted", "id", sqlite_where=HAS_NOTES, postgresql_where=HAS_NOTES),
    )


class ConfigurationRecord(Base):
    """The common part of specs of experiments: all but name, tags and seeds. Written once."""

    __tablename__ = "configurations"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    spec: Mapped[dict[str, Any]]


class TagSetRecord(Base):
    """One tag of a set that experiments have; of the empty set there is no row. Written once."""

    __tablename__ = "tag_sets"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    tag: Mapped[str] = mapped_column(String(64), primary_key=True)

    __table_args__ = (Index("ix_tag_sets_tag", "tag", "id"),)


class ChangeRecord(Base):
    """One change of what people say of an experiment. changed_by: the name of an API key; None: no key."""

    __tablename__ = "experiment_changes"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    experiment_id: Mapped[str] = mapped_column(ForeignKey("experiments.id", ondelete="CASCADE"), index=True)
    changed_at: Mapped[float]
    changed_by: Mapped[str | None] = mapped_column(String(64))
    field: Mapped[str] = mapped_column(String(64))
    before: Mapped[Any | None] = mapped_column(JSON)
    after: Mapped[Any | None] = mapped_column(JSON)


class DeletedRecord(Base):
    """An experiment that was deleted lately and can be brought back. rows: of all its tables, by their names.

    The other columns are for lists, and as of the experiment.
    """

    __tablename__ = "deleted_experiments"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    owner: Mapped[str | None] = mapped_column(String(64), index=True)
    name: Mapped[str]
    tasks_total: Mapped[int]
    created_at: Mapped[float]
    deleted_at: Mapped[float] = mapped_column(index=True)
    deleted_by: Mapped[str | None] = mapped_column(String(64))
    rows: Mapped[dict[str, Any]] = mapped_column(deferred=True)


class ExperimentTurnRecord(Base):
    """An experiment with queued tasks: what the look for the next task reads, in the order of its indexes.

    It exists as long as a task of the experiment is queued and no cancel is requested. owner: "" for none.
    served_at: when one of its tasks was last leased; 0: never since it was queued. token: of that lease.
    """

    __tablename__ = "experiment_turns"

    experiment_id: Mapped[str] = mapped_column(
        ForeignKey("experiments.id", ondelete="CASCADE"), primary_key=True
    )
    owner: Mapped[str] = mapped_column(String(64))
    priority: Mapped[int]
    needs_torch: Mapped[bool]
    served_at: Mapped[float]
    created_at: Mapped[float]
    token: Mapped[str | None] = mapped_column(String(32), index=True)

    __table_args__ = (
        Index("ix_experiment_turns_owner", "owner", "priority", "served_at", "created_at", "experiment_id"),
        Index(
            "ix_experiment_turns_needs_torch_owner",
            "needs_torch",
            "owner",
            "priority",
            "served_at",
            "created_at",
            "experiment_id",
        ),
    )


class OwnerTurnRecord(Base):
    """An owner of tasks ("": none). served_at: when one of them was last leased; 0: never."""

    __tablename__ = "owner_turns"

    owner: Mapped[str] = mapped_column(String(64), primary_key=True)
    served_at: Mapped[float]


class TagRecord(Base):
    """One tag of one experiment."""

    __tablename__ = "experiment_tags"

    experiment_id: Mapped[str] = mapped_column(
        ForeignKey("experiments.id", ondelete="CASCADE"), primary_key=True
    )
    tag: Mapped[str] = mapped_column(String(64), primary_key=True, index=True)


class Leasable:
    """Columns of a job that at most one worker leases at a time.

    status: waiting (finish only), queued, running, completed, failed, cancelled.
    token: random, new with every lease; every write of a worker must carry it (the fencing token).
    lease_seconds: the length of the lease, which it never exceeds, whatever the clock does; None: leased by
    a version that did not note it.
    """

    status: Mapped[str] = mapped_column(String(16), index=True)
    reason: Mapped[str | None] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(default=0)
    token: Mapped[str | None] = mapped_column(String(32))
    lease_until: Mapped[float | None]
    lease_seconds: Mapped[float | None]
    worker: Mapped[str | None]
    started_at: Mapped[float | None]
    finished_at: Mapped[float | None]


class TaskRecord(Leasable, Base):
    """A task, its lease, and the checkpoint that holds what was learned.

    balanced, chance, confusion: of the test images, see confusions.py; None where a version that did not
    count them completed it. confusion is read only where it is asked for.
    """

    __tablename__ = "tasks"

    experiment_id: Mapped[str] = mapped_column(
        ForeignKey("experiments.id", ondelete="CASCADE"), primary_key=True
    )
    index: Mapped[int] = mapped_column("task_index", Integer, primary_key=True)
    label: Mapped[str]
    params: Mapped[dict[str, Any]]
    epochs_done: Mapped[int] = mapped_column(default=0)
    losses: Mapped[list[Any]] = mapped_column(default=list)
    seconds: Mapped[float] = mapped_column(default=0.0)
    accuracy: Mapped[float | None]
    balanced: Mapped[float | None]
    chance: Mapped[float | None]
    confusion: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    compute: Mapped[str | None]
    checkpoint: Mapped[str | None]
    checkpoint_sha256: Mapped[str | None] = mapped_column(String(64))

    # Every lease queries whether an experiment has a task of some status, and which is the first.
    __table_args__ = (Index("ix_tasks_experiment_id_status", "experiment_id", "status", "task_index"),)


class FinishRecord(Leasable, Base):
    """The job that assembles an experiment's results once its last task is done.

    results: [artifact key, SHA-256] by name of the result; `vectors` is [E + 1, T, H].
    """

    __tablename__ = "finishes"

    experiment_id: Mapped[str] = mapped_column(
        ForeignKey("experiments.id", ondelete="CASCADE"), primary_key=True
    )
    results: Mapped[dict[str, Any]] = mapped_column(default=dict)


class EventRecord(Base):
    """One entry of an experiment's event log; ids only grow within one experiment."""

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    experiment_id: Mapped[str] = mapped_column(ForeignKey("experiments.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(16))
    data: Mapped[dict[str, Any]]

    __table_args__ = (
        Index("ix_events_experiment_id_id", "experiment_id", "id"),
        {"sqlite_autoincrement": True},
    )


class IdempotencyRecord(Base):
    """An Idempotency-Key of an owner ("": no API key): the same body returns the same experiment."""

    __tablename__ = "idempotency_keys"

    owner: Mapped[str] = mapped_column(String(64), primary_key=True, default="")
    key: Mapped[str] = mapped_column(primary_key=True)
    body_digest: Mapped[str] = mapped_column(String(64))
    experiment_id: Mapped[str] = mapped_column(ForeignKey("experiments.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[float]


class PreviewRecord(Leasable, Base):
    """Sample images of a spec's tasks, rendered once by a worker.

    key: SHA-256 of everything that determines the images. spec: dataset, suite and seed. tasks: [index,
    label] of those that are rendered, of tasks_total. status: queued, running, completed, failed. artifact:
    the images, once completed. created_at: when it was queued. used_at: its last request, to the hour.
    needs_torch: whether its images are computed by torch.
    """

    __tablename__ = "previews"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    spec: Mapped[dict[str, Any]]
    tasks: Mapped[list[Any]]
    tasks_total: Mapped[int]
    artifact: Mapped[str | None]
    artifact_sha256: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[float]
    used_at: Mapped[float] = mapped_column(index=True)
    needs_torch: Mapped[bool] = mapped_column(default=False)


class AnalysisRecord(Leasable, Base):
    """A short job about a completed experiment, which it leaves as it is: a placement, an accuracy matrix.

    kind: see ANALYSES. owner: the name of the API key that asked for it; None: no key. params: what was asked
    for. images, images_sha256: the artifact of images that came with the request. status: queued, running,
    completed, failed. summary: the small numbers of what was found; artifact: the arrays. bytes: of both
    artifacts. needs_torch: whether workers without torch leave it alone.
    """

    __tablename__ = "analyses"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    experiment_id: Mapped[str] = mapped_column(ForeignKey("experiments.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(24))
    owner: Mapped[str | None] = mapped_column(String(64), index=True)
    params: Mapped[dict[str, Any]]
    images: Mapped[str | None]
    images_sha256: Mapped[str | None] = mapped_column(String(64))
    summary: Mapped[dict[str, Any] | None]
    artifact: Mapped[str | None]
    artifact_sha256: Mapped[str | None] = mapped_column(String(64))
    bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    needs_torch: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[float]

    __table_args__ = (Index("ix_analyses_experiment_id_kind", "experiment_id", "kind", "created_at", "id"),)


class WorkerRecord(Base):
    """The last heartbeat of a worker.

    memory_bytes: resident memory of its processes. device_memory_bytes: in use on its GPUs, by any process.
    has_torch: whether torch is installed there. datasets: the named ones whose files are in data_dir; None:
    an earlier version, which does not tell. children: the state of each of its children, see
    `tgsh.store.leases.ChildState`; None: an earlier version. version: of tgsh.
    """

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    pid: Mapped[int]
    slots: Mapped[list[Any]]
    memory_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    device_memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    has_torch: Mapped[bool] = mapped_column(default=True)
    datasets: Mapped[list[Any] | None]
    data_dir: Mapped[str | None] = mapped_column(Text)
    children: Mapped[list[Any] | None]
    version: Mapped[str | None] = mapped_column(String(32))
    seen_at: Mapped[float]


class RemovalRecord(Base):
    """A file or folder of the artifact store that is to be removed, until it is.

    key: of a file, or of a folder with all that is in it (is_folder). attempts, reason: how often that
    failed, and why it did last. retry_at: when it is tried again.
    """

    __tablename__ = "removals"

    key: Mapped[str] = mapped_column(primary_key=True)
    is_folder: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[float]
    retry_at: Mapped[float] = mapped_column(index=True)
    attempts: Mapped[int] = mapped_column(default=0)
    reason: Mapped[str | None] = mapped_column(Text)


class CounterRecord(Base):
    """One lane of a monotonic counter; the counter is the sum of its lanes (see lifecycle.py)."""

    __tablename__ = "counters"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    label: Mapped[str] = mapped_column(String(64), primary_key=True)
    lane: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    value: Mapped[float]


class DatasetRecord(Base):
    """The content of an uploaded dataset, stored once for all its holders.

    id: the first 16 digits of sha256, that of the content. images, labels: keys of artifacts, uint8 [N, D]
    and uint16 [N], the training images first. domains: their names; domain_labels: as labels, where there are
    domains. bytes: of all files. report: counts of copies; None: from before they were counted.
    """

    __tablename__ = "datasets"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64))
    height: Mapped[int]
    width: Mapped[int]
    channels: Mapped[int]
    class_names: Mapped[list[Any]]
    train: Mapped[int]
    test: Mapped[int]
    mean: Mapped[float]
    deviation: Mapped[float]
    bytes: Mapped[int] = mapped_column(BigInteger)
    report: Mapped[dict[str, Any] | None]
    images: Mapped[str]
    images_sha256: Mapped[str] = mapped_column(String(64))
    labels: Mapped[str]
    labels_sha256: Mapped[str] = mapped_column(String(64))
    domains: Mapped[list[Any] | None]
    domain_labels: Mapped[str | None]
    domain_labels_sha256: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[float]


class HolderRecord(Base):
    """An owner's hold on an uploaded dataset: the owner's name for it, words about it, whether others see it.

    owner: the name of an API key; "" where there are no keys. Two owners who upload the same content hold
    the same dataset, and neither learns of the other. report: all that was done to this owner's upload;
    None: from a version that counted copies only, see DatasetRecord.
    """

    __tablename__ = "dataset_holders"

    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64), primary_key=True, default="")
    name: Mapped[str]
    shared: Mapped[bool] = mapped_column(default=False)
    notes: Mapped[str | None]
    citation: Mapped[str | None]
    licence: Mapped[str | None]
    report: Mapped[dict[str, Any] | None]
    created_at: Mapped[float]

    __table_args__ = (Index("ix_dataset_holders_newest", "created_at", "dataset_id"),)


class UseRecord(Base):
    """An experiment uses an uploaded dataset, which therefore stays as long as the experiment does."""

    __tablename__ = "dataset_uses"

    experiment_id: Mapped[str] = mapped_column(
        ForeignKey("experiments.id", ondelete="CASCADE"), primary_key=True
    )
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id"), primary_key=True, index=True)


class StudyRecord(Base):
    """A study: experiments that differ in seeds and in a grid of values only.

    spec: what they have in common. replicates: seeds and base_seeds. grid: values by path. cells: values of
    each cell by path, in order. owner, shared, priority: as of an experiment. status and progress follow from
    the members.
    """

    __tablename__ = "studies"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    owner: Mapped[str | None] = mapped_column(String(64), index=True)
    name: Mapped[str]
    tags: Mapped[list[Any]] = mapped_column(default=list)
    notes: Mapped[str | None] = mapped_column(Text)
    project: Mapped[str | None] = mapped_column(String(64))
    shared: Mapped[bool] = mapped_column(default=False, server_default=false())
    priority: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    spec: Mapped[dict[str, Any]]
    replicates: Mapped[dict[str, Any]]
    grid: Mapped[dict[str, Any]]
    cells: Mapped[list[Any]]
    created_at: Mapped[float]

    __table_args__ = (Index("ix_studies_newest", "created_at", "id"),)


class StudyMemberRecord(Base):
    """The place of an experiment in a study; experiment_id: None once the experiment is deleted."""

    __tablename__ = "study_members"

    study_id: Mapped[str] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"), primary_key=True)
    cell: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    seed: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    base_seed: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    experiment_id: Mapped[str | None] = mapped_column(ForeignKey("experiments.id", ondelete="SET NULL"))

    __table_args__ = (Index("ix_study_members_experiment_id_study_id", "experiment_id", "study_id"),)


@dataclass(frozen=True)
class Job:
    """One unit of work: a task to train, or (index None) the finish of an experiment."""

    experiment_id: str
    index: int | None = None

    @property
    def task(self) -> int | str:
        """The task's index, or "finish": for log lines."""
        return "finish" if self.index is None else self.index


@dataclass(frozen=True)
class PreviewJob:
    """One unit of work: a preview to render. It is short, and goes before all others."""

    key: str


@dataclass(frozen=True)
class AnalysisJob:
    """One unit of work: a placement or an accuracy matrix, see AnalysisRecord."""

    id: str
    experiment_id: str
    kind: str


def lock_experiment(session: Session, experiment_id: str) -> ExperimentRecord:
    """The experiment's row, locked until the transaction ends: its changes and events happen one by one.

    Everybody locks in this order: a job, its experiment, the experiment's turn, its queued jobs, counters.
    """
    experiment = find_and_lock(session, experiment_id)
    if experiment is None:
        raise NotFound(f"there is no experiment {experiment_id!r}")
    return experiment


def find_and_lock(session: Session, experiment_id: str) -> ExperimentRecord | None:
    """The same; None where there is no such experiment."""
    return session.get(
        ExperimentRecord, experiment_id, with_for_update={"key_share": True}, populate_existing=True
    )


def job_model(job: Job) -> type[TaskRecord] | type[FinishRecord]:
    """The table that holds the job."""
    return FinishRecord if job.index is None else TaskRecord


def job_filter(job: Job) -> list[Any]:
    """The condition that selects the job's row."""
    if job.index is None:
        return [FinishRecord.experiment_id == job.experiment_id]
    return [TaskRecord.experiment_id == job.experiment_id, TaskRecord.index == job.index]


def lock_job(
    session: Session, job: Job, *conditions: ColumnElement[bool]
) -> TaskRecord | FinishRecord | None:
    """The job's row, locked, if it is there and meets the conditions."""
    record: Any = job_model(job)
    query = select(record).where(*job_filter(job), *conditions).with_for_update()
    return cast("TaskRecord | FinishRecord | None", session.scalars(query).one_or_none())


def table_of(record: type[Base]) -> Table:
    """The table of a model, for statements that bring no objects."""
    return cast("Table", record.__table__)


def as_datetime(seconds: float | None) -> datetime | None:
    """Seconds since 1970 as an aware datetime."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
