"""Commands that train here, on a machine without network and without the images."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.support import published_datasets
from tests.system.cli.conftest import problem
from tgsh.datasets.downloads import FILES
from tgsh.specs.presets import PRESETS

TGSH = [sys.executable, "-c", "import sys; from tgsh.cli import app; sys.exit(app())"]
NAMESPACES = ["unshare", "--net", "--mount"]


@functools.cache
def unshared() -> list[str]:
    """A command prefix that gives a process no network and mounts of its own."""
    for prefix in (NAMESPACES, [*NAMESPACES, "--map-root-user"]):
        try:
            subprocess.run([*prefix, "true"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return prefix
    missing("unshare cannot be used here: a process cannot be cut from the network")
    raise AssertionError


def _offline(
    folder: Path, *arguments: str, text: str = "", read_only: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """A command in an empty folder, images in data/; read_only: a folder that cannot be written to there."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TGSH_") and not name.lower().endswith("_proxy")
    }
    environment |= {"TGSH_DATA_DIR": str(folder / "data"), "COLUMNS": "80", "LC_ALL": "C.UTF-8"}
    mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    prefix = [] if read_only is None else ["sh", "-c", mount, str(read_only)]
    return subprocess.run(
        [*unshared(), *prefix, *TGSH, *arguments],
        input=text,
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        timeout=60,
        check=False,
    )


def _left(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path


CAUSES = {
    "mnist cannot be downloaded: Temporary failure in name resolution",
    "mnist cannot be downloaded: Name or service not known",  # as the machine's resolver has it
}


def _remedy(folder: Path) -> str:
    return (
        "Put train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, "
        f"t10k-labels-idx1-ubyte (or .gz) into {folder}/data/MNIST/raw, "
        "or use mnist5k, which needs none: --dataset mnist5k"
    )


@pytest.mark.parametrize(
    "command", [("run", "rotation-mnist", "-o", "out"), ("reproduce", "--dataset", "mnist", "-o", "out")]
)
def test_a_person_reads_two_lines(folder: Path, command: tuple[str, ...]) -> None:
    plain = _offline(folder, *command)
    assert (plain.returncode, plain.stdout) == (1, "")
    cause, remedy = plain.stderr.splitlines()
    assert cause in CAUSES
    assert remedy == _remedy(folder)
    assert _left(folder) == ["data"]


def test_a_program_reads_one_document(folder: Path) -> None:
    failed = _offline(folder, "run", "rotation-mnist", "-o", "out", "--json")
    assert (failed.returncode, failed.stdout, len(failed.stderr.splitlines())) == (1, "", 1)
    document = problem(failed)
    assert document["type"] == "urn:tgsh:problem:dataset-unavailable"
    cause, remedy = document["detail"].splitlines()
    assert cause in CAUSES
    assert remedy == _remedy(folder)
    assert _left(folder) == ["data"]


def test_a_folder_that_can_only_be_read_is_named(folder: Path) -> None:
    for option in ((), ("--json",)):
        failed = _offline(folder, "run", "rotation-mnist", "-o", "out", *option, read_only=folder / "data")
        assert (failed.returncode, failed.stdout) == (1, "")
        text = problem(failed)["detail"] if option else failed.stderr
        cause = f"mnist cannot be downloaded: {folder}/data cannot be written to"
        assert text.splitlines() == [cause, _remedy(folder)]
        assert _left(folder) == ["data"]


def test_a_data_folder_that_is_not_there_is_not_made(folder: Path) -> None:
    (folder / "data").rmdir()
    assert _offline(folder, "run", "rotation-mnist", "-o", "out").stderr.splitlines()[0] in CAUSES
    assert _left(folder) == []


def test_all_missing_datasets_are_named_at_once(folder: Path) -> None:
    datasets = ["kmnist", "mnist5k", "fashion-mnist"]
    spec = {"suite": {"kind": "datasets", "datasets": datasets}}
    failed = _offline(folder, "run", "-", "-o", "out", text=json.dumps(spec))
    cause, remedy = failed.stderr.splitlines()
    assert cause.removeprefix("k") in CAUSES
    assert f"into {folder}/data/KMNIST/raw and {folder}/data/FashionMNIST/raw" in remedy
    spec["suite"]["datasets"] = [*datasets, "0" * 16, "1" * 16]
    refused = _offline(folder, "run", "-", "-o", "out", text=json.dumps(spec))
    assert (refused.returncode, refused.stderr.splitlines()) == (
        2,
        [
            f"dataset: only a service has uploaded datasets (tgsh submit): {'0' * 16}, {'1' * 16}; "
            "missing here, too: kmnist, fashion-mnist"
        ],
    )
    assert _left(folder) == ["data"]


def test_the_dataset_that_is_offered_works(folder: Path) -> None:
    spec = {"preset": "rotation-mnist", "suite": {"tasks": 2}, "training": {"epochs": 1, "train_limit": 500}}
    command = ("run", "-", "--dataset", "mnist5k", "-o", "out", "--workers", "1")
    ended = _offline(folder, *command, text=json.dumps(spec))
    assert ended.returncode == 0, ended.stderr
    assert json.loads((folder / "out" / "spec.json").read_text())["dataset"] == "mnist5k"
    assert PRESETS["rotation-mnist"].dataset == "mnist"
    assert _left(folder / "data") == []


def test_images_that_can_only_be_read_are_enough(folder: Path) -> None:
    raw = folder / "data" / "MNIST" / "raw"
    published_datasets.write(raw, published_datasets.contents())
    before = _left(folder / "data")
    spec = {"suite": {"kind": "rotation", "tasks": 1}, "training": {"epochs": 1, "train_limit": 500}}
    command = ("run", "-", "-o", "out", "--workers", "1")
    ended = _offline(folder, *command, text=json.dumps(spec), read_only=folder / "data")
    assert ended.returncode == 0, ended.stderr
    assert _left(folder / "data") == before


def test_when_every_task_fails_the_reason_is_said(folder: Path) -> None:
    raw = folder / "data" / "MNIST" / "raw"
    published_datasets.write(raw, dict.fromkeys(FILES, b"no images"))
    command = ("run", "rotation-mnist", "-o", "out", "--workers", "1")
    failed = _offline(folder, *command)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "Traceback" not in failed.stderr
    reason = (
        f"36 of 36 tasks failed; task 0 (0°): mnist in {raw} cannot be read: train-images-idx3-ubyte does"
    )
    assert reason in failed.stderr.splitlines()[-1]
    written = json.loads((folder / "out" / "experiment.json").read_text())
    assert written["status"] == "failed"
    assert "Traceback" not in written["reason"]
    assert not list((folder / "out").glob("similarity*"))
    again = _offline(folder, *command, "--json")
    assert json.loads(again.stdout)["status"] == "failed"
    assert reason in problem(again)["detail"]
