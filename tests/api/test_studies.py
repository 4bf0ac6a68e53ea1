"""Studies over HTTP: submission, lists, control, sharing, events, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from httpx_sse import EventSource
from pydantic import SecretStr

from service.app import create_app
from service.dependencies import Services
from service.settings import ServiceSettings
from tests.api.conftest import SPEC, finish, submit, work
from tests.support.people import people
from tests.support.serving import in_process
from tgsh.schemas import Study
from tgsh.store import jobs
from tgsh.store.models import Job

BODY: dict[str, Any] = {"spec": SPEC, "replicates": {"seeds": 2, "base_seeds": 2}}

GRID = {"network.expansion": [1, 2]}

ABSENT = "f" * 16


def post(client: httpx.Client, key: str | None = None, query: str = "", **changes: Any) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(f"/studies{query}", json={**BODY, **changes}, headers=headers)


def made(client: httpx.Client, **changes: Any) -> dict[str, Any]:
    answer = post(client, **changes)
    assert answer.status_code == 202, answer.text
    document: dict[str, Any] = answer.json()
    return document


def complete(services: Services, *experiments: str) -> None:
    for id in experiments:
        work(services, id, 0, 1, 2)
        finish(services, id)


def errors_of(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return {each["field"]: each["message"] for each in answer.json()["errors"]}


def counts(client: httpx.Client) -> tuple[int, int]:
    return len(client.get("/studies").json()["items"]), len(client.get("/experiments").json()["items"])


@pytest.fixture
def known(client: httpx.Client, tmp_path: Path) -> Iterator[dict[str, httpx.Client]]:
    with people(tmp_path, client) as found:
        yield found


# --- submission


def test_one_post_makes_ordinary_experiments(client: httpx.Client, services: Services) -> None:
    answer = post(client, name="n", grid=GRID, tags=["t"], notes="words", project="p")
    study = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/studies/{study['id']}"
    assert (study["name"], study["tags"], study["notes"], study["project"]) == ("n", ["t"], "words", "p")
    assert (study["status"], study["progress"]["experiments"]) == ("queued", {"queued": 8})
    assert study["replicates"] == {"seeds": [0, 1], "base_seeds": [0, 1]}
    assert [(cell["cell"], cell["values"]) for cell in study["cells"]] == [
        (0, {"network.expansion": 1}),
        (1, {"network.expansion": 2}),
    ]
    member = client.get(f"/experiments/{study['cells'][1]['experiments'][1]}").json()
    spec = member["spec"]
    assert (spec["network"]["expansion"], spec["seed"], spec["base_seed"]) == (2, 1, 0)
    assert member["name"] == "three: network.expansion=2, seed 1, base 0"
    complete(services, *study["cells"][0]["experiments"])
    seen = client.get(answer.headers["location"]).json()
    assert (seen["status"], seen["progress"]["experiments_done"]) == ("running", 4)
    assert seen["progress"]["fraction"] == 0.5
    complete(services, *study["cells"][1]["experiments"])
    assert client.get(answer.headers["location"]).json()["status"] == "completed"
    assert set(seen["links"]) >= {"similarity", "ceiling", "differences", "effects", "events"}


def test_what_was_computed_is_taken_and_anew_trains_it(client: httpx.Client, services: Services) -> None:
    first = made(client)
    complete(services, *first["cells"][0]["experiments"])
    again = made(client, replicates={"seeds": 3, "base_seeds": 2})
    assert again["progress"]["experiments"] == {"completed": 4, "queued": 2}
    assert set(first["cells"][0]["experiments"]) < set(again["cells"][0]["experiments"])
    assert post(client).json()["status"] == "completed"
    assert post(client, query="?anew=true").json()["progress"]["experiments"] == {"queued": 4}


def test_the_same_key_gives_the_same_study(client: httpx.Client) -> None:
    answers = [post(client, key="k") for _ in range(2)]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert counts(client) == (1, 4)
    assert set(errors_of(post(client, key="k", name="other"))) == {"Idempotency-Key"}
    assert set(errors_of(post(client, key="k", query="?anew=true"))) == {"Idempotency-Key"}


BAD: dict[str, tuple[dict[str, Any], set[str]]] = {
    "nothing": ({"spec": None}, {"spec"}),
    "a spec with mistakes": (
        {"spec": {"training": {"epochs": 0}, "seed": -1}, "replicates": {"seeds": 0}},
        {"spec.training.epochs", "spec.seed", "replicates.seeds"},
    ),
    "a grid with mistakes": (
        {"grid": {"training.epochs": [1, 0], "training.epoch": [1]}},
        {"grid.training.epochs", "grid.training.epoch"},
    ),
    "what only plans tell": (
        {"grid": {"training.train_limit": [10, 4001], "network.fan_in": [7, 1000]}},
        {"grid.training.train_limit", "grid.network.fan_in"},
    ),
    "what only plans tell, without a grid": (
        {"spec": {**SPEC, "training": {"train_limit": 4001}}},
        {"spec.training.train_limit"},
    ),
    "too many": ({"replicates": {"seeds": 1000, "base_seeds": 2}}, {"replicates"}),
    "a seed twice": ({"replicates": {"seeds": [1, 1]}}, {"replicates.seeds"}),
    "too many tasks": (
        {"spec": {**SPEC, "suite": {"kind": "rotation", "tasks": 1000}}, "replicates": {"seeds": 101}},
        {"replicates"},
    ),
    "unknown key": ({"seeds": 3}, {"seeds"}),
    "a grid of text": ({"grid": "training.epochs"}, {"grid"}),
    "a null character": ({"grid": {"a\0": [1]}, "name": "\0"}, {"grid.a\0.[key]", "name"}),
    "both": ({"experiments": [ABSENT]}, {"spec", "replicates"}),
    "no experiments": ({"experiments": [], "spec": None, "replicates": None}, {"experiments"}),
    "one twice": (
        {"experiments": [ABSENT, ABSENT], "spec": None, "replicates": None},
        {"experiments"},
    ),
    "an id that is none": ({"experiments": ["x"]}, {"experiments.0"}),
    "many tags": ({"tags": ["x"] * 33}, {"tags"}),
    "long notes": ({"notes": "x" * 10_001}, {"notes"}),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_bodies(client: httpx.Client, name: str) -> None:
    changes, fields = BAD[name]
    assert set(errors_of(post(client, **changes))) == fields
    assert counts(client) == (0, 0)
    if "experiments" not in changes:
        assert set(errors_of(client.post("/estimates", json={**BODY, **changes}))) == fields


@pytest.mark.parametrize("body", [b"", b"[1]", b"null", b"{", b'{"grid": {"training.learning_rate": [NaN]}}'])
def test_bodies_that_are_no_study(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/studies", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["errors"]
    assert counts(client) == (0, 0)


def test_quotas_take_the_whole_or_nothing(tmp_path: Path, app: FastAPI, client: httpx.Client) -> None:
    settings = ServiceSettings(
        home=tmp_path / "small", redis_url=SecretStr("redis://127.0.0.1:1/0"), max_queued_tasks=11
    )
    (tmp_path / "small").mkdir()
    with in_process(create_app(settings)) as http, people(tmp_path / "small", http) as found:
        alice = found["alice"]
        refused = post(alice)
        assert (refused.status_code, counts(alice)) == (429, (0, 0))
        assert "retry-after" in refused.headers
        assert post(alice, replicates={"seeds": 3}).status_code == 202
        assert counts(alice) == (1, 3)


# --- experiments that become a study


def test_experiments_become_a_study(client: httpx.Client, services: Services) -> None:
    ids = [
        submit(client, seed=seed, training={"epochs": epochs}, name=f"{seed}")
        for epochs in (2, 1)
        for seed in (4, 9)
    ]
    body = {"experiments": ids, "grid": ["training.epochs"], "name": "gathered"}
    estimate = client.post("/estimates", json=body).json()
    assert (estimate["experiments"], estimate["stored"], estimate["tasks"]) == (4, 4, 0)
    answer = client.post("/studies", json=body)
    assert answer.status_code == 202, answer.text
    study = answer.json()
    assert [cell["values"] for cell in study["cells"]] == [{"training.epochs": 2}, {"training.epochs": 1}]
    assert [cell["experiments"] for cell in study["cells"]] == [ids[:2], ids[2:]]
    assert study["replicates"] == {"seeds": [4, 9], "base_seeds": [0]}
    assert counts(client) == (1, 4)
    more = client.post(f"{answer.headers['location']}/extend", json={"seeds": [1]}).json()
    assert more["replicates"]["seeds"] == [4, 9, 1]
    assert more["progress"]["experiments"] == {"queued": 6}


def test_other_differences_are_named(client: httpx.Client) -> None:
    ids = [submit(client, seed=seed, training={"epochs": seed + 1}) for seed in (0, 1)]
    ids.append(submit(client, seed=5, network={"kind": "flynet", "expansion": 2}))
    answer = client.post("/studies", json={"experiments": ids})
    messages = [each["message"] for each in answer.json()["errors"]]
    assert [message.split()[0] for message in messages] == ["training.epochs", "network.expansion"]
    assert answer.status_code == 422
    missing = client.post("/studies", json={"experiments": [ids[0], ABSENT]})
    assert (missing.status_code, ABSENT in missing.json()["detail"]) == (404, True)


# --- lists


def test_pages_and_filters(client: httpx.Client) -> None:
    ids = [
        made(
            client, name=f"study {number}", replicates=None, tags=["x"] if number else ["zebra"], project="p"
        )["id"]
        for number in range(3)
    ]
    first = client.get("/studies?limit=2")
    assert [item["id"] for item in first.json()["items"]] == ids[:0:-1]
    assert 'rel="next"' in first.headers["link"]
    second = client.get("/studies", params={"limit": 2, "cursor": first.json()["next"]}).json()
    assert ([item["id"] for item in second["items"]], second["next"]) == (ids[:1], None)
    for query, found in (
        ("q=study 1", [ids[1]]),
        ("tag=zebra", [ids[0]]),
        ("project=q", []),
        ("q=ZEB", [ids[0]]),
    ):
        assert [item["id"] for item in client.get(f"/studies?{query}").json()["items"]] == found, query
    for query in ("cursor=x", "limit=0", "status=queued", "q=%00"):
        assert client.get(f"/studies?{query}").status_code == 422
    assert "members" not in first.json()["items"][0]


# --- control


def test_cancel_resume_and_what_stands_against_it(client: httpx.Client, services: Services) -> None:
    study = made(client)
    path = f"/studies/{study['id']}"
    ids = study["cells"][0]["experiments"]
    complete(services, ids[0])
    assert client.post(f"{path}/resume").status_code == 409
    cancelled = client.post(f"{path}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (202, "cancelled")
    assert client.post(f"{path}/cancel").status_code == 202  # as of an experiment
    assert "3 of 4 experiments are cancelled" in cancelled.json()["warnings"][0]
    resumed = client.post(f"{path}/resume")
    assert (resumed.status_code, resumed.json()["progress"]["experiments"]) == (
        202,
        {"completed": 1, "queued": 3},
    )
    complete(services, *ids[1:])
    assert client.post(f"{path}/cancel").status_code == client.post(f"{path}/resume").status_code == 409


def test_extend_by_numbers_lists_and_gaps(client: httpx.Client, services: Services) -> None:
    study = made(client, grid=GRID)
    path = f"/studies/{study['id']}"
    complete(services, *study["cells"][0]["experiments"])
    more = client.post(
        f"{path}/extend", json={"seeds": 1, "base_seeds": [7]}, headers={"Idempotency-Key": "k"}
    )
    assert more.status_code == 202
    assert more.json()["replicates"] == {"seeds": [0, 1, 2], "base_seeds": [0, 1, 7]}
    assert more.json()["progress"]["experiments"] == {"completed": 4, "queued": 14}
    again = client.post(
        f"{path}/extend", json={"seeds": 1, "base_seeds": [7]}, headers={"Idempotency-Key": "k"}
    )
    assert again.json()["replicates"] == more.json()["replicates"]
    for body, fields in (
        ({}, {"seeds"}),
        ({"seeds": [1]}, {"seeds"}),
        ({"seeds": 0}, {"seeds"}),
        ({"seeds": 999}, {"seeds"}),
        ({"grid": {}}, {"grid"}),
        ({"base_seeds": "x"}, {"base_seeds"}),
    ):
        assert set(errors_of(client.post(f"{path}/extend", json=body))) == fields, body
    gone = study["cells"][0]["experiments"][0]
    assert client.delete(f"/experiments/{gone}").status_code == 204
    seen = client.get(path).json()
    assert seen["progress"]["experiments"]["missing"] == 1
    assert any("extend trains deleted ones again" in each for each in seen["warnings"])
    filled = client.post(f"{path}/extend", json={}).json()
    assert "missing" not in filled["progress"]["experiments"]
    assert gone not in filled["cells"][0]["experiments"]


def test_patch(client: httpx.Client) -> None:
    path = f"/studies/{made(client, notes='old', project='p')['id']}"
    changed = client.patch(
        path, json={"name": "new", "tags": ["b", "c"], "notes": "", "project": None}
    ).json()
    assert [changed[name] for name in ("name", "tags", "notes", "project")] == ["new", ["b", "c"], None, None]
    assert client.get(path).json() == changed
    for body in ({}, {"name": None}, {"shared": "yes"}, {"spec": {}}, {"tags": [" "]}, {"name": "x" * 201}):
        assert client.patch(path, json=body).status_code == 422, body


def test_delete_with_and_without_members(client: httpx.Client, services: Services) -> None:
    kept = made(client)
    assert client.delete(f"/studies/{kept['id']}").status_code == 204
    assert client.get(f"/studies/{kept['id']}").status_code == 404
    assert counts(client) == (0, 4)
    study = made(client, query="?anew=true")
    ids = study["cells"][0]["experiments"]
    lease = jobs.lease_job(services.database, Job(experiment_id=ids[0], index=0), "w", 60)
    assert lease is not None
    path = f"/studies/{study['id']}"
    refused = client.delete(f"{path}?members=true")
    assert (refused.status_code, "cancel the study first" in refused.json()["detail"]) == (409, True)
    assert counts(client) == (1, 8)
    client.post(f"{path}/cancel")
    jobs.release(services.database, lease)
    assert client.delete(f"{path}?members=maybe").status_code == 422
    assert client.delete(f"{path}?forever=true").status_code == 422
    before = client.get(path).json()
    assert client.delete(f"{path}?members=true").status_code == 204
    assert counts(client) == (0, 4)
    kept = client.get("/experiments/deleted").json()["items"]
    assert {(each["id"], each["study"]) for each in kept} == {(id, study["id"]) for id in ids}
    page = client.get("/dashboard/deleted", headers={"accept": "text/html"}).text
    assert f'data-path="{path}/restore"' in page
    restored = client.post(f"{path}/restore")
    assert (restored.status_code, restored.json()) == (200, client.get(path).json())
    assert [restored.json()[name] for name in ("name", "cells")] == [before["name"], before["cells"]]
    assert restored.json()["progress"]["experiments"] == {"cancelled": 4}
    assert counts(client) == (1, 8)
    assert client.post(f"{path}/restore").status_code == 404
    assert client.delete(f"{path}?members=true&forever=true").status_code == 204
    assert client.post(f"{path}/restore").status_code == 404
    assert counts(client) == (0, 4)


# --- events


def events_of(client: httpx.Client, path: str) -> list[tuple[str, dict[str, Any]]]:
    with client.stream("GET", f"{path}/events") as answer:
        answer.read()
    return [(sent.event, json.loads(sent.data)) for sent in EventSource(answer).iter_sse() if sent.data]


def test_events_tell_the_present_state_and_end(client: httpx.Client, services: Services) -> None:
    study = made(client, replicates={"seeds": 2})
    first, second = study["cells"][0]["experiments"]
    complete(services, first)
    client.post(f"/experiments/{second}/cancel")
    events = events_of(client, f"/studies/{study['id']}")
    assert [kind for kind, _ in events] == ["experiment", "experiment", "progress", "status"]
    assert [data["status"] for kind, data in events if kind == "experiment"] == ["completed", "cancelled"]
    assert events[-2][1]["progress"]["experiments_done"] == 1
    assert events[-1][1] == {"status": "cancelled", "reason": None}
    assert client.get(f"/studies/{ABSENT}/events").status_code == 404


# --- costs


def test_estimates_of_a_study(client: httpx.Client, services: Services) -> None:
    before = client.post("/estimates", json={**BODY, "grid": GRID}).json()
    assert (before["experiments"], before["stored"], before["tasks"], before["task_epochs"]) == (8, 0, 24, 48)
    assert (before["seconds"], before["workers"], len(before["cells"])) == (None, 0, 2)
    complete(services, *made(client)["cells"][0]["experiments"])
    after = client.post("/estimates", json={**BODY, "grid": {"network.expansion": [10, 2]}}).json()
    assert (after["stored"], after["tasks"]) == (4, 12)
    assert client.post("/estimates", json=SPEC).json()["tasks"] == 3
    assert counts(client) == (1, 4)


# --- other owners


def test_what_others_see_of_a_study(known: dict[str, httpx.Client], services: Services) -> None:
    alice, bob, rita, root = (known[name] for name in ("alice", "bob", "rita", "root"))
    study = made(alice, replicates={"seeds": 2}, name="alice's")
    path = f"/studies/{study['id']}"
    assert (study["owner"], study["shared"]) == ("alice", False)
    assert bob.get(path).status_code == rita.get(path).status_code == 404
    assert root.get(path).status_code == 200
    assert bob.get("/studies?q=alice").json()["items"] == []
    complete(services, *study["cells"][0]["experiments"])
    hidden = bob.get(f"{path}/similarity")
    absent = bob.get(f"/studies/{ABSENT}/similarity")
    assert hidden.text.replace(study["id"], ABSENT) == absent.text
    assert alice.patch(path, json={"shared": True}).json()["shared"] is True
    seen = bob.get(path).json()
    assert (seen["status"], len(seen["cells"][0]["experiments"])) == ("completed", 2)
    assert bob.get(f"{path}/similarity").json()["replicates"] == 2
    for method, below in (
        ("PATCH", ""),
        ("DELETE", ""),
        ("DELETE", "?members=true"),
        ("POST", "/cancel"),
        ("POST", "/resume"),
        ("POST", "/extend"),
    ):
        answer = bob.request(method, path + below, json={"shared": False})
        assert answer.status_code in (403, 422), (method, below)
        assert answer.status_code == 403 or below == "/extend"
    assert bob.post(f"{path}/extend", json={"seeds": 1}).status_code == 403
    first = study["cells"][0]["experiments"][0]
    alice.patch(f"/experiments/{first}", json={"shared": False})
    seen = bob.get(path).json()
    assert first not in json.dumps(seen)
    assert bob.get(f"{path}/similarity").json()["replicates"] == 1
    assert alice.get(f"{path}/similarity").json()["replicates"] == 2
    assert first not in bob.get(f"{path}/effects").text
    assert any("not visible to you" in each for each in bob.get(f"{path}/similarity").json()["warnings"])
    assert rita.post("/studies", json=BODY).status_code == 403


def test_hidden_experiments_and_datasets_in_bodies(known: dict[str, httpx.Client]) -> None:
    alice, bob = known["alice"], known["bob"]
    hidden = submit(alice)
    for path in ("/studies", "/estimates"):
        answers = [bob.post(path, json={"experiments": [id]}) for id in (hidden, ABSENT)]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].text.replace(hidden, ABSENT) == answers[1].text
    spec = {**SPEC, "dataset": {"id": ABSENT}}
    assert set(errors_of(post(bob, spec=spec))) == {"spec.dataset.id"}
    study = post(bob, replicates=None, query="?anew=true").json()
    assert hidden not in json.dumps(study)
    assert Study.model_validate(study).owner == "bob"


# --- the list of experiments, by study


def listed(client: httpx.Client, study_id: str) -> set[str]:
    items = client.get("/experiments", params={"study": study_id}).json()["items"]
    return {each["id"] for each in items}


def test_experiments_are_listed_by_study(client: httpx.Client) -> None:
    first, alone = made(client), submit(client, seed=77)
    other = made(client, replicates={"seeds": [5]})
    of_first = {each["experiment"] for each in first["members"]}
    assert listed(client, first["id"]) == of_first
    assert listed(client, other["id"]) == {each["experiment"] for each in other["members"]}
    assert alone not in of_first
    assert listed(client, ABSENT) == set()
    assert client.get("/experiments", params={"study": "x" * 65}).status_code == 422
    page = client.get("/", params={"study": first["id"]}).text
    assert f'href="/dashboard/studies/{first["id"]}"' in page
    assert f"row-{alone}" not in page
    assert all(f"row-{id}" in page for id in of_first)
    assert f'name="study" value="{first["id"]}"' in page  # a search stays within the study
    of_member = client.get(f"/dashboard/experiments/{min(of_first)}").text
    assert f'href="/dashboard/studies/{first["id"]}"' in of_member
    assert other["id"] not in of_member


def test_the_list_tells_nothing_of_hidden_studies(client: httpx.Client, tmp_path: Path) -> None:
    with people(tmp_path, client) as known:
        hidden = made(known["alice"])
        member = hidden["members"][0]["experiment"]
        assert known["alice"].patch(f"/experiments/{member}", json={"shared": True}).status_code == 200
        assert listed(known["alice"], hidden["id"]) == {each["experiment"] for each in hidden["members"]}
        assert listed(known["bob"], hidden["id"]) == set()  # though bob sees one of its experiments
        assert hidden["id"] not in known["bob"].get(f"/dashboard/experiments/{member}").text
        assert "s: seed" not in known["bob"].get("/", params={"study": hidden["id"]}).text
        assert known["alice"].patch(f"/studies/{hidden['id']}", json={"shared": True}).status_code == 200
        assert len(listed(known["bob"], hidden["id"])) == 4
