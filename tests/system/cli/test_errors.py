"""No traceback for what a user does: bad folders, bad settings, poor terminals, closed pipes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.cli.conftest import Tgsh, problem
from tgsh.stack.stack import Stack

RUN = [sys.executable, "-c", "import sys; from tgsh.cli import app; sys.exit(app())"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("backup", "a.tar", "--home", "FILE/home"),
        ("backup", "/proc/a.tar"),
        ("run", "demo", "-o", "FILE/out"),
        ("up", "--home", "FILE/home"),
        ("demo", "--home", "FILE/home"),
        ("keys", "add", "a", "--home", "FILE/home"),
        ("restore", "FILE", "--home", "new"),
    ],
)
def test_folders_that_cannot_be(tgsh: Tgsh, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "file").write_text("no folder, and no archive")
    typed = [each.replace("FILE", str(tmp_path / "file")) for each in arguments]
    plain = tgsh(*typed)
    assert plain.returncode == 1, plain.stderr
    assert "Traceback" not in plain.stderr
    assert problem(tgsh(*typed, "--json"))["exit_status"] == 1


def test_a_wrong_setting_is_named(tgsh: Tgsh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TGSH_LEASE_SECONDS", "soon")
    failed = tgsh("keys", "list")
    assert failed.returncode == 2
    assert failed.stderr.startswith("TGSH_LEASE_SECONDS: must be a number")


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_terminal_of_ascii_and_a_reader_that_leaves(
    stack: Stack, done: str, encoding: str, tmp_path: Path
) -> None:
    environment = dict(os.environ) | {"TGSH_URL": stack.url, "PYTHONIOENCODING": encoding}
    shown = subprocess.run(
        [*RUN, "show", done], cwd=tmp_path, env=environment, capture_output=True, check=False
    )
    assert shown.returncode == 0, shown.stderr
    assert ("10°" if encoding == "utf-8" else "10?").encode() in shown.stdout
    pipe = subprocess.PIPE
    with subprocess.Popen([*RUN, "catalog", "--json"], env=environment, stdout=pipe, stderr=pipe) as writing:
        assert writing.stdout
        writing.stdout.close()
        assert writing.stderr
        assert writing.stderr.read() == b""
    assert writing.returncode == 1
