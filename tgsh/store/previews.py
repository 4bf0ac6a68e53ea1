"""Preview jobs: requests, leases, results and their removal."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, or_, select, update
from sqlalchemy.orm import Session

from tgsh.errors import ArtifactError, LeaseLost, NotFound, QuotaExceeded
from tgsh.store import removals
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.insertion import insert_absent
from tgsh.store.models import PreviewJob, PreviewRecord, db_now

FOLDER = "previews"
"""Folder of the artifacts."""

WEEK = 7 * 86_400.0
MAX_STORED = 500
"""Previews that were not requested for a week are removed, and of more than MAX_STORED the least recent."""

MAX_QUEUED = 100
"""Most previews that are queued at a time, as they go before all other jobs."""

RETRY_SECONDS = 10

USE_SECONDS = 3_600.0
"""Resolution of `used_at`, so that most requests write nothing."""


@dataclass(frozen=True)
class PreviewRequest:
    """A preview to render; fields as of PreviewRecord."""

    key: str
    spec: dict[str, Any]
    tasks: Sequence[tuple[int, str]]
    tasks_total: int
    needs_torch: bool = False


@dataclass(frozen=True)
class PreviewLease:
    """The right to render a preview, until it expires unrenewed."""

    job: PreviewJob
    token: str
    spec: dict[str, Any]
    tasks: Sequence[tuple[int, str]]
    attempt: int = 1

    @property
    def artifact(self) -> str:
        """The key of the images that the holder of this lease renders; of no other lease."""
        return _artifact_key(self.job.key, self.token)


def request_preview(database: Database, artifacts: Artifacts, request: PreviewRequest) -> bool:
    """Queue a preview unless it is rendered, queued or running; whether it is queued now.

    One that failed, or whose images are damaged or gone, is queued again. Raises QuotaExceeded where
    MAX_QUEUED are queued already.
    """
    with database.read() as session:
        seen = session.get(PreviewRecord, request.key)
    drawn = seen.artifact if seen is not None and is_whole(artifacts, seen) else None  # reads a file: no lock
    with database.write() as session:
        now = session.scalar(select(db_now())) or 0.0
        if session.get(PreviewRecord, request.key, with_for_update=True) is None:
            _require_queue_quota(session)
            if insert_absent(session, _queued(request, now)):
                return True
        record = session.get(PreviewRecord, request.key, with_for_update=True)
        if record is None:  # one that was removed since it was seen
            return insert_absent(session, _queued(request, now))
        record.used_at = now
        if record.status in ("queued", "running") or (drawn is not None and record.artifact == drawn):
            return record.status == "queued"
        _require_queue_quota(session)
        record.status, record.attempts, record.reason, record.created_at = "queued", 0, None, now
        record.artifact = record.artifact_sha256 = record.finished_at = None
        return True


def _queued(request: PreviewRequest, now: float) -> PreviewRecord:
    return PreviewRecord(
        key=request.key,
        spec=request.spec,
        tasks=list(map(list, request.tasks)),
        tasks_total=request.tasks_total,
        needs_torch=request.needs_torch,
        created_at=now,
        used_at=now,
        status="queued",
    )


def _require_queue_quota(session: Session) -> None:
    waiting = select(func.count()).select_from(PreviewRecord).where(PreviewRecord.status == "queued")
    if (session.scalar(waiting) or 0) >= MAX_QUEUED:
        raise QuotaExceeded(f"{MAX_QUEUED} previews wait for a worker; try again soon", RETRY_SECONDS)


def is_whole(artifacts: Artifacts, record: PreviewRecord) -> bool:
    """True if it is completed and its images are undamaged."""
    if record.status != "completed" or record.artifact is None or record.artifact_sha256 is None:
        return False
    try:
        artifacts.path(record.artifact, record.artifact_sha256)
    except ArtifactError:
        return False
    return True


def get(database: Database, key: str) -> PreviewRecord:
    """A preview; changes nothing, see `note_use`. Raises NotFound."""
    with database.read() as session:
        record = session.get(PreviewRecord, key)
    if record is None:
        raise NotFound(f"there is no preview {key!r}; POST /previews has one drawn")
    return record


def note_use(database: Database, key: str) -> None:
    """Update `used_at` of a preview that was looked at, to the hour; most calls write nothing."""
    is_old = PreviewRecord.key == key, PreviewRecord.used_at < db_now() - USE_SECONDS
    with database.read() as session:
        if session.scalar(select(PreviewRecord.key).where(*is_old)) is None:
            return
    with database.write(durable=False) as session:
        session.execute(update(PreviewRecord).where(*is_old).values(used_at=db_now()))


def lease_next(
    database: Database, worker: str, lease_seconds: float, has_torch: bool = True
) -> PreviewLease | None:
    """Lease the preview that was queued first; None if there is none for this worker. Takes no lock."""
    with database.read() as session:
        key = session.scalar(_oldest_queued(has_torch))
    while key is not None:
        token = secrets.token_hex(16)
        with database.write(durable=False) as session:
            row = session.execute(
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
                .returning(PreviewRecord.spec, PreviewRecord.tasks, PreviewRecord.attempts)
            ).one_or_none()
            if row is not None:
                tasks = [(index, label) for index, label in row.tasks]
                return PreviewLease(PreviewJob(key), token, row.spec, tasks, row.attempts)
            key = session.scalar(_oldest_queued(has_torch))  # another worker leased it
    return None


@cache  # this query precedes every job, and building it takes longer than running it
def _oldest_queued(has_torch: bool) -> Select[str]:
    queued = select(PreviewRecord.key).where(PreviewRecord.status == "queued")
    if not has_torch:
        queued = queued.where(PreviewRecord.needs_torch.is_(False))
    return queued.order_by(PreviewRecord.created_at, PreviewRecord.key).limit(1)


def _lease_filter(lease: PreviewLease) -> list[Any]:
    return [
        PreviewRecord.key == lease.job.key,
        PreviewRecord.status == "running",
        PreviewRecord.token == lease.token,
    ]


def is_held(database: Database, lease: PreviewLease) -> bool:
    """True if the lease is still held; writes nothing."""
    with database.read() as session:
        return session.scalar(select(PreviewRecord.key).where(*_lease_filter(lease))) is not None


def renew_lease(database: Database, lease: PreviewLease, lease_seconds: float) -> None:
    """Prolong the lease by `lease_seconds` from now, if it is still ours."""
    with database.write(durable=False) as session:
        until = db_now() + lease_seconds
        session.execute(update(PreviewRecord).where(*_lease_filter(lease)).values(lease_until=until))


@contextmanager
def _fenced(database: Database, lease: PreviewLease) -> Iterator[tuple[Session, PreviewRecord]]:
    with database.write() as session:
        row = session.scalars(
            select(PreviewRecord).where(*_lease_filter(lease)).with_for_update()
        ).one_or_none()
        if row is None:
            raise LeaseLost(f"{lease.job} is no longer ours")
        yield session, row
        row.token = row.lease_until = None


def complete(database: Database, lease: PreviewLease, sha256: str) -> None:
    """Mark it completed; its images are under `lease.artifact`. Raises LeaseLost."""
    with _fenced(database, lease) as (session, row):
        row.status, row.artifact, row.artifact_sha256 = "completed", lease.artifact, sha256
        row.finished_at = session.scalar(select(db_now()))


def fail(database: Database, lease: PreviewLease, reason: str) -> None:
    """Mark it failed, until it is requested again. Raises LeaseLost."""
    with _fenced(database, lease) as (session, row):
        row.status, row.reason, row.finished_at = "failed", reason, session.scalar(select(db_now()))


def release(database: Database, lease: PreviewLease) -> None:
    """Release the lease; the attempt does not count. Raises LeaseLost."""
    with _fenced(database, lease) as (_, row):
        row.status, row.worker = "queued", None
        row.attempts -= 1


def expire_leases(database: Database, max_attempts: int) -> int:
    """Queue previews whose lease has expired again, or fail them at the attempt cap; their number."""
    return end_leases(database, PreviewRecord.lease_until < db_now(), "its worker fell silent", max_attempts)


def end_leases(database: Database, whose: ColumnElement[bool], reason: str, max_attempts: int) -> int:
    """Queue running previews again, or fail them at the attempt cap for a reason; their number."""
    is_meant = PreviewRecord.status == "running", whose
    with database.read() as session:
        if session.scalar(select(PreviewRecord.key).where(*is_meant).limit(1)) is None:
            return 0
    with database.write() as session:
        rows = session.scalars(select(PreviewRecord).where(*is_meant).with_for_update()).all()
        for row in rows:
            row.token = row.lease_until = None
            row.status = "queued" if row.attempts < max_attempts else "failed"
            if row.status == "failed":
                row.reason = f"{reason} {row.attempts} times, the last one was {row.worker}"
                row.finished_at = session.scalar(select(db_now()))
        return len(rows)


def remove_unused(
    database: Database, artifacts: Artifacts, most: int = MAX_STORED, unused: float = WEEK
) -> int:
    """Remove previews unused for `unused` seconds, and all but the `most` last used; the number of files.

    Also removes files of workers that were killed before they recorded them.
    """
    files = set(artifacts.keys(FOLDER))  # before the rows: files written later stay
    with database.write() as session:
        newest = select(PreviewRecord.key).order_by(PreviewRecord.used_at.desc()).limit(most)
        is_old = or_(PreviewRecord.used_at < db_now() - unused, PreviewRecord.key.not_in(newest))
        session.execute(delete(PreviewRecord).where(PreviewRecord.status != "running", is_old))
        columns = PreviewRecord.key, PreviewRecord.artifact, PreviewRecord.token
        rows = session.execute(select(*columns)).all()
    referenced = {row.artifact for row in rows} | {
        _artifact_key(row.key, row.token) for row in rows if row.token
    }
    return removals.discard(database, artifacts, files - referenced)


def _artifact_key(key: str, token: str) -> str:
    return f"{FOLDER}/{key}-{token[:8]}.safetensors"
