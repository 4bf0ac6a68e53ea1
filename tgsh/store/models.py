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
    Text,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.sql.functions import FunctionElement

from tgsh.errors import NotFound


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


class ExperimentRecord(Base):
    """An experiment; `spec` is the truth, the columns beside it are for filters.

    queued_at: when it was submitted or last resumed. served_at: when a worker last leased one of its jobs.
    owner: the name of the API key that submitted it; None: submitted without a key, visible to everybody.
    shared: whether other owners see it too. needs_torch: whether workers without torch leave its jobs alone.
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

    __table_args__ = (Index("ix_experiments_newest", "created_at", "id"),)


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
    """

    status: Mapped[str] = mapped_column(String(16), index=True)
    reason: Mapped[str | None] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(default=0)
    token: Mapped[str | None] = mapped_column(String(32))
    lease_until: Mapped[float | None]
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


class WorkerRecord(Base):
    """The last heartbeat of a worker.

    memory_bytes: resident memory of its processes. device_memory_bytes: in use on its GPUs, by any process.
    has_torch: whether torch is installed there. datasets: the named ones whose files are in data_dir; None:
    an earlier version, which does not tell.
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
    seen_at: Mapped[float]


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
    and uint16 [N], the training images first. bytes: of both. report: counts of
    copies; None: uploaded before they were counted.
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
    created_at: Mapped[float]


class HolderRecord(Base):
    """An owner's hold on an uploaded dataset, with the owner's name for it and whether others see it.

    owner: the name of an API key; "" where there are no keys. Two owners who upload the same content hold
    the same dataset, and neither learns of the other.
    """

    __tablename__ = "dataset_holders"

    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64), primary_key=True, default="")
    name: Mapped[str]
    shared: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[float]

    __table_args__ = (Index("ix_dataset_holders_newest", "created_at", "dataset_id"),)


class UseRecord(Base):
    """An experiment uses an uploaded dataset, which therefore stays as long as the experiment does."""

    __tablename__ = "dataset_uses"

    experiment_id: Mapped[str] = mapped_column(
        ForeignKey("experiments.id", ondelete="CASCADE"), primary_key=True
    )
    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id"), primary_key=True, index=True)


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


def lock_experiment(session: Session, experiment_id: str) -> ExperimentRecord:
    """The experiment's row, locked until the transaction ends: its changes happen one by one."""
    experiment = session.get(ExperimentRecord, experiment_id, with_for_update=True)
    if experiment is None:
        raise NotFound(f"there is no experiment {experiment_id!r}")
    return experiment


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


class db_now(FunctionElement[float]):  # noqa: N801 - reads as the SQL function it is
    """Seconds since 1970 in UTC, at the moment the statement runs."""

    type = Double()
    inherit_cache = True


@compiles(db_now, "sqlite")
def _sqlite(*_: Any, **__: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(db_now, "postgresql")
def _postgresql(*_: Any, **__: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS DOUBLE PRECISION)"


def as_datetime(seconds: float | None) -> datetime | None:
    """Seconds since 1970 as an aware datetime."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
