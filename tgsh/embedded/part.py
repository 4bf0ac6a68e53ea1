"""One process of a stack: started behind a guard, watched, logged, ended with all its kin."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import psutil

from tgsh.embedded import guard

GRACE = 10.0
MAX_LOG = 20 * 2**20


class Part:
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
            self._kin |= _kin(self._guard)  # while parents still tell whose children they are
            self._guard.stdin.close()

    def kill(self) -> None:
        """SIGKILL to the whole session and to all descendants, alive or orphaned."""
        if self._guard is None:
            return
        for _ in range(2):  # twice: one may fork while the first list is being made
            for process in self._kin | _kin(self._guard):
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


def _kin(leader: subprocess.Popen[bytes]) -> set[psutil.Process]:
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
