"""Results in every format; conditional requests; what is not complete yet."""

from __future__ import annotations

import csv
import io
import json

import httpx
import numpy as np
import pytest
import safetensors.numpy
from scipy.spatial.distance import cdist

from service.dependencies import Services
from tests.api.conftest import EPOCHS, finish, submit, vectors_of, work


@pytest.fixture
def done(client: httpx.Client, services: Services) -> str:
    """The path of a completed experiment."""
    experiment_id = submit(client)
    work(services, experiment_id, 0, 1, 2)
    finish(services, experiment_id)
    return f"/experiments/{experiment_id}"


def expected(epoch: int = EPOCHS, measure: str = "cosine") -> np.ndarray:
    vectors = np.stack([vectors_of(index)[epoch] for index in range(3)])
    return 1 - cdist(vectors, vectors, measure)


@pytest.mark.slow
def test_similarity_in_every_format(client: httpx.Client, done: str) -> None:
    document = client.get(f"{done}/similarity").json()
    assert document["labels"] == ["0°", "10°", "20°"]
    assert (document["complete"], document["stage"], document["order"], document["measure"]) == (
        True,
        "after",
        "task",
        "cosine",
    )
    np.testing.assert_allclose(document["values"], expected(), atol=1e-7)
    rows = list(csv.reader(io.StringIO(client.get(f"{done}/similarity?format=csv").text)))
    assert rows[0] == ["", "0°", "10°", "20°"]
    assert [[float(value) for value in row[1:]] for row in rows[1:]] == document["values"]
    npy = client.get(f"{done}/similarity", headers={"Accept": "application/x-npy"})
    np.testing.assert_array_equal(np.load(io.BytesIO(npy.content), allow_pickle=False), document["values"])
    packed = client.get(f"{done}/similarity?format=safetensors").content
    tensors = safetensors.numpy.load(packed)
    np.testing.assert_array_equal(tensors["values"], document["values"])
    about = json.loads(
        json.loads(packed[8 : 8 + int.from_bytes(packed[:8], "little")])["__metadata__"]["tgsh"]
    )
    assert (about["labels"], about["measure"]) == (document["labels"], "cosine")
    magic = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    for name, start in magic.items():
        assert client.get(f"{done}/similarity?format={name}").content.startswith(start)


def test_stages_measures_and_orders(client: httpx.Client, done: str) -> None:
    for stage, epoch in (("before", 0), ("0", 0), ("1", 1), ("2", 2), ("after", 2)):
        values = client.get(f"{done}/similarity", params={"stage": stage}).json()["values"]
        np.testing.assert_allclose(values, expected(epoch), atol=1e-7)
    values = client.get(f"{done}/similarity?measure=correlation").json()["values"]
    np.testing.assert_allclose(values, expected(measure="correlation"), atol=1e-7)
    ordered = client.get(f"{done}/similarity?order=cluster").json()
    assert sorted(ordered["tasks"]) == [0, 1, 2]
    order = ordered["tasks"]
    np.testing.assert_allclose(ordered["values"], expected()[np.ix_(order, order)], atol=1e-7)
    assert ordered["labels"] == [f"{10 * index}°" for index in order]


def test_conditional_requests(client: httpx.Client, done: str) -> None:
    answer = client.get(f"{done}/similarity")
    etag = answer.headers["ETag"]
    assert not etag.startswith("W/")
    for tag in (etag, f'"other", {etag}', "*", f"W/{etag}"):
        again = client.get(f"{done}/similarity", headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == etag
    assert client.get(f"{done}/similarity", headers={"If-None-Match": '"other"'}).status_code == 200
    others = ["?stage=before", "?order=cluster", "?measure=correlation", "?format=csv"]
    assert etag not in [client.get(f"{done}/similarity{query}").headers["ETag"] for query in others]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "application/json"),
        ("text/csv;q=0.9, image/png;q=0.8", "text/csv"),
        ("image/*;q=0.5, text/csv;q=0.4", "image/png"),
        ("text/html, */*;q=0.1", "application/json"),
    ],
)
def test_accept(client: httpx.Client, done: str, accept: str, media_type: str) -> None:
    answer = client.get(f"{done}/similarity", headers={"Accept": accept})
    assert answer.headers["content-type"].split(";")[0] == media_type


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("?format=pickle", {}, 406),
        ("", {"Accept": "application/xml"}, 406),
        ("", {"Accept": "nonsense"}, 406),
        ("?stage=99", {}, 404),
        ("?stage=-1", {}, 404),
        ("?stage=later", {}, 404),
        ("?stage=%C2%B2", {}, 404),
        ("?order=random", {}, 422),
        ("?measure=euclid", {}, 422),
    ],
)
def test_what_is_not_there(
    client: httpx.Client, done: str, query: str, headers: dict[str, str], status: int
) -> None:
    answer = client.get(f"{done}/similarity{query}", headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_before_the_end_there_is_what_there_is(client: httpx.Client, services: Services) -> None:
    experiment_id = submit(client)
    path = f"/experiments/{experiment_id}"
    empty = client.get(f"{path}/similarity").json()
    assert (empty["tasks"], empty["values"], empty["complete"]) == ([], [], False)
    assert client.get(f"{path}/similarity?format=png").status_code == 409
    for name in ("csv", "npy", "safetensors"):
        assert client.get(f"{path}/similarity?order=cluster&format={name}").status_code == 200
    work(services, experiment_id, 2)
    etag = client.get(f"{path}/similarity").headers["ETag"]
    work(services, experiment_id, 0)
    answer = client.get(f"{path}/similarity", headers={"If-None-Match": etag})
    assert answer.status_code == 200
    assert (answer.json()["tasks"], answer.json()["complete"]) == ([0, 2], False)
    np.testing.assert_allclose(answer.json()["values"], expected()[np.ix_([0, 2], [0, 2])], atol=1e-7)
    work(services, experiment_id, 1)
    before_finish = client.get(f"{path}/similarity").json()
    finish(services, experiment_id)
    assert client.get(f"{path}/similarity").json() == before_finish


def test_context_vectors(client: httpx.Client, done: str) -> None:
    document = client.get(f"{done}/context-vectors").json()
    np.testing.assert_array_equal(
        np.array(document["values"], np.float32), [vectors_of(index)[EPOCHS] for index in range(3)]
    )
    npy = client.get(f"{done}/context-vectors?stage=before&format=npy").content
    before = np.load(io.BytesIO(npy), allow_pickle=False)
    assert before.dtype == np.float32
    np.testing.assert_array_equal(before, [vectors_of(index)[0] for index in range(3)])


def test_accuracy(client: httpx.Client, done: str) -> None:
    document = client.get(f"{done}/accuracy").json()
    assert (document["mean"], document["min"], document["max"], document["complete"]) == (
        0.25,
        0.0,
        0.5,
        True,
    )
    assert client.get(f"{done}/accuracy?format=csv").text.splitlines()[:2] == [
        "task,label,accuracy,balanced,chance",
        "0,0°,0.0,,",
    ]
    assert document["per_class"] is None
    assert "submit it anew" in document["reason"]  # of a version that did not count
    assert client.get(f"{done}/tasks/0/confusion").status_code == 409


def test_a_damaged_result_is_an_error_not_an_answer(client: httpx.Client, services: Services) -> None:
    experiment_id = submit(client)
    work(services, experiment_id, 0, 1, 2)
    finish(services, experiment_id)
    path = next(services.settings.home.glob("artifacts/*/vectors.npy"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    answer = client.get(f"/experiments/{experiment_id}/similarity")
    assert answer.status_code == 500
    assert "SHA-256 differs" in answer.json()["detail"]
