"""Tasks of images, mixed contexts, transfer, scenarios and hash codes, over HTTP and of a trained
experiment."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from scipy.special import softmax
from sqlalchemy.orm.attributes import flag_modified
from typer.testing import CliRunner

from service.app import create_app
from service.dependencies import Services
from service.settings import ServiceSettings
from tests.api import test_images_sent
from tests.api.conftest import submit
from tests.api.test_trained_results import train
from tests.support.browser import BROWSER
from tests.support.requests import NPY, as_npy
from tests.support.serving import in_process, serving
from tests.support.uploads import npz, picture, zipped
from tgsh.analysis.hash_codes import simhash
from tgsh.cli.application import app as application
from tgsh.client import Client
from tgsh.datasets.base import ImageDataset
from tgsh.datasets.mnist import load_dataset
from tgsh.errors import ServiceProblem
from tgsh.specs.presets import Submission
from tgsh.store.models import FinishRecord
from tgsh.suites import build

pytestmark = pytest.mark.slow  # networks are really trained

TASKS = 6
SPEC: dict[str, Any] = {
    "suite": {"kind": "rotation", "tasks": TASKS, "step_degrees": 60},
    "network": {"kind": "flynet", "expansion": 4},
    "training": {"epochs": 3, "train_limit": 1500},
    "accuracy_matrix": True,
}
MOST_BYTES = 2**20


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    home = tmp_path_factory.mktemp("home")
    return create_app(
        ServiceSettings(home=home, data_dir=home / "data", redis_url=SecretStr("redis://127.0.0.1:1/0"))
    )


@pytest.fixture(scope="module")
def client(app: FastAPI) -> Iterator[httpx.Client]:
    with in_process(app) as client:
        yield client


@pytest.fixture(scope="module")
def services(app: FastAPI, client: httpx.Client) -> Services:
    services: Services = app.state.services
    return services


@pytest.fixture(scope="module")
def digits(services: Services) -> ImageDataset:
    return load_dataset("mnist5k", services.settings.data)


@pytest.fixture(scope="module")
def root(client: httpx.Client, services: Services) -> str:
    return train(client, services, **SPEC)


@pytest.fixture(scope="module")
def rotated(digits: ImageDataset) -> np.ndarray:
    """uint8 [T, 1000, 784], the test images as each task sees them."""
    suite = Submission.model_validate({**SPEC, "dataset": "mnist5k"}).spec().suite
    transforms = [task.transform for task in build(suite, digits.info)]
    return np.stack([each.apply(digits.test_images) for each in transforms])  # type: ignore[union-attr]


def ask(client: httpx.Client, path: str, images: np.ndarray, **params: Any) -> httpx.Response:
    headers = {"Content-Type": NPY}
    return client.post(path, params=params, content=as_npy(images), headers=headers)


def answer(client: httpx.Client, path: str, images: np.ndarray, **params: Any) -> dict[str, Any]:
    response = ask(client, path, images, **params)
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


def fields(response: httpx.Response) -> list[str]:
    assert response.headers["content-type"] == "application/problem+json"
    return [error["field"] for error in response.json()["errors"]]


# --- inference


@pytest.mark.parametrize("rule", ["margin", "entropy", "infomax", "blind-hash"])
def test_a_hundred_images_name_their_task(
    client: httpx.Client, root: str, rotated: np.ndarray, digits: ImageDataset, rule: str
) -> None:
    for task in range(TASKS):
        found = answer(client, f"{root}/inference", rotated[task, :100], rule=rule)
        scores = [each["score"] for each in found["tasks"]]
        assert scores == sorted(scores, reverse=True)
        assert {each["task"] for each in found["tasks"]} == set(range(TASKS))
        assert (found["tasks"][0]["task"], found["tasks"][0]["label"]) == (task, f"{60 * task}°")
        seen = np.array(found["classes"]) == digits.test_labels[:100].astype(str)
        assert seen.mean() > 0.75
        if rule == "blind-hash":
            assert found["tasks"][0]["probability"] is None
            assert "not calibrated" in found["reason"]
        else:
            assert sum(each["probability"] for each in found["tasks"]) == pytest.approx(1)
            assert found["reason"] is None
            assert found["calibration"]["images"] == 100
            assert found["calibration"]["task_right"] > 0.9


def test_untrained_contexts_name_nothing(client: httpx.Client, root: str, rotated: np.ndarray) -> None:
    """What trained contexts do, contexts before training do not: the verdict is not in the method."""
    right = 0
    for task in range(TASKS):
        found = answer(client, f"{root}/inference", rotated[task, :100], stage="before")
        right += found["tasks"][0]["task"] == task
        assert found["calibration"] is None
        assert "after training" in found["reason"]
    assert right <= 3


def test_the_classes_are_those_of_the_first_task(
    client: httpx.Client, root: str, rotated: np.ndarray
) -> None:
    found = answer(client, f"{root}/inference", rotated[2, :20])
    there = answer(client, f"{root}/tasks/{found['tasks'][0]['task']}/predictions", rotated[2, :20])
    assert found["classes"] == there["class_names"]
    assert len(found["confidence"]) == 20


def test_json_and_npy_are_the_same(client: httpx.Client, root: str, rotated: np.ndarray) -> None:
    sent = rotated[1, :3]
    by_json = client.post(f"{root}/inference", json={"images": sent.tolist()}).json()
    assert by_json == answer(client, f"{root}/inference", sent)
    table = ask(client, f"{root}/inference", sent, format="csv").text.splitlines()
    assert table[0] == "task,label,score,probability"
    assert len(table) == TASKS + 1


def test_a_file_of_pictures_or_arrays(client: httpx.Client, root: str, rotated: np.ndarray) -> None:
    """A zip of pictures of another size is converted where that is asked for; a sentence answers."""
    path, images = f"{root}/inference", rotated[2, :40].reshape(-1, 28, 28)
    large = [np.kron(image, np.ones((2, 2), np.uint8)) for image in images]
    photos = zipped({f"{place}.png": picture(image) for place, image in enumerate(large)})
    headers = {"Content-Type": "application/octet-stream"}
    convert = {"size": "28x28", "channels": "1"}
    found = client.post(path, content=photos, headers=headers, params=convert).json()
    assert (found["images"], found["tasks"][0]["label"]) == (40, "120°")
    assert found["sentence"].startswith("Your 40 images are most likely from 120° (probability")
    assert "the right task came first" in found["sentence"]
    same = client.post(path, content=npz(x=images, y=np.arange(40)), headers=headers).json()
    assert same == answer(client, path, images)
    assert client.post(path, files={"file": npz(images=images)}).json() == same
    refused = client.post(path, content=photos, headers=headers)
    assert (refused.status_code, fields(refused)) == (422, ["images"])
    refused = client.post(path, content=photos, headers=headers, params={"size": "large", "fit": "tear"})
    assert (refused.status_code, sorted(fields(refused))) == (422, ["fit", "size"])
    refused = ask(client, path, images, size="28x28", channels="1")
    assert (refused.status_code, fields(refused)) == (422, ["size", "channels"])
    refused = client.post(path, content=b"%PDF-1.7", headers=headers)
    assert (refused.status_code, fields(refused)) == (422, ["body"])
    gone = client.post(f"/experiments/{'f' * 16}/inference", content=photos, headers=headers)
    assert gone.status_code == 404


def test_the_page_of_reuse_draws_what_the_results_say(client: httpx.Client, root: str) -> None:
    page = client.get(f"/dashboard{root}/reuse", headers=BROWSER)
    assert "Which task are these images?" in page.text
    assert 'id="matrix"' not in page.text  # the matrix is there
    assert f"/dashboard{root}/reuse" in client.get(f"/dashboard{root}", headers=BROWSER).text

    def plot(name: str, **params: Any) -> dict[str, Any]:
        response = client.get(f"/dashboard{root}/reuse/{name}", params=params)
        assert response.status_code == 200, response.text
        document: dict[str, Any] = response.json()
        return document

    transfer, drawn = client.get(f"{root}/transfer").json(), plot("transfer")
    assert len(drawn["data"][0]["x"]) == TASKS * (TASKS - 1)
    assert [row[:2] for row in drawn["rows"]] == [
        [each["label"], each["chosen_label"]] for each in transfer["sources"]
    ]
    assert f"Pearson {transfer['pearson']:.3f}" in drawn["summary"]
    scenarios, drawn = client.get(f"{root}/scenarios?rule=entropy").json(), plot("scenarios", rule="entropy")
    known = next(each for each in drawn["data"] if each["name"] == "task known")
    assert known["y"] == [round(row["task_known"]["value"], 4) for row in scenarios["rows"]]
    assert drawn["rows"][-1][0] == "chance"
    assert "rule=entropy" in drawn["links"]["svg"]
    hashing = client.get(f"{root}/hashing?kind=top-share&bits=64").json()
    drawn = plot("retrieval", kind="top-share", bits=64)
    assert [row[0] for row in drawn["rows"]] == [each["name"] for each in hashing["retrieval"]] + ["chance"]
    assert hashing["note"] in drawn["summary"]
    assert len(plot("collisions")["data"]) == 5  # four kinds of pairs, and random planes
    wide = plot("collisions", kind="top-share", bits=2048)  # of a network with fewer units, or not
    assert wide["summary"]
    assert client.get(f"/dashboard{root}/reuse/nothing").status_code == 404
    waiting = f"/dashboard/experiments/{submit(client, **SPEC)}/reuse"
    assert "these questions are about a completed one" in client.get(waiting, headers=BROWSER).text
    nothing = client.get(f"{waiting}/scenarios").json()
    assert (nothing["data"], "queued" in nothing["summary"]) == ([], True)


def test_one_image(client: httpx.Client, root: str, rotated: np.ndarray) -> None:
    for rule in ("margin", "entropy", "blind-hash"):
        found = answer(client, f"{root}/inference", rotated[3, 0], rule=rule)
        assert (found["images"], len(found["classes"])) == (1, 1)
    refused = ask(client, f"{root}/inference", rotated[3, 0], rule="infomax")
    assert (refused.status_code, fields(refused)) == (422, ["rule"])


def test_bad_images_are_problems(client: httpx.Client, root: str) -> None:
    routes = (
        "inference",
        "predictions?weights=0:1",
        "mixtures?labels=0,1",
        "tasks/0/codes",
    )
    for route in routes:
        for name, (media_type, body, field) in test_images_sent.BAD.items():
            wanted = (422, [field]) if len(body) <= MOST_BYTES else (413, ["body"])
            response = client.post(f"{root}/{route}", content=body, headers={"Content-Type": media_type})
            assert (response.status_code, fields(response)) == wanted, (route, name)
        million = test_images_sent.header((10**6, 784))
        response = client.post(f"{root}/{route}", content=million, headers={"Content-Type": NPY})
        assert (response.status_code, fields(response)) == (422, ["images"])
        assert "1,000,000 are more than 1,000" in response.text
        response = client.post(f"{root}/{route}", content=b"{}", headers={"Content-Type": "image/png"})
        assert response.status_code == 415


def test_a_running_experiment_waits(client: httpx.Client, rotated: np.ndarray) -> None:
    waiting = f"/experiments/{submit(client, **SPEC)}"
    sent = rotated[0, :4]
    for route, params in (
        ("inference", {}),
        ("predictions", {"weights": "0:1"}),
        ("mixtures", {"labels": "0,1,0,1"}),
        ("tasks/0/codes", {}),
    ):
        refused = ask(client, f"{waiting}/{route}", sent, **params)
        assert refused.status_code == 409, refused.text
    assert "0 of 6 tasks" in ask(client, f"{waiting}/inference", sent).json()["detail"]
    for result in ("transfer", "scenarios", "hashing"):
        refused = client.get(f"{waiting}/{result}")
        assert (refused.status_code, "queued" in refused.json()["detail"]) == (409, True)


def test_bad_questions_name_the_field(client: httpx.Client, root: str, rotated: np.ndarray) -> None:
    sent = rotated[0, :4]
    for route, field, params in (
        ("inference", "rule", {"rule": "magic"}),
        ("mixtures", "labels", {"labels": "0,1"}),
        ("mixtures", "labels", {"labels": "0,1,0,eleven"}),
        ("mixtures", "labels", {"labels": "1,1,1,1"}),
        ("mixtures", "labels", {}),
        ("mixtures", "contexts", {"labels": "0,1,0,1", "contexts": 0}),
        ("mixtures", "tasks", {"labels": "0,1,0,1", "tasks": "0,6"}),
        ("mixtures", "seed", {"labels": "0,1,0,1", "seed": -1}),
        ("tasks/0/codes", "bits", {"bits": 7}),
        ("tasks/0/codes", "kind", {"kind": "md5"}),
        ("predictions", "weights", {}),
    ):
        refused = ask(client, f"{root}/{route}", sent, **params)
        assert refused.status_code == 422, (route, params, refused.text)
        assert {each.rpartition(".")[2] for each in fields(refused)} == {field}, (route, params)
    for result, field in (
        ("scenarios?images=0", "images"),
        ("scenarios?rule=blind-hash", "rule"),
        ("hashing?bits=4", "bits"),
        ("hashing?kind=x", "kind"),
        ("hashing?count=0", "count"),
        ("transfer?measure=x", "measure"),
        ("transfer?layer=layer-2", "layer"),
        ("transfer?nonsense=1", "nonsense"),
    ):
        refused = client.get(f"{root}/{result}")
        assert refused.status_code == 422, (result, refused.text)
        assert {each.rpartition(".")[2] for each in fields(refused)} == {field}
    assert ask(client, f"{root}/inference", sent, stage="9").status_code == 404
    assert ask(client, f"{root}/inference", sent, format="png").status_code == 406
    assert ask(client, f"{root}/tasks/6/codes", sent).status_code == 404
    assert ask(client, f"/experiments/{'f' * 16}/inference", sent).status_code == 404


# --- mixed contexts


def test_weights(client: httpx.Client, root: str, rotated: np.ndarray) -> None:
    sent = rotated[1, :8]
    alone = answer(client, f"{root}/tasks/1/predictions", sent)
    for weights in ("1:1", "1:0.25", "1:2,0:0", " 1:1e3 "):
        mixed = answer(client, f"{root}/predictions", sent, weights=weights)
        assert mixed["probabilities"] == alone["probabilities"]
        assert mixed["weights"] == [{"task": 1, "label": "60°", "weight": 1.0}]
    other = answer(client, f"{root}/tasks/2/predictions", sent)
    mixed = answer(client, f"{root}/predictions", sent, weights="2:1,1:3")
    # Logits are linear in the context, and a softmax forgets a constant: log p is mixed but for one a row.
    logs = 0.75 * np.log(alone["probabilities"]) + 0.25 * np.log(other["probabilities"])
    np.testing.assert_allclose(mixed["probabilities"], softmax(logs, axis=1), rtol=2e-3, atol=1e-5)
    assert [each["weight"] for each in mixed["weights"]] == [0.75, 0.25]
    assert mixed["class_names"] == [str(number) for number in mixed["classes"]]
    array = np.load(io.BytesIO(ask(client, f"{root}/predictions", sent, weights="1:1", format="npy").content))
    np.testing.assert_allclose(array, alone["probabilities"], rtol=1e-6)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("9:1", "task 9 is not there; there are 0 to 5"),
        ("0:0,1:0", "sum to 0"),
        ("0:-1", "no task and weight"),
        ("0:nan", "no task and weight"),
        ("0:inf", "no task and weight"),
        ("0", "no task and weight"),
        ("", "no task and weight"),
        ("0:1,0:2", "two weights"),
        ("0:1e9", "more than 1e+06"),
        (",".join(["0:1"] * 1001), "more than 1,000"),
    ],
)
def test_bad_weights(
    client: httpx.Client, root: str, rotated: np.ndarray, weights: str, message: str
) -> None:
    refused = ask(client, f"{root}/predictions", rotated[0, :2], weights=weights)
    assert (refused.status_code, set(fields(refused))) == (422, {"weights"})
    assert message in refused.json()["detail"]


def test_all_that_is_wrong_with_weights_is_told_at_once(
    client: httpx.Client, root: str, rotated: np.ndarray
) -> None:
    refused = ask(client, f"{root}/predictions", rotated[0, :2], weights="9:1,x,0:1,0:1")
    assert fields(refused) == ["weights"] * 3


def test_the_best_mix_for_images_of_a_task(
    client: httpx.Client, root: str, rotated: np.ndarray, digits: ImageDataset
) -> None:
    labels = ",".join(map(str, digits.test_labels[:120]))
    found = answer(client, f"{root}/mixtures", rotated[4, :120], labels=labels, contexts=1)
    assert [each["task"] for each in found["tasks"]] == [4]
    assert (found["fitted"] + found["measured"], found["single"]["task"]) == (120, 4)
    assert found["low"] <= found["accuracy"] <= found["high"]
    assert found["accuracy"] > found["uniform_accuracy"] + 0.2
    without = answer(client, f"{root}/mixtures", rotated[4, :120], labels=labels, tasks="0-3,5", contexts=3)
    assert 4 not in [each["task"] for each in without["tasks"]]
    assert without["accuracy"] < found["accuracy"]
    assert sum(each["weight"] for each in without["tasks"]) == pytest.approx(1)
    again = answer(client, f"{root}/predictions", rotated[4, :120], weights=found["weights"])
    assert (np.array(again["classes"]) == digits.test_labels[:120]).mean() > 0.75
    table = ask(client, f"{root}/mixtures", rotated[4, :120], labels=labels, contexts=1, format="csv").text
    assert table.splitlines() == ["task,label,weight", "4,240°,1.0"]


def test_few_images_make_no_halves(client: httpx.Client, root: str, rotated: np.ndarray) -> None:
    refused = ask(client, f"{root}/mixtures", rotated[0, :3], labels="0,1,2")
    assert (refused.status_code, fields(refused)) == (422, ["images"])
    refused = ask(client, f"{root}/mixtures", rotated[0, :4], labels="0,1,2,3")
    assert (refused.status_code, fields(refused)) == (422, ["labels"])
    assert "one image of each class" in refused.json()["detail"]


# --- transfer, scenarios


def test_transfer_is_read_off_the_matrix(client: httpx.Client, root: str) -> None:
    matrix = np.array(client.get(f"{root}/accuracy/matrix").json()["values"])
    similarity = np.array(client.get(f"{root}/similarity").json()["values"])
    found = client.get(f"{root}/transfer").json()
    off = ~np.eye(TASKS, dtype=bool)
    assert found["pearson"] == pytest.approx(np.corrcoef(similarity[off], matrix[off])[0, 1])
    for source in found["sources"]:
        task, chosen = source["task"], source["chosen"]
        assert chosen == np.where(off[task], similarity[task], -2).argmax()
        assert (source["accuracy"], source["own"]) == (matrix[chosen, task], matrix[task, task])
        assert source["best"] == matrix[off[:, task], task].max()
        assert source["random"] == pytest.approx(matrix[off[:, task], task].mean())
        assert source["low"] <= source["expected"] <= source["high"]
        assert source["sentence"].startswith(
            f"{source['label']}: use the context of {source['chosen_label']}"
        )
    assert found["fit"]["expected"] == sorted(found["fit"]["expected"])
    csv = client.get(f"{root}/transfer?format=csv").text.splitlines()
    assert len(csv) == TASKS + 1
    for format, magic in {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}.items():
        assert client.get(f"{root}/transfer?format={format}").content.startswith(magic)


def test_without_a_matrix_the_remedy_is_told(client: httpx.Client, services: Services) -> None:
    suite = {"kind": "rotation", "tasks": 2, "step_degrees": 90}
    path = train(
        client, services, suite=suite, network=SPEC["network"], training={"epochs": 1, "train_limit": 100}
    )
    refused = client.get(f"{path}/transfer")
    assert refused.status_code == 409
    assert f"POST {path}/accuracy/matrix" in refused.json()["detail"]


def test_scenarios(client: httpx.Client, root: str) -> None:
    found = client.get(f"{root}/scenarios").json()
    assert [row["images"] for row in found["rows"]] == [1, 10, 100]
    one, ten, hundred = found["rows"]
    mean = client.get(f"{root}/accuracy").json()["mean"]
    for row in found["rows"]:
        assert row["task_known"]["value"] == pytest.approx(mean, abs=0.04)
        assert row["class"]["value"] <= row["domain"]["value"] <= row["task_known"]["value"] + 0.02
        assert row["task"]["low"] <= row["task"]["value"] <= row["task"]["high"]
    assert one["task"]["value"] < ten["task"]["value"] <= hundred["task"]["value"]
    assert hundred["task"]["value"] > 0.95
    assert one["task"]["value"] > 2 * found["chance"]["task"]
    assert found["chance"] == {
        "task_known": pytest.approx(0.1),
        "domain": pytest.approx(0.1),
        "class": pytest.approx(1 / 60),
        "task": pytest.approx(1 / 6),
    }
    assert found["sample"] == {"tasks": list(range(TASKS)), "images": 200}
    twenty = client.get(f"{root}/scenarios?images=20&rule=entropy").json()
    assert [(row["images"], twenty["rule"]) for row in twenty["rows"]] == [(20, "entropy")]
    [row] = client.get(f"{root}/scenarios?images=201").json()["rows"]
    assert (row["class"], row["batches"]) == (None, 0)
    assert "200 test images of each task make no batch of 201" in row["reason"]
    assert client.get(f"{root}/scenarios?format=csv").text.splitlines()[-1].startswith("chance,")


def test_split_classes_are_told_apart_in_the_class_setting(client: httpx.Client, services: Services) -> None:
    body = {**SPEC, "suite": {"kind": "split", "outputs": "own"}, "accuracy_matrix": False}
    path = train(client, services, **body)
    [row] = client.get(f"{path}/scenarios?images=10").json()["rows"]
    assert row["task_known"]["value"] > 0.9
    assert client.get(f"{path}/scenarios").json()["chance"]["class"] == pytest.approx(0.1)


def test_older_experiments_say_how_to_get_it(
    client: httpx.Client, services: Services, rotated: np.ndarray
) -> None:
    suite = {"kind": "rotation", "tasks": 2, "step_degrees": 60}
    path = train(
        client, services, suite=suite, network=SPEC["network"], training={"epochs": 1, "train_limit": 300}
    )
    with services.database.write() as session:
        finish = session.get_one(FinishRecord, path.rpartition("/")[2])
        for name in ("probe", "calibration"):
            del finish.results[name]
        flag_modified(finish, "results")
    for result in ("scenarios", "hashing"):
        refused = client.get(f"{path}/{result}")
        assert (refused.status_code, "--anew" in refused.json()["detail"]) == (409, True)
    found = answer(client, f"{path}/inference", rotated[1, :50])
    assert found["calibration"] is None
    assert "--anew" in found["reason"]
    assert [each["probability"] for each in found["tasks"]] == [None, None]
    assert found["tasks"][0]["task"] == 1


# --- hash codes


def test_hashing(client: httpx.Client, root: str) -> None:
    found = client.get(f"{root}/hashing").json()
    assert [(curve["pairs_of"], curve["stage"]) for curve in found["curves"]] == [
        ("within", "before"),
        ("across", "before"),
        ("within", "after"),
        ("across", "after"),
    ]
    for curve in found["curves"]:
        assert curve["deviation"] < 0.04  # 256 bits have a deviation of 0.03 at 90°, its mean 0.025
        several = np.array(curve["pairs"]) > 50
        np.testing.assert_allclose(
            np.array(curve["agreement"])[several], np.array(curve["theory"])[several], atol=0.03
        )
    rows = {row["name"]: row for row in found["retrieval"]}
    own, blind = rows["own context, untrained"], rows["blind"]
    # Without training a context gives the task away, and tells nothing of rotations.
    assert own["same_task"] > 0.95 > 0.6 > blind["same_task"]
    assert rows["blind query"]["same_task"] < 0.35
    assert blind["same_class"] > 1.5 * found["chance"]["same_class"]
    assert "gives the task away" in found["note"]
    top = client.get(f"{root}/hashing?kind=top-share&bits=64").json()
    assert {curve["theory"] is None for curve in top["curves"]} == {True}
    assert client.get(f"{root}/hashing?kind=top-share&bits=2048").status_code == 200
    assert client.get(f"{root}/hashing?format=csv").text.startswith("kind,name,same task")


def test_codes_are_simhashes_of_representations(client: httpx.Client, root: str, rotated: np.ndarray) -> None:
    sent = rotated[2, :5]
    there = ask(client, f"{root}/tasks/2/representations", sent, format="npy").content
    codes = np.packbits(simhash(np.load(io.BytesIO(there)), 100, 0), axis=1)
    array = np.load(io.BytesIO(ask(client, f"{root}/tasks/2/codes", sent, bits=100, format="npy").content))
    np.testing.assert_array_equal(array, codes)
    document = answer(client, f"{root}/tasks/2/codes", sent, bits=100)
    assert document["codes"] == [row.tobytes().hex() for row in codes]
    assert (document["bits"], document["length"]) == (100, 100)
    top = answer(client, f"{root}/tasks/2/codes", sent, kind="top-share", bits=10)
    assert top["length"] == 3136
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(top["codes"][0]), np.uint8))
    assert bits.sum() == 10


# --- client and commands


def test_the_client(client: httpx.Client, root: str, rotated: np.ndarray, digits: ImageDataset) -> None:
    id, sent = root.rpartition("/")[2], rotated[5, :40]
    labels = digits.test_labels[:40].tolist()
    with Client(str(client.base_url), transport=client._transport) as ours:
        found = ours.infer(id, sent)
        assert found.tasks[0].task == 5
        assert found.to_dataframe().shape == (TASKS, 2)
        np.testing.assert_array_equal(np.asarray(found), [each.score for each in found.tasks])
        mixed = ours.mixed_predictions(id, {4: 0.5, 0: 0.5}, sent)
        assert np.asarray(mixed).shape == (40, 10)
        assert list(mixed.to_dataframe()["seen"]) == mixed.classes
        assert ours.mixed_predictions(id, "4:1,0:1", sent) == mixed
        mix = ours.mixture(id, sent, labels, 1)
        assert mix.tasks[0].task == 5
        assert ours.codes(id, 5, sent, bits=64).shape == (40, 8)
        for value in (ours.transfer(id), ours.scenarios(id), ours.hashing(id)):
            assert np.asarray(value).ndim == 2
            assert len(value.to_dataframe()) == len(np.asarray(value))
            assert value._repr_png_() is not None
            value.plot(value.plot().add_subplot())
        with pytest.raises(ServiceProblem, match="weights"):
            ours.mixed_predictions(id, {99: 1.0}, sent)


def test_commands(
    app: FastAPI, root: str, rotated: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "140")
    id = root.rpartition("/")[2]
    np.save("images.npy", rotated[3, :50])
    Path("broken.npy").write_text("no array")
    with serving(app) as http:
        monkeypatch.setenv("TGSH_URL", str(http.base_url))

        def tgsh(*arguments: str) -> str:
            result = CliRunner().invoke(application, list(arguments))
            assert result.exit_code == 0, result.output
            return result.stdout

        assert json.loads(tgsh("infer", id, "images.npy", "--json"))["tasks"][0]["task"] == 3
        told = tgsh("infer", id[:8], "images.npy", "--rule", "entropy")
        assert "180°" in told
        assert "the right task came first" in told
        with zipfile.ZipFile("photos.zip", "w") as archive:
            for place, image in enumerate(rotated[3, :50].reshape(-1, 28, 28)):
                archive.writestr(f"{place}.png", picture(np.kron(image, np.ones((2, 2), np.uint8))))
        assert "most likely from 180°" in tgsh(
            "infer", id, "photos.zip", "--size", "28x28", "--channels", "1"
        )
        assert "Not calibrated" in tgsh("infer", id, "images.npy", "--rule", "blind-hash")
        assert "use the context of" in tgsh("transfer", id)
        assert "task known" in tgsh("scenarios", id)
        assert "gives the task away" in tgsh("hashing", id, "--bits", "64")
        assert len(json.loads(tgsh("scenarios", id, "--images", "5", "--json"))["rows"]) == 1
        for file in ("broken.npy", "missing.npy"):
            refused = CliRunner().invoke(application, ["infer", id, file])
            assert refused.exit_code != 0
