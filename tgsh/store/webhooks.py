"""Webhooks of experiments and studies: rows that become due when these end, attempts, outcomes."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Double, Index, String, Text, delete, exists, select, update
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from tgsh.store.database import Database
from tgsh.store.models import Base, ExperimentRecord, StudyMemberRecord, StudyRecord, db_now

KEPT_SECONDS = 30 * 86_400.0
"""Rows whose experiment or study is gone are removed at this age: a deleted one may come back before."""

HOLD_SECONDS = 120.0
"""For which an attempt is its worker's own; one that was killed leaves it to others after that."""

WAITS = (10.0, 60.0, 300.0, 1_800.0, 7_200.0, 21_600.0)
"""Seconds before the second attempt, the third …; there is one attempt more than there are waits."""

UNFINISHED = ("queued", "running")


class WebhookRecord(Base):
    """A URL that is told when an experiment or a study ends.

    status: waiting (for the end), due, delivered or failed. message: the id of what is sent. next_at: when
    the next attempt is due. response: the HTTP status of the last answer. reason: of the last failure.
    """

    __tablename__ = "webhooks"
    __table_args__ = (Index("ix_webhooks_status_next_at", "status", "next_at"),)

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    subject_id: Mapped[str] = mapped_column(String(16), index=True)
    owner: Mapped[str | None] = mapped_column(String(64))
    url: Mapped[str] = mapped_column(Text())
    status: Mapped[str] = mapped_column(String(16), default="waiting")
    message: Mapped[str | None] = mapped_column(String(64))
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[float | None] = mapped_column(Double())
    response: Mapped[int | None]
    reason: Mapped[str | None] = mapped_column(Text())
    created_at: Mapped[float]
    ended_at: Mapped[float | None] = mapped_column(Double())


@dataclass(frozen=True)
class DueWebhook:
    """One attempt that is this worker's: the message and where it goes."""

    id: str
    url: str
    message: str
    attempt: int
    document: dict[str, Any]


def add(session: Session, kind: str, subject_id: str, url: str, owner: str | None) -> None:
    """Add a webhook, in the submission's transaction; of what has ended before, it is due at once."""
    now = session.scalar(select(db_now()))
    record = WebhookRecord(id=secrets.token_hex(8), kind=kind, subject_id=subject_id, owner=owner, url=url)
    record.created_at = now or 0.0
    session.add(record)
    session.flush()
    if kind == "experiment":
        status = session.scalar(select(ExperimentRecord.status).where(ExperimentRecord.id == subject_id))
        if status not in UNFINISHED:
            make_due(session, subject_id)


def make_due(session: Session, subject_id: str) -> None:
    """Make the webhooks of what ends due, in the transaction of its terminal status."""
    session.execute(
        update(WebhookRecord)
        .where(WebhookRecord.subject_id == subject_id)
        .values(
            status="due",
            message=f"msg_{secrets.token_hex(12)}",
            attempts=0,
            next_at=db_now(),
            response=None,
            reason=None,
            ended_at=None,
        )
    )


def of_subject(database: Database, subject_id: str) -> Sequence[WebhookRecord]:
    """The webhooks of an experiment or a study, the newest first."""
    query = (
        select(WebhookRecord)
        .where(WebhookRecord.subject_id == subject_id)
        .order_by(WebhookRecord.created_at.desc(), WebhookRecord.id)
    )
    with database.read() as session:
        return session.scalars(query).all()


def claim(database: Database, most: int = 20) -> list[DueWebhook]:
    """Attempts that are due, each of them for this caller alone.

    A study has no row of its own state: it has ended when none of its experiments waits or runs.
    """
    with database.read() as session:
        nothing = not session.scalar(select(exists().where(WebhookRecord.status.in_(("waiting", "due")))))
    if nothing:
        return []
    with database.write() as session:
        for study_id in _ended_studies(session):
            make_due(session, study_id)
        now = session.scalar(select(db_now())) or 0.0
        due = session.scalars(
            select(WebhookRecord)
            .where(WebhookRecord.status == "due", WebhookRecord.next_at <= now)
            .order_by(WebhookRecord.next_at)
            .limit(most)
            .with_for_update(skip_locked=True)
        ).all()
        found = []
        for record in due:
            document = _document(session, record)
            if document is None:  # it was deleted, or goes on: it is due again when it ends
                record.status, record.next_at = "waiting", None
                continue
            record.attempts += 1
            record.next_at = now + HOLD_SECONDS
            found.append(
                DueWebhook(record.id, record.url, record.message or record.id, record.attempts, document)
            )
        return found


