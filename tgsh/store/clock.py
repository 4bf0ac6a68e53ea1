"""Jumps of the database's clock: noticed, and kept from prolonging or ending anything."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select, update

from tgsh.store.database import Database
from tgsh.store.lifecycle import add_to_counter
from tgsh.store.models import AnalysisRecord, FinishRecord, PreviewRecord, TaskRecord, db_now

JUMP_SECONDS = 5.0
"""A clock that differs by more from the time that has passed here has jumped; slews are far slower."""

SLACK_SECONDS = 1.0

log = logging.getLogger(__name__)


def is_recent(at: Any, seconds: float) -> ColumnElement[bool]:
    """The condition that a time is at most `seconds` ago; later ones are of before the clock went back."""
    return and_(at > db_now() - seconds, at < db_now() + seconds)


def shorten_leases(database: Database, lease_seconds: float) -> int:
    """Bound leases that end later than their length from now, as the clock has gone back; their number.

    lease_seconds: of leases that do not tell their length. Who is alive renews them long before they end.
    """
    count = 0
    for record in (TaskRecord, FinishRecord, PreviewRecord, AnalysisRecord):
        length = func.coalesce(record.lease_seconds, lease_seconds)
        is_too_long = record.status == "running", record.lease_until > db_now() + length + SLACK_SECONDS
        with database.read() as session:
            if session.scalar(select(func.count()).select_from(record).where(*is_too_long)) == 0:
                continue
        with database.write() as session:
            bounded = update(record).where(*is_too_long).values(lease_until=db_now() + length)
            count += len(session.scalars(bounded.returning(record.token)).all())
    return count


class ClockWatch:
    """Compares the database's clock with the time that has passed here.

    monotonic: the time here, in seconds from any moment.
    """

    def __init__(self, database: Database, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._monotonic = monotonic
        self._offset: float | None = None
        self._patient_until = float("-inf")

    def look(self, lease_seconds: float) -> float:
        """Seconds by which the clock has jumped since the last look; 0 where it has not.

        After a jump forward leases look expired that are not: their holders get `lease_seconds` to renew
        them, in which `is_patient`.
        """
        before = self._monotonic()
        with self._database.read() as session:
            at = session.scalar(select(db_now())) or 0.0
        here = self._monotonic()
        offset = at - here
        earlier, self._offset = self._offset, offset
        if earlier is None or abs(offset - earlier) <= JUMP_SECONDS + (here - before):
            return 0.0
        jump = offset - earlier
        if jump > 0:
            self._patient_until = here + lease_seconds
        log.warning("the database's clock has jumped by %+.0f s; leases keep their length", jump)
        with self._database.write() as session:
            add_to_counter(session, None, ("clock_jumps", "", 1))
        return jump

    @property
    def is_patient(self) -> bool:
        """True while leases that look expired are left alone."""
        return self._monotonic() < self._patient_until
