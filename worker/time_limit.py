"""TGSH_JOB_SECONDS in a child: Celery's soft time limit, obeyed at the next batch."""

from __future__ import annotations

import time

from tgsh.errors import TgshError

GRACE_SECONDS = 60.0
"""From Celery's soft time limit to the hard one, which kills: for the batch, and to record the failure."""

EARLY_SECONDS = 1.0
"""How much earlier than this process a parent may see the limit reached."""


class JobTooLong(TgshError):
    """The job took longer than TGSH_JOB_SECONDS allows."""


class TimeLimit:
    """True if the job of this child has reached its time limit."""

    def __init__(self) -> None:
        self._is_reached = False
        self._seconds = 0.0
        self._started_at = 0.0

    def start(self, seconds: float | None) -> None:
        """A job starts."""
        self._is_reached, self._seconds = False, seconds or 0.0
        self._started_at = time.monotonic()

    @property
    def is_due(self) -> bool:
        """True if the signal of the limit can be it: its timer runs in the parent, a moment off."""
        slack = min(EARLY_SECONDS, self._seconds / 2)
        return bool(self._seconds) and time.monotonic() - self._started_at >= self._seconds - slack

    def reached(self, *_: object) -> None:
        """Handle the signal that the parent sends at the limit."""
        self._is_reached = True

    def check(self) -> None:
        """Raise JobTooLong if the limit is reached."""
        if self._is_reached:
            raise JobTooLong(
                f"it took longer than {self._seconds:g} s, which TGSH_JOB_SECONDS allows to a job; "
                "raise that setting of the workers, or train fewer epochs or images, then resume"
            )


time_limit = TimeLimit()
