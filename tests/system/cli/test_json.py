"""--json: every command prints one document, and fails with a problem."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import typer.main

from tests.system.cli.conftest import SLOW, TINY, Tgsh, document, problem
from tgsh.cli.application import app


def commands(group: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name, command in group.commands.items():
        below = getattr(command, "commands", None)
        found += commands(command, (*path, name)) if below else [(*path, name)]
    return found


def test_every_command_has_it_and_says_so() -> None:
    group: Any = typer.main.get_command(app)
    names = commands(group)
    assert {("up",), ("fetch",), ("keys", "add")} <= set(names)
    for path in names:
        command: Any = group
        for name in path:
            command = command.commands[name]
        assert "--json" in {option for parameter in command.params for option in parameter.opts}, path


def test_an_experiment_from_submit_to_delete(tgsh: Tgsh) -> None:
    made = document(tgsh("submit", "-", "--json", "--anew", text=json.dumps(TINY)))["id"]
    assert document(tgsh("watch", made, "--json"))["status"] == "completed"
    assert document(tgsh("share", made, "--json"))["shared"] is True
    assert document(tgsh("list", "--search", "tiny", "--json"))[0]["id"] == made
    fetched = document(tgsh("fetch", made, "similarity", "-o", "s.csv", "--json"))
    assert fetched == {"file": "s.csv", "bytes": Path("s.csv").stat().st_size}
    assert document(tgsh("delete", made, "--yes", "--json")) == {
        "id": made,
        "deleted": True,
        "forever": False,
    }


def test_cancel_and_resume(tgsh: Tgsh, slow: str) -> None:
    assert document(tgsh("cancel", slow, "--json"))["cancel_requested"] is True
    watched = tgsh("watch", slow, "--json")
    assert json.loads(watched.stdout)["status"] == "cancelled"
    assert watched.returncode == 1
    assert problem(watched)["type"].endswith(":work-failed")
    assert document(tgsh("resume", slow, "--json"))["status"] in {"queued", "running"}


def test_files_and_keys_of_a_home(tgsh: Tgsh, tmp_path: Path) -> None:
    home = ("--home", str(tmp_path / "home"))
    ran = document(tgsh("run", "-", "-o", "out", "--workers", "1", "--json", text=json.dumps(TINY)))
    assert ran["status"] == "completed"
    added = document(tgsh("keys", "add", "alice", *home, "--json"))
    assert (added["name"], added["role"]) == ("alice", "submit")
    assert added["key"].startswith("tgsh_")
    (listed,) = document(tgsh("keys", "list", *home, "--json"))
    assert listed["expires_at"][:19] == added["expires_at"][:19]
    assert document(tgsh("keys", "revoke", "alice", *home, "--json")) == {"name": "alice", "revoked": True}
    assert document(tgsh("version", "--json"))["version"].count(".") == 2


@pytest.mark.parametrize(
    ("arguments", "text", "status", "kind"),
    [
        (("show", "0" * 16), "", 4, "not-found"),
        (("show", "xyz"), "", 4, "not-found"),
        (("submit", "-"), json.dumps(SLOW | {"epocks": 3}), 2, "invalid-request"),
        (("submit", "-"), "[1]", 2, "invalid-request"),
        (("submit", "no-such.json"), "", 2, "invalid-request"),
        (("fetch", "DONE", "similarity", "-o", "s.gif"), "", 2, "not-acceptable"),
        (("fetch", "DONE", "similarity", "-o", "-", "--format", "csv"), "", 2, "invalid-request"),
        (("resume", "DONE"), "", 5, "conflict"),
        (("list", "--no-such-option"), "", 2, "usage"),
        (("no-such-command",), "", 2, "usage"),
        (("list", "--limit", "many"), "", 2, "usage"),
        (("show",), "", 2, "usage"),
        (("list", "--status", "undecided"), "", 2, "invalid-request"),
        (("list", "--url", "nonsense://"), "", 3, "service-unreachable"),
        (("up", "--host", "0.0.0.0"), "", 1, "machine-problem"),
        (("restore", "no-such.tar", "--home", "new"), "", 1, "machine-problem"),
    ],
)
def test_failures_are_problems(
    tgsh: Tgsh, done: str, arguments: tuple[str, ...], text: str, status: int, kind: str
) -> None:
    failed = tgsh(*(done if each == "DONE" else each for each in arguments), "--json", text=text)
    assert failed.stdout == ""
    found = problem(failed)
    assert (failed.returncode, found["type"].rpartition(":")[2]) == (status, kind), failed.stderr
    plain = tgsh(*(done if each == "DONE" else each for each in arguments), text=text)
    if "--format" not in arguments:  # which is a mistake only beside --json
        assert plain.returncode == status
        assert "Traceback" not in plain.stderr


def test_no_service_is_status_3(tgsh: Tgsh) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    found = problem(tgsh("list", "--url", url, "--json"))
    assert found["exit_status"] == 3
    assert url in found["detail"]
