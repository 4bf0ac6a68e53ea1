"""Predictions and representations of images that the caller sends, by networks that were really trained."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import safetensors.numpy
import torch

from service.dependencies import Services
from service.routers import inference
from tests.api import test_images_sent
from tests.api.conftest import EPOCHS, submit, vectors_of, work
from tests.api.test_trained_results import train
from tests.support.requests import JSON, NPY, as_json, as_npy
from tgsh.client import Client
from tgsh.datasets.base import ImageDataset
from tgsh.datasets.mnist import load_dataset
from tgsh.errors import ServiceProblem
from tgsh.networks.registry import context_of, random_base
from tgsh.networks.torch_registry import learner
from tgsh.specs import ExperimentSpec
from tgsh.suites import build
from tgsh.suites.pixel_maps import PixelMap
from tgsh.training.state import stacked_parameters

pytestmark = pytest.mark.slow  # networks are really trained

NETWORKS: list[dict[str, Any]] = [
    {"kind": "flynet", "expansion": 2},
    {"kind": "neuromodnet", "layers": [64, 32]},
    {"kind": "tgsh", "hidden": 64, "rank": 16},
    {"kind": "gsh", "hidden": 64, "rank": 16},
]
SMALL = {"kind": "flynet", "expansion": 1, "fan_in": 7}
UNITS = 784
MOST_BYTES = 2**20  # TGSH_MAX_BODY_BYTES, unless set


@pytest.fixture(scope="module")
def digits() -> ImageDataset:
    return load_dataset("mnist5k", Path())


@pytest.fixture
def task(client: httpx.Client, services: Services) -> str:
    """The path of the second of three rotations, with vectors of our own."""
    experiment_id = submit(client, network=SMALL)
    work(services, experiment_id, 0, 1, width=UNITS)
    return f"/experiments/{experiment_id}/tasks/1"


def ask(client: httpx.Client, path: str, sent: np.ndarray, **params: object) -> httpx.Response:
    """The answer to images that are sent as npy."""
    return client.post(path, content=as_npy(sent), params=params, headers={"Content-Type": NPY})  # type: ignore[arg-type]


def values(answer: httpx.Response) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    array: np.ndarray = np.load(io.BytesIO(answer.content), allow_pickle=False)
    return array


def as_learned(spec: ExperimentSpec, index: int, vector: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Representations of images as a learner makes them, float32 [n, R]."""
    base, context = random_base(spec.network, 784, 10, spec.base_seed), context_of(spec.network, 784, 10)
    nets = learner(base, [PixelMap.identity(784)], [index], torch.device("cpu"))
    nets.load_parameters(
        torch.from_numpy(stacked_parameters([context.parameters(np.array(vector))], context))
    )
    return nets.representations(torch.tensor(seen)[None])[0].numpy()


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network["kind"])
def test_they_are_the_workers(
    client: httpx.Client, services: Services, digits: ImageDataset, network: dict[str, Any]
) -> None:
    path = train(client, services, network=network, training={"epochs": 1})
    spec = ExperimentSpec.model_validate(client.get(path).json()["spec"])
    vectors = values(client.get(f"{path}/context-vectors?format=npy"))
    for index, task in enumerate(build(spec.suite, digits.info)):
        assert isinstance(task.transform, PixelMap)
        seen = task.transform.apply(digits.test_images)
        right = 0
        for start in range(0, len(seen), 400):
            batch = slice(start, start + 400)
            probabilities = values(
                ask(client, f"{path}/tasks/{index}/predictions", seen[batch], format="npy")
            )
            assert probabilities.dtype == np.float32
            np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
            right += int((probabilities.argmax(axis=1) == digits.test_labels[batch]).sum())
        recorded = client.get(f"{path}/tasks/{index}").json()["accuracy"] * len(seen)
        assert abs(right - recorded) < 1.5  # float32 sums in another order may break one tie
        got = values(ask(client, f"{path}/tasks/{index}/representations", seen[:50], format="npy"))
        wanted = as_learned(spec, index, vectors[index], seen[:50])
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("kind", ["uint8", "float32"])
@pytest.mark.parametrize("what", ["predictions", "representations"])
def test_the_service_moves_pixels_as_the_task_does(
    client: httpx.Client, task: str, digits: ImageDataset, what: str, kind: str
) -> None:
    shown = digits.test_images[:20] if kind == "uint8" else (digits.test_images[:20] / 255).astype(kind)
    spec = ExperimentSpec.model_validate(client.get(task.partition("/tasks")[0]).json()["spec"])
    transform = build(spec.suite, digits.info)[1].transform
    assert isinstance(transform, PixelMap)
    by_us = ask(client, f"{task}/{what}", transform.apply(shown), format="npy")
    by_the_service = ask(client, f"{task}/{what}", shown, format="npy", transform=True)
    assert by_the_service.content == by_us.content
    assert ask(client, f"{task}/{what}", shown, format="npy").content != by_us.content


