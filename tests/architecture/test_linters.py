"""The linters, as tests: `pytest` is the one command that checks everything."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.compose import ROOT


@pytest.mark.timeout(600)  # mypy without its cache reads every dependency's types
@pytest.mark.parametrize("arguments", ["ruff check --no-cache", "ruff format --check", "mypy"])
def test_linter_has_no_complaint(arguments: str) -> None:
    command = [sys.executable, "-m", *arguments.split()]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=590, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


KERNELS = {"learn", "logits"}
"""Functions that numba compiles; they bear no annotations."""

DOCUMENTED = ("analysis", "networks", "training", "figures", "suites", "datasets", "client")
"""Packages whose public functions say what they take, with shapes and units, and what they return."""


def undocumented(*places: Path) -> list[str]:
    """Violations that pydoclint finds in public functions, methods and classes."""
    command = [sys.executable, "-c", "from pydoclint.main import main; main()", *map(str, places)]
    result = subprocess.run(
        [*command, "--config", str(ROOT / "pyproject.toml")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in result.stderr, result.stderr
    violations, file = [], ""
    for line in (result.stdout + result.stderr).splitlines():
        if line.endswith(".py"):
            file = line.strip()
        elif violation := re.search(r"DOC\d+: \w+ `([\w.]+)`", line):
            is_private = any(name.startswith("_") for name in violation[1].split("."))
            if not is_private and violation[1] not in KERNELS:
                violations.append(f"{file}:{line.strip()}")
    return violations


def test_public_functions_of_the_science_and_the_client_are_documented() -> None:
    assert undocumented(*(ROOT / "tgsh" / package for package in DOCUMENTED)) == []


def test_an_undocumented_parameter_is_found(tmp_path: Path) -> None:
    source = '''
def area(height: float, width: float) -> float:
    """Area of a rectangle."""
    return height * width


def _area(height: float) -> float:
    """Area of a square."""
    return height * height
'''
    (tmp_path / "rectangles.py").write_text(source, "utf-8")
    said = "\n".join(undocumented(tmp_path))
    assert "rectangles.py" in said
    assert "`area`" in said
    assert "_area" not in said


def test_ci_script_is_valid_and_executable() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", str(script)], check=True, timeout=30)
