"""A real stack that commands are typed against."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tgsh.cli.application import app
from tgsh.client import Client
from tgsh.stack.stack import Stack

TINY: dict[str, Any] = {
    "preset": "demo",
    "name": "tiny",
    "suite": {"tasks": 2},
    "training": {"epochs": 1, "train_limit": 500},
}
SLOW: dict[str, Any] = {"preset": "demo", "training": {"epochs": 1000}, "suite": {"tasks": 2}}

Tgsh = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("cli") / "home") as running:
        yield running


@pytest.fixture(scope="package")
def done(stack: Stack) -> str:
    """The id of a finished experiment."""
    with Client(stack.url) as client:
        ended = client.wait(client.submit(TINY).id, timeout=90)
    assert ended.status == "completed", ended.reason
    return ended.id


@pytest.fixture
def slow(stack: Stack) -> Iterator[str]:
    """The id of one that is not done in a test's time."""
    with Client(stack.url) as client:
        made = client.submit(SLOW)
        yield made.id
        if client.get(made.id).status in {"queued", "running"}:
            client.cancel(made.id)
            client.wait(made.id, timeout=150)


@pytest.fixture
def tgsh(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tgsh:
    """Type a command against the stack, in an empty folder; in this process, for speed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TGSH_URL", stack.url)
    monkeypatch.setenv("COLUMNS", "160")

    def typed(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        result = CliRunner().invoke(app, arguments, input=text)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return subprocess.CompletedProcess(arguments, result.exit_code, result.stdout, result.stderr)

    return typed


def document(ended: subprocess.CompletedProcess[str]) -> Any:
    """The one JSON document on standard output of a command that went well."""
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def problem(ended: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The problem document of a command that failed."""
    found: dict[str, Any] = json.loads(ended.stderr.splitlines()[-1])
    assert found["exit_status"] == ended.returncode
    assert found["type"].startswith("urn:tgsh:problem:")
    assert found["title"]
    assert found["detail"]
    return found
