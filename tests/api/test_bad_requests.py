"""Whatever is sent, the answer is a problem document that names the field, and nothing is inserted."""

from __future__ import annotations

import json
import re

import httpx
import pytest
from fastapi import FastAPI

BAD_BODIES = {
    "unknown key": (b'{"epohcs": 3}', 422, "epohcs"),
    "unknown key inside": (b'{"training": {"epohcs": 3}}', 422, "training.epohcs"),
    "a billion tasks": (b'{"suite": {"tasks": 1000000000}}', 422, "suite.tasks"),
    "no tasks": (b'{"suite": {"tasks": 0}}', 422, "suite.tasks"),
    "NaN": (b'{"training": {"learning_rate": NaN}}', 422, "training.learning_rate"),
    "infinity": (b'{"suite": {"step_degrees": Infinity}}', 422, "suite.step_degrees"),
    "negative epochs": (b'{"training": {"epochs": -1}}', 422, "training.epochs"),
    "unknown dataset": (b'{"dataset": "imagenet"}', 422, "dataset"),
    "unknown suite": (b'{"suite": {"kind": "fold"}}', 422, "suite.kind"),
    "a step round the image": (b'{"suite": {"kind": "shift", "step_pixels": 28}}', 422, "suite.step_pixels"),
    "a key of another suite": (b'{"suite": {"kind": "shift", "step_degrees": 1}}', 422, "suite.step_degrees"),
    "a blur beyond the image": (
        b'{"suite": {"kind": "custom", "tasks": [{"label": "a", "transforms": '
        b'[{"kind": "gaussian-blur", "kernel_size": 57}]}]}}',
        422,
        "suite.tasks.0.transforms.0.kernel_size",
    ),
    "unknown network": (b'{"network": {"kind": "transformer"}}', 422, "network.kind"),
    "unknown preset": (b'{"preset": "nope"}', 422, "preset"),
    "preset of a wrong type": (b'{"preset": ["demo"]}', 422, "preset"),
    "bad override of a preset": (b'{"preset": "demo", "training": {"epochs": 0}}', 422, "training.epochs"),
    "text for a number": (b'{"training": {"epochs": "3"}}', 422, "training.epochs"),
    "a fraction of an epoch": (b'{"training": {"epochs": 1.5}}', 422, "training.epochs"),
    "true for a number": (b'{"seed": true}', 422, "seed"),
    "null for an object": (b'{"suite": null}', 422, "suite"),
    "a seed beyond 63 bits": (b'{"seed": 9223372036854775808}', 422, "seed"),
    "more fan-in than pixels allow": (b'{"network": {"fan_in": 1000}}', 422, "network.fan_in"),
    "more images than there are": (
        b'{"dataset": "mnist5k", "training": {"train_limit": 4001}}',
        422,
        "training.train_limit",
    ),
    "a long name": (json.dumps({"name": "x" * 201}).encode(), 422, "name"),
    "an empty tag": (b'{"tags": ["ok", " "]}', 422, "tags.1"),
    "tags that are text": (b'{"tags": "paper"}', 422, "tags"),
    "a list": (b"[1]", 422, "body"),
    "null": (b"null", 422, "body"),
    "empty": (b"", 422, "body"),
    "no JSON": (b"{not json", 422, "body"),
    "bytes that are no text": (b'{"name": "\xff\xfe"}', 400, "body"),
    "deep": (b'{"suite":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "body"),
    "5 MB": (json.dumps({"name": "x" * 5_000_000}).encode(), 413, "body"),
}


PYDANTICS = ("Input should", "Value error", "Field required", "should have", "should match", "valid integer")
"""Words of pydantic's; ours name the value and the remedy."""


@pytest.mark.parametrize("name", BAD_BODIES)
def test_bad_bodies(client: httpx.Client, name: str) -> None:
    body, status, field = BAD_BODIES[name]
    answer = client.post("/experiments", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"].startswith("urn:tgsh:problem:")
    assert field in [error["field"] for error in problem["errors"]]
    assert problem["detail"]
    assert not any(words in answer.text for words in PYDANTICS)
    assert client.get("/experiments").json()["items"] == []


def test_a_body_whose_length_is_not_told_is_cut_off(client: httpx.Client) -> None:
    def endless() -> object:
        for _ in range(1000):
            yield b" " * 10_000

    answer = client.post("/experiments", content=endless(), headers={"Content-Type": "application/json"})  # type: ignore[arg-type]
    assert answer.status_code == 413
    assert answer.json()["errors"][0]["field"] == "body"


def test_a_form_is_told_to_be_json(client: httpx.Client) -> None:
    answer = client.post("/experiments", data={"preset": "demo"})
    assert answer.status_code == 422
    assert "Content-Type: application/json" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/experiments/ffffffffffffffff", 404),
        ("/experiments/ffffffffffffffff/similarity", 404),
        ("/experiments/ffffffffffffffff/dendrogram", 404),
        ("/experiments/ffffffffffffffff/embedding", 404),
        ("/experiments/ffffffffffffffff/similarity/epochs", 404),
        ("/experiments/ffffffffffffffff/figures/accuracy.png", 404),
        ("/experiments/ffffffffffffffff/events", 404),
        ("/experiments/ffffffffffffffff/tasks", 404),
        ("/experiments/ffffffffffffffff/tasks/0", 404),
        ("/experiments/ffffffffffffffff/accuracy", 404),
        ("/experiments/ffffffffffffffff/accuracy/matrix", 404),
        ("/experiments/ffffffffffffffff/context-vectors", 404),
        ("/experiments/ffffffffffffffff/geometry", 404),
        ("/experiments/ffffffffffffffff/samples", 404),
        ("/experiments/..%2f..%2fetc", 404),
        ("/experiments/nonsense", 422),
        ("/nowhere", 404),
        ("/experiments?limit=0", 422),
        ("/experiments?limit=100000", 422),
        ("/experiments?cursor=nonsense", 422),
        ("/experiments?status=asleep", 422),
    ],
)
def test_bad_paths_and_queries(client: httpx.Client, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert not any(words in answer.text for words in PYDANTICS)


def test_a_wrong_method_says_so(client: httpx.Client) -> None:
    answer = client.put("/experiments")
    assert answer.status_code == 405
    assert "PUT is not possible" in answer.json()["detail"]


def test_an_operation_takes_the_parameters_of_its_document(
    app: FastAPI, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = app.openapi()
    monkeypatch.setattr(app, "openapi", None)  # making it takes most of a second, in which nobody is answered
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            declared = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"]
            says = f"it takes {', '.join(declared)}" if declared else "it takes none"
            answer = client.request(method, re.sub("{.*?}", "0" * 16, path), params={"no-such": 1})
            told = [each["message"] for each in answer.json()["errors"] if each["field"] == "no-such"]
            assert told == [f"{method.upper()} {path} has no such parameter; {says}"]


def test_parameters_that_are_not_there_are_named_all_at_once(client: httpx.Client) -> None:
    answer = client.get("/experiments?statsu=running&limti=3&limit=3")
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["statsu", "limti"]
    assert "it takes" in answer.json()["detail"]
    assert client.get("/livez?x=1").status_code == 422
    assert client.get("/docs?x=1").status_code == 200
