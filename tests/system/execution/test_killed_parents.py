"""Child processes of a parent that is killed: they end too, whatever they were doing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.compose import ROOT

SECONDS = 20

FIGURES = """
import os, time
from service.subprocesses import ChildProcess

if __name__ == "__main__":
    child = ChildProcess(20)
    print(child.call(os.getpid), flush=True)
    time.sleep(600)
"""

UPLOADS = """
import json, os, sys, time
from pathlib import Path
from tgsh.datasets.uploads.sandbox import run_in_subprocess

def read(path):
    Path(path).write_text(str(os.getpid()))
    time.sleep(600)

if __name__ == "__main__":
    run_in_subprocess(read, (sys.argv[1],), Path.cwd(), 600)
"""

TRAINING = """
import sys
from pathlib import Path
from tgsh.execution import local
from tgsh.specs.presets import Submission

if __name__ == "__main__":
    spec = Submission.model_validate_json(sys.argv[2]).spec()
    Path(sys.argv[1]).write_text("started")
    local.run(spec, Path.cwd() / "run", 2, lambda _: None)
"""


@pytest.fixture
def killed(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[list[psutil.Process]]:
    """Children, at work, of a program that has just been killed."""
    source, count = request.param
    (tmp_path / "program.py").write_text(source)
    spec = {
        "dataset": "mnist5k",
        "suite": {"kind": "rotation", "tasks": 36, "step_degrees": 10},
        "training": {"epochs": 500},
    }
    told = tmp_path / "told"
    with told.open("w") as output, (tmp_path / "errors").open("w") as errors:
        program = subprocess.Popen(
            [sys.executable, "program.py", str(told), json.dumps(spec)],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT), "TGSH_HOME": str(tmp_path / "home")},
            stdout=output,
            stderr=errors,
        )
    children: list[psutil.Process] = []
    try:
        deadline = time.monotonic() + SECONDS
        while not told.read_text() or len(children) < count:
            assert program.poll() is None, (tmp_path / "errors").read_text()
            assert time.monotonic() < deadline, (tmp_path / "errors").read_text()
            time.sleep(0.05)
            children = _spawned(program.pid)
        os.kill(program.pid, signal.SIGKILL)
        program.wait()
        yield children
    finally:
        program.kill()
        for child in children:
            if child.is_running():
                child.kill()


def _spawned(pid: int) -> list[psutil.Process]:
    """Its children that run our functions, not multiprocessing's own helper."""
    return [each for each in psutil.Process(pid).children() if "spawn_main" in " ".join(each.cmdline())]


@pytest.mark.parametrize(
    "killed",
    [(FIGURES, 1), (UPLOADS, 1), (TRAINING, 2)],
    ids=["figures", "uploads", "training"],
    indirect=True,
)
def test_they_end_with_their_parent(killed: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(killed, timeout=SECONDS)
    assert alive == []
