"""Preview jobs."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Select, delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tgsh.errors import ArtifactError, LeaseLost, NotFound, QuotaExceeded
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.models import PreviewJob, PreviewRecord, db_now

FOLDER = "previews"
"""Under which its artifacts lie."""

WEEK = 7 * 86_400.0
MOST_KEPT = 500
"""A preview that nobody asked for within a week is forgotten, and of more than so many the longest unused."""

MOST_WAITING = 100
"""Previews that wait at a time: they go before all other work."""

RETRY_SECONDS = 10

TOUCH_SECONDS = 3_600.0
"""How exactly it is known when a preview was last asked for: to look is not to write, most times."""


@dataclass(frozen=True)
class PreviewRequest:
    """What is to be drawn: see PreviewRecord."""

    key: str
    spec: dict[str, Any]
    tasks: Sequence[tuple[int, str]]
    tasks_total: int


@dataclass(frozen=True)
class PreviewLease:
    """The right to draw a preview, until the lease runs out unrenewed."""

    job: PreviewJob
    token: str
    spec: dict[str, Any]
    tasks: Sequence[tuple[int, str]]

    @property
    def artifact(self) -> str:
        """The key of the images that this claim's owner draws; no other's."""
        return _artifact(self.job.key, self.token)


def _artifact(key: str, token: str) -> str:
    return f"{FOLDER}/{key}-{token[:8]}.safetensors"


def request_preview(database: Database, artifacts: Artifacts, wanted: PreviewRequest) -> bool:
    """Have a preview drawn, unless it is or is about to be; whether a worker is wanted for it.

    One that failed is tried again, and one whose images are damaged or gone is drawn anew. Raises
    QuotaExceeded where MOST_WAITING wait already.
    """
    try:
        with database.write() as session:
            record = session.get(PreviewRecord, wanted.key, with_for_update=True)
            at = session.scalar(select(db_now())) or 0.0
            if record is None:
                _require_room(session)
                fresh = {"created_at": at, "used_at": at, "tasks_total": wanted.tasks_total}
                about = {"key": wanted.key, "spec": wanted.spec, "tasks": list(map(list, wanted.tasks))}
                session.add(PreviewRecord(**about, **fresh, status="queued"))
                return True
            record.used_at = at
            if record.status in ("queued", "running") or is_whole(artifacts, record):
                return record.status == "queued"
            _require_room(session)
            record.status, record.attempts, record.reason, record.created_at = "queued", 0, None, at
            record.artifact = record.artifact_sha256 = record.finished_at = None
            return True
    except IntegrityError:  # another asked for the same at the same moment
        return True


def is_whole(artifacts: Artifacts, record: PreviewRecord) -> bool:
    """Whether it is drawn and its images are what was written."""
    if record.status != "completed" or record.artifact is None or record.artifact_sha256 is None:
        return False
    try:
        artifacts.path(record.artifact, record.artifact_sha256)
    except ArtifactError:
        return False
    return True


def get(database: Database, key: str) -> PreviewRecord:
    """A preview, which counts as a use. Raises NotFound."""
    with database.read() as session:
        record = session.get(PreviewRecord, key)
        if record is None:
            raise NotFound(f"there is no preview {key!r}; POST /previews has one drawn")
        is_old = record.used_at < (session.scalar(select(db_now())) or 0.0) - TOUCH_SECONDS
    if is_old:
        with database.write(durable=False) as session:
            session.execute(update(PreviewRecord).where(PreviewRecord.key == key).values(used_at=db_now()))
    return record


def _require_room(session: Session) -> None:
    waiting = select(func.count()).select_from(PreviewRecord).where(PreviewRecord.status == "queued")
    if (session.scalar(waiting) or 0) >= MOST_WAITING:
        raise QuotaExceeded(f"{MOST_WAITING} previews wait for a worker; try again soon", RETRY_SECONDS)


def lease_next(database: Database, worker: str, lease_seconds: float) -> PreviewLease | None:
    """Take the preview that has waited longest; None if none waits. Mere looking takes no lock."""
    with database.read() as session:
        key = session.scalar(_oldest())
    while key is not None:
        token = secrets.token_hex(16)
        with database.write(durable=False) as session:
            taken = session.execute(
                update(PreviewRecord)
                .where(PreviewRecord.key == key, PreviewRecord.status == "queued")
                .values(
                    status="running",
                    attempts=PreviewRecord.attempts + 1,
                    token=token,
                    lease_until=db_now() + lease_seconds,
                    worker=worker,
                    started_at=db_now(),
                    reason=None,
                )
                .returning(PreviewRecord.spec, PreviewRecord.tasks)
            ).one_or_none()
            if taken is not None:
                return PreviewLease(
                    PreviewJob(key), token, taken.spec, [(index, label) for index, label in taken.tasks]
                )
            key = session.scalar(_oldest())  # another was quicker
    return None


@cache  # every job is preceded by a look: see fairness.py
def _oldest() -> Select[str]:
    waiting = select(PreviewRecord.key).where(PreviewRecord.status == "queued")
    return waiting.order_by(PreviewRecord.created_at, PreviewRecord.key).limit(1)


def _ours(claimed: PreviewLease) -> list[Any]:
    return [
        PreviewRecord.key == claimed.job.key,
        PreviewRecord.status == "running",
        PreviewRecord.token == claimed.token,
    ]


def is_ours(database: Database, claimed: PreviewLease) -> bool:
    """Whether the claim is still there; writes nothing."""
    with database.read() as session:
        return session.scalar(select(PreviewRecord.key).where(*_ours(claimed))) is not None


def renew(database: Database, claimed: PreviewLease, lease_seconds: float) -> None:
    """Prolong the lease by `lease_seconds` from now, if it is still ours."""
    with database.write(durable=False) as session:
        until = db_now() + lease_seconds
        session.execute(update(PreviewRecord).where(*_ours(claimed)).values(lease_until=until))


@contextmanager
def _fenced(database: Database, claimed: PreviewLease) -> Iterator[tuple[Session, PreviewRecord]]:
    with database.write() as session:
        row = session.scalars(select(PreviewRecord).where(*_ours(claimed)).with_for_update()).one_or_none()
        if row is None:
            raise LeaseLost(f"{claimed.job} is no longer ours")
        yield session, row
        row.token = row.lease_until = None


def complete(database: Database, claimed: PreviewLease, sha256: str) -> None:
    """Note that the images are under `claimed.artifact`. Raises LeaseLost."""
    with _fenced(database, claimed) as (session, row):
        row.status, row.artifact, row.artifact_sha256 = "completed", claimed.artifact, sha256
        row.finished_at = session.scalar(select(db_now()))


def fail(database: Database, claimed: PreviewLease, reason: str) -> None:
    """End it badly, with its reason, until it is asked for again. Raises LeaseLost."""
    with _fenced(database, claimed) as (session, row):
        row.status, row.reason, row.finished_at = "failed", reason, session.scalar(select(db_now()))


def release(database: Database, claimed: PreviewLease) -> None:
    """Give the claim back unused: the attempt does not count. Raises LeaseLost."""
    with _fenced(database, claimed) as (_, row):
        row.status, row.worker = "queued", None
        row.attempts -= 1


def expire_lost(database: Database, max_attempts: int) -> int:
    """Queue again what a worker that fell silent was drawing, or fail it at the cap; how many there were."""
    lost = PreviewRecord.status == "running", PreviewRecord.lease_until < db_now()
    with database.read() as session:
        if session.scalar(select(PreviewRecord.key).where(*lost).limit(1)) is None:
            return 0
    with database.write() as session:
        rows = session.scalars(select(PreviewRecord).where(*lost).with_for_update()).all()
        for row in rows:
            row.token = row.lease_until = None
            row.status = "queued" if row.attempts < max_attempts else "failed"
            if row.status == "failed":
                row.reason = f"its worker fell silent {row.attempts} times, the last one was {row.worker}"
                row.finished_at = session.scalar(select(db_now()))
        return len(rows)


def forget_old(database: Database, artifacts: Artifacts, most: int = MOST_KEPT, unused: float = WEEK) -> int:
    """Forget what nobody has asked for in so many seconds, and all but so many; how many files went.

    Also removes what workers wrote that were killed before they could note it.
    """
    files = set(artifacts.keys(FOLDER))  # before the rows: what is written later is let alone
    with database.write() as session:
        newest = select(PreviewRecord.key).order_by(PreviewRecord.used_at.desc()).limit(most)
        is_old = or_(PreviewRecord.used_at < db_now() - unused, PreviewRecord.key.not_in(newest))
        session.execute(delete(PreviewRecord).where(PreviewRecord.status != "running", is_old))
        columns = PreviewRecord.key, PreviewRecord.artifact, PreviewRecord.token
        rows = session.execute(select(*columns)).all()
    named = {row.artifact for row in rows} | {_artifact(row.key, row.token) for row in rows if row.token}
    artifacts.remove(files - named)
    return len(files - named)
