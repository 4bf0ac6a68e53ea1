"""The thread that keeps leases while training runs, and notices when there is no reason to go on."""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections.abc import Sequence
from types import TracebackType

from tgsh.store import claims, previews
from tgsh.store.claims import Claim, Lease
from tgsh.store.database import Database
from tgsh.store.previews import Drawing

LOOK_SECONDS = 0.5
"""How soon a cancel is noticed."""

log = logging.getLogger(__name__)

Held = Claim | Drawing


class LeaseKeeper:
    """Renews the claims three times a lease, from a thread, inside a `with` block; sees cancels sooner.

    A database that cannot be reached is tried again; if that lasts longer than the lease, the next
    successful renewal (or fenced write) tells that the lease is lost.
    """

    def __init__(self, database: Database, held: Sequence[Held], lease_seconds: float) -> None:
        self._database = database
        self._lease_seconds = lease_seconds
        self._state = {claimed.token: Lease.KEPT for claimed in held}
        self._held = list(held)
        self._ended = threading.Event()
        here = contextvars.copy_context()  # what it logs is about what is worked on here
        self._thread = threading.Thread(target=here.run, args=(self._run,), name="lease-keeper", daemon=True)

    def state(self, claimed: Held) -> Lease:
        """What the last renewal found."""
        return self._state[claimed.token]

    @property
    def should_stop(self) -> bool:
        """Whether no claim is left that is worth training on."""
        return all(state is not Lease.KEPT for state in self._state.values())

    def drop(self, claimed: Held) -> None:
        """Stop renewing a claim that has ended."""
        self._held = [other for other in self._held if other.token != claimed.token]

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
            for claimed in self._held:
                if self._state[claimed.token] is not Lease.KEPT:
                    continue
                try:
                    self._state[claimed.token] = _look(self._database, claimed)
                    if due:
                        _renew(self._database, claimed, self._lease_seconds)
                except Exception:
                    log.exception("could not renew the lease of %s; trying again", claimed.job)
            if due:
                renewed = time.monotonic()


def _look(database: Database, held: Held) -> Lease:
    if isinstance(held, Claim):
        return claims.look(database, held)
    return Lease.KEPT if previews.is_ours(database, held) else Lease.LOST


def _renew(database: Database, held: Held, lease_seconds: float) -> None:
    if isinstance(held, Claim):
        claims.renew(database, held, lease_seconds)
    else:
        previews.renew(database, held, lease_seconds)
