"""A FlyNet whose tasks are pixel maps trains and finishes where torch is not installed, to the same bytes."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.compose import ROOT
from tests.support.without_torch import hide_torch

PROGRAM = """
import sys
from pathlib import Path

from tgsh.execution import local
from tgsh.specs import ExperimentSpec

if __name__ == "__main__":
    spec, folder = ExperimentSpec.model_validate_json(sys.argv[1]), Path(sys.argv[2])
    ended = local.run(spec, folder, 1, lambda progress: None)
    print(ended.status, ended.reason, sorted(ended.versions))
"""

SUITES = {
    "split": {"kind": "split"},
    "corruption": {"kind": "corruption", "names": ["glass-blur", "zigzag"], "severities": [2]},
    "rotation": {"kind": "rotation", "tasks": 3},
    "custom": {
        "kind": "custom",
        "tasks": [
            {"label": "as it is", "transforms": []},
            {
                "label": "moved",
                "transforms": [{"kind": "rotate", "degrees": 40}, {"kind": "horizontal-flip"}],
            },
            {"label": "on grey", "transforms": [{"kind": "rotate", "degrees": 40, "fill": 0.5}]},
        ],
    },
}


TOLD = ("experiment.json", "tgsh.db")
"""Files that tell when, how long and with what an experiment was trained; all others are its results."""


def spec_of(suite: str) -> dict[str, object]:
    """Few small tasks of that suite."""
    return {
        "dataset": "mnist5k",
        "suite": SUITES[suite],
        "network": {"kind": "flynet", "expansion": 2},
        "training": {"epochs": 2, "train_limit": 300},
        "accuracy_matrix": True,
    }


def run(spec: dict[str, object], folder: Path, tmp_path: Path, *, torch: bool) -> str:
    """Train in a process of its own; what it prints."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    found_in = [str(ROOT)] if torch else [hide_torch(tmp_path / "hidden"), str(ROOT)]
    done = subprocess.run(
        [sys.executable, str(program), json.dumps(spec), str(folder)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(found_in), "TGSH_COMPUTE": "auto"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every result, by name; names of files in the store hold random tokens."""
    files = [path for path in (folder / "artifacts").rglob("*") if path.is_file()]
    results = [
        path
        for path in files
        if path.parent.name not in ("tasks", "by-content") and not path.name.startswith("provenance")
    ]
    return {
        path.stem.rpartition("-")[0]: hashlib.sha256(path.read_bytes()).hexdigest() for path in results
    } | {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.is_file() and not path.name.startswith(TOLD)
    }


@pytest.mark.parametrize("suite", SUITES)
def test_the_same_bytes_where_torch_is_not_installed(suite: str, tmp_path: Path) -> None:
    without = run(spec_of(suite), tmp_path / "without", tmp_path, torch=False)
    assert without.startswith("completed None")
    assert "torch" not in without
    ordinary = run(spec_of(suite), tmp_path / "with", tmp_path, torch=True)
    assert "torch" in ordinary
    results = digests(tmp_path / "with")
    measured = {"vectors", "geometry", "samples", "class-means", "accuracy-matrix", "probe", "calibration"}
    exported = {"accuracy.csv", "similarity.csv", "similarity.png", "context-vectors.safetensors"}
    assert set(results) == measured | exported | {"spec.json"}
    assert digests(tmp_path / "without") == results
