"""A small soak on either database; `python -m tests.soak` goes on for a hundred thousand jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import missing
from tests.soak.lab import soak
from tests.support.postgres import find_tool


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_little_work_leaves_nothing_and_grows_nothing(kind: str, tmp_path: Path) -> None:
    if kind == "postgresql" and find_tool("initdb") is None:
        missing("no PostgreSQL server tools; install Debian's package postgresql")
    soaked = soak(tmp_path, kind, jobs=100, seconds=10, keep=3, at_once=2, tasks=10)
    assert soaked.is_flat, soaked.report()
    assert soaked.jobs >= 30
