"""A store that is held up by others: who does not need it is served, and nobody gets a 500."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from service import app as service_app
from service.dependencies import Services
from service.threads import LIMITS, WRITERS, WritingThreads
from tests.api.conftest import SPEC
from tests.support.postgres import find_tool, running_postgres
from tests.support.serving import serving
from tests.support.stores import application, stopped, write_locked
from tgsh.store.database import Database

pytestmark = [pytest.mark.attacks, pytest.mark.slow]

POSTS = 60

SECONDS = 5.0
"""For which locks and turns are waited for here."""


@pytest.fixture(autouse=True)
def _shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half the time of the service: whoever waits here gives up sooner."""
    limits = replace(LIMITS, lock_seconds=SECONDS, transaction_seconds=SECONDS)
    monkeypatch.setattr(service_app, "LIMITS", limits)
    monkeypatch.setattr(service_app, "WritingThreads", lambda: WritingThreads(turn_seconds=SECONDS))


@contextmanager
def posting(app: FastAPI, url: httpx.URL) -> Iterator[list[Future[httpx.Response]]]:
    """Many POSTs that wait during the block."""
    services: Services = app.state.services

    def post(number: int) -> httpx.Response:
        with httpx.Client(base_url=url, timeout=120) as client:
            return client.post("/experiments", json={**SPEC, "seed": number}, params={"anew": True})

    with ThreadPoolExecutor(POSTS) as threads:
        answers = [threads.submit(post, number) for number in range(POSTS)]
        deadline = time.monotonic() + 60
        while services.writing._turns.statistics().tasks_waiting < POSTS - WRITERS:
            assert time.monotonic() < deadline
            assert not any(answer.done() for answer in answers)
            time.sleep(0.01)
        yield answers


def require_no_failure(answers: list[httpx.Response]) -> None:
    """Each was done, or refused with the time of the next try."""
    told = Counter(answer.status_code for answer in answers)
    assert set(told) <= {200, 202, 503}, told
    for answer in answers:
        if answer.status_code == 503:
            assert int(answer.headers["retry-after"]) > 0
            assert answer.json()["type"] in ("urn:tgsh:problem:store-unavailable", "urn:tgsh:problem:busy")


def test_a_locked_sqlite_holds_up_writers_only(
    app: FastAPI, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(app) as client:
        assert client.post("/experiments", json=SPEC).status_code == 202
        with ExitStack() as lock:
            lock.enter_context(write_locked(tmp_path / "tgsh.db"))
            with posting(app, client.base_url) as answers:
                for path in ("/livez", "/experiments", "/workers", "/catalog", "/livez"):
                    assert client.get(path).status_code == 200
                assert not any(answer.done() for answer in answers)
                told = [answer.result() for answer in answers]
            assert {answer.status_code for answer in told} == {503}
            require_no_failure(told)
            # A connection of its own: the kept one has been idle for about as long as the server keeps it.
            later = httpx.get(f"{client.base_url}/experiments", timeout=60)
            assert later.json()["items"][0]["name"] == SPEC["name"]
        url = f"{client.base_url}/experiments"
        assert httpx.post(url, json={**SPEC, "seed": 99}, timeout=60).status_code == 202
    assert "Traceback" not in caplog.text


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[Database]:
    """A PostgreSQL server of this test's own."""
    if find_tool("initdb") is None:
        pytest.skip("no PostgreSQL server tools; install Debian's package postgresql")
    (tmp_path / "server").mkdir()
    with running_postgres(tmp_path / "server") as url:
        database = Database(url)
        database.migrate()
        yield database
        database.dispose()


def asking(url: httpx.URL, count: int) -> list[httpx.Response]:
    """Answers to reads and writes, from as many clients."""

    def ask(number: int) -> httpx.Response:
        with httpx.Client(base_url=url, timeout=120) as client:
            if number % 2:
                return client.get("/experiments")
            return client.post("/experiments", json={**SPEC, "seed": number}, params={"anew": True})

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(ask, range(count)))


def test_a_postgresql_that_hangs_costs_seconds_and_no_500(tmp_path: Path, hanging: Database) -> None:
    app = application(tmp_path / "home", hanging)
    with serving(app) as client:
        require_no_failure(asking(client.base_url, 30))  # connections are open
        with stopped(hanging), ThreadPoolExecutor(1) as aside:
            told = aside.submit(asking, client.base_url, POSTS)
            for _ in range(20):
                assert client.get("/livez").status_code == 200
            assert not told.done()
            answers = told.result()
        require_no_failure(answers)
        assert {answer.status_code for answer in answers} == {503}
        after = client.post("/experiments", json=SPEC)
        assert after.status_code == 202, after.text
        assert client.get("/experiments").status_code == 200


def test_a_table_that_another_client_of_postgresql_locks(tmp_path: Path, hanging: Database) -> None:
    app = application(tmp_path / "home", hanging)
    with serving(app) as client:
        with hanging.engine.begin() as connection:
            connection.exec_driver_sql("LOCK TABLE experiments IN ACCESS EXCLUSIVE MODE")
            with posting(app, client.base_url) as answers:
                assert client.get("/livez").status_code == 200
                assert client.get("/catalog").status_code == 200  # needs the store, and not this table
                assert not any(answer.done() for answer in answers)
                require_no_failure([answer.result() for answer in answers])
        assert client.post("/experiments", json=SPEC).status_code == 202
