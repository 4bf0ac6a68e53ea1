"""Images, compose and systemd in their real homes, where somebody asks for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.compose import ROOT


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(
    not os.environ.get("TGSH_CONTAINERS"), reason="TGSH_CONTAINERS=1 builds images, for a quarter of an hour"
)
def test_every_claim_about_containers_is_kept(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tests.containers", "--report", str(tmp_path / "report.md")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 2:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr
