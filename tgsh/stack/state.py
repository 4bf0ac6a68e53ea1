"""The home folder of a stack, its lock, and the file in it by which others find the stack and its troubles.

Imports little: the service and every command read it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tgsh.errors import MachineProblem

STATE = "up.json"

WINDOW = 600.0
"""Seconds within which the ends of a process are counted."""


@dataclass(frozen=True)
class Trouble:
    """A process that keeps ending.

    ended_at: when it did, within the last WINDOW seconds. retry_at: when it is started again; None: it runs.
    last_line: of its log, when it last ended. Times are seconds since 1970.
    """

    ended_at: Sequence[float]
    retry_at: float | None
    last_line: str

    def sentence(self) -> str:
        """The trouble in words, for people."""
        now = time.time()
        if self.retry_at is None:
            state = f"it runs again since {now - self.ended_at[-1]:.0f} s"
        else:
            state = f"it is started again in {max(self.retry_at - now, 0):.0f} s"
        log = f"; the end of its log: {self.last_line}" if self.last_line else ""
        return f"ended {len(self.ended_at)} times within {WINDOW / 60:.0f} minutes; {state}{log}"


class Home:
    """HOME of one stack. Call `lock` before anything is written to it, and `unlock` at the very end.

    The lock is an flock on HOME/lock. Guards inherit its descriptor (`lock_fd`): after a SIGKILL of tgsh it
    stays locked until the last process has ended, so that no two stacks share Redis or workers.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.lock_fd = -1

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def redis(self) -> Path:
        return self.path / "redis"

    def lock(self) -> None:
        """Create the folders and take the lock.

        Raises MachineProblem where a folder cannot be created, or a stack runs on it already.
        """
        try:
            for folder in (self.path, self.logs, self.redis):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.lock_fd = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            self.unlock()
            raise MachineProblem(unusable(error, self.path)) from error
        try:
            fcntl.flock(self.lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.unlock()
            raise MachineProblem(self._in_use_message()) from None

    def unlock(self) -> None:
        """Release the lock, if it was taken."""
        if self.lock_fd >= 0:
            os.close(self.lock_fd)
            self.lock_fd = -1

    def publish(self, url: str, pids: Mapping[str, int], troubles: Mapping[str, Trouble]) -> None:
        """Write up.json, by which the command line finds this stack, and the service its troubles."""
        state = {
            "url": url,
            "pid": os.getpid(),
            "started_at": time.time(),
            "pids": dict(pids),
            "troubles": {name: asdict(trouble) for name, trouble in troubles.items()},
        }
        temporary = self.path / f"{STATE}.new"
        temporary.write_text(json.dumps(state, indent=2) + "\n")
        temporary.replace(self.path / STATE)

    def withdraw(self) -> None:
        """Remove up.json."""
        (self.path / STATE).unlink(missing_ok=True)

    def _in_use_message(self) -> str:
        url = running_url(self.path)
        if url is None:
            return (
                f"another tgsh is starting or stopping on {self.path}; wait for it, or choose another --home"
            )
        return f"tgsh is already up on {self.path}: {url} (stop it first, or choose another --home)"


def running_url(path: Path) -> str | None:
    """URL of the stack that runs on the folder `path`; None where none runs."""
    url = _running_state(path).get("url")
    return None if url is None else str(url)


def troubles(path: Path) -> dict[str, str]:
    """A sentence for each process that keeps ending, of the stack that runs on the folder `path`."""
    with contextlib.suppress(TypeError, ValueError, AttributeError, IndexError):
        found = _running_state(path).get("troubles", {})
        return {name: Trouble(**trouble).sentence() for name, trouble in found.items()}
    return {}


def _running_state(path: Path) -> dict[str, Any]:
    """Content of up.json; empty where no stack runs: one that was killed leaves its file behind."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        state = json.loads((path / STATE).read_text())
        os.kill(int(state["pid"]), 0)
        return dict(state)
    return {}


def unusable(error: OSError, home: Path) -> str:
    """Message about a folder or file of HOME that cannot be made or written."""
    full = "make room there, or " if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
    return (
        f"cannot use {error.filename or home}: {error.strerror or error}; "
        f"{full}choose another folder with --home"
    )
