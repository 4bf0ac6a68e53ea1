"""ManagedProcess, Supervisor, StopSignals."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Any

import psutil

from tgsh.errors import MachineProblem
from tgsh.stack import guard

GRACE = 10.0
MAX_LOG = 20 * 2**20


class ManagedProcess:
    """Redis, the API or the workers. Stopping it is closing its guard's standard input (see guard.py)."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path, lock_fd: int
    ) -> None:
        self.name = name
        self.log = log
        self._command = [sys.executable, "-I", "-S", guard.__file__, str(GRACE), *command]
        self._environment = dict(environment)
        self._lock_fd = lock_fd
        self._guard: subprocess.Popen[bytes] | None = None
        self._kin: set[psutil.Process] = set()
        self._log_start = 0

    @property
    def pid(self) -> int:
        """Process id of the guard, which is the id of the session of all below it; 0 before the start."""
        return self._guard.pid if self._guard else 0

    @property
    def running(self) -> bool:
        return self._guard is not None and self._guard.poll() is None

    def start(self) -> None:
        """Start it; what an earlier run of it left behind is ended first."""
        self.kill()
        with self._open_log() as log:
            self._guard = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # the terminal's Ctrl-C reaches tgsh only
                pass_fds=(self._lock_fd,),
            )

    def ask_to_stop(self) -> None:
        """SIGTERM now, SIGKILL after GRACE seconds: the guard sees to both. Returns at once."""
        if self._guard and self._guard.stdin:
            self._kin |= _process_tree(self._guard)  # while parents still tell whose children they are
            self._guard.stdin.close()

    def kill(self) -> None:
        """SIGKILL to the whole session and to all descendants, alive or orphaned."""
        if self._guard is None:
            return
        for _ in range(2):  # twice: one may fork while the first list is being made
            for process in self._kin | _process_tree(self._guard):
                with contextlib.suppress(psutil.Error):
                    process.kill()  # psutil sees to it that the pid still means the same process
        self._guard.wait()
        if self._guard.stdin:
            self._guard.stdin.close()
        self._kin.clear()

    def wait(self, seconds: float) -> bool:
        """Whether it ends within that time."""
        if self._guard is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._guard.wait(seconds)
        return not self.running

    def last_lines(self, count: int = 12) -> str:
        """The end of what this run of it wrote to its log."""
        with contextlib.suppress(OSError), self.log.open("rb") as file:
            file.seek(max(self._log_start, self.log.stat().st_size - 16_384))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-count:])
        return ""

    def _open_log(self) -> IO[bytes]:
        if self.log.exists() and self.log.stat().st_size > MAX_LOG:
            self.log.replace(self.log.with_suffix(".log.1"))
        file = self.log.open("ab")
        self._log_start = file.tell()
        return file


def _process_tree(leader: subprocess.Popen[bytes]) -> set[psutil.Process]:
    """The leader, its descendants, and whoever else is in its session (orphans of a killed leader)."""
    kin: set[psutil.Process] = set()
    with contextlib.suppress(psutil.Error):
        if leader.poll() is None:
            process = psutil.Process(leader.pid)
            kin |= {process, *process.children(recursive=True)}
    for pid in psutil.pids():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getsid(pid) == leader.pid:
                kin.add(psutil.Process(pid))
    return kin


MAX_DEATHS = 5
WINDOW = 60.0
FIRST_PAUSE = 0.25


class Supervisor:
    """Looks after parts for as long as `run` runs. A pause for one part never delays another."""

    def __init__(
        self,
        parts: Sequence[ManagedProcess],
        *,
        start: Callable[[ManagedProcess], None],
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

    def _look_after(self, part: ManagedProcess, now: float) -> None:
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

    def _note_death(self, part: ManagedProcess, now: float) -> float:
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


class Stopped(KeyboardInterrupt):
    """This process was asked to stop, by the signal `number`."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class StopSignals:
    """While entered, the first SIGINT, SIGTERM or SIGHUP raises Stopped; later ones only set `again`.

    So the way out cannot itself be interrupted: a second Ctrl-C tells it to hurry. Signals that come
    inside `held()` are raised at its end. Python delivers signals to the main thread only, and in any
    other thread this does nothing.
    """

    def __init__(self) -> None:
        self.again = False
        self._raised = False
        self._holds = 0
        self._pending = 0
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                handler = signal.getsignal(number)
                if number == signal.SIGHUP and handler == signal.SIG_IGN:
                    continue  # nohup
                self._previous[number] = handler
                signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Nothing is raised in here."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
        if self._pending and not self._holds:
            number, self._pending = self._pending, 0
            self._raise(number)

    def spent(self) -> None:
        """From now on no signal raises: the way out has begun."""
        self._raised = True

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._raised:
            self.again = True
        elif self._holds:
            self._pending = number
        else:
            self._raise(number)

    def _raise(self, number: int) -> None:
        self._raised = True
        raise Stopped(number)
