"""Redis, API and workers on one machine; the home folder and its lock."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import httpx
from pydantic import ValidationError

from tgsh.api_keys import KeyFile, digest, new_key
from tgsh.errors import MachineProblem
from tgsh.schemas import Readiness
from tgsh.settings import StoreSettings
from tgsh.stack.processes import GRACE, ManagedProcess, StopSignals, Supervisor
from tgsh.stack.redis import RedisConfig, find_server, free_port, require_free, wait_for_pong
from tgsh.system import is_loopback

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


READY_TIMEOUT = 120.0  # the first import of a fresh installation compiles every module
A_PERSONS = {"TGSH_API_KEY", "TGSH_URL"}  # for the command line; no part of the stack has a use for them
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
    allow_no_keys: let in everybody who reaches a host that is not loopback, where there are no keys.
    key: lets this process in, whatever keys there are; it is new each time and nobody else has it.

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
        allow_no_keys: bool = False,
    ) -> None:
        self.home = Home(home)
        self.host = host
        self.port = port
        self.workers = workers
        self.redis_port = 0
        self.key = new_key()
        self._allow_no_keys = allow_no_keys
        self._say = say
        self._signals = StopSignals()
        self._cleanup = ExitStack()
        self._parts: list[ManagedProcess] = []

    @property
    def url(self) -> str:
        """The API's URL as seen from this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host and host[0] != '[' else host}:{self.port}"

    def __enter__(self) -> Stack:
        self._cleanup.enter_context(self._signals)
        try:
            server = find_server()
            self._require_keys()
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

    def needs_key(self) -> bool:
        """Whether others need a key: one was made. Raises: KeysUnreadable."""
        return KeyFile(StoreSettings(home=self.home.path).keys_file).read() is not None

    def _require_keys(self) -> None:
        if not (self.needs_key() or is_loopback(self.host) or self._allow_no_keys):
            raise MachineProblem(
                f"whoever reaches {self.host} could use the API, as there are no keys. Make one with "
                "`tgsh keys add NAME`, or say that you mean it with --allow-no-keys"
            )

    def _start(self, server: str) -> None:
        config = RedisConfig(self.home.redis)
        self.redis_port = config.port
        environment = self._environment(config)
        workers = [] if self.workers is None else ["--concurrency", str(self.workers)]
        listen = ["--host", self.host, "--port", str(self.port), "--timeout-graceful-shutdown", "3"]
        listen += ["--http", "service.protocol:Bounded", "--ws", "none"]
        commands = {
            "redis": [server, str(config.write())],
            "api": [sys.executable, "-m", "uvicorn", "service.app:create_app", "--factory", *listen],
            "worker": [sys.executable, "-m", "celery", "-A", "worker.app", "worker", *workers, *QUICK],
        }
        extras = {
            "worker": {"OMP_NUM_THREADS": "1"},
            "api": {
                "TGSH_HOST": self.host,
                "TGSH_ALLOW_NO_KEYS": str(self._allow_no_keys),
                "TGSH_STACK_KEY_SHA256": digest(self.key),
            },
        }
        for name, command in commands.items():
            log = self.home.logs / f"{name}.log"
            part = ManagedProcess(name, command, environment | extras.get(name, {}), log, self.home.lock_fd)
            self._parts.append(part)
            self._launch(part)
        wait_for_pong(config, self.check)
        self._wait_until_ready()
        self._publish()

    def _launch(self, part: ManagedProcess) -> None:
        with self._signals.held():  # between the fork and our note of it, a signal would lose sight of it
            part.start()

    def _environment(self, config: RedisConfig) -> dict[str, str]:
        own = {"TGSH_HOME": str(self.home.path), "TGSH_REDIS_URL": config.url, "PYTHONUNBUFFERED": "1"}
        inherited = {name: value for name, value in os.environ.items() if name not in A_PERSONS}
        return inherited | own

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_TIMEOUT
        state = "no answer"
        own = {"Authorization": f"Bearer {self.key}"}
        with httpx.Client(base_url=self.url, headers=own, trust_env=False, timeout=5) as http:
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

    def _end(self, parts: list[ManagedProcess]) -> None:
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
