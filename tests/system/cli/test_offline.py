"""A machine with no network but its loopback: the demo, and a service that is asked for more than it has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.compose import ROOT
from tests.support.without_torch import hide_torch
from tests.system.cli.test_missing_data import unshared

TGSH = [sys.executable, "-c", "import sys; from tgsh.cli import app; sys.exit(app())"]
LOOPBACK = ["sh", "-c", 'ip link set lo up && exec "$0" "$@"']
COMMANDS = {
    "submit": ["submit", "rotation-mnist"],
    "submit --json": ["submit", "rotation-mnist", "--json"],
    "estimate": ["estimate", "rotation-mnist"],
    "augment": ["submit", "augment-mnist"],
    "catalog": ["catalog"],
    "with mnist5k": ["submit", "rotation-mnist", "--dataset", "mnist5k", "--json"],
}
SERVICE = """
import json, subprocess, sys
from pathlib import Path
from tgsh.stack.stack import Stack

if __name__ == "__main__":
    home, tgsh, commands = Path(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
    with Stack(home, workers=1) as stack:
        for name, words in commands.items():
            done = subprocess.run([*tgsh, *words, "--url", stack.url], capture_output=True, text=True)
            print(json.dumps([name, done.returncode, done.stdout, done.stderr]))
"""


def offline(folder: Path, *command: str, path: str = str(ROOT)) -> subprocess.CompletedProcess[str]:
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("TGSH_")}
    return subprocess.run(
        [*unshared(), *LOOPBACK, *command],
        capture_output=True,
        text=True,
        cwd=folder,
        env=inherited | {"COLUMNS": "80", "LC_ALL": "C.UTF-8", "PYTHONPATH": path},
        timeout=170,
        check=False,
    )


@pytest.mark.slow
def test_the_demo_needs_no_network(tmp_path: Path) -> None:
    done = offline(tmp_path, *TGSH, "demo", "--home", "home")
    assert done.returncode == 0, done.stdout + done.stderr
    text = done.stdout + done.stderr
    assert "each of 36 rotations is most like its neighbours, 10° away: 36 of 36." in text
    assert f"  {tmp_path}/similarity.png" in text.splitlines()
    assert max(len(line) for line in text.splitlines() if not line.startswith(" ")) <= 80
    assert (tmp_path / "similarity.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_service_without_images_or_torch_says_so_before_anything_is_queued(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(SERVICE)
    path = f"{hide_torch(tmp_path / 'hidden')}:{ROOT}"
    arguments = [str(tmp_path / "home"), json.dumps(TGSH), json.dumps(COMMANDS)]
    done = offline(tmp_path, sys.executable, str(program), *arguments, path=path)
    assert done.returncode == 0, done.stderr
    lines: list[list[Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    answers = {name: (status, out, err) for name, status, out, err in lines}
    raw = tmp_path / "home" / "data" / "MNIST" / "raw"
    for name in ("submit", "estimate"):
        status, out, err = answers[name]
        assert (status, out) == (2, ""), name
        first, second = err.splitlines()
        assert first.startswith("dataset: mnist is not here and cannot be downloaded: ")
        assert second.startswith("Put train-images-idx3-ubyte, ")
        assert second.endswith(f" (or .gz) into {raw}, or use mnist5k, which needs none")
    status, out, err = answers["submit --json"]
    assert (status, out, json.loads(err)["errors"][0]["field"]) == (2, "", "dataset")
    status, out, err = answers["augment"]
    assert (status, out) == (2, "")
    assert err.startswith("suite.kind: augment needs torch: pip install 'tgsh[worker]'")
    assert "dataset: mnist is not here" in err
    catalog = answers["catalog"][1]
    assert "mnist is not here and cannot be downloaded" in " ".join(catalog.split())
    assert "augment needs torch: pip install 'tgsh[worker]'" in " ".join(catalog.split())
    status, out, err = answers["with mnist5k"]
    assert (status, json.loads(out)["spec"]["dataset"]) == (0, "mnist5k"), err
    assert not raw.exists()
