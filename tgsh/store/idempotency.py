"""Idempotency keys: what an earlier request with the same key has made, of studies and of analyses.

Experiments have a table and rules of their own (see experiments.py), as a stored one may answer for them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import ForeignKey, String, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from tgsh.errors import InvalidSpec
from tgsh.store.models import Base, db_now

USED_OTHERWISE = "was used before with another body; use a new key"


class StudyKeyRecord(Base):
    """An Idempotency-Key of an owner ("": no API key) for studies: the same body returns the same study."""

    __tablename__ = "study_keys"

    owner: Mapped[str] = mapped_column(String(64), primary_key=True, default="")
    key: Mapped[str] = mapped_column(primary_key=True)
    body_digest: Mapped[str] = mapped_column(String(64))
    study_id: Mapped[str] = mapped_column(ForeignKey("studies.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[float]


class AnalysisKeyRecord(Base):
    """An Idempotency-Key of an owner ("": no API key) for placements: the same body returns the same one."""

    __tablename__ = "analysis_keys"

    owner: Mapped[str] = mapped_column(String(64), primary_key=True, default="")
    key: Mapped[str] = mapped_column(primary_key=True)
    body_digest: Mapped[str] = mapped_column(String(64))
    analysis_id: Mapped[str] = mapped_column(ForeignKey("analyses.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[float]


R = TypeVar("R", StudyKeyRecord, AnalysisKeyRecord)


@dataclass(frozen=True)
class IdempotentRequest:
    """An Idempotency-Key and the request that came with it."""

    key: str
    body: str

    @property
    def digest(self) -> str:
        """Equal ones mean equal requests."""
        return hashlib.sha256(self.body.encode()).hexdigest()


def lock_key(session: Session, owner: str | None, key: str) -> None:
    """Wait for another transaction with this key, which may be inserting it. SQLite has one writer anyway."""
    if session.get_bind().dialect.name == "postgresql":
        words = f"{owner or ''}\n{key}"
        number = int.from_bytes(hashlib.sha256(words.encode()).digest()[:8], signed=True)
        session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})


def earlier(session: Session, table: type[R], owner: str | None, request: IdempotentRequest) -> R | None:
    """The row of an earlier request with this key. Raises InvalidSpec where its body was another."""
    found = session.get(table, (owner or "", request.key))
    if found is not None and found.body_digest != request.digest:
        raise InvalidSpec("Idempotency-Key", USED_OTHERWISE)
    return found


def note_study(session: Session, owner: str | None, request: IdempotentRequest, study_id: str) -> None:
    """Keep the key with the study that its request has made."""
    session.add(StudyKeyRecord(**_values(session, owner, request), study_id=study_id))


def note_analysis(session: Session, owner: str | None, request: IdempotentRequest, analysis_id: str) -> None:
    """Keep the key with the analysis that its request has made."""
    session.add(AnalysisKeyRecord(**_values(session, owner, request), analysis_id=analysis_id))


def _values(session: Session, owner: str | None, request: IdempotentRequest) -> dict[str, object]:
    return {
        "owner": owner or "",
        "key": request.key,
        "body_digest": request.digest,
        "created_at": session.scalar(select(db_now())),
    }
