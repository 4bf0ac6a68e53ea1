"""Accuracy that cannot flatter: balanced, chance, classes and confusion; warnings of what misleads."""

from __future__ import annotations

import csv
import io
from typing import Any

import httpx
import numpy as np
import pytest

from service.dependencies import Services
from tests.api.conftest import completed, counts_of, finish, submit, work
from tests.api.test_trained_results import train
from tests.support.uploads import grey, npz, post
from tgsh.rng import rng_for

GSH = {"kind": "gsh", "hidden": 20, "rank": 6}


def test_a_number_a_task_beside_the_accuracy(client: httpx.Client, services: Services) -> None:
    done = completed(client, services, 4, counted=True)
    document = client.get(f"{done}/accuracy").json()
    assert [(task["balanced"], task["chance"]) for task in document["tasks"]] == [
        (share, 0.1) for share in (0, 0.25, 0.5, 0.75)
    ]
    assert document["class_names"] == [str(digit) for digit in range(10)]
    assert document["per_class"] == [[share] * 10 for share in (0, 0.25, 0.5, 0.75)]
    assert document["reason"] is None
    assert [warning.partition(":")[2] for warning in document["warnings"]] == [" 0° (0.0%, chance 10.0%)"]
    header, *rows = csv.reader(io.StringIO(client.get(f"{done}/accuracy?format=csv").text))
    assert header == [
        "task",
        "label",
        "accuracy",
        "balanced",
        "chance",
        "low",
        "high",
        "balanced low",
        "balanced high",
        *(f"recall of {k}" for k in range(10)),
    ]
    assert rows[1][:5] + rows[1][9:] == ["1", "10°", "0.25", "0.25", "0.1", *["0.25"] * 10]
    tasks = client.get(f"{done}/tasks").json()["items"]
    assert [task["balanced"] for task in tasks] == [0, 0.25, 0.5, 0.75]
    assert tasks[2]["links"]["confusion"] == f"{done}/tasks/2/confusion"


