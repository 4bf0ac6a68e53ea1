"""Placements with known truths, asked by client and command line, carried out by a worker beside them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from service.app import create_app
from service.settings import ServiceSettings
from tests.support.compose import ROOT
from tests.support.execution import never, run_all_jobs, submit, worker_context
from tests.support.serving import serving
from tests.support.without_torch import hide_torch
from tgsh.api_keys import KeyFile
from tgsh.cli.application import app as application
from tgsh.client import Client
from tgsh.datasets.mnist import load_dataset
from tgsh.errors import InvalidSpec
from tgsh.execution import runner
from tgsh.execution.context import WorkerContext
from tgsh.specs.presets import Submission
from tgsh.store import analyses
from tgsh.store.analyses import AnalysisRequest
from tgsh.store.backup import backup, restore
from tgsh.suites.pixel_maps import rotation_map

SPEC = Submission.model_validate(
    {
        "dataset": "mnist5k",
        "suite": {"kind": "rotation", "tasks": 18, "step_degrees": 20},
        "network": {"kind": "flynet", "expansion": 4},
        "training": {"epochs": 2, "train_limit": 2000},
    }
).spec()


@dataclass(frozen=True)
class Lab:
    """A service with a completed experiment and a worker."""

    url: str
    home: Path
    experiment: str


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    home = tmp_path_factory.mktemp("lab")
    context = worker_context(home)
    experiment = submit(context, SPEC)
    run_all_jobs(context, experiment)
    ended = threading.Event()

    def work() -> None:
        own = worker_context(home, "second")
        while not ended.wait(0.02):
            runner.run_next(own, never)

    worker = threading.Thread(target=work)
    worker.start()
    settings = ServiceSettings(home=home, redis_url=SecretStr("redis://127.0.0.1:1/0"))
    with serving(create_app(settings)) as http:
        yield Lab(str(http.base_url), home, experiment)
    ended.set()
    worker.join()


@pytest.fixture
def client(lab: Lab) -> Iterator[Client]:
    with Client(lab.url) as client:
        yield client


def digits(count: int, angle: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Test images, which no task was trained on."""
    data = load_dataset("mnist5k", Path("unused"))
    turned = rotation_map(angle, 28, 28).apply(data.test_images[:count])
    return turned.reshape(-1, 28, 28), data.test_labels[:count].astype(np.int64)


@pytest.mark.parametrize("angle", [9, 47, 133, 211, 289])
def test_an_unknown_rotation_lies_beside_its_neighbours(client: Client, lab: Lab, angle: int) -> None:
    placement = client.place(lab.experiment, *digits(250, angle), name=f"turned by {angle}")
    assert placement.status == "completed", placement.reason
    assert placement.novel is False
    assert placement.nearest is not None
    assert abs((20 * placement.nearest - angle + 180) % 360 - 180) <= 20
    assert placement.estimate is not None
    assert abs((placement.estimate.value - angle + 180) % 360 - 180) <= 12
    table = placement.to_dataframe()
    assert list(table.columns) == ["similarity", "low", "high"]
    assert table.index[0] == f"{20 * placement.nearest}°"
    assert "most like" in repr(placement)


def kinds() -> dict[str, tuple[np.ndarray, np.ndarray, bool]]:
    """Images, classes, and whether they are like no rotation of digits."""
    rng = np.random.default_rng(5)
    images, labels = digits(250)
    numbers = np.arange(250) % 10
    patterns = rng.normal(0, 1, (10, 7, 7)).repeat(4, axis=1).repeat(4, axis=2)
    textures = patterns[numbers] + rng.normal(0, 1, (250, 28, 28))
    grey = 255 * (textures - textures.min()) / np.ptp(textures)
    noisy = np.clip(images + rng.normal(0, 60, images.shape), 0, 255)
    return {
        "textures": (grey.astype(np.uint8), numbers, True),
        "white noise": (rng.integers(0, 256, (250, 28, 28)).astype(np.uint8), numbers, True),
        "inverted digits": (255 - images, labels, True),
        "digits under wrong names": (images, (labels + 4) % 10, True),
        "noisy digits": (noisy.astype(np.uint8), labels, False),
        "shifted digits": (np.roll(images, 1, axis=2), labels, False),
    }


@pytest.mark.parametrize("kind", list(kinds()))
def test_what_is_novel_is_told_from_what_is_only_changed(client: Client, lab: Lab, kind: str) -> None:
    images, labels, is_novel = kinds()[kind]
    placement = client.place(lab.experiment, images, labels)
    assert placement.novel is is_novel, placement.sentence
    if not is_novel:
        assert placement.nearest == 0


def test_textures_are_novel_however_their_classes_are_matched(client: Client, lab: Lab) -> None:
    images, labels, _ = kinds()["textures"]
    placement = client.place(lab.experiment, images, labels, classes="nearest")
    assert placement.p is None
    assert placement.novel is True


def test_the_client_lists_fetches_and_deletes(client: Client, lab: Lab) -> None:
    with pytest.raises(InvalidSpec, match="not both"):
        client.place(lab.experiment, *digits(60), dataset="mnist5k")
    asked = client.place(lab.experiment, *digits(60), wait=False)
    assert asked.status in ("queued", "running", "completed")
    placement = client.wait_placement(lab.experiment[:8], asked.id, timeout=60)
    assert placement == client.placement(lab.experiment, asked.id)
    assert asked.id in [each.id for each in client.placements(lab.experiment, page_size=2)]
    found = client.placement_map(lab.experiment, asked.id)
    assert len(found.values) == 18
    assert client.placement_file(lab.experiment, asked.id, "png", "samples").startswith(b"\x89PNG")
    axes = placement.plot().axes
    assert len(axes) == 1
    client.delete_placement(lab.experiment, asked.id)
    assert asked.id not in [each.id for each in client.placements(lab.experiment)]


