"""What Tab offers, in the shell's own words."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tgsh.stack.stack import Stack

RUN = [sys.executable, "-c", "import sys; from tgsh.cli import app; sys.exit(app(prog_name='tgsh'))"]


def tab(line: str, url: str, cwd: Path) -> list[str]:
    """What bash is offered at the end of a line."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TGSH_")}
    environment |= {
        "TGSH_URL": url,
        "_TGSH_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split()) - (not line.endswith(" "))),
    }
    completed = subprocess.run(RUN, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert completed.stderr == ""
    return completed.stdout.split()


def tab_again(line: str, url: str, cwd: Path) -> list[str]:
    """The same, pressed until something comes: completion gives up soon, and a busy machine answers late."""
    deadline = time.monotonic() + 60
    while not (offered := tab(line, url, cwd)) and time.monotonic() < deadline:
        pass
    return offered


def test_commands_ids_results_presets_and_files(stack: Stack, done: str, tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text("{}")
    assert {"submit", "show", "open"} <= set(tab("tgsh ", stack.url, tmp_path))
    assert done in tab_again("tgsh show ", stack.url, tmp_path)
    assert tab_again(f"tgsh show {done[:10]}", stack.url, tmp_path) == [done]
    assert tab("tgsh show xyz", stack.url, tmp_path) == []
    offered = tab_again(f"tgsh fetch {done} ", stack.url, tmp_path)
    assert {"similarity", "similarity/epochs", "dendrogram", "figures/accuracy"} <= set(offered)
    assert "events" not in offered
    assert tab_again(f"tgsh fetch {done[:8]} simi", stack.url, tmp_path)[0] == "similarity"
    assert {"mine.json", "demo", "rotation-mnist"} <= set(tab("tgsh submit ", stack.url, tmp_path))
    rotations = tab("tgsh submit rota", stack.url, tmp_path)
    assert "rotation-mnist" in rotations
    assert all(name.startswith("rota") for name in rotations)


@pytest.mark.parametrize("listening", [True, False])
def test_a_service_that_is_silent_or_away_offers_nothing_and_soon(listening: bool, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        if not listening:
            silent.close()
        started = time.monotonic()
        assert tab("tgsh show ", url, tmp_path) == []
        assert time.monotonic() - started < 8  # 1.3 s of waiting, and the start of Python on a busy machine
