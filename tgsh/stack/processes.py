"""Child processes of `tgsh up`: start, stop, restart, and the signals that end them. Knows no service."""

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
"""Seconds between SIGTERM and SIGKILL."""

KILL_SECONDS = 2.0
"""Seconds to wait for the end of processes after SIGKILL, at most; milliseconds are normal."""

MAX_LOG = 20 * 2**20
"""Bytes of a log file above which the next start rotates it."""

MAX_DEATHS, WINDOW = 5, 60.0
"""The Supervisor gives up a process that ends so often within WINDOW seconds."""

FIRST_PAUSE = 0.25
"""Seconds before the first restart; each further one waits twice as long."""


class ManagedProcess:
    """A process under a guard (see guard.py): Redis, the API or the workers.

    Its guard's standard input is a pipe from this process; closing it stops the process.
    """

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path, lock_fd: int
    ) -> None:
        self.name = name
        self.log = log
        self._command = [sys.executable, "-I", "-S", guard.__file__, str(GRACE), *command]
        self._environment = dict(environment)
        self._lock_fd = lock_fd
        self._guard: subprocess.Popen[bytes] | None = None
        self._descendants: set[psutil.Process] = set()
        self._log_start = 0

    @property
    def pid(self) -> int:
        """Process id of the guard, also the session id of all its descendants; 0 before the start."""
        return self._guard.pid if self._guard else 0

    @property
    def running(self) -> bool:
        """True while the guard runs, and so the process."""
        return self._guard is not None and self._guard.poll() is None

    def start(self) -> None:
        """Start it, after killing what remains of an earlier run."""
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

    def request_stop(self) -> None:
        """Have the guard send SIGTERM now and SIGKILL after GRACE seconds; returns at once."""
        if self._guard and self._guard.stdin:
            self._descendants |= _process_tree(self._guard)  # while parent process ids still exist
            self._guard.stdin.close()

    def kill(self) -> None:
        """SIGKILL to the whole session and to all descendants, alive or orphaned."""
        if self._guard is None:
            return
        for _ in range(2):  # twice: a process may fork while the first list is made
            self._descendants |= _process_tree(self._guard)
            for process in self._descendants:
                with contextlib.suppress(psutil.Error):
                    process.kill()  # psutil checks that the pid was not reused
        self._guard.wait()
        deadline = time.monotonic() + KILL_SECONDS  # a process that waits for a disk dies after that
        while any(map(is_alive, self._descendants)) and time.monotonic() < deadline:
            time.sleep(0.005)
        if self._guard.stdin:
            self._guard.stdin.close()
        self._descendants.clear()

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` for its end; True if it has ended."""
        if self._guard is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._guard.wait(seconds)
        return not self.running

    def last_lines(self, count: int = 12) -> str:
        """The last lines that this run wrote to its log."""
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
    """The leader, its descendants, and all processes of its session (orphans of a killed leader)."""
    processes: set[psutil.Process] = set()
    with contextlib.suppress(psutil.Error):
        if leader.poll() is None:
            process = psutil.Process(leader.pid)
            processes |= {process, *process.children(recursive=True)}
    for pid in psutil.pids():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getsid(pid) == leader.pid:
                processes.add(psutil.Process(pid))
    return processes


def is_alive(process: psutil.Process) -> bool:
    """True unless it has ended; a zombie, which its parent has not asked about yet, has."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def is_running(pid: int) -> bool:
    """True if a process with this id runs; a zombie does not."""
    try:
        return is_alive(psutil.Process(pid))
    except psutil.Error:
        return False


class Supervisor:
    """Restarts processes that end, while `run` runs. The pause of one never delays another.

    start: starts a process again. report: is called with a line about each end. changed: is called after a
    restart, as a process id has changed.
    """

    def __init__(
        self,
        processes: Sequence[ManagedProcess],
        *,
        start: Callable[[ManagedProcess], None],
        report: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:
        self._processes = processes
        self._start = start
        self._report = report
        self._changed = changed
        self._deaths: dict[str, deque[float]] = defaultdict(deque)
        self._due: dict[str, float] = {}

    def run(self) -> None:
        """Never returns. Raises MachineProblem if a process ends MAX_DEATHS times within WINDOW seconds."""
        while True:
            for process in self._processes:
                self._restart_if_ended(process, time.monotonic())
            time.sleep(0.2)

    def _restart_if_ended(self, process: ManagedProcess, now: float) -> None:
        if process.running:
            return
        if process.name not in self._due:
            pause = self._note_death(process, now)
            self._due[process.name] = now + pause
            self._report(
                f"{process.name} ended unexpectedly; starting it again in {pause:.1f} s (see {process.log})"
            )
        elif now >= self._due[process.name]:
            del self._due[process.name]
            self._start(process)
            self._changed()

    def _note_death(self, process: ManagedProcess, now: float) -> float:
        deaths = self._deaths[process.name]
        deaths.append(now)
        while deaths[0] < now - WINDOW:
            deaths.popleft()
        if len(deaths) >= MAX_DEATHS:
            raise MachineProblem(
                f"{process.name} ended {len(deaths)} times within a minute; the end of {process.log}:\n"
                f"{process.last_lines()}"
            )
        return float(FIRST_PAUSE * 2 ** (len(deaths) - 1))


class Stopped(KeyboardInterrupt):
    """This process received the stop signal `number`."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class StopSignals:
    """Context manager in which the first SIGINT, SIGTERM or SIGHUP raises Stopped; later ones set `repeated`.

    So the shutdown cannot be interrupted: a second Ctrl-C shortens it. Signals inside `deferred()` are raised
    at its end. Python delivers signals to the main thread only; in other threads this does nothing.
    """

    def __init__(self) -> None:
        self.repeated = False
        self._raised = False
        self._deferrals = 0
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
    def deferred(self) -> Iterator[None]:
        """A block in which no signal raises."""
        self._deferrals += 1
        try:
            yield
        finally:
            self._deferrals -= 1
        if self._pending and not self._deferrals:
            number, self._pending = self._pending, 0
            self._raise(number)

    def disarm(self) -> None:
        """Let no further signal raise, as the shutdown has begun."""
        self._raised = True

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self._raised:
            self.repeated = True
        elif self._deferrals:
            self._pending = number
        else:
            self._raise(number)

    def _raise(self, number: int) -> None:
        self._raised = True
        raise Stopped(number)
