"""/dashboard/events: the states of several experiments in one stream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.dashboard.live import MAX_FOLLOWED
from service.dependencies import Services
from tests.api.conftest import submit
from tests.support.jobs import leased, submitted
from tests.support.people import people
from tgsh.api_keys import KeyFile
from tgsh.store import experiments, jobs
from tgsh.store.annotations import annotate

UNKNOWN = "0123456789abcdef"


def address(*ids: str) -> str:
    return f"/dashboard/events?experiments={','.join(ids)}"


def states(stream: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in stream.iter_lines():
        if line.startswith("data:"):
            yield json.loads(line.removeprefix("data:"))


def until(told: Iterator[dict[str, Any]], **expected: object) -> dict[str, Any]:
    """The first state that has these values."""
    for state in told:
        if expected.items() <= state.items():
            return state
    raise AssertionError(f"the stream ended before {expected}")


def test_it_begins_with_what_is_tells_what_changes_and_ends_with_the_last(
    client: httpx.Client, services: Services
) -> None:
    database = services.database
    first, second = submitted(database), submitted(database)
    lease = leased(database, first, 0)
    jobs.record_epoch(database, lease, (0.5,), 1.0, "key", "s" * 64)
    with client.stream("GET", address(first, second)) as stream:
        told = states(stream)
        begun = {state["experiment"]: state for state in (next(told), next(told))}
        assert (begun[first]["status"], begun[first]["fraction"]) == ("running", 0.25)
        assert (begun[second]["status"], begun[second]["tasks_total"]) == ("queued", 2)
        jobs.record_epoch(database, lease, (0.5, 0.4), 1.0, "key", "s" * 64)
        newer = until(told, experiment=first, fraction=0.5)
        assert newer["newest"] > begun[first]["newest"]
        experiments.cancel(database, second)
        until(told, experiment=second, status="cancelled")
        jobs.release(database, lease)
        experiments.cancel(database, first)
        until(told, experiment=first, status="cancelled")
        assert not list(told)
    with client.stream("GET", address(first, second)) as stream:  # nothing is left to wait for
        assert {state["status"] for state in states(stream)} == {"cancelled"}


def test_what_is_deleted_is_told_as_what_never_was(client: httpx.Client, services: Services) -> None:
    id = submitted(services.database)
    with client.stream("GET", address(id, UNKNOWN)) as stream:
        told = states(stream)
        until(told, experiment=UNKNOWN, status=None)
        experiments.cancel(services.database, id)
        experiments.delete(services.database, id)
        assert until(told, experiment=id, status=None) == {"experiment": id, "status": None}
        assert not list(told)


def test_each_key_hears_of_what_it_may_see(client: httpx.Client, services: Services, tmp_path: Path) -> None:
    with people(tmp_path, client) as known:
        id = submit(known["alice"])
        gone = {"experiment": id, "status": None}
        with known["bob"].stream("GET", address(id)) as stream:
            assert list(states(stream)) == [gone]
        annotate(services.database, id, {"shared": True})
        with known["bob"].stream("GET", address(id)) as stream:
            told = states(stream)
            assert next(told)["status"] == "queued"
            annotate(services.database, id, {"shared": False})
            assert list(told) == [gone]
        with known["alice"].stream("GET", address(id)) as stream:
            told = states(stream)
            assert next(told)["status"] == "queued"
            KeyFile(tmp_path / "keys.json").revoke("alice")
            assert not list(told)
        assert known["alice"].get(address(id)).status_code == 401


@pytest.mark.parametrize("ids", ["", "1", f"{UNKNOWN},", f"{UNKNOWN},../x", UNKNOWN.upper()])
def test_what_is_no_list_of_ids_is_refused(client: httpx.Client, ids: str) -> None:
    answer = client.get("/dashboard/events", params={"experiments": ids})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "experiments")


def test_there_are_bounds(client: httpx.Client) -> None:
    ids = [f"{number:016x}" for number in range(MAX_FOLLOWED + 1)]
    assert client.get(address(*ids)).status_code == 422
    with client.stream("GET", address(*ids[1:])) as stream:
        assert len(list(states(stream))) == MAX_FOLLOWED
