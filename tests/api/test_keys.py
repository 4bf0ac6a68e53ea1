"""Nobody is let in without a key, and a key opens what its role and its name may see: on every route."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from service.dashboard.rendering import MOUNT, digest
from tests.api.conftest import SPEC, submit
from tests.support.people import (
    YESTERDAY,
    bearer,
    cancelled_experiment,
    cancelled_study,
    people,
    private_report,
)
from tests.support.uploads import upload
from tgsh.api_keys import KeyFile, new_key
from tgsh.execution.planning import preview
from tgsh.specs.presets import Submission

pytestmark = pytest.mark.attacks

PREVIEW = preview(Submission.model_validate(SPEC).spec()).key
FILLED = {
    "placement_id": "e" * 16,
    "index": "0",
    "name": "similarity",
    "format": "png",
    "key": PREVIEW,
    "base_id": "0" * 64,
    "place": "0",
    "link": "x" * 32,
}
GUIDE = {
    "/guide/{name:path}": "/guide/results",
    "/guide/images/{name}": "/guide/images/dendrogram.png",
}
PLOT = "/dashboard/experiments/{experiment_id}/reuse/{name}"

OPEN = {("GET", "/livez")}
BY_LINK = "/shared/{link}"
"""A report whose owner made a link: opened by who has the link, and by no key."""
PUBLIC = ("/", "/docs", "/redoc", "/openapi.json", "/static-offline-docs", "/catalog", "/readyz", "/livez")


def routes(router: Any) -> Iterator[tuple[str, str]]:
    """(method, path) of everything below an application or a router."""
    for route in router.routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from routes(inner)
        else:
            for method in sorted(getattr(route, "methods", None) or {"GET"}):
                yield method, route.path


def filled(path: str, id: str) -> str:
    """A path with its parameters (ids are all the same), and a file below a folder of files."""
    if path in GUIDE:
        return GUIDE[path]
    if path == PLOT:
        return PLOT.format(experiment_id=id, name="transfer")
    path = path.format(experiment_id=id, dataset_id=id, study_id=id, report_id=id, **FILLED)
    files = {"/static-offline-docs": "favicon.png", f"{MOUNT}/{digest()}": "dashboard.css"}
    return f"{path}/{files[path]}" if path in files else path


def on_base(client: httpx.Client, path: str, experiment: str) -> str:
    """A path below the random base of an experiment."""
    query = f"?experiment={experiment}&task=0" if path.endswith("/nearest") else ""
    return path.format(base_id=client.get(f"/experiments/{experiment}").json()["base_id"]) + query


@pytest.fixture
def known(client: httpx.Client, tmp_path: Path) -> Iterator[dict[str, httpx.Client]]:
    with people(tmp_path, client) as found:
        yield found


def test_the_walk_finds_every_route(app: FastAPI) -> None:
    found = set(routes(app))
    documented = {
        (method.upper(), path) for path, operations in app.openapi()["paths"].items() for method in operations
    }
    assert documented < found
    pages = {
        path for _, path in found - documented if path == "/" or path.startswith(("/dashboard", "/guide"))
    }
    assert pages >= {"/", f"{MOUNT}/{digest()}"}
    assert {path for _, path in found - documented} - pages == {"/docs", "/redoc", "/openapi.json"} | {
        "/static-offline-docs",
        BY_LINK,
    }


def test_every_route_asks_for_a_key(app: FastAPI, client: httpx.Client, tmp_path: Path) -> None:
    nobodys = submit(client)
    keys = KeyFile(tmp_path / "keys.json")
    expired = keys.add("eve", "admin", YESTERDAY)
    revoked = keys.add("mallory", "admin", None)
    keys.revoke("mallory")
    shown: list[dict[str, str]] = [
        {},
        bearer(expired),
        bearer(revoked),
        bearer(new_key()),
        {"Authorization": "Bearer"},
        bearer(keys.read()[0].sha256),  # type: ignore[index]
        {"Authorization": "Basic " + base64.b64encode(f":{revoked}".encode()).decode()},
        {"Authorization": "Basic !"},
        {"Authorization": "Digest x"},
        {"X-Api-Key": expired, "Cookie": f"key={expired}"},
    ]
    walk = [*routes(app), ("GET", "/nowhere"), ("PUT", "/experiments"), ("OPTIONS", "/experiments")]
    for method, path in walk:
        for headers in shown:
            answer = client.request(method, filled(path, nobodys), headers=headers)
            if (method, path) in OPEN:
                assert answer.status_code == 200
                continue
            if path == BY_LINK:
                assert answer.status_code == 404
                continue
            assert answer.status_code == 401, (method, path, headers)
            assert answer.headers["www-authenticate"] == 'Bearer realm="tgsh"'
            if method != "HEAD":
                assert answer.json()["type"] == "urn:tgsh:problem:no-key"
            assert "etag" not in answer.headers
    twice = client.get("/catalog", headers=[("Authorization", "Bearer a"), ("Authorization", "Bearer b")])
    assert twice.status_code == 401
    assert client.get(f"/catalog?key={revoked}&access_token={revoked}").status_code == 401


@pytest.mark.timeout(400)
def test_every_route_with_every_role(app: FastAPI, known: dict[str, httpx.Client]) -> None:
    assert known["alice"].post("/previews", json=SPEC).status_code == 202  # everybody's, as its images are
    for method, path in routes(app):
        if "{placement_id}" in path or path == BY_LINK:  # test_placement_rights.py, test_reports.py
            continue
        is_dataset, reads = "{dataset_id}" in path, method in ("GET", "HEAD")
        is_study = "{study_id}" in path
        is_base = "{base_id}" in path
        is_report = "{report_id}" in path
        of_one = is_dataset or is_study or is_report or is_base or "{experiment_id}" in path
        status = {}
        for name in ("rita", "bob", "alice", "root"):
            kinds = {upload: is_dataset, cancelled_study: is_study, private_report: is_report}
            make = next((make for make, is_one in kinds.items() if is_one), cancelled_experiment)
            private = make(known["alice"]) if of_one else ""  # a new one each, as some of it deletes
            if path.endswith("/restore"):
                deleted = f"/studies/{private}?members=true" if is_study else f"/experiments/{private}"
                assert known["alice"].delete(deleted).status_code == 204
            address = on_base(known["alice"], path, private) if is_base else filled(path, private)
            body = {} if is_report and method == "PATCH" else None
            status[name] = known[name].request(method, address, json=body).status_code
        allowed = {"alice", "root"} if of_one else {"alice", "root", "bob", *({"rita"} if reads else ())}
        for name in allowed:
            assert status[name] not in (401, 403, 404, 405, 500), (method, path, name)
        for name in status.keys() - allowed:
            assert status[name] == (403 if name == "rita" and not reads else 404), (method, path, name)


def test_what_is_hidden_is_answered_as_what_is_not_there(known: dict[str, httpx.Client]) -> None:
    hidden, missing = cancelled_experiment(known["alice"]), "0" * 16
    for path in ("", "/tasks", "/tasks/0", "/similarity", "/events", "/figures/similarity.png", "/geometry"):
        there = known["bob"].get(f"/experiments/{hidden}{path}")
        not_there = known["bob"].get(f"/experiments/{missing}{path}")
        assert there.status_code == not_there.status_code == 404
        assert there.text.replace(hidden, "") == not_there.text.replace(missing, "")


def test_another_experiments_baseline_is_hidden_too(known: dict[str, httpx.Client]) -> None:
    own, hidden = cancelled_experiment(known["bob"]), cancelled_experiment(known["alice"])
    for baseline, status in ((hidden, 404), ("0" * 16, 404), (own, 409)):
        answer = known["bob"].get(f"/experiments/{own}/geometry", params={"baseline": baseline})
        assert answer.status_code == status, answer.text


def test_shared_experiments_are_seen_and_not_changed(known: dict[str, httpx.Client]) -> None:
    alice, bob, rita = known["alice"], known["bob"], known["rita"]
    made = alice.post("/experiments", json=SPEC).json()
    assert (made["owner"], made["shared"]) == ("alice", False)
    path = f"/experiments/{made['id']}"
    assert bob.get(path).status_code == rita.get(path).status_code == 404
    assert alice.patch(path, json={"shared": True}).json()["shared"] is True
    assert bob.get(path).json()["owner"] == rita.get(path).json()["owner"] == "alice"
    assert made["id"] in {item["id"] for item in rita.get("/experiments").json()["items"]}
    for method, below in (("DELETE", ""), ("PATCH", ""), ("POST", "/cancel"), ("POST", "/resume")):
        answer = bob.request(method, path + below, json={"shared": False})
        assert answer.status_code == 403, (method, below)
        assert "alice" in answer.json()["detail"]
    assert bob.post(f"{path}/tasks/0/predictions").status_code in (409, 415, 422)  # changes nothing
    assert alice.patch(path, json={"shared": False}).status_code == 200
    assert bob.get(path).status_code == 404
    for bad in ({}, {"shared": "yes"}, {"shared": True, "owner": "bob"}, {"owner": "bob"}):
        assert alice.patch(path, json=bad).status_code == 422
    shared = alice.post("/experiments", json={**SPEC, "shared": True}).json()
    assert bob.get(f"/experiments/{shared['id']}").json()["shared"] is True


def test_lists_show_ones_own_and_what_is_shared(client: httpx.Client, tmp_path: Path) -> None:
    nobodys = submit(client)
    with people(tmp_path, client) as known:
        own = {name: submit(known[name]) for name in ("alice", "bob", "root")}
        shared = submit(known["alice"], shared=True)

        def seen(name: str) -> set[str]:
            found, cursor = set(), None
            while True:
                params = {"limit": 1} | ({"cursor": cursor} if cursor else {})
                page = known[name].get("/experiments", params=params).json()
                found |= {item["id"] for item in page["items"]}
                if (cursor := page["next"]) is None:
                    return found

        assert seen("alice") == {nobodys, own["alice"], shared}
        assert seen("bob") == {nobodys, own["bob"], shared}
        assert seen("rita") == {nobodys, shared}
        assert seen("root") == {nobodys, shared, *own.values()}
        # What was made before there were keys is everybody's to see, and an admin's to change.
        assert known["rita"].get(f"/experiments/{nobodys}").json()["owner"] is None
        assert known["alice"].delete(f"/experiments/{nobodys}").status_code == 403
        assert known["root"].delete(f"/experiments/{nobodys}").status_code == 204


def test_idempotency_keys_are_their_owners(known: dict[str, httpx.Client]) -> None:
    headers = {"Idempotency-Key": "the same"}
    bodies = [{**SPEC, "name": name} for name in ("alice", "bob")]
    made = [
        known[name].post("/experiments", json=body, headers=headers).json()["id"]
        for name, body in zip(("alice", "bob"), bodies, strict=True)
    ]
    assert made[0] != made[1]
    again = known["alice"].post("/experiments", json=bodies[0], headers=headers)
    assert again.json()["id"] == made[0]


@pytest.mark.parametrize("path", PUBLIC)
def test_a_browser_may_show_the_key_as_a_password(client: httpx.Client, tmp_path: Path, path: str) -> None:
    key = KeyFile(tmp_path / "keys.json").add("alice", "read", None)
    path = filled(path, "")
    if path != "/livez":
        asked = client.get(path, headers={"Accept": "text/html,*/*;q=0.8"})
        assert asked.status_code == 401
        assert asked.headers.get_list("www-authenticate") == [
            'Bearer realm="tgsh"',
            'Basic realm="tgsh", charset="UTF-8"',
        ]
    shown = client.get(path, auth=("anybody", key), follow_redirects=True)
    assert shown.status_code == (503 if path == "/readyz" else 200)
