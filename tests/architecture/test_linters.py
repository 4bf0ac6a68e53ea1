"""The linters, as tests: `pytest` is the one command that checks everything."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.compose import ROOT


@pytest.mark.timeout(600)  # mypy without its cache reads every dependency's types
@pytest.mark.parametrize("arguments", ["ruff check --no-cache", "ruff format --check", "mypy"])
def test_linter_has_no_complaint(arguments: str) -> None:
    command = [sys.executable, "-m", *arguments.split()]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=590, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_ci_script_is_valid_and_executable() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", str(script)], check=True, timeout=30)
