"""`tgsh open`, with a browser and without."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.system.cli.conftest import Tgsh, document
from tgsh.stack.stack import Stack


@pytest.fixture
def browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that webbrowser takes for one; it notes what it was asked to open."""
    program = tmp_path / "browser"
    program.write_text(f'#!/bin/sh\nprintf %s "$1" > {tmp_path}/opened\n')
    program.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(program))
    monkeypatch.setattr("webbrowser._tryorder", None)  # read BROWSER again
    return tmp_path / "opened"


def test_a_page_is_opened(tgsh: Tgsh, stack: Stack, done: str, browser: Path) -> None:
    page = f"{stack.url}/dashboard/experiments/{done}"
    assert document(tgsh("open", done[:10], "--json")) == {"url": page, "opened": True}
    assert browser.read_text() == page
    assert tgsh("open").stdout == f"{stack.url}/\n"
    assert browser.read_text() == f"{stack.url}/"


def test_without_a_browser_the_url_is_printed(
    tgsh: Tgsh, stack: Stack, done: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webbrowser._tryorder", [])
    opened = tgsh("open", done)
    assert (opened.returncode, opened.stdout) == (0, f"{stack.url}/dashboard/experiments/{done}\n")
    assert tgsh("open", "0" * 16).returncode == 4
    assert os.environ["TGSH_URL"] == stack.url
