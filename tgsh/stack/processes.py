"""Child processes of `tgsh up`: start, stop, restart, and the signals that end them. Knows no service."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import psutil

from tgsh.stack import guard
from tgsh.stack.state import WINDOW, Trouble

GRACE = 10.0
"""Seconds between SIGTERM and SIGKILL."""

KILL_SECONDS = 2.0
"""Seconds to wait for the end of processes after SIGKILL, at most; milliseconds are normal."""

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 60.0
"""Seconds before a process that ended is started again: twice as many each time, up to the longest."""

STEADY = 60.0
"""A process that ran so many seconds is past its troubles: the next pause is the first one again."""

MAX_TOLD = 300
"""Characters of a log line that is told."""


class ManagedProcess:
    """A process under a guard (see guard.py): Redis, the API or the workers.

    Its guard's standard input is a pipe from this process; closing it stops the process. A socket takes the
    process's output to the guard, which writes it to the log. This process holds the socket's end too, so
    that nothing is lost when the guard is killed. folder: where it runs; None: where this process does.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        lock_fd: int,
        folder: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._command = list(command)
        self._environment = dict(environment)
        self._lock_fd = lock_fd
        self._folder = folder
        self._output = -1
        self._guard: subprocess.Popen[bytes] | None = None
        self._descendants: set[psutil.Process] = set()
        self._log_start = (0, 0)

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
        self._log_start = self._log_position()
        # No pipe: of what several processes write to one that is full, only 4 KiB stay together.
        output, write_end = socket.socketpair()
        self._output = output.detach()
        try:
            options = ["-I", "-S", guard.__file__, str(GRACE), str(self.log), str(self._output)]
            self._guard = subprocess.Popen(
                [sys.executable, *options, *self._command],
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.PIPE,
                stdout=write_end.fileno(),
                stderr=subprocess.STDOUT,
                start_new_session=True,  # the terminal's Ctrl-C reaches tgsh only
                pass_fds=(self._lock_fd, self._output),
            )
        finally:
            write_end.close()

    def request_stop(self) -> None:
        """Have the guard send SIGTERM now and SIGKILL after GRACE seconds; returns at once."""
        if self._guard and self._guard.stdin:
            self._descendants |= _process_tree(self._guard)  # while parent process ids still exist
            self._guard.stdin.close()

    def kill(self) -> None:
        """SIGKILL to the whole session and to all descendants, alive or orphaned."""
        if self._guard is None:
            self._close_output()
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
        self._close_output()

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` for its end; True if it has ended."""
        if self._guard is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._guard.wait(seconds)
        return not self.running

    def last_lines(self, count: int = 12) -> str:
        """The last lines that this run wrote to its log."""
        if not self.running:
            self._write_rest()
        file_number, start = self._log_start
        with contextlib.suppress(OSError), self.log.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_ino != file_number:  # rotated since
                start = 0
            file.seek(max(start, status.st_size - 16_384))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-count:])
        return ""

    def _log_position(self) -> tuple[int, int]:
        """The log file, by its inode, and its length."""
        try:
            status = self.log.stat()
        except OSError:
            return 0, 0
        return status.st_ino, status.st_size

    def _write_rest(self) -> None:
        """Write to the log what a guard that was killed, or could not start the process, has left."""
        if self._output < 0:
            return
        os.set_blocking(self._output, False)
        log = guard.RotatedLog(str(self.log))
        with contextlib.suppress(BlockingIOError):
            while rest := os.read(self._output, 65_536):
                log.write(rest)
        log.close()

    def _close_output(self) -> None:
        if self._output >= 0:
            self._write_rest()
            os.close(self._output)
            self._output = -1


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

    A process that keeps ending is started again after longer and longer pauses, and never given up: the
    others do what they can without it. start: starts a process again. report: is called with a line about
    each end. changed: is called with all troubles after an end and a start, as a process id has changed, and
    when a trouble is over.
    """

    def __init__(
        self,
        processes: Sequence[ManagedProcess],
        *,
        start: Callable[[ManagedProcess], None],
        report: Callable[[str], None],
        changed: Callable[[Mapping[str, Trouble]], None],
    ) -> None:
        self._lives = [_Life(process, start, report) for process in processes]
        self._changed = changed

    def run(self) -> None:
        """Never returns."""
        while True:
            changes = [life.look(time.monotonic()) for life in self._lives]
            if any(changes):
                self._changed({life.name: life.trouble for life in self._lives if life.trouble})
            time.sleep(0.2)


class _Life:
    """The starts and ends of a process. trouble: None where it is in none."""

    def __init__(
        self,
        process: ManagedProcess,
        start: Callable[[ManagedProcess], None],
        report: Callable[[str], None],
    ) -> None:
        self.name = process.name
        self.trouble: Trouble | None = None
        self._process = process
        self._start = start
        self._report = report
        self._ends: deque[float] = deque()
        self._in_a_row = 0
        self._since = -STEADY  # it was there before it was looked at
        self._retry_at: float | None = None

    def look(self, now: float) -> bool:
        """See whether it ended, start it again where it is time to; whether anything changed."""
        if self._retry_at is not None:
            return now >= self._retry_at and self._restart(now)
        if not self._process.running:
            last_line = next(iter(self._process.last_lines(1).splitlines()), "")[:MAX_TOLD]
            return self._note_end(now, last_line)
        if self.trouble is not None and now - self._since >= STEADY:
            self.trouble = None
            return True
        return False

    def _note_end(self, now: float, last_line: str) -> bool:
        self._in_a_row = self._in_a_row + 1 if now - self._since < STEADY else 1
        pause = min(FIRST_PAUSE * 2.0 ** min(self._in_a_row - 1, 30), LONGEST_PAUSE)
        self._retry_at = now + pause
        self._ends.append(time.time())
        while self._ends[0] < self._ends[-1] - WINDOW:
            self._ends.popleft()
        again = ""
        if len(self._ends) > 1:
            self.trouble = Trouble(tuple(self._ends), self._ends[-1] + pause, last_line)
            again = f", {len(self._ends)} times within {WINDOW / 60:.0f} minutes"
        said = f": {last_line}" if last_line and again else ""
        self._report(
            f"{self.name} ended unexpectedly{again}; starting it again in {pause:.1f} s "
            f"(see {self._process.log}){said}"
        )
        return True

    def _restart(self, now: float) -> bool:
        try:
            self._start(self._process)
        except OSError as error:  # no memory or no room for one more process
            return self._note_end(now, str(error))
        self._retry_at, self._since = None, now
        if self.trouble is not None:
            self.trouble = Trouble(self.trouble.ended_at, None, self.trouble.last_line)
        return True


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
