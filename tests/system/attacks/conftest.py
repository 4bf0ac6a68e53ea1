"""The service in a process of its own, started as in production, so that its memory can be measured."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
from pydantic import SecretStr

from service.app import create_app
from service.settings import ServiceSettings
from tests.api.conftest import finish, submit, work
from tests.support.serving import serving

COMMAND = (
    "uvicorn",
    "service.app:create_app",
    "--factory",
    "--http",
    "service.protocol:Bounded",
    "--ws",
    "none",
)


@dataclass(frozen=True)
class Service:
    """A running service. log: what it wrote to standard error."""

    address: tuple[str, int]
    process: psutil.Process
    log: Path
    home: Path

    @property
    def url(self) -> str:
        return "http://{}:{}".format(*self.address)

    @property
    def memory(self) -> int:
        """Resident bytes."""
        return int(self.process.memory_info().rss)

    def logged(self) -> str:
        return self.log.read_text("utf-8", "replace")


def start(home: Path, **settings: str) -> tuple[Service, subprocess.Popen[bytes]]:
    """A service on a free port; no queue is there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TGSH_")}
    environment = clean | {"TGSH_HOME": str(home), "TGSH_REDIS_URL": "redis://127.0.0.1:1/0"} | settings
    log = home.parent / f"{home.name}.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", *COMMAND, "--port", str(port)],
            env=environment,
            stdout=stream,
            stderr=stream,
        )
    service = Service(("127.0.0.1", port), psutil.Process(process.pid), log, home)
    for _ in range(600):
        assert process.poll() is None, service.logged()
        try:
            httpx.get(f"{service.url}/livez", trust_env=False, timeout=60)
            return service, process
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(service.logged())


def stop(process: subprocess.Popen[bytes]) -> None:
    """End it, in order if it can."""
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts a service with settings of its own."""
    processes: list[subprocess.Popen[bytes]] = []

    def make(**settings: str) -> Service:
        service, process = start(tmp_path / f"home{len(processes)}", **settings)
        processes.append(process)
        return service

    yield make
    for process in processes:
        stop(process)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for all that do it no harm."""
    made, process = start(tmp_path_factory.mktemp("attacked") / "home")
    yield made
    stop(process)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of an application in this process, whose store tests can fill; a module shares it."""
    home = tmp_path_factory.mktemp("attacked")
    app = create_app(ServiceSettings(home=home, redis_url=SecretStr("redis://127.0.0.1:1/0")))
    with serving(app) as client:
        client.parts = app.state.services  # type: ignore[attr-defined]
        yield client


@pytest.fixture(scope="module")
def trained(attacked: httpx.Client) -> str:
    """The path of a completed experiment."""
    parts = attacked.parts  # type: ignore[attr-defined]
    experiment_id = submit(attacked, network={"kind": "flynet", "expansion": 1})
    work(parts, experiment_id, 0, 1, 2, width=784)
    finish(parts, experiment_id)
    return f"/experiments/{experiment_id}"
