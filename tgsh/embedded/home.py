"""The folder a stack lives in: made for this user alone, held by one stack at a time, found by `up.json`."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

from tgsh.errors import MachineProblem

STATE = "up.json"


class Home:
    """HOME of one stack. `claim` before anything is written to it, `release` at the very end.

    The lock is an flock on HOME/lock. Guards inherit it (`lock_fd`): after a SIGKILL of tgsh it stays
    held until the last part has gone, so that a new stack never meets the old one's Redis or workers.
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

    def claim(self) -> None:
        """Make the folders and take the lock.

        Raises: MachineProblem where the folder cannot be made, or a stack runs on it already.
        """
        try:
            for folder in (self.path, self.logs, self.redis):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.lock_fd = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise MachineProblem(f"cannot use {self.path}: {error.strerror or error}") from error
        try:
            fcntl.flock(self.lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise MachineProblem(self._taken()) from None

    def release(self) -> None:
        """Let go of the lock; nothing happens where it is not held."""
        if self.lock_fd >= 0:
            os.close(self.lock_fd)
            self.lock_fd = -1

    def publish(self, url: str, pids: Mapping[str, int]) -> None:
        """Write up.json, by which the command line finds this stack."""
        state = {"url": url, "pid": os.getpid(), "started_at": time.time(), "pids": dict(pids)}
        temporary = self.path / f"{STATE}.new"
        temporary.write_text(json.dumps(state, indent=2) + "\n")
        temporary.replace(self.path / STATE)

    def withdraw(self) -> None:
        """Remove up.json."""
        (self.path / STATE).unlink(missing_ok=True)

    def _taken(self) -> str:
        url = running_url(self.path)
        if url is None:
            return (
                f"another tgsh is starting or stopping on {self.path}; wait for it, or choose another --home"
            )
        return f"tgsh is already up on {self.path}: {url} (stop it first, or choose another --home)"


def running_url(path: Path) -> str | None:
    """The URL of the stack that runs on the folder `path`; None where there is none."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        state = json.loads((path / STATE).read_text())
        os.kill(int(state["pid"]), 0)  # a stack that was killed leaves its up.json behind
        return str(state["url"])
    return None
