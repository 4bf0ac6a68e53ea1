"""Several machines' parts on one: PostgreSQL, S3, Redis, API, worker, Flower, as the compose file has them.

What they store, and what they log.
"""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from tests.conftest import missing
from tests.support.ceph import running_ceph
from tests.support.compose import ROOT, command, load_compose
from tests.support.compose_stack import WORKER, ComposeStack
from tests.support.postgres import find_tool, running_postgres
from tests.system.test_end_to_end import SPEC
from tgsh.execution import local
from tgsh.specs.presets import Submission

COMPOSE = ROOT / "tgsh" / "deploy" / "monitoring"
TASKS = 3

NO_JSON = re.compile(
    r"worker: Warm shutdown.*|.*SecurityWarning.*|absolutely not.*|Please specify.*|User information.*|"
    r".*_warn_or_raise.*|"
)
"""What Celery prints past all logging: as root, and when it stops."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeStack]:
    """Everything, with the other profiles' commands."""
    if find_tool("initdb") is None:
        missing("no PostgreSQL server tools; install Debian's package postgresql")
    folder = tmp_path_factory.mktemp("several")
    for name in ("postgres", "store"):
        (folder / name).mkdir()
    services = load_compose({"TGSH_REDIS_PASSWORD": "secret"})["services"]
    with ExitStack() as parts:
        s3 = parts.enter_context(running_ceph(folder / "store"))
        words = command(services["postgres"])[1:]
        url = parts.enter_context(running_postgres(folder / "postgres", words=words))
        stack = ComposeStack(folder, TGSH_DATABASE_URL=url, TGSH_ARTIFACTS_URL="s3://tgsh/artifacts", **s3)
        parts.callback(stack.kill)
        for name in ("redis", "service", WORKER, "flower"):
            stack.start(name)
        stack.wait_until_ready()
        yield stack


@pytest.fixture(scope="module")
def http(stack: ComposeStack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.url, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def done(http: httpx.Client) -> str:
    """The path of an experiment that was trained there."""
    answer = http.post("/experiments", json=small(), headers={"X-Request-ID": "the-submission"})
    assert (answer.status_code, answer.headers["X-Request-ID"]) == (202, "the-submission"), answer.text
    path = answer.headers["Location"]
    deadline = time.monotonic() + 120
    while (seen := http.get(path).json())["status"] != "completed":
        assert seen["status"] in ("queued", "running"), seen
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return path


def small() -> dict[str, Any]:
    return {**SPEC, "suite": {"kind": "rotation", "tasks": TASKS, "step_degrees": 30}}


def test_vectors_that_went_through_s3_are_those_of_one_machine(
    http: httpx.Client, done: str, stack: ComposeStack, tmp_path: Path
) -> None:
    local.run(Submission.model_validate(small()).spec(), tmp_path / "here", 1, lambda _: None)
    expected = load_file(tmp_path / "here" / "context-vectors.safetensors")["values"]
    answer = http.get(f"{done}/context-vectors?format=npy")
    np.testing.assert_array_equal(np.load(io.BytesIO(answer.content)), expected)
    assert http.get(f"{done}/similarity").json()["complete"]
    assert len(http.get(f"{done}/figures/reconstructions.png").content) > 1000
    assert not list((stack.data_dir.parent / "home").rglob("*.safetensors")), "nothing lies on this machine"


def test_what_is_deleted_is_gone_there(http: httpx.Client, done: str) -> None:
    answer = http.post("/experiments", json={**small(), "seed": 1})
    path = answer.headers["Location"]
    http.post(f"{path}/cancel")
    deadline = time.monotonic() + 60
    while (refused := http.delete(path)).status_code == 409:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert refused.status_code == 204
    assert http.get(f"{path}/similarity").status_code == 404


def lines(stack: ComposeStack, name: str) -> list[dict[str, Any]]:
    """What a service logged; every line is JSON but for a few that nobody can change."""
    return [json.loads(line) for line in stack.log(name).splitlines() if not NO_JSON.fullmatch(line)]


def test_every_line_is_json_and_says_what_it_is_about(stack: ComposeStack, done: str) -> None:
    experiment = done.rsplit("/", 1)[-1]
    for name in ("service", WORKER):
        found = lines(stack, name)
        assert found
        assert all({"time", "level", "logger", "message"} <= line.keys() for line in found)
        about = [line for line in found if experiment in line["message"]]
        assert about
        assert all(line["experiment"] == experiment for line in about)
    worked = [line for line in lines(stack, WORKER) if line.get("experiment") == experiment]
    assert {line["task"] for line in worked} == {*range(TASKS), "finish"}
    assert all(line["attempt"] == 1 and line["worker"] for line in worked)
    [submission] = [line for line in lines(stack, "service") if line.get("request") == "the-submission"]
    assert submission["experiment"] == experiment, "the line about the submission, too"


def test_no_secret_is_logged(stack: ComposeStack, done: str) -> None:
    for name in ("service", WORKER, "flower"):
        for secret in (":secret@", "a-secret", "a-key"):
            assert secret not in stack.log(name)


def test_the_work_is_in_the_numbers(http: httpx.Client, done: str) -> None:
    text = http.get("/metrics").text
    epochs = re.search(r"(?m)^tgsh_task_epochs_total (\S+)$", text)
    assert epochs is not None
    assert float(epochs[1]) >= TASKS * SPEC["training"]["epochs"]
    assert re.search(r'(?m)^tgsh_job_seconds_count\{kind="finish",outcome="completed"\} [1-9]', text)
    assert re.search(r"(?m)^tgsh_workers\{host=\S+ 1.0$", text)


def test_prometheus_is_let_in_by_the_name_that_it_calls(http: httpx.Client) -> None:
    config = yaml.safe_load((COMPOSE / "prometheus.yml").read_text("utf-8"))
    [job] = config["scrape_configs"]
    [[target]] = [static["targets"] for static in job["static_configs"]]
    assert http.get(job["metrics_path"], headers={"Host": target}).status_code == 200
    assert http.get(job["metrics_path"], headers={"Host": "other:8000"}).status_code == 421


def test_flower_shows_the_worker_and_can_do_nothing_to_it(stack: ComposeStack, done: str) -> None:
    with httpx.Client(base_url=stack.flower_url, timeout=30) as flower:
        deadline = time.monotonic() + 60
        while True:
            try:
                assert flower.get("/healthcheck").status_code == 200
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline, stack.log("flower")
                time.sleep(0.2)
        assert flower.get("/workers").status_code == 401
        flower.auth = httpx.BasicAuth("tgsh", "secret")
        while not (found := flower.get("/workers?json=1").json()["data"]):
            assert time.monotonic() < deadline, stack.log("flower")
            time.sleep(0.5)
        [worker] = found
        assert worker["status"]
        name = worker["hostname"]
        assert flower.post(f"/api/worker/shutdown/{name}").status_code in (403, 404)
    assert stack.family(WORKER)[0].is_running()
