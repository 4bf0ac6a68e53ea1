"""What the images of each task look like, in every format."""

from __future__ import annotations

import io
import json

import httpx
import numpy as np
import pytest
import safetensors.numpy

from service.dependencies import Services
from tests.api.conftest import Measured, completed, submit
from tgsh.client import Client

KEPT = [0, 2, 3]
CLASSES = [7, 2, 1, 0]
MAGIC = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


def pixels() -> np.ndarray:
    """What the finish keeps: float32 [3, 4, 784]."""
    return np.random.default_rng(3).random((len(KEPT), len(CLASSES), 784), np.float32)


def measured() -> Measured:
    tensors = {"images": pixels(), "classes": np.array(CLASSES, np.int64)}
    return {"samples": (tensors, {"tasks": json.dumps(KEPT)})}


@pytest.fixture
def path(client: httpx.Client, services: Services) -> str:
    """Of the samples of an experiment of four tasks, of which three were kept."""
    return completed(client, services, 4, measured()) + "/samples"


def test_the_document(client: httpx.Client, path: str) -> None:
    document = client.get(path).json()
    assert (document["tasks"], document["labels"]) == (KEPT, ["0°", "20°", "30°"])
    assert document["classes"] == CLASSES
    np.testing.assert_array_equal(np.array(document["images"], np.float32), pixels().reshape(3, 4, 28, 28))


def test_tasks_can_be_chosen(client: httpx.Client, path: str) -> None:
    document = client.get(f"{path}?tasks=3,0").json()
    assert (document["tasks"], document["labels"]) == ([3, 0], ["30°", "0°"])
    np.testing.assert_array_equal(
        np.array(document["images"], np.float32), pixels()[[2, 0]].reshape(2, 4, 28, 28)
    )
    for wrong in ("1", "4", "all", ""):
        refused = client.get(path, params={"tasks": wrong})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "tasks"), wrong


def test_the_client_reads_them(client: httpx.Client, path: str) -> None:
    with Client(str(client.base_url), transport=client._transport) as reader:
        samples = reader.samples(path.split("/")[2], tasks="2,0")
    assert (samples.tasks, samples.classes) == ([2, 0], CLASSES)


@pytest.mark.slow
def test_other_formats(client: httpx.Client, path: str) -> None:
    npy = np.load(io.BytesIO(client.get(f"{path}?format=npy").content), allow_pickle=False)
    np.testing.assert_array_equal(npy, pixels().reshape(3, 4, 28, 28))
    tensors = safetensors.numpy.load(client.get(f"{path}?format=safetensors&tasks=2").content)
    np.testing.assert_array_equal(tensors["values"], pixels()[[1]].reshape(1, 4, 28, 28))
    assert tensors["tasks"].tolist() == [2]
    for name, start in MAGIC.items():
        assert client.get(f"{path}?format={name}").content.startswith(start)
    assert client.get(f"{path}?format=csv").status_code == 406


def test_conditional_requests(client: httpx.Client, path: str) -> None:
    tag = client.get(path).headers["ETag"]
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 304
    others = ["tasks=0", "tasks=2,0,3", "format=npy"]
    assert tag not in [client.get(f"{path}?{query}").headers["ETag"] for query in others]


def test_before_the_finish(client: httpx.Client, services: Services) -> None:
    experiment_id = submit(client)
    refused = client.get(f"/experiments/{experiment_id}/samples")
    assert refused.status_code == 409
    assert f"when an experiment completes; {experiment_id} is queued" in refused.json()["detail"]
    old = client.get(f"{completed(client, services)}/samples")
    assert (old.status_code, "did not measure it" in old.json()["detail"]) == (409, True)
