"""Requests that are right and cost much: bounded in size, and in how many are worked on at a time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from pydantic import SecretStr
from sqlalchemy import update

from service.app import create_app
from service.dependencies import Services
from service.errors import Busy
from service.responses import AT_A_TIME, ByteCache, ConcurrencyLimit
from service.results import structure
from service.settings import ServiceSettings
from tests.api.conftest import finish, submit, work
from tests.support.serving import serving
from tgsh.store.models import ExperimentRecord, FinishRecord, TaskRecord

pytestmark = pytest.mark.attacks

MANY = 4_001


def many_tasks(client: httpx.Client, parts: Services) -> str:
    """The path of a completed experiment of MANY tasks: its rows and its array."""
    suite = {"kind": "permutation", "tasks": MANY}
    experiment_id = submit(
        client, suite=suite, network={"kind": "flynet", "expansion": 1}, training={"epochs": 1}
    )
    key = f"{experiment_id}/vectors.npy"
    vectors = np.random.default_rng(0).standard_normal((2, MANY, 8)).astype(np.float32)
    with parts.artifacts.staged(key) as staged, staged.path.open("wb") as file:
        np.save(file, vectors)
    with parts.database.write() as session:
        done = {"status": "completed", "epochs_done": 1, "losses": [0.5], "accuracy": 0.5}
        session.execute(update(TaskRecord).values(done))
        session.execute(
            update(FinishRecord).values(status="completed", results={"vectors": [key, staged.sha256]})
        )
        session.execute(update(ExperimentRecord).values(status="completed", tasks_done=MANY))
    return f"/experiments/{experiment_id}"


def test_thousands_of_tasks(tmp_path: Path) -> None:
    assert max(structure.MOST_TASKS, structure.MOST_DRAWN) < MANY
    app = create_app(ServiceSettings(home=tmp_path, redis_url=SecretStr("redis://127.0.0.1:1/0")))
    with serving(app) as client:
        path = many_tasks(client, app.state.services)
        assert client.get(f"{path}/dendrogram?format=svg").status_code == 406
        assert client.get(f"{path}/dendrogram").status_code == 200  # in a process of its own
        assert len(client.get(f"{path}/similarity/nearest?count=1").json()["nearest"]) == MANY
        for what in ("embedding", "embedding?method=pca"):
            refused = client.get(f"{path}/{what}")
            assert refused.status_code == 422, what
            assert refused.json()["errors"][0]["field"] == "experiment_id"
            assert "npy" in refused.json()["detail"]
        for what in ("context-vectors?format=npy", "accuracy?format=svg", "tasks"):
            assert client.get(f"{path}/{what}").status_code == 200
        sheet = client.get(f"{path}/reconstructions", params={"tasks": "0-4000," * 150 + "0"})
        assert sheet.status_code == 422


def test_a_pseudo_inverse_has_a_price(tmp_path: Path) -> None:
    app = create_app(ServiceSettings(home=tmp_path, redis_url=SecretStr("redis://127.0.0.1:1/0")))
    with serving(app) as client:
        network = {"kind": "flynet", "expansion": 100, "fan_in": 128}
        experiment_id = submit(client, network=network)
        work(app.state.services, experiment_id, 0, 1, 2)
        finish(app.state.services, experiment_id)
        refused = client.get(f"/experiments/{experiment_id}/reconstructions?method=ridge")
        assert refused.status_code == 409
        assert "fan_in" in refused.json()["detail"]


def test_so_many_are_computed_at_a_time_and_so_many_wait() -> None:
    turns, release = ConcurrencyLimit(at_a_time=2, most_waiting=3), threading.Event()
    inside, most = [0], [0]
    lock = threading.Lock()
    entered = threading.Barrier(3)

    def compute(_: int) -> str:
        try:
            with turns.turn():
                with lock:
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                if not release.is_set():
                    entered.wait(60)
                release.wait(60)
                with lock:
                    inside[0] -= 1
        except Busy:
            return "busy"
        return "done"

    with ThreadPoolExecutor(5) as pool:
        first = [pool.submit(compute, n) for n in range(2)]
        entered.wait(60)
        waiting = [pool.submit(compute, n) for n in range(3)]
        while turns._seats._value:
            pass
        assert compute(9) == "busy"
        release.set()
        assert [job.result() for job in (*first, *waiting)] == ["done"] * 5
    assert most == [2]
    assert compute(9) == "done"


def test_what_many_want_is_made_once() -> None:
    cache, made = ByteCache(1_000), []

    def make() -> bytes:
        made.append(1)
        return b"answer"

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: cache.get("key", make), range(20))) == {b"answer"}
    assert len(made) <= AT_A_TIME
