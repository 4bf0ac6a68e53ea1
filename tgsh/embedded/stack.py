"""Redis, API and workers on one machine, as processes started by the same commands as in production."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import httpx
from pydantic import ValidationError

from tgsh.embedded.home import Home
from tgsh.embedded.part import GRACE, Part
from tgsh.embedded.ports import free_port, require_free
from tgsh.embedded.redis import RedisConfig, find_server, wait_for_pong
from tgsh.embedded.signals import StopSignals
from tgsh.embedded.supervisor import Supervisor
from tgsh.errors import MachineProblem
from tgsh.schemas import Readiness

READY_TIMEOUT = 120.0  # the first import of a fresh installation compiles every module
QUICK = (
    "--loglevel",
    "INFO",
    "--without-mingle",
    "--without-gossip",
)  # nobody to mingle with: a second saved


class Stack:
    """A context manager: entered, everything answers; left, in whatever way, no process remains.

    home: folder of database, artifacts, Redis and logs; made with mode 0700.
    port: where the API listens; 0 takes a free one.
    workers: worker processes; None lets the worker choose, one a core or GPU.
    say: is told, in lines for a person, what takes a while.

    Enter it in the main thread, so that Ctrl-C and SIGTERM end it in order. Ended in any other way, the
    guards see their pipes close and end what they guard.

    Raises on entry: MachineProblem where Redis is missing, the port is taken, HOME is in use, or a part dies.
    """

    def __init__(
        self,
        home: Path,
        host: str = "127.0.0.1",
        port: int = 0,
        workers: int | None = None,
        say: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.home = Home(home)
        self.host = host
        self.port = port
        self.workers = workers
        self._say = say
        self._signals = StopSignals()
        self._cleanup = ExitStack()
        self._parts: list[Part] = []

    @property
    def url(self) -> str:
        """The API's URL as seen from this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host and host[0] != '[' else host}:{self.port}"

    def __enter__(self) -> Stack:
        self._cleanup.enter_context(self._signals)
        try:
            server = find_server()
            self.home.claim()
            if self.port:
                require_free(self.host, self.port)
            else:
                self.port = free_port(self.host)
            self._say("Starting Redis, the API and the workers …")
            self._start(server)
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def supervise(self, report: Callable[[str], None]) -> None:
        """Restart what dies, until a signal comes.

        report: is told, a line at a time, what died and what was done about it.
        Raises: MachineProblem when a part keeps dying; Stopped at a signal.
        """
        Supervisor(self._parts, start=self._launch, report=report, changed=self._publish).run()

    def check(self) -> None:
        """Raises: MachineProblem with the end of its log, where a part has died."""
        for part in self._parts:
            if not part.running:
                raise MachineProblem(
                    f"{part.name} ended unexpectedly; the end of {part.log}:\n{part.last_lines()}"
                )

    def _start(self, server: str) -> None:
        config = RedisConfig(self.home.redis)
        environment = self._environment(config)
        workers = [] if self.workers is None else ["--concurrency", str(self.workers)]
        listen = ["--host", self.host, "--port", str(self.port), "--timeout-graceful-shutdown", "3"]
        listen += ["--http", "service.protocol:Bounded", "--ws", "none"]
        commands = {
            "redis": [server, str(config.write())],
            "api": [sys.executable, "-m", "uvicorn", "service.app:create_app", "--factory", *listen],
            "worker": [sys.executable, "-m", "celery", "-A", "worker.app", "worker", *workers, *QUICK],
        }
        for name, command in commands.items():
            extra = {"OMP_NUM_THREADS": "1"} if name == "worker" else {}
            log = self.home.logs / f"{name}.log"
            part = Part(name, command, environment | extra, log, self.home.lock_fd)
            self._parts.append(part)
            self._launch(part)
        wait_for_pong(config, self.check)
        self._wait_until_ready()
        self._publish()

    def _launch(self, part: Part) -> None:
        with self._signals.held():  # between the fork and our note of it, a signal would lose sight of it
            part.start()

    def _environment(self, config: RedisConfig) -> dict[str, str]:
        own = {"TGSH_HOME": str(self.home.path), "TGSH_REDIS_URL": config.url, "PYTHONUNBUFFERED": "1"}
        return dict(os.environ) | own

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_TIMEOUT
        state = "no answer"
        with httpx.Client(base_url=self.url, trust_env=False, timeout=5) as http:
            while True:
                self.check()
                try:
                    response = http.get("/readyz")
                    if response.status_code == httpx.codes.OK:
                        return
                    state = _missing(response)
                except httpx.TransportError as error:
                    state = f"{type(error).__name__}: {error}"
                if time.monotonic() > deadline:
                    raise MachineProblem(
                        f"not ready after {READY_TIMEOUT:.0f} s ({state}); see {self.home.logs}"
                    )
                time.sleep(0.1)

    def _publish(self) -> None:
        self.home.publish(self.url, {part.name: part.pid for part in self._parts})

    def _leave(self) -> None:
        """Workers and API first, as they still need Redis; then Redis. A second signal hurries."""
        self._signals.spent()
        with self._cleanup:
            others = [part for part in self._parts if part.name != "redis"]
            redis = [part for part in self._parts if part.name == "redis"]
            for group in (others, redis):
                self._end(group)
            if self.home.lock_fd >= 0:
                self.home.withdraw()
            self.home.release()
            self._parts.clear()

    def _end(self, parts: list[Part]) -> None:
        for part in parts:
            part.ask_to_stop()
        deadline = time.monotonic() + GRACE + 2
        while not self._signals.again and time.monotonic() < deadline:
            if all(part.wait(0.05) for part in parts):
                break
        for part in parts:
            part.kill()


def _missing(response: httpx.Response) -> str:
    """What the service says it still lacks."""
    try:
        checks = Readiness.model_validate_json(response.content).checks
    except ValidationError:
        return f"HTTP {response.status_code}"
    return "; ".join(f"{name}: {check.detail}" for name, check in checks.items() if not check.ok)