def test_what_changes_values_is_the_callers_to_do(client: httpx.Client, services: Services) -> None:
    experiment_id = submit(client, suite={"kind": "augment"}, network=SMALL)
    work(services, experiment_id, 0, 1, 3, width=UNITS)
    sent = np.zeros((1, 784), np.uint8)
    for index, status in ((1, 200), (3, 409)):
        path = f"/experiments/{experiment_id}/tasks/{index}/predictions"
        assert ask(client, path, sent).status_code == 200
        answer = ask(client, path, sent, transform=True)
        assert answer.status_code == status
    assert "T4 blurred" in answer.json()["detail"]
    assert "already transformed" in answer.json()["detail"]


def test_predictions_in_every_format(client: httpx.Client, task: str, digits: ImageDataset) -> None:
    sent, path = digits.test_images[:7], f"{task}/predictions"
    answer = ask(client, path, sent)
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == (JSON, "no-store")
    document = answer.json()
    experiment = client.get(task.partition("/tasks")[0]).json()
    assert {key: document[key] for key in ("experiment_id", "base_id", "stage", "task", "label")} == {
        "experiment_id": experiment["id"],
        "base_id": experiment["base_id"],
        "stage": "after",
        "task": 1,
        "label": "10°",
    }
    probabilities = np.array(document["probabilities"])
    assert probabilities.shape == (7, 10)
    assert document["classes"] == probabilities.argmax(axis=1).tolist()
    np.testing.assert_array_equal(values(ask(client, path, sent, format="npy")), np.float32(probabilities))
    table = client.post(path, content=as_npy(sent), headers={"Content-Type": NPY, "Accept": "text/csv"})
    rows = list(csv.reader(io.StringIO(table.text)))
    assert rows[0] == ["image", "class", *map(str, range(10))]
    assert [[int(row[0]), int(row[1])] for row in rows[1:]] == list(map(list, enumerate(document["classes"])))
    assert [[float(cell) for cell in row[2:]] for row in rows[1:]] == document["probabilities"]
    assert table.headers["content-disposition"].endswith(f'predictions-{experiment["id"]}-1.csv"')
    assert client.get(task).json()["links"]["predictions"] == path


def test_representations_in_every_format(client: httpx.Client, task: str, digits: ImageDataset) -> None:
    sent, path = digits.test_images[:7], f"{task}/representations"
    document = ask(client, path, sent).json()
    assert (document["task"], document["label"], document["stage"]) == (1, "10°", "after")
    array = values(ask(client, path, sent, format="npy"))
    assert (array.dtype, array.shape) == (np.float32, (7, UNITS))
    np.testing.assert_array_equal(np.float32(document["values"]), array)
    rows = list(csv.reader(io.StringIO(ask(client, path, sent, format="csv").text)))
    assert rows[0] == ["image", *map(str, range(UNITS))]
    np.testing.assert_array_equal(np.float32([row[1:] for row in rows[1:]]), array)
    packed = ask(client, path, sent, format="safetensors").content
    tensors = safetensors.numpy.load(packed)
    np.testing.assert_array_equal(tensors["values"], array)
    assert tensors["tasks"].tolist() == [1]
    about = json.loads(packed[8 : 8 + int.from_bytes(packed[:8], "little")])["__metadata__"]["tgsh"]
    assert json.loads(about)["labels"] == ["10°"]
    assert client.get(task).json()["links"]["representations"] == path


def test_json_and_npy_are_the_same_images(client: httpx.Client, task: str, digits: ImageDataset) -> None:
    for sent in (digits.test_images[:3], digits.test_images[:3].reshape(3, 28, 28) / 255):
        answer = client.post(f"{task}/predictions", content=as_json(sent), headers={"Content-Type": JSON})
        assert answer.status_code == 200, answer.text
        assert answer.json() == ask(client, f"{task}/predictions", sent).json()


def test_every_stage_has_its_own(client: httpx.Client, task: str, digits: ImageDataset) -> None:
    seen = digits.test_images[:5]
    spec = ExperimentSpec.model_validate(client.get(task.partition("/tasks")[0]).json()["spec"])
    for stage, epoch in (("before", 0), ("0", 0), ("1", 1), ("2", 2), ("after", EPOCHS)):
        got = values(ask(client, f"{task}/representations", seen, format="npy", stage=stage))
        wanted = as_learned(spec, 1, vectors_of(1, UNITS)[epoch], seen)
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def test_what_is_not_there(client: httpx.Client, task: str, digits: ImageDataset) -> None:
    experiment, sent = task.partition("/tasks")[0], digits.test_images[:1]
    for what in ("predictions", "representations"):
        untrained = ask(client, f"{experiment}/tasks/2/{what}", sent)
        assert untrained.status_code == 409
        assert "0 of 2 epochs" in untrained.json()["detail"]
        assert ask(client, f"{experiment}/tasks/2/{what}", sent, stage="before").status_code == 409
        assert ask(client, f"{experiment}/tasks/3/{what}", sent).status_code == 404
        assert ask(client, f"/experiments/{'f' * 16}/tasks/0/{what}", sent).status_code == 404
        assert ask(client, f"{task}/{what}", sent, stage="3").status_code == 404
        assert ask(client, f"{task}/{what}", sent, format="png").status_code == 406
        assert client.get(f"{task}/{what}").status_code == 405
    assert ask(client, f"{task}/predictions", sent, format="safetensors").status_code == 406


