"""Several machines on one: a network namespace each, on one bridge, whose cables can be pulled."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.conftest import missing
from tests.support.compose import ROOT
from tests.support.postgres import find_tool, running_postgres
from tests.system.faults.stack import QUICK
from tgsh.stack.redis import find_server
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database

PLACES = ("api", "redis", "postgres", "one", "two")


def ip(*words: str) -> None:
    """Debian's iproute2."""
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


class Network:
    """Namespaces with names of this process, so that runs at the same time do not meet."""

    def __init__(self) -> None:
        self._mark = f"tg{os.getpid() % 100_000}"
        self._net = f"10.{50 + os.getpid() % 150}.{os.getpid() // 150 % 250}"
        self._made: list[str] = []

    def open(self) -> None:
        """Make the bridge, with this process on it, and a namespace for every place."""
        ip("link", "add", self._mark, "type", "bridge")
        ip("addr", "add", f"{self._net}.1/24", "dev", self._mark)
        ip("link", "set", self._mark, "up")
        for number, place in enumerate(PLACES):
            name, here = f"{self._mark}-{place}", f"{self._mark}v{number}"
            ip("netns", "add", name)
            self._made.append(name)
            ip("link", "add", here, "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("link", "set", here, "master", self._mark, "up")
            ip("-n", name, "addr", "add", f"{self._net}.{10 + number}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "link", "set", "lo", "up")

    def close(self) -> None:
        """Remove all of it; cables go with their namespaces."""
        for name in self._made:
            with contextlib.suppress(subprocess.CalledProcessError):
                ip("netns", "del", name)
        with contextlib.suppress(subprocess.CalledProcessError):
            ip("link", "del", self._mark)

    def address(self, place: str) -> str:
        """The address of a machine."""
        return f"{self._net}.{10 + PLACES.index(place)}"

    def inside(self, place: str) -> list[str]:
        """Words before a command that is to run on a machine."""
        return ["ip", "netns", "exec", f"{self._mark}-{place}"]

    def pull(self, place: str) -> None:
        """Pull a machine's cable: what it sends gets nowhere, and no connection is closed."""
        ip("link", "set", f"{self._mark}v{PLACES.index(place)}", "down")

    def plug(self, place: str) -> None:
        """Plug it in again."""
        ip("link", "set", f"{self._mark}v{PLACES.index(place)}", "up")


class Machines:
    """API, Redis, PostgreSQL and two workers, a machine each, with one shared folder of artifacts."""

    def __init__(self, folder: Path, network: Network, database_url: str) -> None:
        self._folder = folder
        self.network = network
        self._database_url = database_url
        self._processes: list[subprocess.Popen[bytes]] = []
        self.url = f"http://{network.address('api')}:8000"
        self.faults = folder / "faults.json"

    def start(self, place: str, *command: str) -> subprocess.Popen[bytes]:
        """Start a command on a machine."""
        settings = QUICK | {
            "TGSH_HOME": str(self._folder / place),
            "TGSH_DATABASE_URL": self._database_url,
            "TGSH_ARTIFACTS_URL": str(self._folder / "artifacts"),
            "TGSH_REDIS_URL": f"redis://{self.network.address('redis')}:6379/0",
            "TGSH_TEST_FAULTS": str(self.faults),
            "TGSH_DEVICES": "cpu:1",
            "TGSH_MAX_ATTEMPTS": "20",
            "TGSH_ALLOW_NO_KEYS": "1",  # the machines reach it under an address that is not loopback
            "PYTHONPATH": str(ROOT),
        }
        with self.log(place).open("ab") as log:
            process = subprocess.Popen(
                [*self.network.inside(place), *command],
                env=dict(os.environ) | settings,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def start_all(self) -> None:
        """Everything but PostgreSQL, which is there."""
        python = sys.executable
        redis = [find_server(), "--bind", "0.0.0.0", "--protected-mode", "no", "--save", ""]
        self.start("redis", *redis, "--dir", str(self._folder))
        api = ["uvicorn", "service.app:create_app", "--factory", "--host", "0.0.0.0", "--port", "8000"]
        self.start("api", python, "-m", *api)
        for place in ("one", "two"):
            name = ["--hostname", f"{place}@%h"]
            self.start(place, python, "-m", "celery", "-A", "worker.app", "worker", "-l", "INFO", *name)

    def log(self, place: str) -> Path:
        """What the machine says."""
        return self._folder / f"{place}.log"

    def database(self) -> Database:
        """The records, as seen from here."""
        return Database(self._database_url)

    def artifacts(self) -> Artifacts:
        """The shared folder."""
        return Artifacts(str(self._folder / "artifacts"))

    def kill(self) -> None:
        """End everything."""
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def machines(folder: Path) -> Iterator[Machines]:
    """All of them, for as long as the block; the test is skipped where they cannot be had."""
    if os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("setpriv") is None:
        missing("network namespaces need root and Debian's packages iproute2 and util-linux")
    if find_tool("initdb") is None:
        missing("no PostgreSQL server tools; install Debian's package postgresql")
    network = Network()
    with ExitStack() as cleanup:
        cleanup.callback(network.close)
        try:
            network.open()
        except subprocess.CalledProcessError as error:
            missing(f"no network namespaces here: {error.stderr}")
        where = network.address("postgres"), network.inside("postgres")
        (folder / "postgres").mkdir()
        found = Machines(
            folder, network, cleanup.enter_context(running_postgres(folder / "postgres", *where))
        )
        cleanup.callback(found.kill)
        found.start_all()
        yield found
