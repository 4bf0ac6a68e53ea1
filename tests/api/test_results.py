"""Results in every format; conditional requests; what is not complete yet."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import httpx
import numpy as np
import pytest
import safetensors.numpy
from scipy.spatial.distance import cdist

from service.dependencies import Services
from service.results.base import AnyResult, Computed
from service.results.figures import BEFORE_AFTER
from service.results.measurements import ACCURACY
from service.results.similarity import EPOCHS as OVER_EPOCHS
from service.results.similarity import SIMILARITY
from service.results.structure import DENDROGRAM, EMBEDDING
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


def test_updates_in_every_answer(client: httpx.Client, done: str) -> None:
    """Against SciPy, of v − v₀ in float64."""

    def wanted(epoch: int) -> np.ndarray:
        moved = [vectors_of(index).astype(np.float64) for index in range(3)]
        moved = [each[epoch] - each[0] for each in moved]
        return np.asarray(1 - cdist(moved, moved, "cosine"))

    def ask(path: str, **params: object) -> dict[str, Any]:
        answer = client.get(f"{done}/{path}", params={"measure": "update", **params})
        assert answer.status_code == 200, answer.text
        assert answer.json()["measure"] == "update"
        return answer.json()  # type: ignore[no-any-return]

    for stage, epoch in (("after", 2), (1, 1)):
        values = np.array(ask("similarity", stage=stage)["values"])
        np.testing.assert_allclose(values, wanted(epoch), atol=1e-6)
    block = ask("similarity/block", rows="1", columns="0,2")["values"]
    np.testing.assert_allclose(block, wanted(2)[1:2, [0, 2]], atol=1e-6)
    rows = ask("similarity/nearest")
    for row, (tasks, found) in enumerate(zip(rows["nearest"], rows["values"], strict=True)):
        np.testing.assert_allclose(found, wanted(2)[row, tasks], atol=1e-6)
    curve = ask("similarity/epochs", pairs="0-2")
    assert (curve["pairs"][0]["values"][0], curve["complete"]) == (None, True)
    found = curve["pairs"][0]["values"][1:]
    np.testing.assert_allclose(found, [wanted(1)[0, 2], wanted(2)[0, 2]], atol=1e-6)
    assert ask("dendrogram")["linkage"][0][2] == pytest.approx((1 - wanted(2))[np.triu_indices(3, 1)].min())
    distances = cdist(*[np.array(ask("embedding", method="mds")["values"])] * 2)
    assert distances[0, 1] == pytest.approx(1 - wanted(2)[0, 1], abs=0.3)
    assert ask("embedding", method="pca")["values"] != ask("embedding")["values"]
    clustered = ask("similarity", order="cluster")
    np.testing.assert_allclose(
        clustered["values"], wanted(2)[np.ix_(clustered["tasks"], clustered["tasks"])], atol=1e-6
    )
    one, two = (client.get(f"{done}/similarity?{query}") for query in ("", "measure=update"))
    assert one.headers["ETag"] != two.headers["ETag"]


def title_of(services: Services, result: AnyResult, experiment_id: str, **params: str) -> str:
    """Of a figure, without the seconds that drawing it takes."""
    chosen = result.params(**params)
    source = result.find(services, experiment_id, chosen)
    computed = Computed(result.compute(services, source.content, chosen), source.content, chosen)
    assert result.figure is not None
    return next(arg for arg in result.figure(services, computed).args if isinstance(arg, str) and ": " in arg)


def test_before_training_there_are_no_updates(client: httpx.Client, done: str) -> None:
    for path in ("similarity", "similarity/block", "similarity/nearest", "dendrogram", "embedding"):
        for stage in ("before", "0"):
            answer = client.get(f"{done}/{path}?measure=update&stage={stage}")
            assert answer.status_code == 422
            assert answer.json()["errors"][0]["field"] == "measure"
    plot = client.get(f"/dashboard{done}/plots/dendrogram?measure=update&stage=0")
    assert (plot.status_code, plot.json()["data"]) == (200, [])


def test_titles_tell_what_is_not_the_default(client: httpx.Client, services: Services, done: str) -> None:
    for result in (SIMILARITY, DENDROGRAM, EMBEDDING):
        title = title_of(services, result, done[-16:], measure="update")
        assert title == "three: updates of context vectors after training"
    title = title_of(services, OVER_EPOCHS, done[-16:], measure="update")
    assert title == "three: updates of context vectors while learning"
    changes = {"normalisation": "none", "network": {"kind": "flynet", "start": "ones"}}
    experiment_id = submit(client, **changes)
    work(services, experiment_id, 0, 1, 2)
    told = "three (pixels 0 to 1, start at ones): "
    for result in (SIMILARITY, DENDROGRAM, EMBEDDING, OVER_EPOCHS, ACCURACY, BEFORE_AFTER):
        assert title_of(services, result, experiment_id).startswith(told)


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
        "task,label,accuracy,balanced,chance,low,high,balanced low,balanced high",
        "0,0°,0.0,,,,,,",
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
