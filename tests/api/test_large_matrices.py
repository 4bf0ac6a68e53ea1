"""Parts of a similarity matrix, and matrices too large to be held, over HTTP."""

from __future__ import annotations

import csv
import io
from typing import Any

import httpx
import numpy as np
import pytest

from service.dependencies import Services
from service.results import similarity as module
from tests.api.conftest import completed, submit, work
from tgsh.analysis import similarity as analysis

TASKS = 7


@pytest.fixture
def done(client: httpx.Client, services: Services) -> str:
    """The path of an experiment of seven tasks."""
    return completed(client, services, TASKS)


@pytest.fixture
def matrix(client: httpx.Client, done: str) -> np.ndarray:
    return np.array(client.get(f"{done}/similarity").json()["values"])


def test_a_block_in_every_format(client: httpx.Client, done: str, matrix: np.ndarray) -> None:
    wanted = matrix[np.ix_([5, 0], [1, 2, 3])]
    path = f"{done}/similarity/block?rows=5,0&columns=1-3"
    document = client.get(path).json()
    assert (document["rows"], document["columns"]) == ([5, 0], [1, 2, 3])
    assert (document["row_labels"], document["column_labels"]) == (["50°", "0°"], ["10°", "20°", "30°"])
    np.testing.assert_allclose(document["values"], wanted, atol=1e-12)
    np.testing.assert_allclose(np.load(io.BytesIO(client.get(f"{path}&format=npy").content)), wanted)
    rows = list(csv.reader(io.StringIO(client.get(f"{path}&format=csv").text)))
    assert [row[0] for row in rows] == ["", "50°", "0°"]
    assert client.get(f"{path}&format=safetensors").status_code == 200
    whole = client.get(f"{done}/similarity/block").json()
    np.testing.assert_allclose(whole["values"], matrix, atol=1e-12)
    again = client.get(path, headers={"If-None-Match": client.get(path).headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("field", ["rows", "columns"])
def test_a_block_names_what_is_not_there(client: httpx.Client, done: str, field: str) -> None:
    answer = client.get(f"{done}/similarity/block?{field}=7")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


def test_the_nearest_of_every_task(client: httpx.Client, done: str, matrix: np.ndarray) -> None:
    document = client.get(f"{done}/similarity/nearest?count=2").json()
    others = matrix - 9 * np.eye(TASKS)
    assert document["nearest"] == np.argsort(-others, axis=1)[:, :2].tolist()
    np.testing.assert_allclose(document["values"], -np.sort(-others, axis=1)[:, :2], atol=1e-12)
    rows = list(csv.DictReader(io.StringIO(client.get(f"{done}/similarity/nearest?format=csv").text)))
    assert len(rows) == TASKS * (TASKS - 1)
    assert rows[0]["label"] == "0°"
    assert int(rows[0]["nearest"]) == document["nearest"][0][0]
    assert client.get(f"{done}/similarity/nearest?count=0").status_code == 422


def test_parts_of_what_is_running(client: httpx.Client, services: Services) -> None:
    experiment_id = submit(client)
    path = f"/experiments/{experiment_id}/similarity"
    assert client.get(f"{path}/nearest").json()["nearest"] == []
    assert client.get(f"{path}/block").json()["values"] == []
    work(services, experiment_id, 0, 2)
    document = client.get(f"{path}/nearest").json()
    assert (document["tasks"], document["nearest"], document["complete"]) == ([0, 2], [[2], [0]], False)
    assert client.get(f"{path}/block?rows=1").status_code == 422


def test_a_large_matrix_is_streamed_and_drawn_as_means(
    client: httpx.Client, done: str, matrix: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_AT_ONCE", TASKS - 1)
    monkeypatch.setattr(module, "DRAWN_ROWS", 3)
    monkeypatch.setattr(analysis, "BLOCK_BYTES", 2 * 5 * 8)  # two rows at a time

    def get(query: str) -> httpx.Response:
        return client.get(f"{done}/similarity?{query}&measure=correlation")

    streamed = get("format=npy")
    assert int(streamed.headers["Content-Length"]) == len(streamed.content)
    small: Any = client.get(f"{done}/similarity/block?measure=correlation").json()["values"]
    np.testing.assert_allclose(np.load(io.BytesIO(streamed.content)), small, atol=1e-12)
    known = {"If-None-Match": streamed.headers["ETag"]}
    again = client.get(f"{done}/similarity?format=npy&measure=correlation", headers=known)
    assert again.status_code == 304
    assert get("format=png").content.startswith(b"\x89PNG")
    assert get("format=safetensors").status_code == 406
    for format in ("npy", "png"):
        refused = get(f"format={format}&order=cluster")
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "order")
    text = get("format=json")  # seven tasks are few enough for text, and too many for a whole matrix
    assert text.status_code == 406
    assert "npy" in text.json()["detail"]


def test_many_tasks_are_reckoned_elsewhere_with_the_same_result(
    client: httpx.Client, services: Services, done: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = [
        "dendrogram",
        "embedding?method=mds",
        "embedding?method=pca&dimensions=3",
        "similarity?order=cluster",
    ]
    here = [client.get(f"{done}/{question}").content for question in questions]
    monkeypatch.setattr("service.subprocesses.CHILD_PROCESS_TASKS", TASKS)
    other = completed(client, services, TASKS)  # the same vectors, and nothing of it in the cache
    for question, expected in zip(questions, here, strict=True):
        answer = client.get(f"{other}/{question}")
        assert answer.status_code == 200, answer.text
        ours, theirs = done.rsplit("/", 1)[-1].encode(), other.rsplit("/", 1)[-1].encode()
        assert answer.content.replace(theirs, ours) == expected
    assert client.get(f"{other}/embedding?layer=no").status_code == 422


def test_what_is_too_large_says_what_to_ask_for(
    client: httpx.Client, done: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.results.structure.MOST_TASKS", TASKS - 1)
    monkeypatch.setattr("service.results.structure.MOST_DRAWN", TASKS - 1)
    refused = client.get(f"{done}/embedding")
    assert (refused.status_code, "similarity/nearest" in refused.json()["detail"]) == (422, True)
    refused = client.get(f"{done}/dendrogram?format=png")
    assert (refused.status_code, "newick" in refused.json()["detail"]) == (406, True)
    assert client.get(f"{done}/dendrogram").status_code == 200
