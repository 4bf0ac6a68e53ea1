"""Through HTTP alone: Redis, API and workers as processes, with the commands of docker-compose.yml."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import redis
from httpx_sse import connect_sse

from tests.api.test_bad_requests import BAD_BODIES
from tests.support.compose_stack import WORKER, ComposeStack
from tgsh.analysis.similarity import SimilarityMatrix, nearest
from tgsh.execution import local
from tgsh.specs.presets import Submission
from tgsh.store.scheduling import QUEUE

SPEC: dict[str, Any] = {
    "name": "twelve rotations",
    "dataset": "mnist5k",
    "suite": {"kind": "rotation", "tasks": 12, "step_degrees": 30},
    "network": {"kind": "flynet", "expansion": 3},
    "training": {"epochs": 2, "train_limit": 1000},
    "tags": ["end-to-end"],
}

MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeStack]:
    """Everything that the compose file starts on a machine without a GPU."""
    stack = ComposeStack(tmp_path_factory.mktemp("compose"))
    stack.data_dir.write_text("a file where a folder is expected: nothing can be read or downloaded there")
    try:
        for name in ("redis", "service", WORKER):
            stack.start(name)
        stack.wait_until_ready()
        yield stack
    finally:
        stack.kill()


@pytest.fixture(scope="module")
def http(stack: ComposeStack) -> Iterator[httpx.Client]:
    """A client, as a user has one."""
    with httpx.Client(base_url=stack.url, timeout=60) as client:
        yield client


def follow(http: httpx.Client, path: str, last_event_id: str = "0") -> list[tuple[str, dict[str, Any], str]]:
    """(kind, data, id) of every event until the stream ends by itself; a keep-alive comes without data."""
    headers = {"Last-Event-ID": last_event_id}
    with connect_sse(http, "GET", f"{path}/events", headers=headers) as source:
        return [(sent.event, json.loads(sent.data), sent.id) for sent in source.iter_sse() if sent.data]


def submit(http: httpx.Client, **changes: Any) -> str:
    answer = http.post("/experiments", params={"anew": True}, json={**SPEC, **changes})
    assert answer.status_code == 202, answer.text
    return answer.headers["Location"]


def vectors_hash(http: httpx.Client, path: str) -> str:
    stages = [
        http.get(f"{path}/context-vectors?format=npy&stage={stage}").content for stage in ("before", 1, 2)
    ]
    return hashlib.sha256(b"".join(stages)).hexdigest()


@pytest.fixture(scope="module")
def done(http: httpx.Client) -> str:
    """The path of an experiment that nothing disturbed."""
    path = submit(http)
    follow(http, path)
    return path


def test_post_then_progress_then_similarity_then_304(http: httpx.Client) -> None:
    path = submit(http)
    events = follow(http, path)
    assert [(kind, data.get("status")) for kind, data, _ in (events[0], events[1], events[-1])] == [
        ("status", "queued"),
        ("status", "running"),
        ("status", "completed"),
    ]
    fractions = [data["progress"]["fraction"] for kind, data, _ in events if kind == "progress"]
    assert len(fractions) == 12 * 2
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    completed = [
        data["index"] for kind, data, _ in events if kind == "task" and data["status"] == "completed"
    ]
    assert sorted(completed) == list(range(12))
    assert follow(http, path, events[-3][2]) == events[-2:]

    answer = http.get(f"{path}/similarity")
    document = answer.json()
    assert (document["complete"], len(document["labels"])) == (True, 12)
    values = np.array(document["values"])
    matrix = SimilarityMatrix(values, tuple(document["labels"]), tuple(document["tasks"]), "cosine")
    away = np.abs((np.array(nearest(matrix)) - np.arange(12) + 6) % 12 - 6)
    assert (away == 1).sum() >= 11  # ±30° is what each is most like
    before = np.array(http.get(f"{path}/similarity?stage=before").json()["values"])
    assert np.abs(before - np.eye(12)).max() < 0.1

    again = http.get(f"{path}/similarity", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    experiment = http.get(path).json()
    assert experiment["status"] == "completed"
    assert 0.5 < experiment["mean_accuracy"] < 1
    assert experiment["versions"]["torch"]
    assert http.get(f"{path}/accuracy").json()["mean"] == experiment["mean_accuracy"]
    task = http.get(f"{path}/tasks/3").json()
    assert (task["label"], task["epochs_done"], len(task["loss"]), task["attempts"]) == ("90°", 2, 2, 1)
    assert task["compute"].startswith("cpu")


@pytest.mark.parametrize("name", BAD_BODIES)
def test_bad_specs_insert_nothing(http: httpx.Client, done: str, name: str) -> None:
    body, status, field = BAD_BODIES[name]
    before = [item["id"] for item in http.get("/experiments").json()["items"]]
    answer = http.post("/experiments", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert [item["id"] for item in http.get("/experiments").json()["items"]] == before


def test_the_same_spec_has_the_same_bytes_again_and_with_one_worker(
    http: httpx.Client, done: str, tmp_path: Path
) -> None:
    again = submit(http, name="again")
    follow(http, again)
    assert vectors_hash(http, again) == vectors_hash(http, done)
    spec = Submission.model_validate(SPEC).spec()
    alone = local.run(spec, tmp_path / "alone", 1, lambda _: None)
    assert alone.status == "completed"
    [vectors] = (tmp_path / "alone" / "artifacts").rglob("vectors-*.npy")
    ours = np.load(vectors)
    for stage in range(3):
        content = http.get(f"{done}/context-vectors?format=npy&stage={stage}").content
        header = len(content) - ours[stage].nbytes
        assert content[header:] == ours[stage].tobytes()


def test_a_task_that_raises_fails_alone_and_resume_trains_what_is_missing(
    http: httpx.Client, stack: ComposeStack, done: str
) -> None:
    stack.faults.write_text(json.dumps([{"point": "mid-epoch", "index": 5, "action": "raise"}]))
    path = submit(http, name="one will fail")
    events = follow(http, path)
    reason = "InjectedFault: injected at mid-epoch"
    failed = [data for kind, data, _ in events if kind == "task" and data["status"] == "failed"]
    assert [(data["index"], data["reason"]) for data in failed] == [(5, reason)]
    assert events[-1][1] == {"status": "failed", "reason": f"1 of 12 tasks failed; task 5 (150°): {reason}"}
    experiment = http.get(path).json()
    assert (experiment["status"], experiment["reason"]) == ("failed", events[-1][1]["reason"])
    tasks = http.get(f"{path}/tasks").json()["items"]
    assert [task["status"] for task in tasks].count("completed") == 11
    assert (tasks[5]["status"], tasks[5]["reason"]) == ("failed", reason)
    partial = http.get(f"{path}/similarity").json()
    assert (partial["complete"], len(partial["tasks"])) == (False, 11)
    stack.faults.unlink()
    assert http.post(f"{path}/resume").status_code == 202
    after = follow(http, path, events[-1][2])
    assert {data["index"] for kind, data, _ in after if kind in ("task", "progress")} == {5}
    assert after[-1][1]["status"] == "completed"
    assert vectors_hash(http, path) == vectors_hash(http, done)


def test_a_worker_that_is_stopped_gives_its_work_back(http: httpx.Client, stack: ComposeStack) -> None:
    long = {"training": {"epochs": 40, "train_limit": 2000}, "suite": {"kind": "rotation", "tasks": 4}}
    path = submit(http, name="long", **long)
    with connect_sse(http, "GET", f"{path}/events") as source:
        next(event for event in source.iter_sse() if event.event == "progress")
    stack.stop(WORKER)
    tasks = http.get(f"{path}/tasks").json()["items"]
    assert {task["status"] for task in tasks} <= {"queued", "completed"}
    given_back = [task for task in tasks if task["epochs_done"] and task["status"] == "queued"]
    assert given_back
    assert {task["attempts"] for task in given_back} == {0}  # a stop is no failed attempt
    stack.start(WORKER)
    stack.wait_until_ready()
    follow(http, path)
    undisturbed = submit(http, name="long again", **long)
    follow(http, undisturbed)
    for stage in (1, 17, 40):
        query = f"context-vectors?format=npy&stage={stage}"
        assert http.get(f"{path}/{query}").content == http.get(f"{undisturbed}/{query}").content


def test_cancel_stops_the_training(http: httpx.Client) -> None:
    path = submit(http, training={"epochs": 1000})
    with connect_sse(http, "GET", f"{path}/events") as source:
        next(event for event in source.iter_sse() if event.event == "progress")
    assert http.post(f"{path}/cancel").status_code == 202
    assert follow(http, path)[-1][1]["status"] == "cancelled"
    assert http.delete(path).status_code == 204
    assert http.get(path).status_code == 404


def test_one_task_behind_a_thousand_starts_within_two_jobs(http: httpx.Client) -> None:
    tiny = {"network": {"kind": "flynet", "expansion": 1}, "training": {"epochs": 1, "train_limit": 100}}
    thousand = {"kind": "rotation", "tasks": 1000, "step_degrees": 0.35}
    large = submit(http, name="large", suite=thousand, **tiny)
    with connect_sse(http, "GET", f"{large}/events") as source:
        next(event for event in source.iter_sse() if event.event == "task")
    small = submit(http, name="small", suite={"kind": "rotation", "tasks": 1}, **tiny)
    queued, _, started = (int(id) for _, _, id in follow(http, small)[:3])
    http.post(f"{large}/cancel")
    events = follow(http, large)
    assert events[-1][1]["status"] == "cancelled"  # most of it was still to come
    starts = [int(id) for kind, data, id in events if kind == "task" and data["status"] == "running"]
    assert len([id for id in starts if queued < id < started]) <= 2


def wait_for_job_messages(queue: redis.Redis, count: int) -> None:
    """Job messages are published after the answer, and taken by workers at their leisure."""
    deadline = time.monotonic() + 60
    while queue.llen(QUEUE) != count:
        assert time.monotonic() < deadline, f"{queue.llen(QUEUE)} job messages wait, not {count}"
        time.sleep(0.05)


def test_job_messages_that_got_lost_are_published_again(http: httpx.Client, stack: ComposeStack) -> None:
    with redis.Redis.from_url(stack.redis_url) as queue:
        wait_for_job_messages(queue, 0)  # those of cancelled jobs are surplus, and go
    stack.stop(WORKER)
    ids = [submit(http, name="lost", training={"epochs": 1, "train_limit": 100}) for _ in range(8)]
    with redis.Redis.from_url(stack.redis_url) as queue:
        wait_for_job_messages(queue, 96)  # a message a job
        queue.flushall()
        stack.start(WORKER)
        assert [follow(http, path)[-1][1]["status"] for path in ids] == ["completed"] * 8
        wait_for_job_messages(queue, 0)


def test_missing_images_are_told_with_folder_and_files(http: httpx.Client) -> None:
    """Before anything is queued, as the worker is on this machine and no mirror answers."""
    refused = http.post("/experiments", json={"preset": "rotation-mnist"})
    assert refused.status_code == 422, refused.text
    [error] = refused.json()["errors"]
    assert error["field"] == "dataset"
    assert "MNIST/raw" in error["message"]
    for name in ("train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        assert name in error["message"]


def test_memory_stays_small(http: httpx.Client, stack: ComposeStack, done: str) -> None:
    for format in ("png", "svg", "json", "csv", "npy", "safetensors"):
        assert http.get(f"{done}/similarity?format={format}&order=cluster").status_code == 200
    for result in (
        "dendrogram",
        "embedding?dimensions=3",
        "embedding?method=pca",
        "similarity/epochs",
        "accuracy",
    ):
        assert http.get(f"{done}/{result}").status_code == 200
    for name in ("similarity-before-after", "similarity-epochs", "dendrogram", "embedding", "accuracy"):
        assert http.get(f"{done}/figures/{name}.png").content.startswith(b"\x89PNG")
    api = stack.family("service")[0]
    assert api.memory_info().rss < 200 * MEGABYTE
    parent, *children = stack.family(WORKER)
    assert len(children) >= 1
    for child in children:
        assert child.memory_info().rss < 1500 * MEGABYTE
    assert not any("torch" in mapped.path for mapped in parent.memory_maps())  # CUDA does not survive a fork
    assert not any("torch" in mapped.path for mapped in children[0].memory_maps())  # FlyNets need none
    assert any("llvmlite" in mapped.path for mapped in children[0].memory_maps())
