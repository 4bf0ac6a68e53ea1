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
from tgsh.cli import app
from tgsh.client import Client
from tgsh.errors import InvalidSpec, ServiceProblem
from tgsh.examples import own_data
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


def test_what_is_no_dataset_is_told_before_or_after_it_is_sent(client: Client, tmp_path: Path) -> None:
    x, y = coloured(2, 4)
    with pytest.raises(ServiceProblem, match="multiply by 255"):
        client.upload(x=x / 255, y=y)
    for arguments in (
        {},
        {"source": "x.npz", "x": x},
        {"source": tmp_path / "absent.npz"},
        {"source": "x.csv"},
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
    assert "everybody" in typed(stack, "share", "leaves")[1]
    assert client.dataset(added["id"]).shared
    assert json.loads(typed(stack, "share", "leaves", "--off", "--json")[1])["shared"] is False
    assert typed(stack, "delete", "leaves", "--yes")[0] == 0
    assert typed(stack, "show", "leaves")[0] == 4
    assert typed(stack, "add", str(file), "--size", "six")[0] == 2
    assert typed(stack, "add", str(tmp_path / "absent.npz"))[0] == 2
