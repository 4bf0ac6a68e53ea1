"""The file of keys."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tgsh.api_keys import Key, KeyFile, digest, find, new_key
from tgsh.errors import Conflict, InvalidSpec, KeysUnreadable, NotFound
from tgsh.system import is_everywhere, is_loopback


@pytest.fixture
def keys(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "home" / "keys.json")


def test_the_file_holds_hashes_for_this_user_alone(keys: KeyFile) -> None:
    key = keys.add("alice", "submit", None)
    assert key.startswith("tgsh_")
    assert len(key) == len("tgsh_") + 32
    text = keys.path.read_text()
    assert key not in text
    assert key.removeprefix("tgsh_") not in text
    assert digest(key) in text
    assert stat.S_IMODE(keys.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.path.parent.stat().st_mode) == 0o700
    assert [path.name for path in keys.path.parent.iterdir()] == ["keys.json"]


def test_a_key_is_found_by_itself_alone(keys: KeyFile) -> None:
    shown = {name: keys.add(name, "read", None) for name in ("a", "b", "c")}
    there = keys.read()
    assert there is not None
    for name, key in shown.items():
        found = find(there, key)
        assert found is not None
        assert found.name == name
        for other in (
            key[:-1],
            key + "x",
            key.upper(),
            digest(key),
            key.removeprefix("tgsh_"),
            "",
            "ü\ud83d"[:1],
        ):
            assert find(there, other) is None
    assert find((), shown["a"]) is None
    assert len({new_key() for _ in range(100)}) == 100


def test_a_key_ends_with_its_time() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    key = Key(name="a", role="read", sha256="0" * 64, created_at=at, expires_at=at + timedelta(days=1))
    assert not key.is_expired(at + timedelta(hours=23))
    assert key.is_expired(at + timedelta(days=1))
    assert key.is_expired()
    assert not key.model_copy(update={"expires_at": None}).is_expired()


def test_names_are_one_persons_and_plain(keys: KeyFile) -> None:
    keys.add("alice", "submit", None)
    with pytest.raises(Conflict, match="revoke alice"):
        keys.add("alice", "admin", None)
    for bad in ("", "=1", "a b", "a\n", "-a", "x" * 65, "é", "a/b", 'a"'):
        with pytest.raises(InvalidSpec, match="NAME"):
            keys.add(bad, "read", None)
    keys.add("a.person@lab-2", "read", None)
    with pytest.raises(NotFound, match="nobody"):
        keys.revoke("nobody")


def test_no_file_and_no_keys_are_two_things(keys: KeyFile) -> None:
    assert keys.read() is None
    keys.add("alice", "submit", None)
    keys.revoke("alice")
    assert keys.read() == ()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"keys": [{"name": "a"}]}', '{"keys": [], "more": 1}'])
def test_a_broken_file_is_an_error_and_is_not_written_over(keys: KeyFile, content: str) -> None:
    keys.path.parent.mkdir()
    keys.path.write_text(content)
    for act in (keys.read, lambda: keys.add("a", "read", None), lambda: keys.revoke("a")):
        with pytest.raises(KeysUnreadable, match=r"keys\.json"):
            act()
    assert keys.path.read_text() == content


def test_many_may_add_at_once(keys: KeyFile) -> None:
    with ProcessPoolExecutor(4) as pool:
        made = list(pool.map(_add, [keys.path] * 20, range(20)))
    there = keys.read()
    assert there is not None
    assert sorted(key.sha256 for key in there) == sorted(map(digest, made))
    assert json.loads(keys.path.read_text())["keys"][0]["role"] == "read"


def _add(path: Path, number: int) -> str:
    return KeyFile(path).add(f"n{number}", "read", None)


def test_addresses() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost", "::ffff:127.0.0.1")))
    assert not any(
        map(is_loopback, ("0.0.0.0", "::", "192.0.2.1", "localhost.evil.example", "", "/run/sock"))
    )
    assert all(map(is_everywhere, ("0.0.0.0", "::", "[::]", "")))
    assert not any(map(is_everywhere, ("127.0.0.1", "lab.example")))
