"""Placements and accuracy matrices of completed experiments: requests, leases, results and their removal."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, delete, exists, func, or_, select, text, tuple_, update
from sqlalchemy.orm import Session

from tgsh.errors import Conflict, LeaseLost, NotFound, QuotaExceeded
from tgsh.store import removals
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.deleted import ANALYSES, kept_ids
from tgsh.store.idempotency import AnalysisKeyRecord, IdempotentRequest, earlier, lock_key, note_analysis
from tgsh.store.insertion import insert_absent
from tgsh.store.models import (
    AnalysisJob,
    AnalysisRecord,
    ExperimentRecord,
    ExperimentTurnRecord,
    FinishRecord,
    OwnerTurnRecord,
    db_now,
    find_and_lock,
    lock_experiment,
)

AnalysisKind = Literal["placement", "accuracy-matrix"]

FOLDER = ANALYSES
"""Folder of the artifacts of placements; an accuracy matrix becomes a result of its experiment."""

MATRIX: AnalysisKind = "accuracy-matrix"
"""Kind of the job, and name of the result that it adds to an experiment's."""

MAX_UNFINISHED = 20
"""Analyses of an owner that are queued or running at a time; also of all without an owner together."""

MAX_STORED = 1_000
"""Analyses that an owner keeps."""

RETRY_SECONDS = 10

ORPHAN_SECONDS = 3600.0
"""Age at which a file that no row names is orphaned; rows follow their files within a minute."""


@dataclass(frozen=True)
class AnalysisRequest:
    """An analysis to run; fields as of AnalysisRecord."""

    id: str
    experiment_id: str
    kind: AnalysisKind
    owner: str | None
    params: Mapping[str, Any]
    needs_torch: bool = False
    images: str | None = None
    images_sha256: str | None = None
    bytes: int = 0


@dataclass(frozen=True)
class AnalysisLease:
    """The right to run an analysis, until it expires unrenewed."""

    job: AnalysisJob
    token: str
    params: dict[str, Any]
    images: tuple[str, str] | None = None
    attempt: int = 1
    needs_torch: bool = False

    @property
    def artifact(self) -> str:
        """The key of the arrays that the holder of this lease writes; of no other lease."""
        return _artifact_key(self.job.kind, self.job.experiment_id, self.job.id, self.token)


def new_id() -> str:
    """A random id."""
    return secrets.token_hex(8)


def folder_of(experiment_id: str) -> str:
    """The folder of the artifacts of an experiment's placements."""
    return f"{FOLDER}/{experiment_id}"


def images_key(experiment_id: str, analysis_id: str) -> str:
    """The key of the images that came with a request."""
    return f"{folder_of(experiment_id)}/{analysis_id}-images.safetensors"


def replayed(database: Database, owner: str | None, sent: IdempotentRequest) -> AnalysisRecord | None:
    """The analysis of an earlier request with this key; None where there was none.

    To be asked before anything that may refuse a new one. Raises InvalidSpec where the body was another.
    """
    with database.read() as session:
        return _earlier(session, owner, sent)


def _earlier(session: Session, owner: str | None, sent: IdempotentRequest) -> AnalysisRecord | None:
    found = earlier(session, AnalysisKeyRecord, owner, sent)
    return None if found is None else session.get_one(AnalysisRecord, found.analysis_id)


def create(
    database: Database, request: AnalysisRequest, sent: IdempotentRequest | None = None
) -> AnalysisRecord:
    """Queue an analysis of a completed experiment.

    An accuracy matrix that is queued or running is not queued twice: its record is the answer. With an
    idempotency key that this owner used before, the answer is the analysis of that request, or InvalidSpec
    where its body was another. Raises NotFound, Conflict where the experiment is not completed,
    QuotaExceeded.
    """
    with database.write() as session:
        if sent is not None:
            lock_key(session, request.owner, sent.key)
            if (first := _earlier(session, request.owner, sent)) is not None:
                return first
        experiment = find_and_lock(session, request.experiment_id)
        if experiment is None:
            raise NotFound(f"there is no experiment {request.experiment_id!r}")
        require_completed(experiment)
        if request.kind == MATRIX:
            if (latest := _latest_matrix(session, request.experiment_id)) is not None and latest.status in (
                "queued",
                "running",
            ):
                return latest
            is_old = AnalysisRecord.experiment_id == request.experiment_id, AnalysisRecord.kind == MATRIX
            session.execute(delete(AnalysisRecord).where(*is_old))
        _require_quota(session, request.owner)
        record = AnalysisRecord(
            id=request.id,
            experiment_id=request.experiment_id,
            kind=request.kind,
            owner=request.owner,
            params=dict(request.params),
            images=request.images,
            images_sha256=request.images_sha256,
            bytes=request.bytes,
            needs_torch=request.needs_torch,
            created_at=session.scalar(select(db_now())),
            status="queued",
            attempts=0,
        )
        session.add(record)
        session.flush()
        if sent is not None:
            note_analysis(session, request.owner, sent, record.id)
        return record


