"""How much the artifacts take. To list them all takes seconds, so nobody waits for it."""

from __future__ import annotations

import logging
import threading
import time

from tgsh.store import datasets
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.ownership import results_bytes

log = logging.getLogger(__name__)

SECONDS = 60.0
"""How old the number may be before it is found anew."""


class Stored:
    """Bytes of all experiments' artifacts and of uploaded datasets, as of lately."""

    def __init__(self, database: Database, artifacts: Artifacts) -> None:
        self._database = database
        self._artifacts = artifacts
        self._bytes: int | None = None
        self._found = float("-inf")
        self._finding = threading.Lock()

    def bytes(self) -> int | None:
        """What was found last; None before that. Looks again, in a thread, where that is long ago."""
        if time.monotonic() - self._found > SECONDS and self._finding.acquire(blocking=False):
            threading.Thread(target=self._find, name="stored-bytes", daemon=True).start()
        return self._bytes

    def _find(self) -> None:
        try:
            with self._database.read() as session:
                uploaded = datasets.stored_bytes(session)
            self._bytes = uploaded + results_bytes(self._database, self._artifacts)
        except Exception as error:
            log.warning("cannot tell how much is stored: %s", error)
        finally:
            self._found = time.monotonic()
            self._finding.release()
