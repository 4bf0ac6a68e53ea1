"""Signs of life of the workers, so that nobody has to ask them through the queue."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select

from tgsh.store.clock import now
from tgsh.store.database import Database
from tgsh.store.records import WorkerRecord

ALIVE_SECONDS = 30.0
"""A worker that was not seen for this long counts as gone."""


def beat(
    database: Database,
    name: str,
    host: str,
    pid: int,
    slots: Sequence[str],
    memory_bytes: int = 0,
    device_memory_bytes: int | None = None,
) -> None:
    """Note that a worker lives; one row a worker. `slots` are its devices, one a job at a time."""
    with database.write(durable=False) as session:
        seen_at = session.scalar(select(now()))
        session.merge(
            WorkerRecord(
                name=name,
                host=host,
                pid=pid,
                slots=list(slots),
                memory_bytes=memory_bytes,
                device_memory_bytes=device_memory_bytes,
                seen_at=seen_at,
            )
        )
        session.execute(delete(WorkerRecord).where(WorkerRecord.seen_at < now() - 86_400))


def bow_out(database: Database, name: str) -> None:
    """Note that a worker has stopped."""
    with database.write(durable=False) as session:
        session.execute(delete(WorkerRecord).where(WorkerRecord.name == name))


def living(database: Database) -> list[WorkerRecord]:
    """The workers seen lately."""
    with database.read() as session:
        alive = (
            select(WorkerRecord)
            .where(WorkerRecord.seen_at > now() - ALIVE_SECONDS)
            .order_by(WorkerRecord.name)
        )
        return list(session.scalars(alive))
