"""`tgsh keys` as a user types it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tgsh.api_keys import KeyFile, find
from tgsh.cli.application import app


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TGSH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TGSH_API_KEYS_FILE", raising=False)
    monkeypatch.setenv("COLUMNS", "160")


def keys(*arguments: str) -> Result:
    result = CliRunner().invoke(app, ["keys", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_a_key_is_printed_once_and_alone(tmp_path: Path) -> None:
    assert "No keys" in keys("list").stdout
    added = keys("add", "alice", "--role", "admin", "--expires", "90d")
    assert added.exit_code == 0
    (key,) = added.stdout.split()
    assert "not shown again" in added.stderr
    there = KeyFile(tmp_path / "home" / "keys.json").read()
    assert there is not None
    found = find(there, key)
    assert found is not None
    assert (found.name, found.role) == ("alice", "admin")
    assert found.expires_at is not None
    assert abs(found.expires_at - datetime.now(UTC) - timedelta(days=90)) < timedelta(minutes=1)
    listed = keys("list")
    assert all(
        word in listed.stdout for word in ("alice", "admin", f"{found.expires_at.astimezone():%Y-%m-%d}")
    )
    assert key not in listed.stdout
    (row,) = json.loads(keys("list", "--json").stdout)
    assert row.keys() == {"name", "role", "created_at", "expires_at"}
    assert "Revoked alice" in keys("revoke", "alice").stdout
    assert "nobody gets in" in keys("add", "bob").stderr + keys("revoke", "bob").stderr
    assert json.loads(keys("list", "--json").stdout) == []


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["add", "a b"], 2, "NAME"),
        (["add", "a", "--role", "boss"], 2, "read, submit, admin"),
        (["add", "a", "--expires", "soon"], 2, "90d"),
        (["add", "a", "--expires", "0d"], 2, "90d"),
        (["add", "a", "--expires", "999999w"], 2, "90d"),
        (["revoke", "a"], 4, "tgsh keys list"),
        (["revoke", "-"], 4, "tgsh keys list"),
    ],
)
def test_what_is_wrong_is_one_line(arguments: list[str], status: int, said: str, tmp_path: Path) -> None:
    refused = keys(*arguments)
    assert refused.exit_code == status
    assert said in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert not (tmp_path / "home" / "keys.json").exists()


def test_a_key_may_last(tmp_path: Path) -> None:
    keys("add", "robot", "--role", "read", "--expires", "never", "--file", str(tmp_path / "other.json"))
    (row,) = json.loads(keys("list", "--json", "--file", str(tmp_path / "other.json")).stdout)
    assert (row["name"], row["role"], row["expires_at"]) == ("robot", "read", None)


def test_an_expired_key_is_shown_as_such(tmp_path: Path) -> None:
    KeyFile(tmp_path / "home" / "keys.json").add("eve", "read", datetime(2020, 1, 1, tzinfo=UTC))
    assert "(expired)" in keys("list").stdout
