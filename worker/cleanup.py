"""Removal of files that no row names: a thread of a worker's parent, as an object store may take its time."""

from __future__ import annotations

import logging
import threading
import time

from tgsh.store import deleted, previews, removals
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.maintenance import collect_garbage

COLLECT_SECONDS = 1800.0
"""The pause between two garbage collections."""

log = logging.getLogger(__name__)


class Cleanup:
    """Removals that are due, each time; a garbage collection, twice an hour. url: of the artifacts."""

    def __init__(self, database: Database, url: str) -> None:
        self._database = database
        self._url = url
        self._thread: threading.Thread | None = None
        self._artifacts: Artifacts | None = None
        self._collected_at: float | None = None

    def start(self) -> None:
        """Begin a round unless one is under way. Raises MachineProblem where a package is missing."""
        if self._artifacts is None:  # not in the thread: a child that is forked amid an import has half of it
            self._artifacts = Artifacts(self._url)
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, args=(self._artifacts,), daemon=True)
            self._thread.start()

    def _run(self, artifacts: Artifacts) -> None:
        """One round. What fails is logged, and done in a later one."""
        try:
            deleted.forget(self._database)
            removals.carry_out(self._database, artifacts)
            if self._collected_at is None or time.monotonic() - self._collected_at > COLLECT_SECONDS:
                self._collected_at = time.monotonic()
                # Of experiments completed within the hour: seldom is there anything to remove.
                removed = collect_garbage(self._database, artifacts, 2 * COLLECT_SECONDS)
                if removed:
                    log.warning("removed %d files of processes that were killed", removed)
                previews.remove_unused(self._database, artifacts)
        except Exception as error:
            log.warning("the cleanup goes on at the next sweep: %s: %s", type(error).__name__, error)
