"""Reconstructions and geometry over HTTP, from an experiment that was really trained."""

from __future__ import annotations

import csv
import io

import httpx
import numpy as np
import pytest

from service.dependencies import Services
from tests.api.conftest import submit
from tgsh.execution import runner
from tgsh.execution.context import WorkerContext

pytestmark = pytest.mark.slow  # networks are really trained


def train(client: httpx.Client, services: Services, **changes: object) -> str:
    """The path of a completed experiment, of three rotations by 90° unless told otherwise, really trained."""
    suite = {"kind": "rotation", "tasks": 3, "step_degrees": 90}
    experiment_id = submit(client, **{"suite": suite, **changes})
    context = WorkerContext(services.database, services.artifacts, services.settings.data, 60, "cpu", "test")
    while runner.run_next(context, lambda: False) is not None:
        pass
    return f"/experiments/{experiment_id}"


@pytest.fixture
def trained(client: httpx.Client, services: Services) -> str:
    """A FlyNet of the paper's size."""
    return train(client, services, network={"kind": "flynet", "expansion": 10}, training={"epochs": 3})


def test_reconstructions_in_every_format(client: httpx.Client, trained: str) -> None:
    document = client.get(f"{trained}/reconstructions").json()
    images = np.array(document["images"])
    assert images.shape == (3, 10, 1, 28, 28)
    assert document["labels"] == ["0°", "90°", "180°"]
    assert document["score"]["correlation"] > 0.1
    assert document["score"]["right_class"] > 0.6
    assert document["score"]["right_task"] == 1.0
    assert document["score"]["interval"] is None
    assert "none can be drawn anew" in document["score"]["reason"]
    npy = np.load(io.BytesIO(client.get(f"{trained}/reconstructions?format=npy").content))
    np.testing.assert_allclose(npy, images, rtol=1e-6)
    for name, magic in {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}.items():
        assert client.get(f"{trained}/reconstructions?format={name}").content.startswith(magic)


def test_what_is_chosen_does_not_change_what_is_drawn(client: httpx.Client, trained: str) -> None:
    everything = np.array(client.get(f"{trained}/reconstructions?samples=2").json()["images"])
    chosen = client.get(f"{trained}/reconstructions?samples=2&tasks=2,0&classes=7-8").json()
    assert (chosen["tasks"], chosen["classes"]) == ([2, 0], [7, 8])
    np.testing.assert_array_equal(chosen["images"], everything[np.ix_([2, 0], [7, 8])])
    assert not np.array_equal(everything[:, :, 0], everything[:, :, 1])
    reseeded = np.array(client.get(f"{trained}/reconstructions?samples=2&seed=1").json()["images"])
    assert not np.array_equal(everything, reseeded)
    regularised = client.get(f"{trained}/reconstructions?method=ridge&ridge=50").json()
    assert (regularised["method"], regularised["ridge"]) == ("ridge", 50)
    assert not np.array_equal(everything[:, :, :1], regularised["images"])


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("tasks=3", "tasks"),
        ("tasks=all", "tasks"),
        ("classes=10", "classes"),
        ("samples=0", "samples"),
        ("samples=100", "tasks"),
        ("method=magic", "method"),
        ("ridge=-1", "ridge"),
        ("ridge=nan", "ridge"),
        ("seed=-1", "seed"),
    ],
)
def test_bad_questions_name_the_field(client: httpx.Client, trained: str, query: str, field: str) -> None:
    answer = client.get(f"{trained}/reconstructions?{query}")
    assert answer.status_code == 422, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_geometry_in_every_format(client: httpx.Client, trained: str) -> None:
    answer = client.get(f"{trained}/geometry")
    document = answer.json()
    assert document["sample"] == {"tasks": [0, 1, 2], "classes": 10, "images": 6}
    for stage in ("before", "after"):
        assert sum(document[stage]["intra"]) == 3 * 45 * 36
        assert sum(document[stage]["inter"]) == 3 * 10 * 36
    assert document["after"]["p_intra_greater"] > 0.5
    assert document["after"]["task_accuracy"] > 0.9
    left_out = document["after"]["left_out"]
    assert (left_out["unit"], left_out["reason"]) == ("degrees", None)
    assert left_out["r2"] < 1
    assert 0 < left_out["median_error"] <= 180
    rows = list(csv.reader(io.StringIO(client.get(f"{trained}/geometry?format=csv").text)))
    assert len(rows) == 101
    assert sum(int(row[4]) for row in rows[1:]) == 3 * 45 * 36
    for name, magic in {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}.items():
        assert client.get(f"{trained}/geometry?format={name}").content.startswith(magic)
    again = client.get(f"{trained}/geometry", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_before_the_end(client: httpx.Client, services: Services) -> None:
    experiment_id = submit(client, network={"kind": "flynet", "expansion": 2})
    refused = client.get(f"/experiments/{experiment_id}/geometry")
    assert refused.status_code == 409
    assert "completes" in refused.json()["detail"]
    empty = client.get(f"/experiments/{experiment_id}/reconstructions").json()
    assert (empty["images"], empty["score"]) == ([], None)
    assert client.get(f"/experiments/{experiment_id}/reconstructions?format=png").status_code == 409


def test_what_a_network_cannot_answer_is_said(client: httpx.Client, services: Services) -> None:
    path = train(client, services, network={"kind": "neuromodnet", "layers": [16]}, training={"epochs": 1})
    refused = client.get(f"{path}/reconstructions")
    assert refused.status_code == 409
    assert "neuromodnet" in refused.json()["detail"]
    whole = client.get(f"{path}/similarity").json()
    parts_of_it = [client.get(f"{path}/similarity?layer=layer-{layer}").json() for layer in (1, 2)]
    assert [document["layer"] for document in (whole, *parts_of_it)] == [None, "layer-1", "layer-2"]
    assert whole["values"] != parts_of_it[0]["values"] != parts_of_it[1]["values"]


@pytest.mark.parametrize(
    "network",
    [
        {"kind": "neuromodnet", "layers": [64, 32]},
        {"kind": "tgsh", "hidden": 64, "rank": 16},
        {"kind": "gsh", "hidden": 64, "rank": 16},
    ],
    ids=lambda network: network["kind"],
)
def test_every_network_answers_what_all_can(
    client: httpx.Client, services: Services, network: dict[str, object]
) -> None:
    path = train(client, services, network=network, training={"epochs": 1})
    experiment = client.get(path).json()
    assert (experiment["status"], experiment["reason"]) == ("completed", None)
    assert experiment["mean_accuracy"] > 0.3
    values = np.array(client.get(f"{path}/similarity").json()["values"])
    assert np.isfinite(values).all()
    measured = client.get(f"{path}/geometry").json()
    assert measured["after"]["task_accuracy"] > 1 / 3
    for resource in ("dendrogram", "embedding", "accuracy", "similarity/epochs"):
        assert client.get(f"{path}/{resource}").status_code == 200, resource
