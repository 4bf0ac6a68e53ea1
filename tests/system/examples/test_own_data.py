"""Datasets of one's own from a user's side, against real processes: the example, the client, the commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.support.uploads import coloured, npz, picture, zipped
from tgsh.cli.application import app
from tgsh.client import Client
from tgsh.errors import InvalidSpec, ServiceProblem
from tgsh.examples import own_data, own_photos
from tgsh.stack.stack import Stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("own") / "home", workers=1) as running:
        yield running


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[Client]:
    with Client(stack.url) as client:
        yield client


def test_the_example_runs_as_the_readme_says(stack: Stack, client: Client, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tgsh.examples.own_data", "--url", stack.url, "--output", str(tmp_path)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TGSH_")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=170, check=False)
    assert done.returncode == 0, done.stderr
    assert "0° is most like" in done.stdout
    assert "shapes by dusk is most like" in done.stdout
    figures = sorted(tmp_path.iterdir())
    assert [file.name for file in figures] == [
        "shapes-by-day-dusk-and-night.png",
        "shapes-by-day-rotated.png",
    ]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in figures)
    rotated, compared = sorted(client.experiments(), key=lambda experiment: len(experiment.name))
    assert min(rotated.mean_accuracy or 0, compared.mean_accuracy or 0) > 0.9
    assert {dataset.used_by for dataset in client.datasets()} == {1, 2}
    assert rotated.spec.dataset_key in {dataset.id for dataset in client.datasets()}


def test_the_same_images_again_are_the_same_dataset(client: Client, tmp_path: Path) -> None:
    x, y = own_data.make_images(own_data.LIGHT_COLOURS["day"], 0)
    first = client.upload(x=x, y=y)
    file = tmp_path / "shapes.npz"
    file.write_bytes(npz(x=x, y=y))
    assert client.upload(file).id == client.upload(str(file)).id == first.id
    assert client.dataset(first.id).class_names == list(own_data.SHAPES)
    assert client.dataset_samples(first.id).startswith(b"\x89PNG")


def test_photos_of_a_phone_go_in_with_one_call(stack: Stack, client: Client, tmp_path: Path) -> None:
    """Twelve classes with German names, three broken files, two orientations, what systems leave there."""
    command = [sys.executable, "-m", "tgsh.examples.own_photos", "--url", stack.url]
    command += ["--output", str(tmp_path), "--photos", str(tmp_path / "Blätter")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TGSH_")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=170, check=False)
    assert done.returncode == 0, done.stderr
    assert "357 images in 12 classes" in done.stdout
    assert "3 files could not be read and were left out" in done.stdout
    assert "turned upright" in done.stdout
    assert sorted(file.name for file in tmp_path.glob("*.png")) == [
        "leaves-reconstructions.png",
        "leaves-similarity.png",
    ]
    dataset = client.dataset("Blätter")
    assert sorted(dataset.class_names) == sorted(own_photos.NAMES)
    assert (dataset.height, dataset.width, dataset.channels) == (24, 32, 3)
    [experiment] = [each for each in client.experiments() if each.name == "leaves, rotated"]
    assert (experiment.mean_accuracy or 0) > 0.5  # by chance 0.08
    assert "Haselnuß" in client.confusion(experiment.id, 0).class_names
    # the command takes the folder, too, and the same photos are the same dataset
    status, text = typed(
        stack, "add", str(tmp_path / "Blätter"), "--size", "24x32", "--on-bad", "skip", "--dry-run"
    )
    assert (status, "357 images in 12 classes" in text) == (0, True)
    assert "You have these images already, as Blätter" in text
    refused = typed(stack, "add", str(tmp_path / "Blätter"))
    assert refused[0] == 2
    for name in ("Ahorn", "Kürbis", "Ulme", "on_bad=skip"):
        assert name in refused[1]


def test_what_is_no_dataset_is_told_before_or_after_it_is_sent(client: Client, tmp_path: Path) -> None:
    x, y = coloured(2, 4)
    with pytest.raises(ServiceProblem, match="y"):
        client.upload(x=x)
    for arguments in (
        {},
        {"source": "x.npz", "x": x},
        {"source": tmp_path / "absent.npz"},
        {"source": (x, y, y)},
        {"source": tmp_path},
    ):
        with pytest.raises(InvalidSpec, match="source"):
            client.upload(**arguments)  # type: ignore[arg-type]
    with pytest.raises(InvalidSpec, match="y: holds Python objects"):
        client.upload(x=x, y=np.array([None] * len(y)))


def typed(stack: Stack, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["datasets", *arguments, "--url", stack.url], env={"COLUMNS": "160"})
    return result.exit_code, result.output


def test_the_commands(stack: Stack, client: Client, tmp_path: Path) -> None:
    x, y = coloured(2, 6, (8, 8), seed=4)
    file = tmp_path / "leaves.zip"
    file.write_bytes(zipped({f"{'ab'[k]}/{n}.png": picture(x[n]) for n, k in enumerate(y)}))
    status, text = typed(stack, "add", str(file), "--size", "6x4", "--channels", "3")
    assert (status, "leaves, 12 images of 6 × 4 in colour, 2 classes" in text) == (0, True)
    status, text = typed(stack, "list", "--json")
    [added] = [each for each in json.loads(text) if each["name"] == "leaves"]
    assert (added["height"], added["width"], added["channels"]) == (6, 4, 3)
    assert "leaves" in typed(stack, "list")[1]
    for word in (added["id"], added["id"][:6], "leaves"):
        assert json.loads(typed(stack, "show", word, "--json")[1])["id"] == added["id"]
    drawn = tmp_path / "leaves.svg"
    assert "class names" in typed(stack, "show", "leaves", "-o", str(drawn))[1]
    assert "<svg" in drawn.read_text()
    edited = ("--name", "Blatt", "--notes", "from the yard", "--licence", "CC0")
    assert "Blatt" in typed(stack, "edit", "leaves", *edited)[1]
    assert client.dataset("Blatt").notes == "from the yard"
    assert typed(stack, "edit", "Blatt")[0] == 2
    assert typed(stack, "edit", "Blatt", "--name", "leaves")[0] == 0
    assert "everybody" in typed(stack, "share", "leaves")[1]
    assert client.dataset(added["id"]).shared
    assert json.loads(typed(stack, "share", "leaves", "--off", "--json")[1])["shared"] is False
    assert typed(stack, "delete", "leaves", "--yes")[0] == 0
    assert typed(stack, "show", "leaves")[0] == 4
    assert typed(stack, "add", str(file), "--size", "six")[0] == 2
    assert typed(stack, "add", str(file), str(file), "--name", "two")[0] == 2
    assert typed(stack, "add", str(tmp_path / "absent.npz"))[0] == 2