def require_completed(experiment: ExperimentRecord) -> None:
    """Raise Conflict for an experiment whose vectors may still change or are not all there."""
    if experiment.status != "completed":
        raise Conflict(
            f"the experiment is {experiment.status}; data are placed among the tasks of a completed one, "
            "and an accuracy matrix is of one: wait until it is done, or resume it"
        )


def _require_quota(session: Session, owner: str | None) -> None:
    """Raise QuotaExceeded; serialises the owner's transactions."""
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer anyway
        session.execute(
            text("SELECT pg_advisory_xact_lock(74677371, hashtext(:owner))"), {"owner": owner or ""}
        )
    of_owner = select(func.count()).select_from(AnalysisRecord).where(_owned_by(owner))
    unfinished = session.scalar(of_owner.where(AnalysisRecord.status.in_(("queued", "running")))) or 0
    whose = f"of {owner}" if owner is not None else "without a key"
    if unfinished >= MAX_UNFINISHED:
        raise QuotaExceeded(
            f"{unfinished} placements and matrices {whose} wait or run, and {MAX_UNFINISHED} are the most; "
            "wait for some, or delete one",
            RETRY_SECONDS,
        )
    if (session.scalar(of_owner) or 0) >= MAX_STORED:
        raise QuotaExceeded(
            f"{MAX_STORED:,} placements {whose} are kept, the most there may be: delete some", 3600
        )


def _owned_by(owner: str | None) -> ColumnElement[bool]:
    return AnalysisRecord.owner.is_(None) if owner is None else AnalysisRecord.owner == owner


def name_of(record: AnalysisRecord) -> str:
    """Name of a placement."""
    return str(record.params.get("name") or record.params.get("title") or "your images")


def is_visible(visible_to: str | None) -> list[ColumnElement[bool]]:
    """Conditions of the analyses that a key of that name sees: its own, and those of no key; None: all."""
    if visible_to is None:
        return []
    return [or_(AnalysisRecord.owner.is_(None), AnalysisRecord.owner == visible_to)]


def get(
    database: Database,
    experiment_id: str,
    analysis_id: str,
    visible_to: str | None = None,
    kind: AnalysisKind = "placement",
) -> AnalysisRecord:
    """An analysis of this experiment and kind, if a key of that name sees it (None: all). Raises NotFound."""
    record = None
    conditions = is_visible(visible_to)
    query = select(AnalysisRecord).where(
        AnalysisRecord.id == analysis_id,
        AnalysisRecord.experiment_id == experiment_id,
        AnalysisRecord.kind == kind,
        *conditions,
    )
    with database.read() as session:
        record = session.scalars(query).one_or_none()
    if record is None:
        raise NotFound(f"there is no {kind} {analysis_id!r} of experiment {experiment_id}")
    return record


def page(
    database: Database,
    experiment_id: str,
    visible_to: str | None,
    limit: int,
    after: Sequence[str | float] | None = None,
) -> list[AnalysisRecord]:
    """Placements of an experiment that a key of that name sees (None: all), newest first."""
    a = AnalysisRecord
    query = select(a).where(a.experiment_id == experiment_id, a.kind == "placement", *is_visible(visible_to))
    if after is not None:
        query = query.where(tuple_(a.created_at, a.id) < tuple_(*after))
    with database.read() as session:
        return list(session.scalars(query.order_by(a.created_at.desc(), a.id.desc()).limit(limit)))


def latest_matrix(database: Database, experiment_id: str) -> AnalysisRecord | None:
    """The job that computes, computed or failed to compute an experiment's accuracy matrix."""
    with database.read() as session:
        return _latest_matrix(session, experiment_id)


def _latest_matrix(session: Session, experiment_id: str) -> AnalysisRecord | None:
    a = AnalysisRecord
    query = select(a).where(a.experiment_id == experiment_id, a.kind == MATRIX)
    return session.scalars(query.order_by(a.created_at.desc()).limit(1)).one_or_none()


def remove(database: Database, analysis_id: str) -> list[str]:
    """Delete an analysis, running or not, and note its files for removal; their keys.

    A worker that runs it loses its lease.
    """
    with database.write() as session:
        record = session.get(AnalysisRecord, analysis_id, with_for_update=True)
        if record is None:
            return []
        keys = _files_of(record)
        removals.note(session, keys)
        session.delete(record)
        return keys


