"""Redis, API and workers as the compose file starts them, to be killed, stopped, and brought up again."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.support.compose_stack import WORKER, ComposeStack
from tgsh.schemas import TERMINAL
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database

PATIENCE = 240.0
"""Seconds; only a hang takes so long, however loaded the machine."""

SERVICES = ("redis", "service", WORKER)

QUICK = {"TGSH_LEASE_SECONDS": "4", "TGSH_SWEEP_SECONDS": "1", "TGSH_DEVICES": "cpu:2"}
"""What is lost is noticed within seconds instead of a minute."""


class FaultStack(ComposeStack):
    """A compose stack that is looked after: what dies is started again, as `restart: unless-stopped` does."""

    def __init__(self, folder: Path, **settings: str) -> None:
        super().__init__(folder, **{**QUICK, **settings})
        self.home = folder / "home"
        self.lock = threading.RLock()

    def start(self, name: str, *more: str) -> subprocess.Popen[bytes]:
        """Start a service, and note its process where faults look for their victims."""
        process = super().start(name, *more)
        file = self.victim(name).with_suffix(".new")
        file.write_text(str(process.pid))
        file.replace(self.victim(name))
        return process

    def victim(self, name: str) -> Path:
        """The file that holds the id of a service's process."""
        return self._folder / f"{name}.pid"

    def parent(self, name: str) -> psutil.Process:
        """The process of a service."""
        return psutil.Process(self._processes[name].pid)

    def children(self) -> list[psutil.Process]:
        """The worker's children, which do the jobs."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return self.parent(WORKER).children()
        return []

    def kill_one(self, name: str) -> None:
        """SIGKILL for a service's own process; children of it are left to notice."""
        with self.lock:
            self._processes[name].kill()
            self._processes[name].wait()

    def revive(self) -> list[str]:
        """Start again what has died; the names."""
        with self.lock:
            dead = [name for name, process in self._processes.items() if process.poll() is not None]
            for name in dead:
                self.start(name)
        return dead

    def log(self, name: str) -> str:
        """What a service has said so far."""
        return (self._folder / f"{name}.log").read_text(errors="replace")

    def database(self) -> Database:
        """The store's records."""
        return Database(self._settings.get("TGSH_DATABASE_URL") or f"sqlite:///{self.home}/tgsh.db")

    def artifacts(self) -> Artifacts:
        """The store's files."""
        return Artifacts(str(self.home / "artifacts"))

    def kill(self) -> None:
        """End everything, also what a killed parent left behind."""
        with self.lock:
            processes = list(self._processes.values())
            self._processes.clear()
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[FaultStack]:
    """A stack that is ready, for as long as the block."""
    stack = FaultStack(folder, **settings)
    try:
        for name in SERVICES:
            stack.start(name)
        stack.wait_until_ready(PATIENCE)
        yield stack
    finally:
        stack.kill()


@contextmanager
def looked_after(stack: FaultStack) -> Iterator[None]:
    """What dies in the block is started again."""
    ended = threading.Event()

    def look_after() -> None:
        while not ended.wait(0.3):
            stack.revive()

    thread = threading.Thread(target=look_after)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        stack.revive()


class User:
    """Somebody with a client, who tries again where nobody answers."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=60, trust_env=False)

    def ask(self, method: str, path: str, seconds: float = PATIENCE, **more: Any) -> httpx.Response:
        """The answer, once the API is there."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                answer = self.http.request(method, path, **more)
                if answer.status_code not in (502, 503):
                    return answer
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
            assert time.monotonic() < deadline, path
            time.sleep(0.2)

    def submit(self, spec: dict[str, Any]) -> str:
        """The path of a new experiment, though the same was computed before."""
        answer = self.ask("POST", "/experiments", params={"anew": True}, json=spec)
        assert answer.status_code == 202, answer.text
        return str(answer.headers["Location"])

    def look(self, path: str) -> dict[str, Any]:
        """The experiment as it is."""
        found: dict[str, Any] = self.ask("GET", path).json()
        return found

    def wait(self, path: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """The experiment, once it has ended."""
        deadline = time.monotonic() + seconds
        while (found := self.look(path))["status"] not in TERMINAL:
            assert time.monotonic() < deadline, found
            time.sleep(0.2)
        return found

    def digest(self, path: str) -> str:
        """A hash of the context vectors of all tasks at all stages, and of the accuracies."""
        epochs = self.look(path)["spec"]["training"]["epochs"]
        whole = hashlib.sha256()
        for stage in range(epochs + 1):
            answer = self.ask("GET", f"{path}/context-vectors?format=npy&stage={stage}")
            assert answer.status_code == 200, answer.text
            whole.update(answer.content)
        whole.update(self.ask("GET", f"{path}/accuracy?format=csv").content)
        return whole.hexdigest()

    def close(self) -> None:
        """Close the connections."""
        self.http.close()