def test_the_accuracy_matrix_comes_later_through_the_client(client: Client, lab: Lab) -> None:
    matrix = client.compute_accuracy_matrix(lab.experiment, timeout=300)
    values = np.asarray(matrix)
    assert values.shape == (18, 18)
    assert (values.argmax(axis=1) == np.arange(18)).all()


def test_the_command_line_says_it_in_a_sentence(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TGSH_URL", lab.url)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)
    images, labels = digits(120, 100)
    np.savez("mystery.npz", images=images, labels=labels)
    arguments = ["place", lab.experiment[:8], "mystery.npz", "-o", "ranking.svg", "--map", "map.png"]
    told = CliRunner().invoke(application, arguments)
    assert told.exit_code == 0, told.output
    assert "Your images are most like 100°" in told.stdout
    assert "and 8 more" in told.stdout
    assert Path("ranking.svg").read_text().startswith("<?xml")
    assert Path("map.png").read_bytes().startswith(b"\x89PNG")
    mapped = ["place", lab.experiment, "mystery.npz", "--classes", '{"1": "1", "7": "7", "9": "9"}', "--json"]
    document = json.loads(CliRunner().invoke(application, mapped).stdout)
    assert document["matching"] == "map"
    assert document["images_left_out"] > 0
    assert document["nearest_label"] == "100°"
    wrong = CliRunner().invoke(application, ["place", lab.experiment, "mystery.npz", "--classes", "{"])
    assert wrong.exit_code != 0


def fresh(folder: Path) -> tuple[WorkerContext, str]:
    """A completed experiment of three rotations."""
    folder.mkdir(exist_ok=True)
    context = worker_context(folder)
    spec = SPEC.model_copy(update={"suite": SPEC.suite.model_copy(update={"tasks": 3, "step_degrees": 60})})
    experiment = submit(context, spec)
    run_all_jobs(context, experiment)
    return context, experiment


def asked(context: WorkerContext, experiment: str, **changes: object) -> str:
    options = {"dataset": "mnist5k", "classes": "names", "name": "", "replicates": 2, "seed": 0}
    params = {**options, "train_limit": 100, **changes}
    request = AnalysisRequest(analyses.new_id(), experiment, "placement", None, params)
    return analyses.create(context.database, request).id


def test_a_worker_that_stops_gives_it_back_and_the_next_has_the_same_answer(tmp_path: Path) -> None:
    context, experiment = fresh(tmp_path)
    undisturbed = asked(context, experiment)
    runner.run_next(context, never)
    disturbed = asked(context, experiment)
    stopped = runner.run_next(context, lambda: True)
    assert stopped is not None
    assert (stopped.outcome, stopped.due) == ("released", {"tgsh": 1})
    assert analyses.get(context.database, experiment, disturbed).status == "queued"
    again = runner.run_next(context, never)
    assert again is not None
    assert (again.outcome, again.attempt) == ("completed", 1)
    records = [analyses.get(context.database, experiment, id) for id in (undisturbed, disturbed)]
    assert records[0].summary == records[1].summary
    assert records[0].artifact_sha256 == records[1].artifact_sha256


def test_what_fails_says_why(tmp_path: Path) -> None:
    context, experiment = fresh(tmp_path)
    gone = asked(context, experiment, dataset="0" * 16)
    work = runner.run_next(context, never)
    assert work is not None
    assert work.outcome == "failed"
    record = analyses.get(context.database, experiment, gone)
    assert (record.status, record.reason) == ("failed", f"there is no dataset {'0' * 16!r}")


def test_a_placement_is_in_the_backup(tmp_path: Path) -> None:
    context, experiment = fresh(tmp_path / "one")
    id = asked(context, experiment)
    runner.run_next(context, never)
    saved = backup(context.database, context.artifacts, KeyFile(tmp_path / "keys.json"), tmp_path / "all.tar")
    assert saved.damaged == ()
    restore(tmp_path / "all.tar", tmp_path / "two")
    there = worker_context(tmp_path / "two")
    record = analyses.get(there.database, experiment, id)
    tensors, _ = there.artifacts.load(str(record.artifact), str(record.artifact_sha256))
    assert tensors["vectors"].shape[0] == 2


SCRIPT = """
import sys
from pathlib import Path
from tests.support.execution import never, worker_context
from tgsh.execution import runner
from tgsh.execution.context import WorkerContext
from tgsh.store import analyses
context = worker_context(Path(sys.argv[1]))
options = {"dataset": "mnist5k", "classes": "names", "name": ""}
options |= {"train_limit": 100, "replicates": 2, "seed": 0}
request = analyses.AnalysisRequest(analyses.new_id(), sys.argv[2], "placement", None, options)
record = analyses.create(context.database, request)
work = runner.run_next(context, never)
found = analyses.get(context.database, sys.argv[2], record.id)
assert found.status == "completed", found.reason
assert found.summary["nearest"]["task"] == 0
assert "torch" not in sys.modules
"""


def test_it_needs_no_torch(tmp_path: Path) -> None:
    _, experiment = fresh(tmp_path)
    path = os.pathsep.join([hide_torch(tmp_path / "hidden"), str(ROOT)])
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), experiment]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