def _files_of(record: AnalysisRecord) -> list[str]:
    """Keys of its files, also of one that its worker may just have written."""
    keys = [record.images, record.artifact]
    if record.token is not None:
        keys.append(_artifact_key(record.kind, record.experiment_id, record.id, record.token))
    return [key for key in keys if key is not None and key.startswith(f"{FOLDER}/")]


def _artifact_key(kind: str, experiment_id: str, analysis_id: str, token: str) -> str:
    if kind == MATRIX:
        return f"{experiment_id}/{MATRIX}-{token[:8]}.safetensors"
    return f"{folder_of(experiment_id)}/{analysis_id}-{token[:8]}.safetensors"


def files(session: Session) -> dict[str, str]:
    """SHA-256 by key of the artifacts of all placements."""
    a = AnalysisRecord
    columns = a.images, a.images_sha256, a.artifact, a.artifact_sha256
    rows = session.execute(select(*columns).where(a.kind != MATRIX))
    digests: dict[str, str] = {}
    for row in rows:
        digests |= {str(key): str(sha) for key, sha in zip(row[::2], row[1::2], strict=True) if key}
    return digests


def files_in_work(session: Session, experiment_id: str) -> set[str]:
    """Keys in the experiment's own folder that workers may just have written."""
    a = AnalysisRecord
    query = select(a.id, a.token).where(
        a.experiment_id == experiment_id, a.kind == MATRIX, a.status == "running"
    )
    return {_artifact_key(MATRIX, experiment_id, row.id, str(row.token)) for row in session.execute(query)}


def remove_orphans(database: Database, artifacts: Artifacts) -> int:
    """Remove files of processes that were killed before they wrote the row; their number.

    Files of an experiment that can be brought back stay.
    """
    old = set(artifacts.older(FOLDER, ORPHAN_SECONDS))
    if not old:
        return 0
    with database.read() as session:
        named = set(files(session))
        running = select(AnalysisRecord).where(AnalysisRecord.status == "running")
        named |= {key for record in session.scalars(running) for key in _files_of(record)}
        kept = {folder_of(experiment_id) for experiment_id in kept_ids(session)}
    old = {key for key in old if key.rpartition("/")[0] not in kept}
    return removals.discard(database, artifacts, old - named)


def stored_bytes(session: Session, owner: str | None = None) -> int:
    """Bytes of an owner's placements; None: of all."""
    query = select(func.coalesce(func.sum(AnalysisRecord.bytes), 0))
    if owner is not None:
        query = query.where(AnalysisRecord.owner == owner)
    return int(session.scalar(query) or 0)


# --- leases


def lease_next(
    database: Database,
    worker: str,
    lease_seconds: float,
    has_torch: bool = True,
    *,
    in_turn: bool = True,
) -> AnalysisLease | None:
    """Lease the analysis that is due; None where none is queued that this worker can run.

    It takes a turn of its owner: while tasks of another owner wait that was served less lately, it waits too
    (in_turn), so that many analyses starve nobody's training.
    """
    due = _due(has_torch, in_turn)
    with database.read() as session:
        analysis_id = session.scalar(due)
    while analysis_id is not None:
        token = secrets.token_hex(16)
        a = AnalysisRecord
        with database.write(durable=False) as session:
            row = session.execute(
                update(a)
                .where(a.id == analysis_id, a.status == "queued")
                .values(
                    status="running",
                    attempts=a.attempts + 1,
                    token=token,
                    lease_until=db_now() + lease_seconds,
                    lease_seconds=lease_seconds,
                    worker=worker,
                    started_at=db_now(),
                    reason=None,
                )
                .returning(
                    *(a.experiment_id, a.kind, a.owner, a.params, a.images, a.images_sha256),
                    *(a.attempts, a.needs_torch),
                )
            ).one_or_none()
            if row is not None:
                _note_turn(session, row.owner or "")
                images = None if row.images is None else (row.images, row.images_sha256)
                job = AnalysisJob(analysis_id, row.experiment_id, row.kind)
                return AnalysisLease(job, token, row.params, images, row.attempts, row.needs_torch)
            analysis_id = session.scalar(due)  # another worker leased it
    return None


@cache  # this query precedes every job, and building it takes longer than running it
def _due(has_torch: bool, in_turn: bool) -> Select[str]:
    a, turn = AnalysisRecord, ExperimentTurnRecord
    owner = func.coalesce(a.owner, "")
    served = (
        select(func.coalesce(func.max(OwnerTurnRecord.served_at), 0.0))
        .where(OwnerTurnRecord.owner == owner)
        .scalar_subquery()
    )
    query = select(a.id).where(a.status == "queued")
    if not has_torch:
        query = query.where(a.needs_torch.is_(False))
    if in_turn:
        can_run = () if has_torch else (turn.needs_torch.is_(False),)
        others = OwnerTurnRecord.__table__.alias("others")
        has_turn = exists(select(turn.experiment_id).where(turn.owner == others.c.owner, *can_run))
        waits = exists(
            select(others.c.owner).where(others.c.owner != owner, others.c.served_at < served, has_turn)
        )
        query = query.where(~waits)
    return query.order_by(served, a.created_at, a.id).limit(1)


