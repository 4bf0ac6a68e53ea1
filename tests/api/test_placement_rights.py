"""Rights on placements: of whoever asked for one, in any experiment that it sees, and of nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.dependencies import Services
from tests.api.conftest import SPEC, finish, work
from tests.support.people import people


@pytest.fixture
def known(client: httpx.Client, tmp_path: Path) -> Iterator[dict[str, httpx.Client]]:
    with people(tmp_path, client) as found:
        yield found


@pytest.fixture
def path(known: dict[str, httpx.Client], services: Services) -> str:
    """A completed experiment of alice, which everybody sees."""
    made = known["alice"].post("/experiments", json={**SPEC, "shared": True}).json()
    work(services, made["id"], 0, 1, 2)
    finish(services, made["id"])
    return f"/experiments/{made['id']}"


PLACED = {"dataset": "mnist5k", "name": "secret"}


def test_a_placement_is_seen_by_who_asked_for_it_and_by_admins(
    known: dict[str, httpx.Client], path: str
) -> None:
    answer = known["bob"].post(f"{path}/placements", json=PLACED)
    assert answer.status_code == 202, answer.text
    here = answer.headers["location"]
    absent = f"{path}/placements/{'0' * 16}"
    for name in ("alice", "rita"):
        for below in ("", "/map", "/samples", "?format=csv"):
            hidden, missing = (known[name].get(each + below) for each in (here, absent))
            assert hidden.status_code == missing.status_code == 404
            ids = here.rpartition("/")[2], absent.rpartition("/")[2]
            assert hidden.text.replace(ids[0], "") == missing.text.replace(ids[1], "")
        assert known[name].get(f"{path}/placements").json() == {"items": [], "next": None}
        assert "secret" not in known[name].get(f"/dashboard{path}/placements").text
    assert known["alice"].delete(here).status_code == 404
    assert known["rita"].delete(here).status_code == 403
    for name in ("bob", "root"):
        assert known[name].get(here).json()["owner"] == "bob"
        assert len(known[name].get(f"{path}/placements").json()["items"]) == 1
    assert known["bob"].delete(here).status_code == 204
    assert known["bob"].get(here).status_code == 404


def test_who_no_longer_sees_the_experiment_sees_no_placement(
    known: dict[str, httpx.Client], path: str
) -> None:
    here = known["bob"].post(f"{path}/placements", json=PLACED).headers["location"]
    assert known["alice"].patch(path, json={"shared": False}).status_code == 200
    assert known["bob"].get(here).status_code == 404
    assert known["bob"].post(f"{path}/placements", json=PLACED).status_code == 404
    assert known["root"].get(here).status_code == 200


def test_readers_place_nothing_and_others_compute_no_matrix(
    known: dict[str, httpx.Client], path: str
) -> None:
    assert known["rita"].post(f"{path}/placements", json=PLACED).status_code == 403
    assert known["bob"].post(f"{path}/accuracy/matrix").status_code == 403
    assert known["bob"].get(f"{path}/accuracy/matrix/job").json()["status"] == "absent"
    assert known["alice"].post(f"{path}/accuracy/matrix").status_code == 202
    assert known["bob"].get(f"{path}/accuracy/matrix/job").json()["status"] == "queued"


def test_a_dataset_of_others_cannot_be_placed(known: dict[str, httpx.Client], path: str) -> None:
    from tests.support.uploads import grey, upload

    dataset = upload(known["alice"], *grey())
    answers = [
        known["bob"].post(f"{path}/placements", json={"dataset": {"id": id}}) for id in (dataset, "0" * 16)
    ]
    assert [answer.status_code for answer in answers] == [422, 422]
    assert answers[0].text.replace(dataset, "") == answers[1].text.replace("0" * 16, "")
