"""Homes of any name: everything lies in them, and nowhere else."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from service.app import create_app
from service.settings import ServiceSettings
from tests.support.compose import ROOT
from tests.support.serving import in_process
from tests.system.test_stack import RUN, TINY, kin, until
from tgsh.api_keys import KeyFile
from tgsh.client import Client
from tgsh.settings import StoreSettings
from tgsh.stack.processes import ManagedProcess
from tgsh.stack.redis import RedisConfig, find_server, wait_for_pong
from tgsh.stack.state import Home, running_url
from tgsh.store.artifacts import Artifacts
from tgsh.store.backup import backup, restore
from tgsh.store.database import Database

NAMES = [
    "a%41b",
    "what?",
    "x::y",
    "sp ace",
    "ünï",
    "quo'te\"",
    "#hash",
    "-dash",
    "a\nb",
    "trailing ",
    "{brace}",
    "$HOME",
    "~",
    "back\\slash",
    "a@b:c&d=e;f",
    "[glob]*",
]

ALL_AT_ONCE = "-a%41b ?x::y #'\"\n$HOME~{b}\\ü[*] "


@pytest.fixture(params=NAMES)
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """TGSH_HOME of that name, the only thing in its folder."""
    folder = tmp_path / "parent"
    folder.mkdir()
    monkeypatch.setenv("TGSH_HOME", str(folder / request.param))
    yield folder / request.param
    for process in kin(folder):
        process.kill()


def test_database_and_artifacts_lie_in_any_home(home: Path, tmp_path: Path) -> None:
    settings = StoreSettings()
    database, artifacts = Database(settings.database), Artifacts(settings.artifacts)
    database.migrate()
    sha256 = artifacts.save("e/tasks/1.safetensors", {"x": np.arange(3)}, {"a": "b"})
    assert artifacts.load("e/tasks/1.safetensors", sha256)[0]["x"].tolist() == [0, 1, 2]
    assert artifacts.keys("e") == artifacts.keys("") == ["e/tasks/1.safetensors"]
    assert (artifacts.folders(), artifacts.older("e", -9)) == (["e"], ["e/tasks/1.safetensors"])
    assert artifacts.size("e") > 0
    artifacts.remove_all("e")
    assert artifacts.keys("") == []
    KeyFile(settings.keys_file).add("alice", "admin", None)
    backup(database, artifacts, KeyFile(settings.keys_file), home.parent / f"{home.name}.tar")
    database.dispose()
    restore(home.parent / f"{home.name}.tar", home.parent / f"{home.name}-2")
    assert {path.name for path in home.iterdir()} >= {"tgsh.db", "artifacts", "keys.json"}
    assert {path.name for path in home.parent.iterdir()} == {home.name, f"{home.name}.tar", f"{home.name}-2"}
    with in_process(create_app(ServiceSettings(home=home.parent / f"{home.name}-2"))) as api:
        assert api.get("/experiments").status_code == 401
        assert api.get("/livez").status_code == 200


def test_redis_keeps_its_files_in_any_home(home: Path) -> None:
    place = Home(home)
    place.lock()
    config = RedisConfig(place.redis)
    command = config.command(find_server())
    process = ManagedProcess(
        "redis", command, os.environ, place.logs / "redis.log", place.lock_fd, place.redis
    )
    process.start()
    try:
        wait_for_pong(config, lambda: None)
        assert until((home / "redis" / "appendonlydir").is_dir, 150)
        assert process.last_lines()
        place.publish("http://here", {}, {})
        assert running_url(home) == "http://here"
    finally:
        process.kill()
        place.unlock()
    assert [path.name for path in home.parent.iterdir()] == [home.name]


@pytest.mark.faults
@pytest.mark.parametrize("compiled", [False, True])
def test_an_experiment_completes_in_a_home_of_every_odd_sign(tmp_path: Path, compiled: bool) -> None:
    folder = tmp_path / "parent"
    folder.mkdir()
    home = folder / ALL_AT_ONCE
    environment = os.environ | {"TGSH_HOME": ALL_AT_ONCE, "PYTHONPATH": str(ROOT)}
    if compiled:
        environment["NUMBA_CACHE_DIR"] = str(home / "cache")
    command = [*RUN, "up", "--port", "0", "--workers", "1"]
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert until(lambda: running_url(home) or process.poll() is not None, 150)
        with Client(running_url(home) or process.communicate()[0]) as client:
            assert client.wait(client.submit(TINY).id, timeout=120).status == "completed"
    finally:
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert [path.name for path in folder.iterdir()] == [ALL_AT_ONCE]
    assert {"tgsh.db", "artifacts", "logs", "redis"} <= {path.name for path in home.iterdir()}
    assert {path.name for path in (home / "logs").iterdir()} == {"api.log", "worker.log", "redis.log"}
    if compiled:
        assert any((home / "cache").rglob("*.nbi"))
    assert kin(folder) == []


@pytest.mark.parametrize("arguments", [["up"], ["doctor"], ["keys", "list"]])
@pytest.mark.parametrize("by_option", [False, True])
def test_a_home_that_is_not_utf_8_is_refused_at_the_start(
    tmp_path: Path, arguments: list[str], by_option: bool
) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/h\xff")
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | ({} if by_option else {"TGSH_HOME": name})
    command = [*RUN, *arguments, *(["--home", name] if by_option else [])]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "TGSH_HOME" in done.stderr
    assert "is not UTF-8" in done.stderr
    assert list(tmp_path.iterdir()) == []
