"""Many requests for the same thing at the same moment, over HTTP, on both databases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from service.dependencies import Services
from tests.api.conftest import SPEC
from tests.support.people import bearer
from tests.support.serving import serving
from tests.support.stores import application, at_once
from tests.support.uploads import grey, npz, post, upload
from tgsh.api_keys import KeyFile
from tgsh.store.database import Database

MANY = 50


@pytest.fixture
def app(tmp_path: Path, database: Database) -> FastAPI:
    """The application, over either database."""
    return application(tmp_path, database, max_queued_tasks=3)


@pytest.fixture
def client(app: FastAPI) -> Iterator[httpx.Client]:
    """A client of the application behind a socket, with as many connections as there are requests."""
    limits = httpx.Limits(max_connections=MANY)
    with serving(app) as one, httpx.Client(base_url=one.base_url, timeout=60, limits=limits) as client:
        yield client


def statuses(answers: list[httpx.Response]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


def test_one_key_makes_one_experiment_however_many_send_it(client: httpx.Client) -> None:
    for attempt in range(4):
        spec, headers = {**SPEC, "seed": attempt}, {"Idempotency-Key": f"key {attempt}"}

        def submit(
            _: int, spec: Mapping[str, object] = spec, headers: dict[str, str] = headers
        ) -> httpx.Response:
            return client.post("/experiments", json=spec, headers=headers)

        answers = at_once(MANY, submit)
        assert statuses(answers) == {202: MANY}
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert len({answer.headers["location"] for answer in answers}) == 1
    assert len(client.get("/experiments").json()["items"]) == 4
    other = client.post("/experiments", json={**SPEC, "seed": 9}, headers={"Idempotency-Key": "key 0"})
    assert other.status_code == 422


def test_a_key_whose_first_request_is_refused_makes_one_with_the_next(
    client: httpx.Client, tmp_path: Path
) -> None:
    """The owner may queue three tasks: of ten keys at once one is taken, and the others are free again."""
    alice = bearer(KeyFile(tmp_path / "keys.json").add("alice", "submit", None))

    def submit(number: int) -> httpx.Response:
        headers = {**alice, "Idempotency-Key": f"key {number % 10}"}
        return client.post("/experiments", json={**SPEC, "seed": number % 10}, headers=headers)

    answers = at_once(MANY, submit)
    accepted = {answer.json()["id"] for answer in answers if answer.status_code == 202}
    assert statuses(answers) == {202: 5, 429: 45}
    assert len(accepted) == 1
    path = f"/experiments/{accepted.pop()}"
    assert client.post(f"{path}/cancel", headers=alice).status_code == 202
    taken = next(number for number, answer in enumerate(answers) if answer.status_code == 202)
    free = submit(taken + 1)
    assert (free.status_code, free.json()["id"] in path) == (202, False)


def test_a_retry_of_what_was_accepted_is_not_refused(
    client: httpx.Client, app: FastAPI, tmp_path: Path
) -> None:
    """Neither by a share that is used up, nor by a dataset that is no longer seen."""
    keys = KeyFile(tmp_path / "keys.json")
    alice, bob = (bearer(keys.add(name, "submit", None)) for name in ("alice", "bob"))
    with httpx.Client(base_url=client.base_url, headers=bob, timeout=60) as other:
        dataset = upload(other, *grey(), shared=True)
        network = {"kind": "flynet", "expansion": 2}
        spec = {**SPEC, "dataset": {"id": dataset}, "network": network}
        headers = {**alice, "Idempotency-Key": "k"}
        first = client.post("/experiments", json=spec, headers=headers)
        assert first.status_code == 202, first.text
        assert client.post("/experiments", json=SPEC, headers=alice).status_code == 429
        assert other.patch(f"/datasets/{dataset}", json={"shared": False}).status_code == 200
    services: Services = app.state.services
    services.artifacts.save(f"{first.json()['id']}/tasks/0-1", {"vectors": grey()[0]}, {})
    object.__setattr__(services.settings, "max_stored_bytes", 1)
    assert client.post("/experiments", json=spec, headers=alice).status_code == 422
    again = client.post("/experiments", json=spec, headers=headers)
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])


def test_the_same_content_is_kept_once(client: httpx.Client, app: FastAPI) -> None:
    content = npz(x=grey()[0], y=grey()[1])
    answers = at_once(MANY, lambda _: post(client, content))
    told = statuses(answers)
    assert set(told) <= {200, 201, 503}  # 503: more than four are being uploaded
    assert told[201] == 1
    assert all("retry-after" in answer.headers for answer in answers if answer.status_code == 503)
    services: Services = app.state.services
    assert len(services.artifacts.keys("datasets")) == 2


def test_the_same_preview_is_queued_once(client: httpx.Client) -> None:
    answers = at_once(MANY, lambda _: client.post("/previews", json=SPEC))
    assert statuses(answers) == {202: MANY}
    assert len({answer.json()["key"] for answer in answers}) == 1


def test_a_dataset_is_deleted_or_used_and_never_both(client: httpx.Client) -> None:
    network = {"kind": "flynet", "expansion": 2}
    for attempt in range(6):
        dataset = upload(client, *grey(attempt))
        spec = {**SPEC, "dataset": {"id": dataset}, "network": network}

        def ask(number: int, dataset: str = dataset, spec: Mapping[str, object] = spec) -> httpx.Response:
            if number % 2:
                return client.delete(f"/datasets/{dataset}")
            return client.post("/experiments", json=spec, params={"anew": True})

        answers = at_once(8, ask)
        submitted, deleted = statuses(answers[::2]), statuses(answers[1::2])
        assert set(submitted) <= {202, 404, 422}
        assert set(deleted) <= {204, 404, 409}
        assert (submitted[202] > 0) != (deleted[204] > 0)


def test_what_is_changed_and_deleted_at_once_is_there_or_not(client: httpx.Client) -> None:
    for attempt in range(6):
        path = client.post("/experiments", json={**SPEC, "seed": attempt}).headers["location"]
        dataset = f"/datasets/{upload(client, *grey(attempt))}"

        def ask(number: int, path: str = path, dataset: str = dataset) -> httpx.Response:
            match number % 6:
                case 0:
                    return client.delete(path)
                case 1:
                    return client.post(f"{path}/cancel")
                case 2:
                    return client.delete(dataset)
                case 3:
                    return client.patch(dataset, json={"shared": True})
            return client.patch(path, json={"shared": True})

        assert set(statuses(at_once(24, ask))) <= {200, 202, 204, 404}
