"""State of each child of a worker: memory that the children share with their parent.

One record a slot, written by its child and read by the parent, without locks: a child that hangs, even in C
with the interpreter's lock held, cannot keep anybody from reading it. Why it is memory, see
tgsh/docs/decisions/0005-stop-flag-in-shared-memory.md.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from tgsh import progress

REASON_BYTES = 464

SLOWEST_START = 10.0
"""Seconds that a child waits at most because those before it in its slot died while they started."""


class Activity(Enum):
    """State of a child."""

    NONE = 0
    STARTING = 1
    IDLE = 2
    BUSY = 3
    BROKEN = 4


class _Record(ctypes.Structure):
    _fields_ = (
        ("pid", ctypes.c_uint64),
        ("state", ctypes.c_uint64),
        ("since", ctypes.c_double),
        ("steps", ctypes.c_uint64),
        ("deaths", ctypes.c_uint64),
        ("reason", ctypes.c_char * REASON_BYTES),
    )


@dataclass(frozen=True)
class Child:
    """A child as its record has it. since: by the machine's monotonic clock. reason: why it is broken."""

    slot: int
    pid: int
    state: Activity
    since: float
    steps: int
    reason: str


class Board:
    """The records of all slots."""

    def __init__(self) -> None:
        self._records: list[_Record] = []
        self._steps: list[memoryview] = []
        self._own: _Record | None = None

    def prepare(self, slots: int) -> None:
        """Map the memory; in the parent, before it forks."""
        size = ctypes.sizeof(_Record)
        memory = mmap.mmap(-1, slots * size)
        self._records = [_Record.from_buffer(memory, slot * size) for slot in range(slots)]
        starts = [slot * size + _Record.steps.offset for slot in range(slots)]
        self._steps = [memoryview(memory)[start : start + 8].cast("Q") for start in starts]

    def take(self, slot: int) -> float:
        """Write in a slot from now on, in its child, which starts; the seconds that it should wait first.

        Where children die while they start, again and again, each waits longer than the one before.
        """
        if not self._records:
            return 0.0
        record = self._own = self._records[slot % len(self._records)]
        record.deaths = record.deaths + 1 if record.state == Activity.STARTING.value else 0
        record.pid = os.getpid()
        progress.count_in(self._steps[slot % len(self._steps)])
        self.note(Activity.STARTING)
        return min(0.1 * 2**record.deaths, SLOWEST_START) if record.deaths > 2 else 0.0

    def note(self, state: Activity, reason: str = "") -> None:
        """Note what this child does now."""
        if (record := self._own) is None:
            return
        record.reason = reason.encode()[: REASON_BYTES - 1]
        if record.state != state.value:
            record.since = time.monotonic()
        record.state = state.value
        progress.step()

    def children(self, slots: Sequence[int] | None = None) -> list[Child]:
        """The records of slots (all of them) that have a child."""
        numbers = range(len(self._records)) if slots is None else slots
        return [
            Child(number, record.pid, Activity(record.state), record.since, record.steps, _text(record))
            for number in numbers
            if (record := self._records[number]).state != Activity.NONE.value
        ]


def _text(record: _Record) -> str:
    return bytes(record.reason).decode(errors="ignore")