def _note_turn(session: Session, owner: str) -> None:
    insert_absent(session, OwnerTurnRecord(owner=owner, served_at=0.0))
    served = update(OwnerTurnRecord).where(OwnerTurnRecord.owner == owner).values(served_at=db_now())
    session.execute(served)


def _lease_filter(lease: AnalysisLease) -> list[Any]:
    a = AnalysisRecord
    return [a.id == lease.job.id, a.status == "running", a.token == lease.token]


def is_held(database: Database, lease: AnalysisLease) -> bool:
    """True if the lease is still held; writes nothing."""
    with database.read() as session:
        return session.scalar(select(AnalysisRecord.id).where(*_lease_filter(lease))) is not None


def renew_lease(database: Database, lease: AnalysisLease, lease_seconds: float) -> None:
    """Prolong the lease by `lease_seconds` from now, if it is still ours."""
    with database.write(durable=False) as session:
        until = db_now() + lease_seconds
        session.execute(update(AnalysisRecord).where(*_lease_filter(lease)).values(lease_until=until))


@contextmanager
def _fenced(database: Database, lease: AnalysisLease) -> Iterator[tuple[Session, AnalysisRecord]]:
    with database.write() as session:
        row = session.scalars(
            select(AnalysisRecord).where(*_lease_filter(lease)).with_for_update()
        ).one_or_none()
        if row is None:
            raise LeaseLost(f"{lease.job} is no longer ours")
        yield session, row
        row.token = row.lease_until = row.lease_seconds = None


def complete_placement(
    database: Database, lease: AnalysisLease, summary: Mapping[str, Any], sha256: str, size: int
) -> None:
    """Mark it completed; its arrays, of so many bytes, are under `lease.artifact`. Raises LeaseLost."""
    with _fenced(database, lease) as (session, row):
        row.status, row.summary = "completed", dict(summary)
        row.artifact, row.artifact_sha256 = lease.artifact, sha256
        row.bytes += size
        row.finished_at = session.scalar(select(db_now()))


def complete_matrix(database: Database, lease: AnalysisLease, sha256: str) -> None:
    """Mark it completed, and add the matrix to the results of its experiment.

    Raises LeaseLost, and Conflict where the experiment is no longer completed.
    """
    with _fenced(database, lease) as (session, row):
        experiment = lock_experiment(session, row.experiment_id)
        require_completed(experiment)
        finish = session.get_one(FinishRecord, row.experiment_id)
        finish.results = {**finish.results, MATRIX: [lease.artifact, sha256]}
        row.status, row.finished_at = "completed", session.scalar(select(db_now()))


def fail(database: Database, lease: AnalysisLease, reason: str) -> None:
    """Mark it failed. Raises LeaseLost."""
    with _fenced(database, lease) as (session, row):
        row.status, row.reason, row.finished_at = "failed", reason, session.scalar(select(db_now()))


def release(database: Database, lease: AnalysisLease) -> None:
    """Release the lease; the attempt does not count. Raises LeaseLost."""
    with _fenced(database, lease) as (_, row):
        row.status, row.worker = "queued", None
        row.attempts -= 1


def expire_leases(database: Database, max_attempts: int) -> int:
    """Queue analyses whose lease has expired again, or fail them at the attempt cap; their number."""
    return end_leases(database, AnalysisRecord.lease_until < db_now(), "its worker fell silent", max_attempts)


def end_leases(
    database: Database,
    whose: ColumnElement[bool],
    reason: str,
    max_attempts: int,
    *,
    counts: bool = True,
) -> int:
    """Queue running analyses again, or fail them at the attempt cap for a reason; their number.

    counts: whether the attempts count.
    """
    is_meant = AnalysisRecord.status == "running", whose
    with database.read() as session:
        if session.scalar(select(AnalysisRecord.id).where(*is_meant).limit(1)) is None:
            return 0
    with database.write() as session:
        rows: Sequence[AnalysisRecord] = session.scalars(
            select(AnalysisRecord).where(*is_meant).with_for_update()
        ).all()
        for row in rows:
            row.token = row.lease_until = row.lease_seconds = None
            row.attempts -= not counts
            row.status = "queued" if row.attempts < max_attempts else "failed"
            if row.status == "failed":
                row.reason = f"{reason} {row.attempts} times, the last one was {row.worker}"
                row.finished_at = session.scalar(select(db_now()))
        return len(rows)
