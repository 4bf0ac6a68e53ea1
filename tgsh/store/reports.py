"""Reports: their rows, who sees them, links that show them without a key."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, String, false, or_, select, tuple_
from sqlalchemy.orm import Mapped, mapped_column

from tgsh.errors import Conflict, NotFound
from tgsh.store.database import Database
from tgsh.store.models import Base, db_now


class ReportRecord(Base):
    """A report. owner: the name of an API key; None: made without one. link: None where it has none."""

    __tablename__ = "reports"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    owner: Mapped[str | None] = mapped_column(String(64), index=True)
    title: Mapped[str]
    items: Mapped[list[Any]] = mapped_column(JSON())
    shared: Mapped[bool] = mapped_column(server_default=false())
    link: Mapped[str | None] = mapped_column(String(64), unique=True)
    created_at: Mapped[float]
    changed_at: Mapped[float]


def create(
    database: Database, owner: str | None, title: str, items: Sequence[Any], *, shared: bool
) -> ReportRecord:
    """Insert a report."""
    with database.write() as session:
        now = session.scalar(select(db_now())) or 0.0
        record = ReportRecord(
            id=secrets.token_hex(8),
            owner=owner,
            title=title,
            items=list(items),
            shared=shared,
            created_at=now,
            changed_at=now,
        )
        session.add(record)
        session.flush()
        return record


def reports(
    database: Database,
    visible_to: str | None,
    limit: int,
    after: Sequence[str | float] | None = None,
    *,
    of_others: bool = True,
) -> Sequence[ReportRecord]:
    """Up to `limit` reports that an owner sees (None: all), the one changed last first.

    after: the position (changed_at, id) that they follow. of_others: also those that are shared or of nobody.
    """
    owner, place = ReportRecord.owner, (ReportRecord.changed_at, ReportRecord.id)
    query = select(ReportRecord).order_by(*(column.desc() for column in place)).limit(limit)
    if visible_to is not None:
        own = owner == visible_to
        query = query.where(or_(own, owner.is_(None), ReportRecord.shared) if of_others else own)
    if after is not None:
        query = query.where(tuple_(*place) < tuple_(*after))
    with database.read() as session:
        return session.scalars(query).all()


def report(database: Database, report_id: str) -> ReportRecord:
    """A report. Raises NotFound."""
    with database.read() as session:
        record = session.get(ReportRecord, report_id)
    if record is None:
        raise unknown(report_id)
    return record


def linked(database: Database, link: str) -> ReportRecord:
    """The report that a link shows. Raises NotFound."""
    with database.read() as session:
        record = session.scalar(select(ReportRecord).where(ReportRecord.link == link))
    if record is None:
        raise NotFound("this link shows nothing (any more): ask whoever sent it for another")
    return record


def change(
    database: Database, report_id: str, changes: Mapping[str, Any], read_at: datetime | None = None
) -> ReportRecord:
    """Change title, items, shared, or link (True: a new one unless there is one; False: none).

    read_at: `changed_at` of what the author of the changes has read. Raises NotFound, and Conflict where it
    was changed since.
    """
    with database.write() as session:
        record = session.get(ReportRecord, report_id, with_for_update=True)
        if record is None:
            raise unknown(report_id)
        if read_at is not None and read_at != datetime.fromtimestamp(record.changed_at, UTC):
            raise Conflict("the report was changed by others since you read it: read it again")
        for name in ("title", "items", "shared"):
            if name in changes:
                setattr(record, name, changes[name])
        if "link" in changes:
            record.link = (record.link or secrets.token_urlsafe(24)) if changes["link"] else None
        record.changed_at = session.scalar(select(db_now())) or record.changed_at
        session.flush()
        return record


def delete(database: Database, report_id: str) -> None:
    """Delete a report. Raises NotFound."""
    with database.write() as session:
        record = session.get(ReportRecord, report_id)
        if record is None:
            raise unknown(report_id)
        session.delete(record)


def unknown(report_id: str) -> NotFound:
    """The error about a report that is missing or invisible, in equal words."""
    return NotFound(f"there is no report {report_id!r}")
