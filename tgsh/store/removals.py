"""Removal of files and folders of the artifact store: at once where it can be, else noted and tried again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from sqlalchemy import delete, func, or_, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from tgsh.errors import ArtifactNotRemoved
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.models import ExperimentRecord, RemovalRecord, db_now

FIRST_PAUSE, LONGEST_PAUSE = 60.0, 6 * 3600.0
"""Seconds before what could not be removed is tried again: twice as many each time, up to the longest."""

MAX_SWEPT = 200
"""Most removals that one sweep tries; the next goes on."""

log = logging.getLogger(__name__)


def note(session: Session, keys: Iterable[str], *, is_folder: bool = False) -> None:
    """Note within a transaction that these files, or folders, are to be removed once it is committed."""
    now = session.scalar(select(db_now())) or 0.0
    for key in dict.fromkeys(keys):
        if session.get(RemovalRecord, key) is None:
            session.add(RemovalRecord(key=key, is_folder=is_folder, created_at=now, retry_at=now))


def carry_out(database: Database, artifacts: Artifacts, keys: Iterable[str] | None = None) -> int:
    """Remove what is noted: these keys, by default all that are due; the number of removals.

    Raises nothing: what a store keeps stays noted, with its reason, to be tried again after a growing pause.
    """
    removed = 0
    try:
        for record in _noted(database, keys):
            removed += _carry_out(database, artifacts, record)
    except DBAPIError as error:  # the notes are still there
        log.warning("removals wait for the database: %s", error)
    return removed


def discard(database: Database, artifacts: Artifacts, keys: Iterable[str], *, is_folder: bool = False) -> int:
    """Remove files, or folders, that no row names; the number of those removed.

    Raises nothing: what a store keeps is noted, and tried again by the sweeper.
    """
    removed = 0
    for key in keys:
        try:
            _removal(artifacts, is_folder)(key)
            removed += 1
        except ArtifactNotRemoved as error:
            try:
                _note_failure(database, key, is_folder, error)
            except DBAPIError:
                log.warning("%s; nor can the database note it", error)
    return removed


def overdue(database: Database) -> int:
    """The number of files and folders that could not be removed so far."""
    with database.read() as session:
        query = select(func.count()).select_from(RemovalRecord).where(RemovalRecord.attempts > 0)
        return session.scalar(query) or 0


def _noted(database: Database, keys: Iterable[str] | None) -> list[RemovalRecord]:
    query = select(RemovalRecord).order_by(RemovalRecord.retry_at, RemovalRecord.key).limit(MAX_SWEPT)
    is_due = RemovalRecord.retry_at <= db_now()
    # Its last attempt set retry_at by a clock that has been set back since.
    is_far = RemovalRecord.retry_at > db_now() + LONGEST_PAUSE
    query = query.where(or_(is_due, is_far) if keys is None else RemovalRecord.key.in_(list(keys)))
    with database.read() as session:
        return list(session.scalars(query))


def _carry_out(database: Database, artifacts: Artifacts, record: RemovalRecord) -> bool:
    if not _is_experiment(database, record):
        try:
            _removal(artifacts, record.is_folder)(record.key)
        except ArtifactNotRemoved as error:
            _note_failure(database, record.key, record.is_folder, error)
            return False
    with database.write() as session:
        session.execute(delete(RemovalRecord).where(RemovalRecord.key == record.key))
    return True


def _is_experiment(database: Database, record: RemovalRecord) -> bool:
    """True if the folder belongs to an experiment again, as that of a restored backup."""
    if not record.is_folder:
        return False
    with database.read() as session:
        return session.get(ExperimentRecord, record.key) is not None


def _removal(artifacts: Artifacts, is_folder: bool) -> Callable[[str], None]:
    return artifacts.remove_all if is_folder else lambda key: artifacts.remove([key])


def _note_failure(database: Database, key: str, is_folder: bool, error: ArtifactNotRemoved) -> None:
    try:
        attempts = _record_failure(database, key, is_folder, str(error))
    except IntegrityError:  # another process noted it at this moment
        return
    (log.warning if attempts == 1 else log.info)("%s; it will be tried again", error)


def _record_failure(database: Database, key: str, is_folder: bool, reason: str) -> int:
    with database.write() as session:
        now = session.scalar(select(db_now())) or 0.0
        record = session.get(RemovalRecord, key, with_for_update=True)
        if record is None:
            record = RemovalRecord(key=key, is_folder=is_folder, created_at=now, attempts=0)
            session.add(record)
        record.attempts += 1
        record.reason = reason
        record.retry_at = now + min(FIRST_PAUSE * 2.0 ** min(record.attempts - 1, 30), LONGEST_PAUSE)
        return record.attempts
