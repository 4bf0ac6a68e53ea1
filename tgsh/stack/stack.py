"""Redis, API and workers on one machine as one context manager."""

from __future__ import annotations

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
from tgsh.settings import StoreSettings, compiled_code_folder
from tgsh.stack.processes import GRACE, ManagedProcess, StopSignals, Supervisor
from tgsh.stack.redis import RedisConfig, find_server, free_port, require_free, wait_for_pong
from tgsh.stack.state import Home, Trouble, unusable
from tgsh.stack.state import running_url as running_url
from tgsh.stack.state import troubles as troubles
from tgsh.system import is_loopback

READY_TIMEOUT = 120.0
"""Seconds until the service must be ready; the first import of a fresh installation compiles every module."""

DISK_TIMEOUT = 5.0
"""Seconds after which a full disk ends the start: what is waited for otherwise comes by itself."""

SAY_AFTER = 5.0
"""Seconds of waiting after which is said what is waited for, again whenever that changes."""

QUICK_GRACE = 0.8
"""Seconds between SIGTERM and SIGKILL where it is known whether a worker still holds a job."""

CLIENT_VARIABLES = {"TGSH_API_KEY", "TGSH_URL"}
"""Variables of the command line's environment that no process of the stack inherits."""

WORKER_OPTIONS = ("--loglevel", "INFO")
"""Of celery; a single worker has no others to mingle with, which saves a second."""


