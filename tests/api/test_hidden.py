"""What an owner does in private: nobody else can tell it from what is not there, on any route."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from service.dependencies import Services
from tests.api.conftest import SPEC, finish, submit, work
from tests.api.test_keys import filled, routes
from tests.support.people import people, private_report
from tests.support.uploads import grey, upload
from tgsh.store import leases, previews

pytestmark = pytest.mark.attacks

ABSENT = "f" * 16

NETWORK = {"kind": "flynet", "expansion": 2}

BODIES: dict[str, Any] = {
    "PATCH": {"shared": True},
    "/experiments/{experiment_id}/agreement": {"geometry": "circular(angle)"},
    "/studies/{study_id}/extend": {"seeds": 1},
    "/studies/{study_id}/agreement": {"geometry": "circular(angle)"},
    "/experiments/{experiment_id}/tasks/{index}/predictions": {"images": [[0] * 784]},
    "/experiments/{experiment_id}/tasks/{index}/representations": {"images": [[0] * 784]},
}
"""By method or path: what is valid, so that only the id decides."""

TOTALS = ("/metrics", "/workers", "/readyz", "/livez")
"""Counts of all work, where owners are counted and not named."""


@pytest.fixture
def known(client: httpx.Client, tmp_path: Path) -> Iterator[dict[str, httpx.Client]]:
    with people(tmp_path, client) as found:
        yield found


def told(answer: httpx.Response, id: str) -> tuple[object, ...]:
    """All that an answer tells, up to the id that was asked for."""
    headers = {
        name: value.replace(id, ABSENT) for name, value in answer.headers.items() if name != "x-request-id"
    }
    return answer.status_code, headers, answer.text.replace(id, ABSENT)


def trained(client: httpx.Client, services: Services, **changes: Any) -> str:
    """A completed experiment of three tasks."""
    experiment_id = submit(client, **changes)
    work(services, experiment_id, 0, 1, 2)
    finish(services, experiment_id)
    return experiment_id


def on(dataset: str) -> dict[str, Any]:
    return {**SPEC, "dataset": {"id": dataset}, "network": NETWORK}


def on_several(*ids: str) -> dict[str, Any]:
    return {**SPEC, "dataset": None, "suite": {"kind": "datasets", "datasets": ids}, "network": NETWORK}


def test_every_route_answers_for_what_is_hidden_as_for_what_is_not_there(
    app: FastAPI, known: dict[str, httpx.Client], services: Services
) -> None:
    alice, bob = known["alice"], known["bob"]
    dataset = upload(alice, *grey())
    ended, waiting = trained(alice, services, dataset={"id": dataset}, network=NETWORK), submit(alice)
    study = alice.post("/studies", json={"experiments": [ended]}).json()["id"]
    report, asked = private_report(alice), 0
    for method, path in routes(app):
        if "_id}" not in path:
            continue
        one = {"{dataset_id}": (dataset,), "{study_id}": (study,), "{report_id}": (report,)}
        for id in next((ids for name, ids in one.items() if name in path), (ended, waiting)):
            body = BODIES.get(path, BODIES.get(method))
            for query in ("", "?format=json", "?nonsense=1", f"?baseline={id}"):
                address = filled(path, id) + query
                hidden = bob.request(method, address, json=body)
                absent = bob.request(method, address.replace(id, ABSENT), json=body)
                assert told(hidden, id) == told(absent, id), (method, address)
                assert hidden.status_code in (404, 405, 422), (method, address)
                asked += 1
    assert asked > 200
    assert [alice.get(f"/experiments/{id}").json()["status"] for id in (ended, waiting)] == [
        "completed",
        "queued",
    ]
    assert alice.get(f"/datasets/{dataset}").json()["shared"] is False


def test_ids_in_bodies_and_queries(known: dict[str, httpx.Client], services: Services) -> None:
    alice, bob = known["alice"], known["bob"]
    dataset, mine = upload(alice, *grey()), upload(bob, *grey(1))
    hidden, own = trained(alice, services), trained(bob, services, seed=5)
    drawn = alice.post("/previews", json=on(dataset)).json()["key"]
    missing = "f" * 64
    for hidden_path, absent_path in (
        (f"/comparison?ids={own},{hidden}", f"/comparison?ids={own},{ABSENT}"),
        (f"/experiments/{own}/geometry?baseline={hidden}", f"/experiments/{own}/geometry?baseline={ABSENT}"),
        (f"/experiments?dataset={dataset}", f"/experiments?dataset={ABSENT}"),
        (f"/experiments?q={hidden}", f"/experiments?q={ABSENT}"),
    ):
        assert told(bob.get(hidden_path), hidden) == told(bob.get(absent_path), ABSENT), hidden_path
    for key in ("geometry", "partial"):
        question = {"geometry": "circular(angle)"}
        answers = [
            told(bob.post(f"/experiments/{own}/agreement", json=question | {key: {"experiment": id}}), id)
            for id in (hidden, ABSENT)
        ]
        assert answers[0] == answers[1]
        assert answers[0][0] == 404
    assert told(bob.get(f"/previews/{drawn}"), drawn) == told(bob.get(f"/previews/{missing}"), missing)
    for path in ("/experiments", "/previews", "/estimates"):
        for make in (on, lambda id: on_several(mine, id)):
            answers = [told(bob.post(path, json=make(id)), id) for id in (dataset, ABSENT)]
            assert answers[0] == answers[1], path
            assert answers[0][0] == 422


def seen_by(
    app: FastAPI, client: httpx.Client, dataset: str, experiment: str, study: str
) -> dict[str, object]:
    """Answers to all that can be read, and to what is asked before a submission."""
    answers: dict[str, object] = {}
    for method, path in routes(app):
        if method == "GET" and path not in TOTALS and not path.startswith(("/guide", "/static", "/docs")):
            ids = {"{dataset_id}": dataset, "{study_id}": study, "{report_id}": ABSENT}
            address = filled(path, next((id for name, id in ids.items() if name in path), experiment))
            if not address.endswith("/events"):
                answer = client.get(address)
                answers[address] = answer.status_code, answer.text, answer.headers.get("etag")
    for spec in (SPEC, on(dataset), on_several(dataset)):
        estimate = client.post("/estimates", json=spec).json()
        backlog = ("queue_seconds", "experiments_ahead", "tasks_ahead")  # of all, as /workers
        answers[json.dumps(spec)] = {name: estimate[name] for name in estimate if name not in backlog}
    return answers


def test_nothing_that_one_reads_changes_with_what_another_does_in_private(
    app: FastAPI, known: dict[str, httpx.Client], services: Services
) -> None:
    """Both hold the same images; alice trains on them, and trains what bob might."""
    leases.heartbeat(services.database, "w", "h", 1, ["cpu"])
    alice, bob = known["alice"], known["bob"]
    dataset = upload(bob, *grey(), name="bob's")
    mine = submit(bob, seed=7)
    study = bob.post("/studies", json={"experiments": [mine]}).json()["id"]
    before = seen_by(app, bob, dataset, mine, study)
    assert upload(alice, *grey(), name="alice's") == dataset
    for body in (SPEC, on(dataset), on_several(dataset)):
        changes = {name: body[name] for name in ("dataset", "suite", "network") if name in body}
        experiment_id = submit(alice, **changes)
        work(services, experiment_id, *range(1 if body["dataset"] is None else 3))
        finish(services, experiment_id)
    assert alice.get(f"/datasets/{dataset}").json()["used_by"] == 2
    leases.heartbeat(services.database, "w", "h", 1, ["cpu"])  # it lives, however slow this machine
    after = seen_by(app, bob, dataset, mine, study)
    changed = [address for address in before if before[address] != after[address]]
    assert changed == []
    assert bob.get(f"/datasets/{dataset}").json()["used_by"] == 0
    submitted = bob.post("/experiments", json=SPEC)
    assert (submitted.status_code, submitted.json()["stored_answer"]) == (202, False)
    assert bob.delete(f"/datasets/{dataset}").status_code == 204
    assert alice.get(f"/datasets/{dataset}").status_code == 200


def test_a_preview_has_the_names_of_who_asks(known: dict[str, httpx.Client], services: Services) -> None:
    """One picture for all who hold the same images, and each has own names for them."""
    alice, bob = known["alice"], known["bob"]
    for client, name in ((alice, "of the secret project"), (bob, "bob's")):
        dataset = upload(client, *grey(), name=name)
    first, second = (client.post("/previews", json=on_several(dataset)).json() for client in (alice, bob))
    assert first["key"] == second["key"]
    assert (first["tasks"], second["tasks"]) == (["of the secret project"], ["bob's"])
    assert bob.get(f"/previews/{first['key']}").json()["tasks"] == ["bob's"]
    assert previews.get(services.database, first["key"]).status == "queued"
