"""One layer's part of the context vectors, wherever vectors are asked for."""

from __future__ import annotations

import io

import httpx
import numpy as np
import pytest
from scipy.cluster import hierarchy
from scipy.spatial.distance import cdist, pdist
from sklearn.decomposition import PCA

from service.dependencies import Services
from tests.api.conftest import EPOCHS, finish, submit, vectors_of, work

WIDTH = 784 + 3
LAYERS = {None: slice(None), "layer-1": slice(784), "layer-2": slice(784, None)}

RESOURCES = ("similarity", "similarity/epochs", "dendrogram", "embedding", "context-vectors")


@pytest.fixture
def done(client: httpx.Client, services: Services) -> str:
    """The path of a completed experiment with a network of two layers."""
    experiment_id = submit(client, network={"kind": "neuromodnet", "layers": [3]})
    work(services, experiment_id, 0, 1, 2, width=WIDTH)
    finish(services, experiment_id)
    return f"/experiments/{experiment_id}"


def part(layer: str | None, epoch: int = EPOCHS) -> np.ndarray:
    return np.stack([vectors_of(index, WIDTH)[epoch] for index in range(3)])[:, LAYERS[layer]]


def asked(client: httpx.Client, path: str, layer: str | None, **params: str) -> dict[str, object]:
    answer = client.get(path, params=params | ({"layer": layer} if layer else {}))
    assert answer.status_code == 200, answer.text
    document: dict[str, object] = answer.json()
    assert document["layer"] == layer
    return document


@pytest.mark.parametrize("layer", LAYERS)
def test_every_result_is_of_that_layers_part(client: httpx.Client, done: str, layer: str | None) -> None:
    vectors = part(layer)
    similar = asked(client, f"{done}/similarity", layer)["values"]
    np.testing.assert_allclose(similar, 1 - cdist(vectors, vectors, "cosine"), atol=1e-6)
    tree = asked(client, f"{done}/dendrogram", layer)["linkage"]
    oracle = hierarchy.linkage(pdist(vectors, "cosine"), "average", optimal_ordering=True)
    np.testing.assert_allclose(tree, oracle, atol=1e-6)
    points = np.array(asked(client, f"{done}/embedding", layer, method="pca")["values"])
    spread = PCA(2).fit_transform(vectors.astype(np.float64))
    np.testing.assert_allclose(points @ points.T, spread @ spread.T, atol=1e-4)
    learned = np.array(asked(client, f"{done}/context-vectors", layer)["values"], np.float32)
    np.testing.assert_array_equal(learned, vectors)
    [course] = asked(client, f"{done}/similarity/epochs", layer, pairs="0-1")["pairs"]  # type: ignore[misc]
    expected = [1 - cdist(*part(layer, epoch)[[0, 1], None], "cosine")[0, 0] for epoch in range(EPOCHS + 1)]
    assert course["values"] == pytest.approx(expected, abs=1e-6)  # type: ignore[index]


@pytest.mark.parametrize("resource", RESOURCES)
def test_a_layer_has_its_own_file(client: httpx.Client, done: str, resource: str) -> None:
    path = f"{done}/{resource}"
    tags = {client.get(path, params={"layer": layer} if layer else {}).headers["ETag"] for layer in LAYERS}
    assert len(tags) == len(LAYERS)
    file = client.get(path, params={"layer": "layer-2", "format": "csv"}).headers["Content-Disposition"]
    assert file.endswith('-layer-2.csv"')


@pytest.mark.parametrize("resource", RESOURCES)
def test_a_layer_that_is_not_there(client: httpx.Client, done: str, resource: str) -> None:
    refused = client.get(f"{done}/{resource}", params={"layer": "layer-3"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "layer")
    assert "layer-1, layer-2" in refused.json()["detail"]


@pytest.mark.slow
def test_a_layer_in_other_formats(client: httpx.Client, done: str) -> None:
    content = client.get(f"{done}/context-vectors?layer=layer-2&format=npy").content
    np.testing.assert_array_equal(np.load(io.BytesIO(content), allow_pickle=False), part("layer-2"))
    for resource in ("similarity", "similarity/epochs", "dendrogram", "embedding"):
        picture = client.get(f"{done}/{resource}?layer=layer-2&format=svg").content
        assert picture.startswith(b"<?xml")
        assert picture != client.get(f"{done}/{resource}?layer=layer-1&format=svg").content


def test_before_any_task_is_done(client: httpx.Client) -> None:
    path = f"/experiments/{submit(client)}/similarity"
    assert asked(client, path, "layer-1")["values"] == []
    assert client.get(f"{path}?layer=layer-9").status_code == 422
