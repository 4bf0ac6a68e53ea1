"""The thread that keeps leases while training runs, and notices when there is no reason to go on."""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections.abc import Sequence
from types import TracebackType

from tgsh.store.claims import Claim, Lease, look, renew
from tgsh.store.database import Database

LOOK_SECONDS = 0.5
"""How soon a cancel is noticed."""

log = logging.getLogger(__name__)


class LeaseKeeper:
    """Renews the claims three times a lease, from a thread, inside a `with` block; sees cancels sooner.

    A database that cannot be reached is tried again; if that lasts longer than the lease, the next
    successful renewal (or fenced write) tells that the lease is lost.
    """

    def __init__(self, database: Database, claims: Sequence[Claim], lease_seconds: float) -> None:
        self._database = database
        self._lease_seconds = lease_seconds
        self._state = {claimed.token: Lease.KEPT for claimed in claims}
        self._claims = list(claims)
        self._ended = threading.Event()
        here = contextvars.copy_context()  # what it logs is about what is worked on here
        self._thread = threading.Thread(target=here.run, args=(self._run,), name="lease-keeper", daemon=True)

    def state(self, claimed: Claim) -> Lease:
        """What the last renewal found."""
        return self._state[claimed.token]

    @property
    def should_stop(self) -> bool:
        """Whether no claim is left that is worth training on."""
        return all(state is not Lease.KEPT for state in self._state.values())

    def drop(self, claimed: Claim) -> None:
        """Stop renewing a claim that has ended."""
        self._claims = [other for other in self._claims if other.token != claimed.token]

    def __enter__(self) -> LeaseKeeper:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        renewed = time.monotonic()
        while not self._ended.wait(min(self._lease_seconds / 6, LOOK_SECONDS)):
            due = time.monotonic() - renewed > self._lease_seconds / 3
            for claimed in self._claims:
                if self._state[claimed.token] is not Lease.KEPT:
                    continue
                try:
                    self._state[claimed.token] = look(self._database, claimed)
                    if due:
                        renew(self._database, claimed, self._lease_seconds)
                except Exception:
                    log.exception("could not renew the lease of %s; trying again", claimed.job)
            if due:
                renewed = time.monotonic()