@pytest.mark.parametrize("what", ["predictions", "representations"])
def test_bad_images_are_problems(client: httpx.Client, task: str, what: str) -> None:
    for name, (media_type, body, field) in test_images_sent.BAD.items():
        wanted = (422, [field]) if len(body) <= MOST_BYTES else (413, ["body"])
        answer = client.post(f"{task}/{what}", content=body, headers={"Content-Type": media_type})
        assert answer.headers["content-type"] == "application/problem+json"
        fields = [error["field"] for error in answer.json()["errors"]]
        assert (answer.status_code, fields) == wanted, name
    for headers in ({"Content-Type": "image/png"}, {}):
        answer = client.post(f"{task}/{what}", content=as_npy(np.zeros(784, np.uint8)), headers=headers)
        assert answer.status_code == 415
        assert answer.json()["type"] == "urn:tgsh:problem:unsupported-media-type"
        assert [error["field"] for error in answer.json()["errors"]] == ["content-type"]
    too_much = ask(client, f"{task}/{what}", np.zeros((200, 784)))
    assert too_much.status_code == 413
    assert "in parts" in too_much.json()["detail"]


def test_too_many_numbers(client: httpx.Client, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment_id = submit(client, network={"kind": "flynet", "expansion": 2})
    work(services, experiment_id, 0, width=1568)
    path, sent = f"/experiments/{experiment_id}/tasks/0/representations", np.zeros((638, 784), np.uint8)
    for name in ("json", "csv"):
        refused = ask(client, path, sent, format=name)
        assert refused.status_code == 406
        assert "npy or safetensors" in refused.json()["detail"]
        assert ask(client, path, sent[:637], format=name).status_code == 200
    assert values(ask(client, path, sent, format="npy")).shape == (638, 1568)
    monkeypatch.setattr(inference, "MAX_VALUES", 1_000_000)
    refused = ask(client, path, sent, format="npy")
    assert refused.status_code == 422
    assert refused.json()["errors"] == [
        {"field": "images", "message": "each becomes 1,568 numbers; send 637 at most"}
    ]


def test_vectors_of_another_network_are_not_trusted(client: httpx.Client, services: Services) -> None:
    experiment_id = submit(client, network=SMALL)
    work(services, experiment_id, 0, width=5)
    answer = ask(client, f"/experiments/{experiment_id}/tasks/0/predictions", np.zeros(784, np.uint8))
    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:tgsh:problem:artifact-error"


def test_the_client(client: httpx.Client, task: str, digits: ImageDataset) -> None:
    experiment_id, sent = task.split("/")[2], digits.test_images[:6]
    document = ask(client, f"{task}/predictions", sent).json()
    with Client(str(client.base_url), transport=client._transport) as ours:
        assert ours.predictions(experiment_id, 1, sent).model_dump() == document
        assert ours.predictions(experiment_id, 1, sent.tolist()).model_dump() == document
        by_floats = ours.predictions(experiment_id, 1, (sent / 255).tolist())
        np.testing.assert_allclose(by_floats.probabilities, document["probabilities"], atol=1e-5)
        moved = ours.representations(experiment_id, 1, sent, stage="before", transform=True)
        wanted = ask(client, f"{task}/representations", sent, stage="before", transform=True, format="npy")
        np.testing.assert_array_equal(moved, values(wanted))
        with pytest.raises(ServiceProblem, match="int64") as refused:
            ours.predictions(experiment_id, 1, [256] * 784)
        assert refused.value.status == 422
        with pytest.raises(ServiceProblem, match="infinity"):
            ours.representations(experiment_id, 1, [1e300] * 784)


def test_the_client_of_something_else() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, text="<html>"))
    with Client(transport=transport) as ours, pytest.raises(ServiceProblem, match="is this a tgsh service"):
        ours.representations("0" * 16, 0, np.zeros(784, np.uint8))


def test_the_api_pages_show_both_bodies(client: httpx.Client, task: str) -> None:
    document = client.get("/openapi.json").json()
    for what in ("predictions", "representations"):
        operation = document["paths"][f"/experiments/{{experiment_id}}/tasks/{{index}}/{what}"]["post"]
        bodies = operation["requestBody"]["content"]
        assert set(bodies) == {NPY, JSON}
        [example] = bodies[JSON]["examples"].values()
        assert client.post(f"{task}/{what}", json=example["value"]).status_code == 200
        [schema] = operation["responses"]["200"]["content"][JSON]["schema"].values()
        [shown] = document["components"]["schemas"][schema.rpartition("/")[2]]["examples"]
        assert set(client.post(f"{task}/{what}", json=example["value"]).json()) == set(shown)
