"""Owners, sharing, quotas."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import ColumnElement, func, or_, select, text
from sqlalchemy.orm import Session

from tgsh.errors import NotFound, QuotaExceeded
from tgsh.schemas import TERMINAL
from tgsh.store import datasets
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.models import ExperimentRecord, TaskRecord

QUEUE_SECONDS = 60
DISK_SECONDS = 3600


@dataclass(frozen=True)
class Owner:
    """To whom a new experiment belongs. name: a key's; None: nobody's, everybody's to see.

    max_queued: how many tasks of all its experiments may wait or run; None: any number.
    """

    name: str | None = None
    max_queued: int | None = None


NOBODY = Owner()


def owner_of(database: Database, experiment_id: str) -> tuple[str | None, bool]:
    """Whose an experiment is, and whether it is shared. Raises NotFound."""
    query = select(ExperimentRecord.owner, ExperimentRecord.shared).where(
        ExperimentRecord.id == experiment_id
    )
    with database.read() as session:
        found = session.execute(query).one_or_none()
    if found is None:
        raise NotFound(f"there is no experiment {experiment_id!r}")
    return found.owner, found.shared


def is_visible_to(name: str) -> ColumnElement[bool]:
    """The condition that selects what an owner sees: its own, what is shared, what is nobody's."""
    owner = ExperimentRecord.owner
    return or_(owner == name, owner.is_(None), ExperimentRecord.shared)


def share(database: Database, experiment_id: str, shared: bool) -> None:
    """Let others see it, or no longer. Raises NotFound."""
    with database.write() as session:
        experiment = session.get(ExperimentRecord, experiment_id)
        if experiment is None:
            raise NotFound(f"there is no experiment {experiment_id!r}")
        experiment.shared = shared


def require_room(session: Session, owner: Owner, tasks: int) -> None:
    """Whether an owner may queue so many tasks more; its other transactions wait. Raises QuotaExceeded."""
    if owner.name is None or owner.max_queued is None:
        return
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer anyway
        session.execute(
            text("SELECT pg_advisory_xact_lock(74677369, hashtext(:owner))"), {"owner": owner.name}
        )
    query = (
        select(func.count())
        .select_from(TaskRecord)
        .join(ExperimentRecord, ExperimentRecord.id == TaskRecord.experiment_id)
        .where(ExperimentRecord.owner == owner.name, TaskRecord.status.in_(("queued", "running")))
    )
    there = session.scalar(query) or 0
    if there + tasks > owner.max_queued:
        raise QuotaExceeded(
            f"{there} tasks of {owner.name} wait or run, and with {tasks} more it were over "
            f"{owner.max_queued}: wait for some, or cancel an experiment",
            QUEUE_SECONDS,
        )


def require_disk(database: Database, artifacts: Artifacts, name: str, most: int, more: int = 0) -> None:
    """Whether an owner's results and datasets leave room for `more` bytes. Raises QuotaExceeded."""
    with database.read() as session:
        uploaded = datasets.stored_bytes(session, name)
    stored = uploaded + results_bytes(database, artifacts, ExperimentRecord.owner == name)
    if stored + more >= most:
        raise QuotaExceeded(
            f"the results and datasets of {name} take {stored / 1e9:.1f} GB of {most / 1e9:.1f}: delete some",
            DISK_SECONDS,
        )


def results_bytes(database: Database, artifacts: Artifacts, *conditions: ColumnElement[bool]) -> int:
    """Bytes of the artifacts of all experiments that meet the conditions."""
    columns = ExperimentRecord.id, ExperimentRecord.status, ExperimentRecord.finished_at
    with database.read() as session:
        rows = session.execute(select(*columns).where(*conditions)).all()
    return sum(
        _size_of_ended(artifacts, id, finished_at) if status in TERMINAL else artifacts.size(id)
        for id, status, finished_at in rows
    )


@lru_cache(maxsize=65_536)
def _size_of_ended(artifacts: Artifacts, experiment_id: str, _finished_at: float | None) -> int:
    """What an experiment that has ended takes does not change until it is resumed, and ends again."""
    return artifacts.size(experiment_id)
