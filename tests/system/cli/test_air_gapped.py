"""`tgsh deploy bundle`: what is in the archive sets a machine up that has no network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.support.compose import ROOT

FOLLOWED = """\
set -e
ip link set lo up
sha256sum --check --quiet SHA256SUMS
{python} -m venv {venv}
{venv}/bin/pip install --quiet --no-index --find-links wheels 'tgsh[cpu]'
cd {venv}
HOME={venv} ./bin/tgsh demo --output {venv}
"""
"""INSTALL.md's commands."""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(
    "TGSH_AIR_GAPPED" not in os.environ, reason="minutes of packages; set TGSH_AIR_GAPPED=1 to run it"
)
def test_a_machine_without_network_is_set_up_from_one_archive(tmp_path: Path) -> None:
    if os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("a namespace without network needs root, util-linux and iproute2")
    file = Path(os.environ.get("TGSH_AIR_GAPPED_BUNDLE", tmp_path / "tgsh.tar"))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if not file.exists():
        command = "from tgsh.cli import app; app()"
        words = [sys.executable, "-c", command, "deploy", "bundle", str(file), "--source", str(ROOT)]
        subprocess.run(words, env=dict(os.environ), check=True)
    with tarfile.open(file) as archive:
        archive.extractall(tmp_path, filter="data")
    folder = tmp_path / "tgsh"
    assert (folder / "guide" / "index.md").is_file()
    assert (folder / "source" / "Dockerfile").is_file()
    assert "--find-links wheels 'tgsh[cpu]'" in (folder / "INSTALL.md").read_text("utf-8")
    script = FOLLOWED.format(python=sys.executable, venv=tmp_path / "venv")
    done = subprocess.run(
        ["unshare", "--net", "bash", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "venv" / "similarity.png").stat().st_size > 1000
