"""GET /metrics: what Prometheus reads, with labels that do not grow."""

from __future__ import annotations

import re
import stat
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from sqlalchemy import text

from service import metrics
from service.app import create_app
from service.dependencies import Services
from service.settings import ServiceSettings
from tests.api.conftest import completed, submit
from tests.support.compose import ROOT
from tests.support.jobs import leased
from tests.support.serving import another, in_process
from tgsh.api_keys import KeyFile
from tgsh.stack.redis import free_port
from tgsh.store import experiments, jobs, leases
from tgsh.store.leases import expire_leases
from tgsh.store.models import Job

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture(autouse=True)
def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every question looks at the database."""
    monkeypatch.setattr(metrics, "TOTALS_MAX_AGE_SECONDS", -1.0)


def asked(client: httpx.Client) -> Samples:
    """Every sample by name and labels."""
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


def requests(samples: Samples) -> dict[tuple[str, str, str], float]:
    """How many requests, by method, route and status."""
    return {
        (labels["method"], labels["route"], labels["status"]): count
        for (name, pairs), count in samples.items()
        if name == "tgsh_http_request_seconds_count" and (labels := dict(pairs))
    }


def test_requests_are_counted_by_the_template_of_their_route(
    client: httpx.Client, services: Services
) -> None:
    path = completed(client, services)
    before = requests(asked(client))
    for _ in range(3):  # from the second on from memory
        assert client.get(f"{path}/similarity").status_code == 200
    client.get(f"/experiments/{'0' * 16}/similarity")
    client.post("/experiments", json={"no": "spec"})
    client.put(path)
    client.get("/static-offline-docs/swagger-ui.css")
    for index in range(20):
        client.get(f"/nowhere/{index}")
    client.get("/catalog", headers={"Host": "evil.example"})
    after = requests(asked(client))
    grown = {key: count - before.get(key, 0) for key, count in after.items() if count != before.get(key, 0)}
    assert grown == {
        ("GET", "/experiments/{experiment_id}/similarity", "2xx"): 3,
        ("GET", "/experiments/{experiment_id}/similarity", "4xx"): 1,
        ("POST", "/experiments", "4xx"): 1,
        ("PUT", "/experiments/{experiment_id}", "4xx"): 1,
        ("GET", "/static-offline-docs", "2xx"): 1,
        ("GET", "unmatched", "4xx"): 21,
        ("GET", "/metrics", "2xx"): 1,
    }


def test_a_failure_without_an_answer_is_counted(
    client: httpx.Client, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.routers.operations._redis", lambda _: 1 / 0)
    answer = client.get("/readyz", headers={"X-Request-ID": "mine"})
    assert (answer.status_code, answer.headers["X-Request-ID"]) == (500, "mine")
    with another(client) as other:  # uvicorn closes what has failed
        assert requests(asked(other))["GET", "/readyz", "5xx"] == 1


def test_an_event_stream_is_counted_when_it_begins(client: httpx.Client, services: Services) -> None:
    path = f"/experiments/{submit(client)}/events"
    with client.stream("GET", path):
        with another(client) as other:
            samples = asked(other)
        labels = {"method": "GET", "route": "/experiments/{experiment_id}/events", "status": "2xx"}
        assert value(samples, "tgsh_http_request_seconds_count", **labels) == 1
        assert value(samples, "tgsh_http_request_seconds_sum", **labels) < 5


def test_what_the_store_has(client: httpx.Client, services: Services) -> None:
    done = completed(client, services).rpartition("/")[2]
    waiting = submit(client)
    gone = submit(client, seed=5)
    for ids in ([done], [waiting], [gone]):
        assert client.post("/studies", json={"experiments": ids}).status_code == 202
    experiments.delete(services.database, gone)
    leased(services.database, waiting, 0)
    leases.heartbeat(services.database, "celery@gpu/1", "gpu", 1, ["cuda:0", "cuda:1"])
    leases.heartbeat(services.database, "celery@cpu/2", "cpu", 2, ["cpu"])
    with services.database.write() as session:
        session.execute(text("UPDATE workers SET memory_bytes = 1000 * pid"))
        session.execute(text("UPDATE workers SET device_memory_bytes = 5 WHERE host = 'gpu'"))
    samples = asked(client)
    assert value(samples, "tgsh_store_up") == 1
    assert value(samples, "tgsh_experiments", status="completed") == 1
    assert value(samples, "tgsh_experiments", status="failed") == 0
    assert {status: value(samples, "tgsh_studies", status=status) for status in metrics.STATES} == {
        "queued": 0,
        "running": 1,
        "completed": 1,
        "failed": 0,
        "cancelled": 1,  # its experiment was deleted
    }
    assert value(samples, "tgsh_jobs", kind="task", status="completed") == 3
    assert value(samples, "tgsh_jobs", kind="task", status="queued") == 2
    assert value(samples, "tgsh_jobs", kind="task", status="running") == 1
    assert value(samples, "tgsh_jobs", kind="finish", status="completed") == 1
    owned = [value(samples, "tgsh_owner_tasks", owner="", status=each) for each in ("queued", "running")]
    assert owned == [2, 1]
    assert 0 < value(samples, "tgsh_queue_oldest_seconds") < 60
    assert value(samples, "tgsh_task_epochs_total") == 6
    assert value(samples, "tgsh_experiments_ended_total", status="completed") == 1
    assert value(samples, "tgsh_workers", host="gpu") == 1
    assert value(samples, "tgsh_worker_slots", host="gpu", device="cuda", state="unknown") == 2
    assert value(samples, "tgsh_worker_slots", host="cpu", device="cpu", state="unknown") == 1
    assert value(samples, "tgsh_worker_memory_bytes", host="cpu") == 2000
    assert value(samples, "tgsh_device_memory_bytes", host="gpu") == 5
    assert ("tgsh_device_memory_bytes", (("host", "cpu"),)) not in samples
    for place in ("home", "artifacts"):
        assert value(samples, "tgsh_disk_free_bytes", place=place) > 0
    assert value(samples, "tgsh_api_process_resident_memory_bytes") > 0


def test_job_seconds_are_a_histogram(client: httpx.Client, services: Services) -> None:
    completed(client, services)
    samples = asked(client)
    labels = {"kind": "task", "outcome": "completed"}
    assert value(samples, "tgsh_job_seconds_count", **labels) == 3
    assert 0 <= value(samples, "tgsh_job_seconds_sum", **labels) < 60
    bounds = [
        (dict(pairs)["le"], count)
        for (name, pairs), count in samples.items()
        if name == "tgsh_job_seconds_bucket" and labels.items() <= dict(pairs).items()
    ]
    assert [count for _, count in bounds] == sorted(count for _, count in bounds)
    assert bounds[-1] == ("+Inf", 3)


def test_counters_never_go_down(client: httpx.Client, services: Services) -> None:
    path = completed(client, services)
    silent = submit(client)
    assert jobs.lease_job(services.database, Job(silent, 0), "w", -1) is not None
    assert expire_leases(services.database, 3) == 1
    before = {key: n for key, n in asked(client).items() if re.search("_(total|count|bucket|sum)$", key[0])}
    assert before["tgsh_jobs_recovered_total", (("kind", "task"),)] == 1
    experiments.delete(services.database, path.rsplit("/", 1)[-1])
    experiments.cancel(services.database, silent)
    experiments.delete(services.database, silent)
    after = asked(client)
    assert value(after, "tgsh_experiments", status="completed") == 0
    assert all(after[key] >= count for key, count in before.items())


def test_stored_bytes_are_found_aside(
    client: httpx.Client, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "SIZE_MAX_AGE_SECONDS", 0.0)
    path = completed(client, services)
    size = services.artifacts.size(path.rsplit("/", 1)[-1])
    deadline = time.monotonic() + 10
    while asked(client).get(("tgsh_stored_bytes", ())) != size:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_database_that_is_away_is_told(
    client: httpx.Client, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    with services.database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE counters RENAME TO gone")
    samples = asked(client)
    assert value(samples, "tgsh_store_up") == 0
    assert ("tgsh_task_epochs_total", ()) not in samples, "zero would look like a restart"
    assert value(samples, "tgsh_disk_free_bytes", place="home") > 0


def test_openmetrics_is_spoken_too(client: httpx.Client) -> None:
    answer = client.get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


def test_it_takes_a_key_where_there_are_keys(app: FastAPI, client: httpx.Client, tmp_path: Path) -> None:
    key = KeyFile(tmp_path / "keys.json").add("prometheus", "read", None)
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": f"Bearer {key}"}).status_code == 200


def test_a_key_of_its_own_is_made_at_the_start_and_opens_nothing_else(tmp_path: Path) -> None:
    """Prometheus reads it from the first start on, before anybody has made a key."""
    home, path = tmp_path / "home", tmp_path / "shared" / "key"
    settings = ServiceSettings(
        home=home, metrics_key_file=path, allow_no_keys=True, redis_url=SecretStr("redis://127.0.0.1:1/0")
    )
    with in_process(create_app(settings)) as client:
        assert client.get("/catalog").status_code == 200
    key = path.read_text().strip()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640, "its group is Prometheus'"
    assert not (home / "keys.json").exists(), "who may do without keys still may"
    assert list(path.parent.iterdir()) == [path]
    KeyFile(home / "keys.json").add("alice", "admin", None)
    with in_process(create_app(settings)) as client:  # the next start takes the same
        assert path.read_text().strip() == key
        client.headers["Authorization"] = f"Bearer {key}"
        assert "tgsh_store_up 1.0" in client.get("/metrics").text
        assert [client.get(where).status_code for where in ("/catalog", "/metricsx", "/")] == [401] * 3
        assert client.post("/metrics").status_code == 403
        client.headers["Authorization"] = f"Bearer {key}x"
        assert client.get("/metrics").status_code == 401


@pytest.mark.slow
def test_several_processes_of_one_api_add_up(tmp_path: Path) -> None:
    port = free_port()
    folder = tmp_path / "counted"
    folder.mkdir()
    command = [sys.executable, "-m", "uvicorn", "service.app:create_app", "--factory", "--port", str(port)]
    environment = {
        "TGSH_HOME": str(tmp_path / "home"),
        "PROMETHEUS_MULTIPROC_DIR": str(folder),
        "PYTHONPATH": str(ROOT),
    }
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen([*command, "--workers", "2"], env=environment, stdout=log, stderr=log)
    try:
        asked_by: set[str] = set()
        deadline = time.monotonic() + 60
        count = 0
        while len(asked_by) < 2 and time.monotonic() < deadline:
            try:
                count += httpx.get(f"http://127.0.0.1:{port}/livez", timeout=60).status_code == 200
            except httpx.TransportError:
                time.sleep(0.1)
            asked_by = {path.name for path in folder.glob("histogram_*.db") if path.stat().st_size}
        assert len(asked_by) == 2, (tmp_path / "log").read_text()
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            for _ in range(4):
                assert requests(asked(client))["GET", "/livez", "2xx"] == count
    finally:
        server.terminate()
        server.wait(60)
