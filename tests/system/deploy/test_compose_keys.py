"""The service of docker-compose.yml, reached from outside as a container is: with a key or not at all."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.conftest import missing
from tests.support.compose_stack import ComposeStack
from tests.support.people import bearer

pytestmark = pytest.mark.attacks


def own_address() -> str:
    """An address of this machine that is not loopback: what comes from it comes from elsewhere."""
    for addresses in psutil.net_if_addrs().values():
        for address in addresses:
            if address.family == socket.AF_INET and not address.address.startswith("127."):
                return address.address
    missing("this machine has no address but loopback")
    raise AssertionError


@pytest.fixture
def url(stack: ComposeStack) -> str:
    """The service as another machine reaches it."""
    stack.start("service")
    url = stack.url.replace("127.0.0.1", own_address())
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/livez", timeout=60).status_code == 200:
                return url
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("no answer")


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[ComposeStack]:
    stack = ComposeStack(tmp_path, host="0.0.0.0")
    yield stack
    stack.kill()


def test_the_first_key_is_made_inside_and_opens_the_door(stack: ComposeStack, url: str) -> None:
    closed = httpx.get(f"{url}/catalog", timeout=60)
    assert closed.status_code == 403
    assert "docker compose exec service tgsh keys add NAME" in closed.json()["detail"]
    key = stack.run("service", "tgsh", "keys", "add", "alice", "--role", "admin").strip()
    assert httpx.get(f"{url}/catalog", timeout=60).status_code == 401
    assert httpx.get(f"{url}/catalog", headers=bearer(key), timeout=60).status_code == 200
    assert httpx.get(f"{url}/docs", auth=("browser", key), timeout=60).status_code == 200
    assert "alice" in stack.run("service", "tgsh", "keys", "list")
    stack.run("service", "tgsh", "keys", "revoke", "alice")
    assert httpx.get(f"{url}/catalog", headers=bearer(key), timeout=60).status_code == 401
