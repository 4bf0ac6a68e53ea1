"""Final answers are given again without asking; all others never."""

from __future__ import annotations

import time

import httpx
import pytest

from service.dependencies import Services
from service.middleware.final_responses import SECONDS
from tests.api.conftest import completed, finish, submit, work
from tgsh.store import experiments


@pytest.mark.slow
def test_a_final_answer_is_given_again_for_a_moment(client: httpx.Client, services: Services) -> None:
    path = completed(client, services)
    first = client.get(f"{path}/similarity")
    etag = first.headers["ETag"]
    experiments.delete(
        services.database, path.rsplit("/", 1)[-1]
    )  # behind the API's back, as another process
    again = client.get(f"{path}/similarity")
    assert (again.status_code, again.content, again.headers["ETag"]) == (200, first.content, etag)
    known = client.get(f"{path}/similarity", headers={"If-None-Match": etag})
    assert (known.status_code, known.content, known.headers["ETag"]) == (304, b"", etag)
    assert "content-type" not in known.headers
    for other in (f"{path}/similarity?measure=correlation", f"{path}/similarity?format=csv", path):
        assert client.get(other).status_code == 404
    assert client.get(f"{path}/similarity", headers={"Accept": "text/csv"}).status_code == 404
    assert client.get(f"{path}/similarity", headers={"Authorization": "Bearer x"}).status_code == 404
    time.sleep(SECONDS + 0.1)
    assert client.get(f"{path}/similarity").status_code == 404


@pytest.mark.slow
def test_who_has_an_answer_is_told_so_from_memory_too(client: httpx.Client, services: Services) -> None:
    path = completed(client, services)
    etag = client.get(f"{path}/similarity").headers["ETag"]
    time.sleep(SECONDS + 0.1)
    known = {"If-None-Match": etag}
    assert client.get(f"{path}/similarity", headers=known).status_code == 304  # remembered as that alone
    whole = client.get(f"{path}/similarity")
    assert (whole.status_code, whole.headers["ETag"]) == (200, etag)
    time.sleep(SECONDS + 0.1)
    assert client.get(f"{path}/similarity", headers=known).status_code == 304
    experiments.delete(services.database, path.rsplit("/", 1)[-1])
    assert client.get(f"{path}/similarity", headers=known).status_code == 304
    other = client.get(f"{path}/similarity", headers={"If-None-Match": '"other"'})
    assert other.status_code == 404


def test_what_the_api_deletes_is_gone_at_once(client: httpx.Client, services: Services) -> None:
    path = completed(client, services)
    for _ in range(2):
        assert client.get(f"{path}/similarity").status_code == 200
    assert client.delete(path).status_code == 204
    assert client.get(f"{path}/similarity").status_code == 404


def test_what_may_change_is_asked_for_every_time(client: httpx.Client, services: Services) -> None:
    experiment_id = submit(client)
    path = f"/experiments/{experiment_id}"
    for done in range(3):
        document = client.get(f"{path}/similarity").json()
        assert (len(document["tasks"]), document["complete"]) == (done, False)
        assert len(client.get(f"{path}/accuracy").json()["tasks"]) == done
        work(services, experiment_id, done)
    whole = client.get(f"{path}/similarity").json()
    assert whole["complete"]
    finish(services, experiment_id)
    assert client.get(f"{path}/similarity").json() == whole
    assert client.get(path).json()["status"] == "completed"


def test_errors_are_not_remembered(client: httpx.Client, services: Services) -> None:
    path = completed(client, services)
    for _ in range(2):
        assert client.get(f"{path}/similarity?layer=no").status_code == 422
        assert client.get(f"{path}/geometry").status_code == 409
