"""HEAD wherever GET is, and what a path allows."""

from __future__ import annotations

from collections import defaultdict

import httpx
import pytest
from fastapi import FastAPI

from service.dependencies import Services
from tests.api.conftest import SPEC, finish, submit, work
from tests.api.test_keys import filled, routes
from tests.support.serving import serving
from tests.support.uploads import upload

VARYING = ("date", "x-request-id")

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def paths(app: FastAPI) -> dict[str, set[str]]:
    """The methods of each path, of all its routes."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for method, path in routes(app):
        found[path].add(method)
    return found


def test_head_tells_what_get_would(app: FastAPI, client: httpx.Client, services: Services) -> None:
    experiment = submit(client)
    work(services, experiment, 0, 1, 2, width=7_840)  # as a FlyNet of the paper's size has
    finish(services, experiment)
    dataset = upload(client)
    study = client.post("/studies", json={"experiments": [experiment]}).json()["id"]
    client.post("/previews", json=SPEC)
    with serving(app) as real:
        checked = 0
        for path, methods in paths(app).items():
            if "GET" not in methods:
                continue
            ids = {"/datasets": dataset, "/studies": study}
            address = filled(path, next((id for at, id in ids.items() if path.startswith(at)), experiment))
            if path == "/comparison":
                address += f"?ids={experiment},{'f' * 16}"
            got, head = real.get(address), real.head(address)
            assert head.status_code == got.status_code, address
            shown, told = (
                {name: value for name, value in answer.headers.items() if name not in VARYING}
                for answer in (got, head)
            )
            if "content-length" not in shown:  # a stream
                shown.pop("transfer-encoding", None)
                told.pop("transfer-encoding", None)
            if path in ("/metrics", "/workers", "/readyz"):  # their length changes with what they tell
                del shown["content-length"], told["content-length"]
            assert told == shown, address
            assert head.content == b""
            checked += 1
        assert checked > 40
        assert (
            real.head(f"/experiments/{experiment}/similarity", headers={"Accept": "text/csv"})
            .headers["content-type"]
            .startswith("text/csv")
        )


def test_head_of_events_opens_no_stream(app: FastAPI, client: httpx.Client, services: Services) -> None:
    path = client.post("/experiments", json=SPEC).headers["location"]  # it never ends: no worker is there
    with serving(app) as real:
        for _ in range(5):
            head = real.head(f"{path}/events")
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["content-type"].startswith("text/event-stream")
        feed = app.state.services.event_feed
        assert (feed._subscriptions, feed._polling) == ({}, None)
        assert real.head(f"/experiments/{'f' * 16}/events").status_code == 404


def test_a_page_of_a_problem_has_a_head_too(client: httpx.Client) -> None:
    for path in ("/nowhere", f"/experiments/{'f' * 16}"):
        got, head = (
            client.request(method, path, headers={"Accept": "text/html"}) for method in ("GET", "HEAD")
        )
        assert (head.status_code, head.content) == (404, b"")
        assert head.headers["content-type"] == got.headers["content-type"]
        assert head.headers["content-length"] == str(len(got.content))


def test_a_head_is_counted_and_logged_as_one(client: httpx.Client) -> None:
    client.head("/experiments")
    figures = client.get("/metrics").text
    assert 'tgsh_http_request_seconds_count{method="HEAD",route="/experiments",status="2xx"} 1.0' in figures


@pytest.mark.parametrize("path", ["/experiments/{experiment_id}", "/datasets", "/livez"])
def test_a_path_of_several_routes_tells_all_methods(app: FastAPI, client: httpx.Client, path: str) -> None:
    allowed = {
        "/experiments/{experiment_id}": "DELETE, GET, HEAD, PATCH",
        "/datasets": "GET, HEAD, POST",
        "/livez": "GET, HEAD",
    }[path]
    refused = client.put(filled(path, "f" * 16))
    assert (refused.status_code, refused.headers["allow"]) == (405, allowed)


IDS = ("/experiments/deleted", "/experiments/batch", "/experiments/table")
"""Paths that to other methods are ids, and none."""


def test_every_path_allows_what_it_has_and_nothing_else(app: FastAPI, client: httpx.Client) -> None:
    for path, methods in paths(app).items():
        has = methods | ({"HEAD"} if "GET" in methods else set())
        if path in IDS:
            continue
        for method in set(METHODS) - has:
            refused = client.request(method, filled(path, "f" * 16))
            assert refused.status_code == 405, (method, path)
            told = set(refused.headers["allow"].split(", "))
            assert told >= has, (method, path)
            assert method not in told
