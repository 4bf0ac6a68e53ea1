"""Pairs of tasks over the epochs: while they are learned, after the end, in every format."""

from __future__ import annotations

import csv
import io

import httpx
import numpy as np
import pytest
from scipy.spatial.distance import cdist

from service.dependencies import Services
from tests.api.conftest import EPOCHS, completed, finish, submit, vectors_of, work
from tgsh.errors import NotFound
from tgsh.store import jobs
from tgsh.store.models import Job
from tgsh.store.results import find_trajectories

MAGIC = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


@pytest.fixture
def path(client: httpx.Client, services: Services) -> str:
    """Of the trajectories of twelve tasks."""
    return completed(client, services, 12) + "/similarity/epochs"


def expected(one: int, other: int, metric: str = "cosine") -> np.ndarray:
    return 1 - np.diagonal(cdist(vectors_of(one), vectors_of(other), metric))


def test_the_document(client: httpx.Client, path: str) -> None:
    document = client.get(f"{path}?pairs=0-1,3-0,0-1").json()
    assert document["epochs"] == list(range(EPOCHS + 1))
    assert (document["complete"], document["measure"]) == (True, "cosine")
    assert [pair["tasks"] for pair in document["pairs"]] == [[0, 1], [3, 0]]
    assert document["pairs"][1]["labels"] == ["30°", "0°"]
    np.testing.assert_allclose(document["pairs"][0]["values"], expected(0, 1), atol=1e-7)
    np.testing.assert_allclose(document["pairs"][1]["values"], expected(3, 0), atol=1e-7)
    [pair] = client.get(f"{path}?pairs=4-5&measure=correlation").json()["pairs"]
    np.testing.assert_allclose(pair["values"], expected(4, 5, "correlation"), atol=1e-7)
    default = client.get(path).json()["pairs"]
    assert [pair["tasks"] for pair in default] == [[0, 1], [0, 2], [0, 3], [0, 6]]


def test_it_is_what_the_matrices_of_the_epochs_say(client: httpx.Client, path: str) -> None:
    [pair] = client.get(f"{path}?pairs=2-7").json()["pairs"]
    matrices = path.removesuffix("/epochs")
    stages = [client.get(f"{matrices}?stage={epoch}").json()["values"][2][7] for epoch in range(EPOCHS + 1)]
    assert pair["values"] == pytest.approx(stages, abs=1e-12)


@pytest.mark.slow
def test_other_formats(client: httpx.Client, path: str) -> None:
    rows = list(csv.reader(io.StringIO(client.get(f"{path}?pairs=0-1,0-2&format=csv").text)))
    assert rows[0] == ["epoch", "0-1", "0-2"]
    assert [float(row[2]) for row in rows[1:]] == pytest.approx(expected(0, 2), abs=1e-7)
    for name, start in MAGIC.items():
        assert client.get(f"{path}?format={name}").content.startswith(start)
    every = ",".join(f"{task}-{other}" for task in range(2) for other in range(10))
    assert client.get(f"{path}?format=png&pairs={every}").content.startswith(MAGIC["png"])
    assert client.get(f"{path}?format=npy").status_code == 406


def test_conditional_requests(client: httpx.Client, path: str) -> None:
    etag = client.get(path).headers["ETag"]
    assert client.get(path, headers={"If-None-Match": etag}).status_code == 304
    others = ["pairs=0-1", "measure=correlation", "format=csv"]
    assert etag not in [client.get(f"{path}?{query}").headers["ETag"] for query in others]


@pytest.mark.parametrize(
    "pairs",
    [
        "0-12",
        "99999-0",
        "0",
        "0-1;0-2",
        "a-b",
        "",
        "0-1,",
        "-1-2",
        ",".join(f"{i}-{j}" for i in range(3) for j in range(7)),
    ],
)
def test_what_cannot_be_asked(client: httpx.Client, path: str, pairs: str) -> None:
    answer = client.get(path, params={"pairs": pairs})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "pairs"


@pytest.mark.slow
def test_before_the_end_there_is_what_there_is(client: httpx.Client, services: Services) -> None:
    experiment_id = submit(client)
    path = f"/experiments/{experiment_id}/similarity/epochs?pairs=0-1"
    nothing = client.get(path)
    assert (nothing.json()["pairs"][0]["values"], nothing.json()["complete"]) == ([None] * 3, False)
    assert client.get(f"{path}&format=png").status_code == 409
    assert client.get(f"{path}&format=csv").text.splitlines()[1] == "0,"
    work(services, experiment_id, 0)
    claim = jobs.lease_job(services.database, Job(experiment_id=experiment_id, index=1), "w", 60)
    assert claim is not None
    key = f"{experiment_id}/tasks/1-1"
    sha256 = services.artifacts.save(key, {"vectors": vectors_of(1)[:2]}, {})
    jobs.record_epoch(services.database, claim, (0.5,), 1.0, key, sha256)
    answer = client.get(path, headers={"If-None-Match": nothing.headers["ETag"]})
    assert answer.status_code == 200
    values = answer.json()["pairs"][0]["values"]
    assert values[:2] == pytest.approx(expected(0, 1)[:2], abs=1e-7)
    assert (values[2], answer.json()["complete"]) == (None, False)
    assert client.get(f"{path}&format=png").content.startswith(MAGIC["png"])


def test_the_end_changes_nothing(client: httpx.Client, services: Services) -> None:
    experiment_id = submit(client)
    path = f"/experiments/{experiment_id}/similarity/epochs"
    work(services, experiment_id, 0, 1, 2)
    before = client.get(path).json()
    finish(services, experiment_id)
    assert client.get(path).json() == before
    assert before["complete"]


def test_one_task_has_no_pair(client: httpx.Client, services: Services) -> None:
    path = completed(client, services, 1) + "/similarity/epochs"
    assert client.get(path).json()["pairs"] == []
    assert client.get(f"{path}?format=png").status_code == 409
    with pytest.raises(NotFound):
        find_trajectories(services.database, "f" * 16)
