"""The embedding in every format, by both methods."""

from __future__ import annotations

import csv
import io

import httpx
import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.manifold import ClassicalMDS

from service.dependencies import Services
from tests.api.conftest import EPOCHS, completed, submit, vectors_of, work

MAGIC = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


@pytest.fixture
def path(client: httpx.Client, services: Services) -> str:
    """Of an embedding of six tasks."""
    return completed(client, services, 6) + "/embedding"


def expected(method: str, dimensions: int, epoch: int = EPOCHS, metric: str = "cosine") -> np.ndarray:
    """Inner products of the points, which know no signs."""
    vectors = np.stack([vectors_of(index)[epoch] for index in range(6)]).astype(np.float64)
    oracle = PCA(dimensions) if method == "pca" else ClassicalMDS(n_components=dimensions, metric=metric)
    points = oracle.fit_transform(vectors)
    return points @ points.T


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", expected("mds", 2)),
        ("?dimensions=3&stage=before", expected("mds", 3, epoch=0)),
        ("?measure=correlation", expected("mds", 2, metric="correlation")),
        ("?method=pca&dimensions=3", expected("pca", 3)),
    ],
)
def test_the_points_are_scikit_learns(
    client: httpx.Client, path: str, query: str, wanted: np.ndarray
) -> None:
    document = client.get(path + query).json()
    points = np.array(document["values"])
    np.testing.assert_allclose(points @ points.T, wanted, atol=1e-6)
    assert points.shape == (6, document["dimensions"])
    assert document["labels"] == [f"{10 * index}°" for index in range(6)]
    assert document["complete"]
    assert 0 < sum(document["explained"]) <= 1
    assert (document["measure"] is None) == ("pca" in query)
    assert 0 < document["stress"] < 1


@pytest.mark.slow
def test_other_formats(client: httpx.Client, path: str) -> None:
    values = client.get(f"{path}?dimensions=3").json()["values"]
    rows = list(csv.reader(io.StringIO(client.get(f"{path}?dimensions=3&format=csv").text)))
    assert rows[0] == ["task", "label", "x", "y", "z"]
    assert [[float(value) for value in row[2:]] for row in rows[1:]] == values
    npy = client.get(f"{path}?dimensions=3", headers={"Accept": "application/x-npy"}).content
    np.testing.assert_array_equal(np.load(io.BytesIO(npy), allow_pickle=False), values)
    for name, start in MAGIC.items():
        assert client.get(f"{path}?format={name}").content.startswith(start)
    assert client.get(f"{path}?format=newick").status_code == 406


def test_conditional_requests(client: httpx.Client, path: str) -> None:
    etag = client.get(path).headers["ETag"]
    assert client.get(path, headers={"If-None-Match": etag}).status_code == 304
    others = ["method=pca", "dimensions=3", "stage=before", "measure=correlation", "format=npy"]
    assert etag not in [client.get(f"{path}?{query}").headers["ETag"] for query in others]


@pytest.mark.parametrize(("query", "field"), [("dimensions=4", "dimensions"), ("method=tsne", "method")])
def test_what_cannot_be_asked(client: httpx.Client, path: str, query: str, field: str) -> None:
    answer = client.get(f"{path}?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


@pytest.mark.slow
@pytest.mark.parametrize("method", ["mds", "pca"])
def test_few_tasks(client: httpx.Client, services: Services, method: str) -> None:
    experiment_id = submit(client)
    path = f"/experiments/{experiment_id}/embedding?method={method}"
    for done in range(3):
        document = client.get(path).json()
        assert np.shape(document["values"]) == ((done, 2) if done else (0,))
        assert not document["complete"]
        assert client.get(f"{path}&format=png").status_code == (200 if done else 409)
        work(services, experiment_id, done)
