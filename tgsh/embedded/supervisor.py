"""Restarts parts that die, slower each time, and gives up on one that keeps dying."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence

from tgsh.embedded.part import Part
from tgsh.errors import MachineProblem

MAX_DEATHS = 5
WINDOW = 60.0
FIRST_PAUSE = 0.25


class Supervisor:
    """Looks after parts for as long as `run` runs. A pause for one part never delays another."""

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        start: Callable[[Part], None],
        report: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:
        self._parts = parts
        self._start = start
        self._report = report
        self._changed = changed
        self._deaths: dict[str, deque[float]] = defaultdict(deque)
        self._due: dict[str, float] = {}

    def run(self) -> None:
        """Never returns. Raises: MachineProblem when a part died MAX_DEATHS times within WINDOW seconds."""
        while True:
            for part in self._parts:
                self._look_after(part, time.monotonic())
            time.sleep(0.2)

    def _look_after(self, part: Part, now: float) -> None:
        if part.running:
            return
        if part.name not in self._due:
            pause = self._note_death(part, now)
            self._due[part.name] = now + pause
            self._report(
                f"{part.name} ended unexpectedly; starting it again in {pause:.1f} s (see {part.log})"
            )
        elif now >= self._due[part.name]:
            del self._due[part.name]
            self._start(part)
            self._changed()

    def _note_death(self, part: Part, now: float) -> float:
        deaths = self._deaths[part.name]
        deaths.append(now)
        while deaths[0] < now - WINDOW:
            deaths.popleft()
        if len(deaths) >= MAX_DEATHS:
            raise MachineProblem(
                f"{part.name} ended {len(deaths)} times within a minute; the end of {part.log}:\n"
                f"{part.last_lines()}"
            )
        return float(FIRST_PAUSE * 2 ** (len(deaths) - 1))
