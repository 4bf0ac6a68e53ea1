"""The blocking client is the one that the asynchronous client generates."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.architecture import generate_sync
from tests.architecture.generate_sync import SOURCE, TARGET, generated, leftovers


def stale_files(folder: Path) -> list[str]:
    """Modules in a copy of `_sync` that differ from a fresh generation, are missing, or have no source."""
    fresh = generated()
    present = {path.name: path.read_text("utf-8") for path in folder.glob("*.py")}
    return sorted(name for name in fresh | present if fresh.get(name) != present.get(name))


def test_the_checked_in_client_is_generated() -> None:
    assert {path.name for path in SOURCE.glob("*.py")} >= {"__init__.py", "client.py", "connection.py"}
    assert stale_files(TARGET) == [], "run python -m tests.architecture.generate_sync"


def test_an_edit_by_hand_a_lost_and_a_foreign_file_are_noticed(tmp_path: Path) -> None:
    copy = tmp_path / "_sync"
    shutil.copytree(TARGET, copy)
    client = copy / "client.py"
    client.write_text(client.read_text("utf-8").replace("30.0", "31.0", 1), "utf-8")
    (copy / "results.py").unlink()
    (copy / "extra.py").write_text("", "utf-8")
    assert stale_files(copy) == ["client.py", "extra.py", "results.py"]


def test_the_command_writes_what_was_edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate_sync, "TARGET", tmp_path / "_sync")
    generate_sync.main()
    assert stale_files(tmp_path / "_sync") == []


def test_nothing_asynchronous_is_left() -> None:
    texts = generated()
    assert not {name: leftovers(text) for name, text in texts.items() if leftovers(text)}
    assert all(text.startswith(f"# Generated from tgsh/client/_async/{name}") for name, text in texts.items())
    assert leftovers("async def get() -> None: await anyio.sleep(1)") == ["async", "await", "anyio"]