def note_outcome(
    database: Database,
    attempt: DueWebhook,
    reason: str | None,
    response: int | None,
    *,
    is_final: bool = False,
    waits: Sequence[float] = WAITS,
) -> None:
    """Note how an attempt ended. reason: of its failure; None: delivered. is_final: none is tried again."""
    with database.write() as session:
        record = session.get(WebhookRecord, attempt.id, with_for_update=True)
        now = session.scalar(select(db_now())) or 0.0
        if record is None or record.message != attempt.message or record.attempts != attempt.attempt:
            return  # it has ended again meanwhile, or another worker tries it
        record.response, record.reason = response, reason
        if reason is None:
            record.status, record.next_at, record.ended_at = "delivered", None, now
        elif is_final or attempt.attempt > len(waits):
            record.status, record.next_at, record.ended_at = "failed", None, now
        else:
            record.next_at = now + waits[attempt.attempt - 1]


def forget(database: Database) -> None:
    """Remove old rows of experiments and studies that are gone."""
    lost = (
        select(WebhookRecord.id)
        .where(
            WebhookRecord.created_at < db_now() - KEPT_SECONDS,
            ~exists().where(ExperimentRecord.id == WebhookRecord.subject_id),
            ~exists().where(StudyRecord.id == WebhookRecord.subject_id),
        )
        .limit(500)
    )
    with database.read() as session:
        ids = session.scalars(lost).all()
    if ids:
        with database.write() as session:
            session.execute(delete(WebhookRecord).where(WebhookRecord.id.in_(ids)))


def _ended_studies(session: Session) -> Sequence[str]:
    member, experiment = aliased(StudyMemberRecord), aliased(ExperimentRecord)
    goes_on = (
        select(member.study_id)
        .join(experiment, experiment.id == member.experiment_id)
        .where(member.study_id == WebhookRecord.subject_id, experiment.status.in_(UNFINISHED))
    )
    query = select(WebhookRecord.subject_id).where(
        WebhookRecord.kind == "study",
        WebhookRecord.status == "waiting",
        exists().where(StudyRecord.id == WebhookRecord.subject_id),
        ~goes_on.exists(),
    )
    return session.scalars(query.distinct()).all()


def _document(session: Session, record: WebhookRecord) -> dict[str, Any] | None:
    """The message about what has ended; None where it is gone or goes on."""
    if record.kind == "study":
        return _study_document(session, record.subject_id)
    experiment = session.get(ExperimentRecord, record.subject_id)
    if experiment is None or experiment.status in UNFINISHED or experiment.finished_at is None:
        return None
    data = {
        "id": experiment.id,
        "name": experiment.name,
        "status": experiment.status,
        "reason": experiment.reason,
        "mean_accuracy": experiment.mean_accuracy,
    }
    return {"type": "experiment.ended", "timestamp": _iso(experiment.finished_at), "data": data}


def _study_document(session: Session, study_id: str) -> dict[str, Any] | None:
    study = session.get(StudyRecord, study_id)
    if study is None:
        return None
    rows = session.execute(
        select(ExperimentRecord.status, ExperimentRecord.finished_at)
        .join(StudyMemberRecord, StudyMemberRecord.experiment_id == ExperimentRecord.id)
        .where(StudyMemberRecord.study_id == study_id)
    ).all()
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.status] = counts.get(row.status, 0) + 1
    if any(status in UNFINISHED for status in counts):
        return None
    status = next((each for each in ("failed", "cancelled", "completed") if each in counts), "cancelled")
    ended = max((row.finished_at or 0.0 for row in rows), default=study.created_at)
    data = {"id": study.id, "name": study.name, "status": status, "experiments": counts}
    return {"type": "study.ended", "timestamp": _iso(ended), "data": data}


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
