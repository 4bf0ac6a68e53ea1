"""The dendrogram in every format, and what cannot be clustered."""

from __future__ import annotations

import csv
import io

import httpx
import numpy as np
import pytest
from scipy.cluster import hierarchy
from scipy.spatial.distance import pdist

from service.dependencies import Services
from tests.api.conftest import EPOCHS, completed, submit, vectors_of, work

MAGIC = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


@pytest.fixture
def path(client: httpx.Client, services: Services) -> str:
    """Of a dendrogram of six tasks."""
    return completed(client, services, 6) + "/dendrogram"


def expected(method: str = "average", epoch: int = EPOCHS, measure: str = "cosine") -> np.ndarray:
    vectors = np.stack([vectors_of(index)[epoch] for index in range(6)])
    return hierarchy.linkage(pdist(vectors, measure), method, optimal_ordering=True)


def test_the_document_is_scipys_tree(client: httpx.Client, path: str) -> None:
    document = client.get(path).json()
    np.testing.assert_allclose(document["linkage"], expected(), atol=1e-7)
    assert document["leaves"] == hierarchy.leaves_list(expected()).tolist()
    assert document["leaf_labels"] == [f"{10 * place}°" for place in document["leaves"]]
    assert 0 < document["cophenetic_correlation"] <= 1
    assert (document["stage"], document["method"], document["measure"]) == ("after", "average", "cosine")
    assert document["complete"]
    for query, tree in {
        "method=single": expected("single"),
        "method=complete": expected("complete"),
        "stage=before": expected(epoch=0),
        "measure=correlation": expected(measure="correlation"),
    }.items():
        linkage = client.get(f"{path}?{query}").json()["linkage"]
        np.testing.assert_allclose(linkage, tree, atol=1e-7)


@pytest.mark.slow
def test_other_formats(client: httpx.Client, path: str) -> None:
    document = client.get(path).json()
    rows = list(csv.reader(io.StringIO(client.get(f"{path}?format=csv").text)))
    assert rows[0] == ["node", "left", "right", "distance", "tasks"]
    assert [[float(value) for value in row[1:]] for row in rows[1:]] == document["linkage"]
    assert [int(row[0]) for row in rows[1:]] == [6, 7, 8, 9, 10]
    text = client.get(path, headers={"Accept": "text/x-nh"})
    assert text.headers["content-type"] == "text/x-nh; charset=utf-8"
    assert text.headers["content-disposition"].endswith('.nwk"')
    assert text.text == client.get(f"{path}?format=newick").text == document["newick"] + "\n"
    for name, start in MAGIC.items():
        assert client.get(f"{path}?format={name}").content.startswith(start)
    assert client.get(f"{path}?format=npy").status_code == 406


def test_conditional_requests(client: httpx.Client, path: str) -> None:
    etag = client.get(path).headers["ETag"]
    again = client.get(path, headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    others = ["method=single", "stage=before", "measure=correlation", "format=newick"]
    assert etag not in [client.get(f"{path}?{query}").headers["ETag"] for query in others]


@pytest.mark.parametrize(("method", "why"), [("ward", "no Euclidean distance"), ("magic", "is unknown")])
def test_methods_that_do_not_work_here(client: httpx.Client, path: str, method: str, why: str) -> None:
    answer = client.get(f"{path}?method={method}")
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["field"] == "method"
    assert why in error["message"]
    assert "average" in error["message"]


@pytest.mark.slow
def test_few_tasks(client: httpx.Client, services: Services) -> None:
    experiment_id = submit(client)
    path = f"/experiments/{experiment_id}/dendrogram"
    for done in range(3):
        document = client.get(path).json()
        assert len(document["linkage"]) == max(done - 1, 0)
        assert sorted(document["leaves"]) == list(range(done))
        assert (document["complete"], document["cophenetic_correlation"]) == (False, None)
        assert client.get(f"{path}?format=newick").text == document["newick"] + "\n"
        assert client.get(f"{path}?format=png").status_code == (200 if done else 409)
        work(services, experiment_id, done)
