"""Owners of experiments: visibility, sharing and quotas."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import ColumnElement, func, select, text
from sqlalchemy.orm import Session

from tgsh.errors import NotFound, QuotaExceeded
from tgsh.schemas import TERMINAL
from tgsh.store import analyses, datasets
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.deleted import kept_ids
from tgsh.store.models import ExperimentRecord, TaskRecord

QUEUE_RETRY_SECONDS = 60
STORAGE_RETRY_SECONDS = 3600
"""Retry-After of the two quotas."""


_FOREVER = " ({:.1f} GB are of deleted experiments, which stay for a week unless deleted with ?forever=true)"


@dataclass(frozen=True)
class Owner:
    """The owner of a new experiment. name: that of an API key; None: no key, visible to everybody.

    max_queued: the number of tasks of all its experiments that may be queued or running; None: any number.
    """

    name: str | None = None
    max_queued: int | None = None


NO_OWNER = Owner()
"""Without API keys."""


def owner_of(database: Database, experiment_id: str) -> tuple[str | None, bool]:
    """The owner's name (None: no API key) and whether the experiment is shared. Raises NotFound."""
    query = select(ExperimentRecord.owner, ExperimentRecord.shared).where(
        ExperimentRecord.id == experiment_id
    )
    with database.read() as session:
        row = session.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"there is no experiment {experiment_id!r}")
    return row.owner, row.shared


def require_queue_quota(session: Session, owner: Owner, tasks: int) -> None:
    """Raise QuotaExceeded if the owner may not queue `tasks` more. Serialises the owner's transactions."""
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
    count = session.scalar(query) or 0
    if count + tasks > owner.max_queued:
        raise QuotaExceeded(
            f"{count} tasks of {owner.name} wait or run, and with {tasks} more it were over "
            f"{owner.max_queued}: wait for some, or cancel an experiment",
            QUEUE_RETRY_SECONDS,
        )


def require_storage_quota(
    database: Database, artifacts: Artifacts, name: str, max_bytes: int, new_bytes: int = 0
) -> None:
    """Raise QuotaExceeded if the owner's results and datasets with `new_bytes` more reach `max_bytes`."""
    with database.read() as session:
        uploaded = datasets.stored_bytes(session, name) + analyses.stored_bytes(session, name)
        put_away = kept_ids(session, name)
    stored = uploaded + results_bytes(database, artifacts, ExperimentRecord.owner == name)
    stored += (away := sum(artifacts.size(id) for id in put_away))
    if stored + new_bytes >= max_bytes:
        raise QuotaExceeded(
            f"the results and datasets of {name} take {stored / 1e9:.1f} GB of {max_bytes / 1e9:.1f}: "
            f"delete some{_FOREVER.format(away / 1e9) if away else ''}",
            STORAGE_RETRY_SECONDS,
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
    """Bytes of an ended experiment: they do not change until it is resumed and ends again."""
    return artifacts.size(experiment_id)
