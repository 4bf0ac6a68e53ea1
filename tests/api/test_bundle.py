"""The bundle of an experiment: what is in it, when there is none, and that it is the same each time."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import numpy as np
import pytest

from service.dependencies import Services
from service.results import FIGURES
from service.results.bundle import DRAWN
from tests.api.conftest import Measured, finish, submit, work
from tests.api.test_trained_results import train
from tests.support.bundles import unpack
from tgsh.bundles.reader import read
from tgsh.datasets.mnist import load_dataset

SMALL: dict[str, Any] = {
    "network": {"kind": "flynet", "expansion": 2},
    "training": {"epochs": 2, "train_limit": 300},
    "name": "=small",
}


GSH = {"kind": "gsh", "hidden": 1, "rank": 1}


def completed(client: httpx.Client, services: Services, measured: Measured = MappingProxyType({})) -> str:
    """The path of an experiment whose vectors are of our own; of a network that has no reconstructions."""
    experiment_id = submit(client, network=GSH)
    work(services, experiment_id, 0, 1, 2)
    finish(services, experiment_id, measured)
    return f"/experiments/{experiment_id}"


@pytest.mark.slow
def test_everything_is_in_it(client: httpx.Client, services: Services, tmp_path: Path) -> None:
    path = train(client, services, **SMALL)
    answer = client.get(f"{path}/bundle")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    id = path.rsplit("/", 1)[-1]
    assert answer.headers["content-disposition"] == f'attachment; filename="tgsh-{id}.zip"'
    files = unpack(answer.content)
    manifest = json.loads(files["manifest.json"])
    assert list(files) == [*sorted(manifest["files"]), "manifest.json"]
    for name, known in manifest["files"].items():
        digest = hashlib.sha256(files[name]).hexdigest()
        assert known == {"sha256": digest, "bytes": len(files[name])}
    figures = {f"figures/{name}.{format}" for name in FIGURES for format in ("png", "svg")}
    of_matrix = {f"figures/{name}.{end}" for name in ("accuracy-matrix", "transfer") for end in DRAWN}
    assert figures - files.keys() == of_matrix
    assert manifest["left_out"].keys() == {*of_matrix, "transfer.json"}
    assert "not asked for" in manifest["left_out"]["figures/accuracy-matrix.png"]

    for name, query in (
        ("similarity/after.csv", "similarity?format=csv"),
        ("similarity/before.npy", "similarity?format=npy&stage=before"),
        ("accuracy.csv", "accuracy?format=csv"),
        ("dendrogram.nwk", "dendrogram?format=newick"),
        ("figures/similarity.png", "figures/similarity.png"),
        ("figures/hashing.svg", "hashing?format=svg"),
        ("scenarios.json", "scenarios"),
    ):
        assert files[name] == client.get(f"{path}/{query}").content, name
    vectors = np.load(io.BytesIO(files["vectors.npy"]), allow_pickle=False)
    for epoch in range(3):
        wanted = client.get(f"{path}/context-vectors?format=npy&stage={epoch}").content
        np.testing.assert_array_equal(vectors[epoch], np.load(io.BytesIO(wanted), allow_pickle=False))

    experiment = client.get(path).json()
    told = json.loads(files["experiment.json"])
    for name in ("id", "name", "digest", "base_id", "versions", "mean_accuracy"):
        assert told[name] == experiment[name]
    assert told["compute"] == [client.get(f"{path}/tasks/0").json()["compute"]]
    assert told["machines"][0].startswith("Linux")
    assert "owner" not in told
    assert json.loads(files["spec.json"]) == experiment["spec"]
    digits = load_dataset("mnist5k", tmp_path).digests
    assert json.loads(files["datasets.json"])["images"] == [{**digits, "tasks": [0, 1, 2]}]
    losses = files["losses.csv"].decode().splitlines()
    assert losses[0] == "task,label,1,2"
    assert [float(cell) for cell in losses[2].split(",")[2:]] == client.get(f"{path}/tasks/1").json()["loss"]
    for name in files:
        assert any(name.startswith(known) for known in files["README.txt"].decode().split()), name
    file = tmp_path / "bundle.zip"
    file.write_bytes(answer.content)
    assert read(file).spec.digest() == experiment["digest"]


@pytest.mark.slow
def test_who_has_it_is_told_so_and_who_asks_again_gets_the_same(
    client: httpx.Client, services: Services
) -> None:
    path = completed(client, services)
    first, second = (client.get(f"{path}/bundle") for _ in range(2))
    assert first.content == second.content
    etag = first.headers["ETag"]
    again = client.get(f"{path}/bundle", headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    figure = client.get(f"{path}/figures/similarity.png").headers["ETag"]
    other = client.get(f"{path}/bundle", headers={"If-None-Match": figure})
    assert other.content == first.content
    assert client.get(f"{path}/bundle?format=zip", headers={"Accept": "text/csv"}).content == first.content
    assert client.get(f"{path}/bundle", headers={"Accept": "application/json"}).status_code == 406
    assert client.get(f"{completed(client, services)}/bundle").headers["ETag"] != etag
    assert client.get(path).json()["links"]["bundle"] == f"{path}/bundle"


@pytest.mark.slow
def test_what_is_not_completed_has_none_and_why(client: httpx.Client, services: Services) -> None:
    experiment_id = submit(client, network=GSH)
    path = f"/experiments/{experiment_id}"
    work(services, experiment_id, 0)
    running = client.get(f"{path}/bundle")
    assert running.status_code == 409
    assert "running: wait" in running.json()["detail"]
    client.post(f"{path}/cancel")
    assert "cancelled: resume it" in client.get(f"{path}/bundle").json()["detail"]
    client.post(f"{path}/resume")
    work(services, experiment_id, 1, 2)
    finish(services, experiment_id)
    assert client.get(f"{path}/bundle").status_code == 200
    assert client.get(f"/experiments/{'0' * 16}/bundle").status_code == 404


@pytest.mark.slow
def test_one_of_a_version_that_did_not_record_its_images_says_so(
    client: httpx.Client, services: Services
) -> None:
    files = unpack(client.get(f"{completed(client, services)}/bundle").content)
    assert json.loads(files["datasets.json"]) == {"dataset": "mnist5k", "images": []}
    assert json.loads(files["experiment.json"])["machines"] == []
    left_out = json.loads(files["manifest.json"])["left_out"]
    assert "figures/geometry.png" in left_out
    assert "a gsh has no reconstructions" in left_out["figures/reconstructions.png"]
    assert "measured/geometry.safetensors" not in files


@pytest.mark.parametrize("damage", ["removed", "bit"])
def test_a_damaged_file_is_told_before_anything_is_sent(
    client: httpx.Client, services: Services, damage: str
) -> None:
    path = completed(
        client, services, measured={"samples": ({"images": np.zeros((3, 1, 4), np.float32)}, {})}
    )
    file = services.settings.home / "artifacts" / path.rsplit("/", 1)[-1] / "samples.safetensors"
    content = file.read_bytes()
    file.unlink() if damage == "removed" else file.write_bytes(content[:-1] + b"\1")
    answer = client.get(f"{path}/bundle")
    assert answer.status_code == 500
    assert "samples.safetensors" in answer.json()["detail"]
    assert "resume" in answer.json()["detail"]
