"""Definition 1 beside that of another experiment, really trained."""

from __future__ import annotations

import csv
import io
from typing import Any

import httpx
import numpy as np
import pytest
import safetensors.numpy

from service.dependencies import Services
from tests.api.conftest import completed, submit
from tests.api.test_trained_results import train
from tgsh.store.models import FinishRecord
from tgsh.store.results import load_result

pytestmark = pytest.mark.slow  # networks are really trained

SMALL: dict[str, Any] = {"training": {"epochs": 1, "train_limit": 400}}
FLYNET = {"kind": "flynet", "expansion": 1}
GSH = {"kind": "gsh", "hidden": 32, "rank": 8}


@pytest.fixture
def pair(client: httpx.Client, services: Services) -> tuple[str, str]:
    """The path of an experiment and the id of another on the same tasks, in which nothing is shared."""
    path = train(client, services, name="ours", network=FLYNET, **SMALL)
    baseline = train(client, services, name="theirs", network=GSH, seed=4, **SMALL)
    return path, baseline.removeprefix("/experiments/")


def test_both_are_told_and_are_what_each_alone_is(client: httpx.Client, pair: tuple[str, str]) -> None:
    path, baseline = pair
    alone = client.get(f"{path}/geometry").json()
    assert (alone["network"], alone["baseline"]) == ("flynet", None)
    both = client.get(f"{path}/geometry?baseline={baseline}").json()
    other = client.get(f"/experiments/{baseline}/geometry").json()
    assert {**both, "baseline": None} == alone
    assert both["baseline"] == {
        "experiment_id": baseline,
        "name": "theirs",
        "network": "gsh",
        "before": other["before"],
        "after": other["after"],
    }
    assert both["after"] != both["baseline"]["after"]


def test_every_format_has_both(client: httpx.Client, pair: tuple[str, str]) -> None:
    path, baseline = pair
    document = client.get(f"{path}/geometry?baseline={baseline}").json()
    url = f"{path}/geometry?baseline={baseline}&format="
    header, *rows = csv.reader(io.StringIO(client.get(f"{url}csv").text))
    column = [int(row[header.index("baseline after inter")]) for row in rows]
    assert column == document["baseline"]["after"]["inter"]
    assert len(header) == 2 + 8
    tensors = safetensors.numpy.load(client.get(f"{url}safetensors").content)
    np.testing.assert_array_equal(tensors["baseline.before.intra"], document["baseline"]["before"]["intra"])
    np.testing.assert_array_equal(tensors["before.intra"], document["before"]["intra"])
    for name, magic in {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}.items():
        picture = client.get(f"{url}{name}").content
        assert picture.startswith(magic)
        assert picture != client.get(f"{path}/geometry?format={name}").content
    tag = client.get(f"{path}/geometry?baseline={baseline}").headers["ETag"]
    assert tag != client.get(f"{path}/geometry").headers["ETag"]
    again = client.get(f"{path}/geometry?baseline={baseline}", headers={"If-None-Match": tag})
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"suite": {"kind": "rotation", "tasks": 2, "step_degrees": 90}}, "suite.tasks is 2 instead of 3"),
        ({"suite": {"kind": "permutation", "tasks": 3}}, "suite.kind is 'permutation' instead of 'rotation'"),
        ({"dataset": "mnist"}, "dataset is 'mnist' instead of 'mnist5k'"),
    ],
)
def test_other_tasks_are_no_baseline(
    client: httpx.Client, services: Services, changes: dict[str, object], difference: str
) -> None:
    path = train(client, services, network=FLYNET, **SMALL)
    spec = {"suite": {"kind": "rotation", "tasks": 3, "step_degrees": 90}, **changes}
    answer = client.get(f"{path}/geometry", params={"baseline": submit(client, **spec)})
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["field"] == "baseline"
    assert difference in error["message"]


def test_another_sample_is_no_baseline(
    client: httpx.Client, services: Services, pair: tuple[str, str]
) -> None:
    path, _ = pair
    assert client.get(f"{path}/geometry", params={"baseline": path.split("/")[-1]}).status_code == 200
    other = resampled(services, pair[1])
    answer = client.get(f"{path}/geometry", params={"baseline": other})
    assert answer.status_code == 422
    assert "images is 5 instead of 6" in answer.json()["detail"]


def resampled(services: Services, experiment_id: str) -> str:
    """Put another sample into what was measured, as a version with another number of images would."""
    measured = load_result(services.database, services.artifacts, experiment_id, "geometry")
    assert measured is not None
    tensors, about = measured
    key = f"{experiment_id}/other.safetensors"
    sample = about["sample"].replace('"images": 6', '"images": 5')
    sha256 = services.artifacts.save(key, tensors, {**about, "sample": sample})
    with services.database.write() as session:
        finish = session.get_one(FinishRecord, experiment_id)
        finish.results = {**finish.results, "geometry": [key, sha256]}
    return experiment_id


def test_what_is_not_there_or_not_done(client: httpx.Client, services: Services) -> None:
    path = train(client, services, network=FLYNET, **SMALL)
    suite = {"kind": "rotation", "tasks": 3, "step_degrees": 90}
    running = submit(client, suite=suite)
    unmeasured = completed(client, services).removeprefix("/experiments/")
    for baseline, status, why in (
        ("f" * 16, 404, "f" * 16),
        (running, 409, f"{running} is queued"),
        (unmeasured, 422, "suite.step_degrees is 10.0 instead of 90.0"),
        ("all", 422, "baseline"),
    ):
        answer = client.get(f"{path}/geometry", params={"baseline": baseline})
        assert (answer.status_code, why in answer.json()["detail"]) == (status, True), answer.text
    refused = client.get(f"/experiments/{unmeasured}/geometry")
    assert (refused.status_code, "did not measure it" in refused.json()["detail"]) == (409, True)
