"""The parent's watch over its children: what they do, and an end to those that get nowhere."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from tgsh.store.leases import ChildState
from worker.board import Activity, Board, Child

log = logging.getLogger(__name__)

START_SECONDS = 300.0
"""Without a sign for at least so long a child may start: it may compile, or import torch, first."""


@dataclass
class _Seen:
    """Observation of a slot: its child's last sign, and for how long there was no other."""

    sign: tuple[int, Activity, int]
    silent: float = 0.0


@dataclass(frozen=True)
class _Killed:
    """A child that was killed, as it got nowhere."""

    pid: int
    at: float
    reason: str


class Watch:
    """Looks at the board once a sweep.

    slots: the device of each child. look_seconds: the time between two looks; what passes beyond twice that
    is not held against a child, as parent and child were stopped together. pids: of the pool's children.
    """

    def __init__(
        self,
        board: Board,
        slots: Sequence[str],
        stall_seconds: float,
        look_seconds: float,
        pids: Callable[[], Collection[int]],
    ) -> None:
        self._board, self._slots, self._pids = board, slots, pids
        self._stall_seconds, self._look_seconds = stall_seconds, look_seconds
        self._seen: dict[int, _Seen] = {}
        self._killed: dict[int, _Killed] = {}
        self._looked_at = time.monotonic()

    def look(self) -> dict[str, float]:
        """Kill children that made no progress; their names as workers, and for how long they made none."""
        now = time.monotonic()
        passed, self._looked_at = min(now - self._looked_at, 2 * self._look_seconds), now
        return {
            self._name(child): self._seen[child.slot].silent
            for child in self._board.children()
            if self._is_stuck(child, passed) and self._kill(child)
        }

    def _is_stuck(self, child: Child, passed: float) -> bool:
        """True if it neither did a step nor anything else for too long."""
        sign = child.pid, child.state, child.steps
        seen = self._seen.get(child.slot)
        if seen is None or seen.sign != sign or child.state not in (Activity.BUSY, Activity.STARTING):
            self._seen[child.slot] = _Seen(sign)
            return False
        seen.silent += passed
        is_start = child.state is Activity.STARTING
        return seen.silent > (max(START_SECONDS, self._stall_seconds) if is_start else self._stall_seconds)

    def _kill(self, child: Child) -> bool:
        """Kill it, if it is still there, and again where that takes its time; True the first time."""
        if child.pid not in self._pids():
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)
        known = self._killed.get(child.slot)
        if known is not None and known.pid == child.pid:
            return False
        silent = self._seen[child.slot].silent
        reason = f"killed, as it made no progress for {silent:.0f} s (TGSH_STALL_SECONDS)"
        self._killed[child.slot] = _Killed(child.pid, time.monotonic(), reason)
        log.error("child %d of slot %d (%s): %s", child.pid, child.slot, self._slots[child.slot], reason)
        return True

    def _name(self, child: Child) -> str:
        """Its name in the store, as worker/app.py gives it."""
        return worker_name(child.pid, os.getpid(), self._slots[child.slot])

    def states(self) -> list[ChildState]:
        """States of the children, for the store."""
        return [self._state(child) for child in self._board.children()]

    def _state(self, child: Child) -> ChildState:
        killed = self._killed.get(child.slot)
        if killed is not None and child.pid != killed.pid and child.state in (Activity.IDLE, Activity.BUSY):
            del self._killed[child.slot]
            killed = None
        since = child.since if killed is None else killed.at
        return ChildState(
            slot=self._slots[child.slot],
            pid=child.pid,
            state=child.state.name.lower() if killed is None else "stuck",
            since=time.time() - (time.monotonic() - since),
            reason=child.reason if killed is None else killed.reason,
        )


def worker_name(pid: int, parent: int, slot: str) -> str:
    """The name that a child's leases carry."""
    return f"{socket.gethostname()}/{parent}/{pid}/{slot}"