class Stack:
    """Context manager of a stack: when entered, the service is ready; when left, no process remains.

    home: folder of database, artifacts, Redis and logs; created with mode 0700.
    port: where the API listens; 0 takes a free one.
    workers: children of the worker; None: one for each core or GPU.
    say: is called with lines for the user about steps that take a while.
    allow_no_keys: allow a host that is not loopback without API keys.
    key: an API key for this process only, new each time, valid beside those of the key file.
    signals: of a caller who has entered them already; None: the stack enters its own.
    jobs_held: is asked while API and workers end. Once it says that no worker holds a job, and after
    QUICK_GRACE seconds in any case, what still runs is killed; the caller then gives back what the killed
    held. None: they have GRACE seconds.

    Enter it in the main thread, so that Ctrl-C and SIGTERM end it in order. If this process is killed, the
    guards' pipes close and they end their processes.

    Raises MachineProblem on entry if Redis is missing, the port is taken, HOME is in use or a process ends.
    """

    def __init__(
        self,
        home: Path,
        host: str = "127.0.0.1",
        port: int = 0,
        workers: int | None = None,
        say: Callable[[str], object] = lambda _: None,
        allow_no_keys: bool = False,
        signals: StopSignals | None = None,
        jobs_held: Callable[[], bool] | None = None,
    ) -> None:
        self.home = Home(home)
        self.host = host
        self.port = port
        self.workers = workers
        self.redis_port = 0
        self.key = new_key()
        self._allow_no_keys = allow_no_keys
        self._say = say
        self._signals = signals or StopSignals()
        self._has_own_signals = signals is None
        self._jobs_held = jobs_held
        self._cleanup = ExitStack()
        self._processes: list[ManagedProcess] = []

    @property
    def url(self) -> str:
        """The API's URL as seen from this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host and host[0] != '[' else host}:{self.port}"

    def __enter__(self) -> Stack:
        if self._has_own_signals:
            self._cleanup.enter_context(self._signals)
        try:
            server = find_server()
            self._require_keys()
            self.home.lock()
            if self.port:
                require_free(self.host, self.port)
            else:
                self.port = free_port(self.host)
            self._say("Starting Redis, the API and the workers …")
            self._start(server)
        except OSError as error:  # a full disk, mostly
            self._shut_down()
            raise MachineProblem(unusable(error, self.home.path)) from error
        except BaseException:
            self._shut_down()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shut_down()

    def supervise(self, report: Callable[[str], None]) -> None:
        """Restart processes that end, however often, until a signal comes: raises Stopped.

        report: is called with a line about each.
        """

        def publish(troubles: Mapping[str, Trouble]) -> None:
            try:
                self._publish(troubles)
            except OSError as error:  # a full disk ends no service
                report(unusable(error, self.home.path))

        Supervisor(self._processes, start=self._launch, report=report, changed=publish).run()

    def check(self) -> None:
        """Raise MachineProblem, with the end of its log, if a process has ended."""
        for process in self._processes:
            if not process.running:
                raise MachineProblem(
                    f"{process.name} ended unexpectedly; the end of {process.log}:\n{process.last_lines()}"
                )

    def needs_key(self) -> bool:
        """True if the service requires API keys, as some exist. Raises KeysUnreadable."""
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
        workers += WORKER_OPTIONS
        listen = ["--host", self.host, "--port", str(self.port), "--timeout-graceful-shutdown", "3"]
        listen += ["--http", "service.protocol:Bounded", "--ws", "none"]
        commands = {
            "redis": config.command(server),
            "api": [sys.executable, "-m", "uvicorn", "service.app:create_app", "--factory", *listen],
            "worker": [sys.executable, "-m", "celery", "-A", "worker.app", "worker", *workers],
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
            variables = environment | extras.get(name, {})
            folder = self.home.redis if name == "redis" else None
            process = ManagedProcess(name, command, variables, log, self.home.lock_fd, folder)
            self._processes.append(process)
            self._launch(process)
        wait_for_pong(config, self.check)
        self._wait_until_ready()
        self._publish({})

    def _launch(self, process: ManagedProcess) -> None:
        # A signal between the fork and the assignment of its result would leave a process behind.
        with self._signals.deferred():
            process.start()

    def _environment(self, config: RedisConfig) -> dict[str, str]:
        variables = {"TGSH_HOME": str(self.home.path), "TGSH_REDIS_URL": config.url, "PYTHONUNBUFFERED": "1"}
        variables["NUMBA_CACHE_DIR"] = str(compiled_code_folder())  # a new home needs no new code
        inherited = {name: value for name, value in os.environ.items() if name not in CLIENT_VARIABLES}
        return inherited | variables

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_TIMEOUT
        disk_deadline = time.monotonic() + DISK_TIMEOUT
        say_at, state, said = time.monotonic() + SAY_AFTER, "no answer", ""
        headers = {"Authorization": f"Bearer {self.key}"}
        with httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=5) as http:
            while True:
                self.check()
                try:
                    response = http.get("/readyz")
                    if response.status_code == httpx.codes.OK:
                        return
                    failed = _failed_checks(response)
                    state = "; ".join(f"{name}: {detail}" for name, detail in failed.items())
                    if "disk" not in failed:
                        disk_deadline = time.monotonic() + DISK_TIMEOUT
                    elif time.monotonic() > disk_deadline:
                        raise MachineProblem(
                            f"the service cannot work without room on its disk: {failed['disk']}; "
                            "make room there, or choose another folder with --home"
                        )
                except httpx.TransportError as error:
                    state = f"{type(error).__name__}: {error}"
                if time.monotonic() > say_at and state != said:
                    self._say(f"Still waiting: {state}")
                    said = state
                if time.monotonic() > deadline:
                    raise MachineProblem(
                        f"not ready after {READY_TIMEOUT:.0f} s ({state}); see {self.home.logs}"
                    )
                time.sleep(0.1)

    def _publish(self, troubles: Mapping[str, Trouble]) -> None:
        self.home.publish(self.url, {process.name: process.pid for process in self._processes}, troubles)

    def _shut_down(self) -> None:
        """Stop workers and API, which need Redis, then Redis. A repeated signal kills them at once."""
        self._signals.disarm()
        with self._cleanup:
            others = [process for process in self._processes if process.name != "redis"]
            redis = [process for process in self._processes if process.name == "redis"]
            self._stop(others, self._jobs_held)
            self._stop(redis)
            if self.home.lock_fd >= 0:
                self.home.withdraw()
            self.home.unlock()
            self._processes.clear()

    def _stop(self, processes: list[ManagedProcess], jobs_held: Callable[[], bool] | None = None) -> None:
        for process in processes:
            process.request_stop()
        deadline = time.monotonic() + (GRACE + 2 if self._jobs_held is None else QUICK_GRACE)
        while not self._signals.repeated and time.monotonic() < deadline:
            if all(process.wait(0.05) for process in processes):
                break
            if jobs_held is not None and not jobs_held():
                break  # imports, open connections and Celery's own waits are nothing to wait for
        for process in processes:
            process.kill()


def _failed_checks(response: httpx.Response) -> dict[str, str]:
    """The failed readiness checks of a response, with their details."""
    try:
        checks = Readiness.model_validate_json(response.content).checks
    except ValidationError:
        return {"service": f"HTTP {response.status_code}"}
    return {name: check.detail for name, check in checks.items() if not check.ok}
