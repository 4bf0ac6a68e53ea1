"""A real stack with keys, open to other machines: who gets in, and where secrets do not go."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.people import bearer
from tests.system.cli.conftest import TINY
from tests.system.test_stack import kin, until
from tgsh.api_keys import KeyFile, new_key
from tgsh.client import Client
from tgsh.errors import ServiceProblem
from tgsh.stack.stack import Stack

pytestmark = pytest.mark.attacks

RUN = [sys.executable, "-c", "import sys; from tgsh.cli import app; sys.exit(app())"]
KEY = re.compile(r"tgsh_[A-Za-z0-9_-]{32}")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("secrets") / "home"


@pytest.fixture(scope="module")
def key(home: Path) -> str:
    return KeyFile(home / "keys.json").add("alice", "submit", None)


@pytest.fixture(scope="module")
def stack(home: Path, key: str) -> Iterator[Stack]:
    """Started by somebody whose shell has a key, as shells of users have."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TGSH_API_KEY", key)
        with Stack(home, host="0.0.0.0", workers=1) as running:
            patch.delenv("TGSH_API_KEY")
            yield running


def tgsh(home: Path, *arguments: str, key: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TGSH_")}
    environment |= {"TGSH_HOME": str(home)} | ({"TGSH_API_KEY": key} if key else {})
    return subprocess.run([*RUN, *arguments], env=environment, capture_output=True, text=True, check=False)


def test_commands_on_this_machine_need_a_key_and_say_so(stack: Stack, home: Path, key: str) -> None:
    for arguments in (["list"], ["submit", "demo"], ["show", "0" * 16], ["catalog"]):
        refused = tgsh(home, *arguments)
        assert refused.returncode == 6
        assert "TGSH_API_KEY" in refused.stderr
        assert "tgsh keys add NAME" in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
    wrong = tgsh(home, "list", key=new_key())
    assert wrong.returncode == 6
    assert not KEY.search(wrong.stderr + wrong.stdout)
    assert tgsh(home, "list", key=key).returncode == 0


def test_who_started_it_gets_in_and_what_it_makes_is_everybodys(stack: Stack, key: str) -> None:
    with Client(stack.url, key=stack.key) as own, Client(stack.url, key=key) as alices:
        assert own.ready().ready
        made = own.submit({"preset": "demo", "suite": {"tasks": 1}})
        assert made.owner is None
        assert alices.get(made.id).owner is None
        own.cancel(made.id)
    with Client(stack.url) as nobodys, pytest.raises(ServiceProblem) as refused:
        nobodys.catalog()
    assert refused.value.status == 401


def test_no_process_and_no_log_has_a_key(stack: Stack, home: Path, key: str) -> None:
    with Client(stack.url, key=key) as client:
        ended = client.wait(client.submit(TINY, shared=True).id, timeout=90)
        assert (ended.status, ended.owner, ended.shared) == ("completed", "alice", True)
        assert client.share(ended.id, False).shared is False
        assert client.figure(ended.id, "similarity").startswith(b"\x89PNG")
        with pytest.raises(ServiceProblem):
            client.similarity("0" * 16)
    wrong = new_key()
    for path in ("/catalog", "/nowhere"):
        assert httpx.get(stack.url + path, headers=bearer(wrong), timeout=60).status_code == 401
    processes = kin(home)
    names = [" ".join(process.cmdline()) for process in processes]
    assert any("multiprocessing.spawn" in name for name in names), "the drawing child is not there"
    assert len(processes) >= 8
    for process, name in zip(processes, names, strict=True):
        assert key not in name
        assert not KEY.search(name)
        if process.pid != os.getpid():
            text = "\n".join(f"{k}={v}" for k, v in process.environ().items())
            assert not KEY.search(text), name
            assert "TGSH_API_KEY" not in text, name
        if "multiprocessing" in name:
            assert not {"TGSH_REDIS_URL", "TGSH_DATABASE_URL"} & process.environ().keys()
    logs = {path.name: path.read_text(errors="replace") for path in (home / "logs").iterdir()}
    assert {"api.log", "worker.log", "redis.log"} <= logs.keys()
    assert "POST /experiments" in logs["api.log"], "the log is not where requests are told"
    for written in (*logs.values(), (home / "up.json").read_text(), (home / "keys.json").read_text()):
        for secret in (key, stack.key, wrong):
            assert secret not in written
    state = json.loads((home / "up.json").read_text())
    assert psutil.pid_exists(state["pid"])


def test_elsewhere_needs_keys_before_anything_starts(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for host in ("0.0.0.0", "::", "192.0.2.1"):
        refused = tgsh(home, "up", "--host", host, "--port", "0")
        assert refused.returncode == 1
        assert "tgsh keys add NAME" in refused.stderr
        assert "--allow-no-keys" in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
        assert not home.exists()


def test_who_says_so_listens_elsewhere_without_keys(tmp_path: Path) -> None:
    with Stack(tmp_path / "home", host="0.0.0.0", workers=1, allow_no_keys=True) as stack:
        assert httpx.get(f"{stack.url}/catalog", timeout=60).status_code == 200
        assert (
            httpx.get(
                f"{stack.url}/catalog", headers={"X-Forwarded-For": "192.0.2.1"}, timeout=60
            ).status_code
            == 200
        )
    assert until(lambda: not kin(tmp_path / "home"), 150)
