"""What was computed before is the answer at once: to whom, of what, and when not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from service.app import create_app
from service.dependencies import Services
from service.settings import ServiceSettings
from tests.api.conftest import SPEC, Measured, finish, submit, work
from tests.api.test_accuracy_matrix import measured as matrix_measured
from tests.support.people import people

NOTHING: Measured = MappingProxyType({})


def computed(
    client: httpx.Client, services: Services, measured: Measured = NOTHING, **changes: object
) -> str:
    """The id of an experiment that is trained anew, and completed."""
    experiment_id = submit(client, **changes)
    work(services, experiment_id, 0, 1, 2)
    finish(services, experiment_id, measured)
    return experiment_id


def post(client: httpx.Client, query: str = "", key: str | None = None, **changes: Any) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(f"/experiments{query}", json={**SPEC, **changes}, headers=headers)


def test_the_same_again_is_answered_and_told_as_such(client: httpx.Client, services: Services) -> None:
    first = post(client)
    assert (first.status_code, first.json()["stored_answer"]) == (202, False)
    assert post(client).status_code == 202  # it is not completed yet
    stored = computed(client, services)
    answer = post(client, name="another name", tags=["other", "tags"])
    assert answer.status_code == 200
    assert answer.headers["Location"] == f"/experiments/{stored}"
    assert "Retry-After" not in answer.headers
    found = answer.json()
    assert (found["id"], found["stored_answer"], found["status"]) == (stored, True, "completed")
    assert (found["name"], found["versions"]) == (SPEC["name"], {"torch": "2"})
    seen = client.get(answer.headers["Location"]).json()
    assert seen == {**found, "stored_answer": False}
    assert not any(item["stored_answer"] for item in client.get("/experiments").json()["items"])


def test_anew_and_another_spec_are_trained(client: httpx.Client, services: Services) -> None:
    stored = computed(client, services)
    for query, changes in (("?anew=true", {}), ("", {"seed": 1}), ("", {"training": {"epochs": 3}})):
        answer = post(client, query, **changes)
        assert (answer.status_code, answer.json()["stored_answer"]) == (202, False)
        assert answer.json()["id"] != stored
    assert post(client, "?anew=false").json()["id"] == stored
    assert post(client, "?anew=perhaps").json()["errors"][0]["field"] == "anew"


def test_the_newest_is_the_answer(client: httpx.Client, services: Services) -> None:
    computed(client, services)
    newest = computed(client, services)
    assert post(client).json()["id"] == newest


def test_an_accuracy_matrix_must_be_there_where_it_is_asked_for(
    client: httpx.Client, services: Services
) -> None:
    with_matrix = computed(client, services, matrix_measured(), accuracy_matrix=True)
    computed(client, services)
    assert post(client, accuracy_matrix=True).json()["id"] == with_matrix
    client.delete(f"/experiments/{with_matrix}")
    assert post(client, accuracy_matrix=True).status_code == 202
    assert post(client).status_code == 200


def test_a_key_gets_the_same_answer_again(client: httpx.Client, services: Services) -> None:
    made = post(client, key="before")
    work(services, made.json()["id"], 0, 1, 2)
    finish(services, made.json()["id"])
    again = post(client, key="before")  # completed meanwhile, but this key made it
    assert (again.status_code, again.json()["id"]) == (202, made.json()["id"])
    stored = [post(client, key="after") for _ in range(2)]
    newer = computed(client, services)
    stored.append(post(client, key="after"))
    assert [answer.status_code for answer in stored] == [200] * 3
    assert {answer.json()["id"] for answer in stored} == {made.json()["id"]} != {newer}
    assert all(answer.json()["stored_answer"] for answer in stored)
    for query, changes in (("", {"seed": 1}), ("?anew=true", {})):
        other = post(client, query, "after", **changes)
        assert (other.status_code, other.json()["errors"][0]["field"]) == (422, "Idempotency-Key")
    anew = [post(client, "?anew=true", "anew") for _ in range(2)]
    assert [answer.status_code for answer in anew] == [202] * 2
    assert anew[0].json()["id"] == anew[1].json()["id"] not in {made.json()["id"], newer}


@pytest.mark.parametrize("damage", ["removed", "bit"])
def test_damaged_results_are_trained_again(client: httpx.Client, services: Services, damage: str) -> None:
    stored = computed(client, services, {"samples": ({"images": np.zeros((3, 1, 4), np.float32)}, {})})
    for name in ("samples.safetensors", "vectors.npy"):
        assert post(client).json()["id"] == stored
        path = services.settings.home / "artifacts" / stored / name
        content = path.read_bytes()
        path.unlink() if damage == "removed" else path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        answer = post(client)
        assert (answer.status_code, answer.json()["stored_answer"]) == (202, False)
        path.write_bytes(content)


def test_a_deleted_one_is_no_answer_and_frees_its_keys(client: httpx.Client, services: Services) -> None:
    stored = computed(client, services)
    assert post(client, key="k").status_code == 200
    assert client.delete(f"/experiments/{stored}").status_code == 204
    assert post(client, key="k").status_code == 202


class TestPeople:
    """Whose results answer whom."""

    @pytest.fixture
    def app(self, tmp_path: Path) -> FastAPI:
        """An application in which a key may have three tasks and little on the disk."""
        redis = SecretStr("redis://127.0.0.1:1/0")
        return create_app(
            ServiceSettings(home=tmp_path, redis_url=redis, max_queued_tasks=3, max_stored_bytes=100)
        )

    @pytest.fixture
    def known(self, client: httpx.Client, tmp_path: Path) -> Iterator[dict[str, httpx.Client]]:
        with people(tmp_path, client) as found:
            yield found

    def test_what_is_not_seen_answers_nobody(
        self, known: dict[str, httpx.Client], services: Services
    ) -> None:
        alices = computed(known["alice"], services)
        assert post(known["alice"]).json()["id"] == alices
        assert post(known["root"]).json()["id"] == alices
        bobs = post(known["bob"])
        assert bobs.status_code == 202
        known["alice"].patch(f"/experiments/{alices}", json={"shared": True})
        assert post(known["bob"]).json()["id"] == alices
        assert post(known["rita"]).status_code == 403
        work(services, bobs.json()["id"], 0, 1, 2)
        finish(services, bobs.json()["id"])
        assert post(known["bob"]).json()["id"] == bobs.json()["id"]  # one's own first

    def test_what_is_to_be_shared_must_be(self, known: dict[str, httpx.Client], services: Services) -> None:
        alices = computed(known["alice"], services)
        answer = post(known["root"], shared=True)
        assert (answer.status_code, answer.json()["shared"]) == (202, True)
        known["alice"].patch(f"/experiments/{alices}", json={"shared": True})
        assert post(known["root"], shared=True).json()["id"] == alices

    def test_no_share_is_taken(self, known: dict[str, httpx.Client], services: Services) -> None:
        stored = computed(known["alice"], services)
        assert post(known["alice"], seed=1).status_code == 429  # the disk
        assert post(known["alice"]).json()["id"] == stored
        known["alice"].patch(f"/experiments/{stored}", json={"shared": True})
        assert post(known["bob"], seed=1).status_code == 202
        assert post(known["bob"], seed=2).status_code == 429  # the queue
        assert post(known["bob"]).json()["id"] == stored
        assert post(known["bob"], key="k").status_code == 200