def test_confusion_in_every_format(client: httpx.Client, services: Services) -> None:
    path = completed(client, services, 3, counted=True) + "/tasks/1/confusion"
    answer = client.get(path)
    document, counts = answer.json(), counts_of(1).counts
    assert document["counts"] == counts.tolist()
    assert document["class_names"] == [str(digit) for digit in range(10)]
    assert {name: document[name] for name in ("task", "label", "accuracy", "balanced", "chance")} == {
        "task": 1, "label": "10°", "accuracy": 0.25, "balanced": 0.25, "chance": 0.1,
    }  # fmt: skip
    assert "warnings" not in document
    header, *rows = csv.reader(io.StringIO(client.get(f"{path}?format=csv").text))
    assert header == ["", *document["class_names"]]
    assert [list(map(int, row[1:])) for row in rows] == counts.tolist()
    array = np.load(io.BytesIO(client.get(f"{path}?format=npy").content), allow_pickle=False)
    assert array.dtype.kind == "i"
    np.testing.assert_array_equal(array, counts)
    for name, magic in {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF", "safetensors": b""}.items():
        assert client.get(f"{path}?format={name}").content.startswith(magic)
    assert client.get(path, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    other = client.get(path.replace("/1/", "/2/"))
    assert other.headers["ETag"] != answer.headers["ETag"]


def test_what_is_not_there_is_refused(client: httpx.Client, services: Services) -> None:
    experiment_id = submit(client)
    work(services, experiment_id, 0, counted=True)
    root = f"/experiments/{experiment_id}"
    assert client.get(f"{root}/tasks/3/confusion").status_code == 404
    waiting = client.get(f"{root}/tasks/1/confusion")
    assert (waiting.status_code, "is queued" in waiting.text) == (409, True)
    assert client.get(f"{root}/tasks/0/confusion").status_code == 200
    for path in (f"{root}/tasks/0/confusion", f"{root}/accuracy"):
        refused = client.get(path, params={"stage": "after", "format": "json", "foo": "1"})
        assert refused.status_code == 422
        assert [error["field"] for error in refused.json()["errors"]] == ["stage", "foo"]
    assert client.get(f"{root}/accuracy").json()["per_class"] == [[0.0] * 10]  # of those that are done


def test_always_saying_the_commonest_class_is_seen_through(client: httpx.Client, services: Services) -> None:
    """500 images of one class and 10 of another, which cannot be told apart."""
    x = rng_for(0, "noise").integers(0, 256, (1020, 5, 6)).astype(np.uint8)
    y = np.repeat([0, 1, 0, 1], [500, 10] * 2)
    answer = post(client, npz(x=x[:510], y=y[:510], x_test=x[510:], y_test=y[510:]))
    report = answer.json()["report"]
    assert (report["copies"], report["overlap"], report["contradictory"], len(report["sentences"])) == (
        0,
        0,
        0,
        1,
    )
    done = train(
        client,
        services,
        dataset={"id": answer.json()["id"]},
        network={"kind": "flynet", "expansion": 2},
        suite={"kind": "rotation", "tasks": 1},
        training={"epochs": 6, "batch_size": 32},
    )
    document = client.get(f"{done}/accuracy").json()
    [task] = document["tasks"]
    assert task["accuracy"] == pytest.approx(0.98, abs=0.005)
    assert task["balanced"] == pytest.approx(0.5, abs=0.01)
    assert task["chance"] == 500 / 510
    assert bool(document.get("warnings")) == (task["accuracy"] <= task["chance"])


def test_labels_by_chance_are_not_learned_from_copies(client: httpx.Client, services: Services) -> None:
    """With copies on both sides of the split, what is learned by heart was 1.0 of the test images."""
    rng = rng_for(1, "copies")
    x, y = rng.integers(0, 256, (80, 5, 6)).astype(np.uint8), rng.integers(0, 2, 80)
    answer = post(client, npz(x=np.repeat(x, 5, axis=0), y=np.repeat(y, 5)))
    report = answer.json()["report"]
    assert (report["copies"], report["overlap"], report["contradictory"]) == (320, 0, 0)
    assert "320 images are copies of others; copies stay on one side of the split" in report["sentences"]
    done = train(
        client,
        services,
        dataset={"id": answer.json()["id"]},
        network={"kind": "flynet", "expansion": 10},
        suite={"kind": "rotation", "tasks": 1},
        training={"epochs": 15, "batch_size": 16},
    )
    assert client.get(f"{done}/tasks/0").json()["loss"][-1] < 0.1  # learned by heart
    assert client.get(f"{done}/accuracy").json()["mean"] < 0.8


def test_test_images_that_were_trained_on_are_told(client: httpx.Client, services: Services) -> None:
    x, y = grey()
    answer = post(client, npz(x=x, y=y, x_test=x[4:8], y_test=y[4:8]))
    assert answer.json()["report"]["overlap"] == 4
    network = {"kind": "flynet", "expansion": 2}
    experiment_id = submit(client, dataset={"id": answer.json()["id"]}, network=network)
    [warning] = client.get(f"/experiments/{experiment_id}/accuracy").json()["warnings"]
    dataset = answer.json()["id"]
    assert warning.startswith(f"4 of 4 test images of dataset {dataset} are among its training images")


def trained(client: httpx.Client, services: Services, **changes: Any) -> str:
    experiment_id = submit(client, suite={"kind": "rotation", "tasks": 4}, **changes)
    work(services, experiment_id, *range(4))
    finish(services, experiment_id)
    return experiment_id


COMPARING = (
    "similarity",
    "similarity/block",
    "similarity/nearest",
    "similarity/epochs",
    "dendrogram",
    "embedding",
)


def test_what_shares_no_base_says_so_wherever_tasks_are_compared(
    client: httpx.Client, services: Services
) -> None:
    shared, apart = trained(client, services), trained(client, services, network=GSH)
    for name in COMPARING:
        [warning] = client.get(f"/experiments/{apart}/{name}").json()["warnings"]
        assert warning.startswith("every task of a gsh has a random base of its own")
        assert "warnings" not in client.get(f"/experiments/{shared}/{name}").json()
    assert client.get(f"/experiments/{shared}/embedding").json()["parameter"] == [0, 10, 20, 30]
    assert client.get(f"/experiments/{apart}/embedding").json()["parameter"] is None  # nor joined by a line
    assert client.get(f"/experiments/{apart}").json()["warnings"] == [warning]
    assert client.get(f"/experiments/{shared}").json()["warnings"] == []
    page = client.get(f"/dashboard/experiments/{apart}", headers={"Accept": "text/html"}).text
    assert warning[1:] in page
    for figure in ("similarity", "embedding"):
        drawn = [client.get(f"/experiments/{id}/figures/{figure}.svg").text for id in (shared, apart)]
        sizes = [each.count("<use") for each in drawn]
        assert sizes[1] > sizes[0]  # the letters below it


def test_no_p_is_told_of_tasks_that_share_no_base(client: httpx.Client, services: Services) -> None:
    shared, again, apart = (
        trained(client, services, **changes) for changes in ({}, {"seed": 1}, {"network": GSH})
    )
    document = client.get("/comparison", params={"ids": f"{shared},{again},{apart}"}).json()
    assert [pair["mantel"] is None for pair in document["pairs"]] == [False, True, True]
    assert document["pairs"][1]["pearson"] is not None
    [warning] = document["warnings"]
    assert warning.startswith(f"{apart}: every task of a gsh")
    assert "warnings" not in client.get("/comparison", params={"ids": f"{shared},{again}"}).json()


def test_the_map_tells_what_orders_the_tasks(client: httpx.Client, services: Services) -> None:
    suites = ({"kind": "rotation", "tasks": 4, "step_degrees": 90}, {"kind": "permutation", "tasks": 4})
    found = []
    for suite in suites:
        experiment_id = submit(client, suite=suite)
        work(services, experiment_id, *range(4))
        found.append(client.get(f"/experiments/{experiment_id}/embedding").json())
        plot = client.get(f"/dashboard/experiments/{experiment_id}/plots/embedding").json()
        assert [trace["mode"] for trace in plot["data"]][:-1] == (["lines"] if suite is suites[0] else [])
    assert [each["parameter"] for each in found] == [[0.0, 90.0, 180.0, 270.0], None]
    assert [each["period"] for each in found] == [360.0, None]
