"""The accuracy of every context on every task: the matrix in every format, and what it says."""

from __future__ import annotations

import csv
import io

import httpx
import numpy as np
import pytest
import safetensors.numpy

from service.dependencies import Services
from tests.api.conftest import Measured, completed, submit
from tgsh.client import Client

MATRIX = np.array([[0.0, 0.6, 0.1], [0.5, 0.25, 0.4], [0.2, 0.3, 0.5]])
UNTRAINED = np.array([0.1, 0.05, 0.2])
MAGIC = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


def measured(matrix: np.ndarray = MATRIX, untrained: np.ndarray = UNTRAINED) -> Measured:
    return {"accuracy-matrix": ({"matrix": matrix, "untrained": untrained}, {})}


@pytest.fixture
def done(client: httpx.Client, services: Services) -> str:
    """The path of an experiment whose tasks were learned to 0, 25 and 50 %."""
    return completed(client, services, 3, measured())


def test_the_document(client: httpx.Client, done: str) -> None:
    document = client.get(f"{done}/accuracy/matrix").json()
    assert (document["tasks"], document["labels"]) == ([0, 1, 2], ["0°", "10°", "20°"])
    assert document["values"] == MATRIX.tolist()
    assert document["untrained"] == UNTRAINED.tolist()
    assert document["forgetting"] == [0.0, 0.0, 0.0]
    assert document["mean_forgetting"] == 0
    assert document["forward_transfer"] == pytest.approx(((0.6 - 0.05) + (0.4 - 0.2)) / 2)


def test_accuracy_says_what_the_matrix_says(client: httpx.Client, done: str) -> None:
    accuracy = client.get(f"{done}/accuracy").json()
    matrix = client.get(f"{done}/accuracy/matrix").json()
    summary = accuracy["matrix"]
    assert client.get(summary.pop("link")).json() == matrix
    assert summary == {name: matrix[name] for name in summary}
    assert set(summary) == {"forgetting", "mean_forgetting", "forward_transfer"}
    assert accuracy["mean"] == 0.25


def test_the_client_reads_it(client: httpx.Client, done: str) -> None:
    with Client(str(client.base_url), transport=client._transport) as reader:
        matrix = reader.accuracy_matrix(done.removeprefix("/experiments/"))
    assert matrix.values == MATRIX.tolist()


def test_the_page_draws_it(client: httpx.Client, services: Services, done: str) -> None:
    plot = client.get(f"/dashboard{done}/plots/accuracy-matrix").json()
    assert plot["data"][0]["z"] == (100 * MATRIX).round(4).tolist()
    assert (plot["layout"]["coloraxis"]["cmin"], plot["layout"]["coloraxis"]["cmax"]) == (0, 100)
    assert "of its own is 25.0 %, of other tasks 35.0 %" in plot["summary"]
    assert client.get(plot["links"]["csv"]).text.startswith(",0°,10°,20°")
    browser = {"Accept": "text/html"}
    assert "plots/accuracy-matrix" in client.get(f"/dashboard{done}", headers=browser).text
    without = completed(client, services, 2)
    assert "plots/accuracy-matrix" not in client.get(f"/dashboard{without}", headers=browser).text


def test_what_was_lost_is_told(client: httpx.Client, services: Services) -> None:
    path = completed(client, services, 3, measured(MATRIX - 0.125 * np.eye(3)))
    assert client.get(f"{path}/accuracy").json()["matrix"]["forgetting"] == [0.125] * 3


@pytest.mark.slow
def test_other_formats(client: httpx.Client, done: str) -> None:
    path = f"{done}/accuracy/matrix"
    rows = list(csv.reader(io.StringIO(client.get(f"{path}?format=csv").text)))
    assert rows[0] == ["", "0°", "10°", "20°"]
    assert [[float(value) for value in row[1:]] for row in rows[1:]] == MATRIX.tolist()
    npy = np.load(io.BytesIO(client.get(f"{path}?format=npy").content), allow_pickle=False)
    np.testing.assert_array_equal(npy, MATRIX)
    tensors = safetensors.numpy.load(client.get(f"{path}?format=safetensors").content)
    np.testing.assert_array_equal(tensors["values"], MATRIX)
    for name, start in MAGIC.items():
        assert client.get(f"{path}?format={name}").content.startswith(start)
    tag = client.get(path).headers["ETag"]
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 304


def test_where_there_is_none(client: httpx.Client, services: Services) -> None:
    running = f"/experiments/{submit(client)}"
    early = client.get(f"{running}/accuracy/matrix")
    assert early.status_code == 409
    assert "completes; this one is queued" in early.json()["detail"]
    plain = completed(client, services)
    refused = client.get(f"{plain}/accuracy/matrix")
    assert refused.status_code == 409
    assert 'submit with "accuracy_matrix": true' in refused.json()["detail"]
    for path in (running, plain):
        assert client.get(f"{path}/accuracy").json()["matrix"] is None
    assert client.get(f"/experiments/{'f' * 16}/accuracy/matrix").status_code == 404
