"""What a database or a disk that is away for a while costs: a wait, not the job."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from tgsh.errors import ArtifactUnreachable, ArtifactUnwritable

PAUSE = 0.5

AWAY = (ArtifactUnwritable, ArtifactUnreachable)

Result = TypeVar("Result")

log = logging.getLogger(__name__)


def is_passing(error: BaseException) -> bool:
    """Whether the error is that of a place which may soon be back: locked, full, restarted, cut off."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or isinstance(error, (OperationalError, InterfaceError))
    return isinstance(error, AWAY)


def patiently(act: Callable[[], Result], seconds: float) -> Result:
    """Act, and again for so long while that fails for want of a place. Raises the last such error.

    A transaction that was committed though its answer got lost does no harm when it is repeated: a fenced
    one finds its own epoch noted, or its claim gone.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return act()
        except (DBAPIError, *AWAY) as error:
            if not is_passing(error) or time.monotonic() > deadline:
                raise
            log.warning("trying again: %s", error)
            time.sleep(PAUSE)
