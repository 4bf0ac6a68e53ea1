"""One message, one job: the length of the queue, what Celery sees of jobs, and limits that mean one job."""

from __future__ import annotations

import ast
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from celery import Celery

from tests.system.faults.stack import PATIENCE, FaultStack, User, running
from tgsh.store import messages
from tgsh.store.messages import JobMessages, job_message
from tgsh.store.scheduling import QUEUE, RUN_JOB_TASK, count_queued

CHILDREN = 2
TASKS = 300

TINY: dict[str, Any] = {
    "dataset": "mnist5k",
    "suite": {"kind": "rotation", "tasks": TASKS, "step_degrees": 1},
    "network": {"kind": "flynet", "expansion": 1},
    "training": {"epochs": 1, "train_limit": 10},
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultStack]:
    """Two children, and no sweep that would replace what is missing."""
    folder = tmp_path_factory.mktemp("messages")
    with running(folder, TGSH_SWEEP_SECONDS="20", TGSH_LEASE_SECONDS="60") as stack:
        yield stack


@pytest.fixture
def user(stack: FaultStack) -> Iterator[User]:
    user = User(stack.url)
    yield user
    user.close()


class Events:
    """What a monitor such as Flower is told of tasks, while the block lasts."""

    def __init__(self, url: str) -> None:
        self._app = Celery("monitor", broker=url, set_as_current=False)
        self.seen: list[dict[str, Any]] = []
        self._ended = False

    def __enter__(self) -> Events:
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()
        deadline = time.monotonic() + PATIENCE
        with self._app.connection() as connection, self._app.events.Dispatcher(connection) as monitor:
            while not self.of("monitor-calls"):  # until it is subscribed: what was said before is not heard
                assert time.monotonic() < deadline
                monitor.send("monitor-calls")
                time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._thread.join()

    def _listen(self) -> None:
        with self._app.connection() as connection:
            receiver = self._app.events.Receiver(connection, handlers={"*": self.seen.append})
            while not self._ended:
                try:
                    receiver.capture(limit=None, timeout=1, wakeup=False)
                except TimeoutError:
                    continue

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.seen if event["type"] == kind]


@pytest.mark.timeout(800)
def test_the_queue_is_as_long_as_the_work_and_every_task_is_a_job(stack: FaultStack, user: User) -> None:
    """What KEDA scales by, and what Flower shows."""
    database = stack.database()
    differences: Counter[int] = Counter()
    with Events(stack.redis_url) as events, redis.Redis.from_url(stack.redis_url) as queue:
        path = user.submit({**TINY, "name": "three hundred"})
        deadline = time.monotonic() + PATIENCE
        while not queue.llen(QUEUE):
            assert time.monotonic() < deadline
        ended = False
        while not ended:
            assert time.monotonic() < deadline
            ended = user.look(path)["status"] == "completed"
            before, jobs, after = queue.llen(QUEUE), count_queued(database), queue.llen(QUEUE)
            fewest, most = sorted((before, after))
            differences[max(0, jobs - most) - max(0, fewest - jobs)] += 1
        assert queue.llen(QUEUE) == 0
        deadline = time.monotonic() + PATIENCE
        while len(events.of("task-succeeded")) < TASKS + 1:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    database.dispose()
    print(f"{differences.total()} looks, jobs less messages: {dict(sorted(differences.items()))}")
    assert differences.total() > 20
    assert all(abs(difference) <= CHILDREN for difference in differences), differences
    told = [(ast.literal_eval(event["result"]), event["runtime"]) for event in events.of("task-succeeded")]
    done = [(result, runtime) for result, runtime in told if result["outcome"] == "completed"]
    expected = [*map(str, range(TASKS)), "finish"]
    assert sorted(str(result["task"]) for result, _ in done) == sorted(expected)
    experiment = path.rpartition("/")[2]
    assert {(result["experiment"], result["attempt"]) for result, _ in done} == {(experiment, 1)}
    for result, runtime in done:
        assert result["seconds"] <= runtime + 0.01
    assert sum(runtime for _, runtime in done) < 1.5 * sum(result["seconds"] for result, _ in done) + 1
    assert len(told) - len(done) <= CHILDREN  # turns for which nothing was left


def test_messages_are_those_that_celery_writes(stack: FaultStack) -> None:
    """Field by field, and of a thousand each has an id of its own."""
    with redis.Redis.from_url(stack.redis_url) as queue:
        app = Celery("test", broker=stack.redis_url, set_as_current=False)
        app.conf.task_ignore_result = True
        app.send_task(RUN_JOB_TASK, queue="test.messages", ignore_result=True)
        theirs = json.loads(queue.rpop("test.messages") or b"")
        app.close()
        ours = job_message("test.messages")
        assert theirs.keys() == ours.keys()
        changing = {"id", "root_id", "correlation_id", "delivery_tag", "origin", "reply_to"}
        for part in ("headers", "properties"):
            assert theirs[part].keys() == ours[part].keys()
            same = theirs[part].keys() - changing
            assert {key: theirs[part][key] for key in same} == {key: ours[part][key] for key in same}
        assert [theirs[key] for key in ("body", "content-type", "content-encoding")] == [
            ours[key] for key in ("body", "content-type", "content-encoding")
        ]
        sender = JobMessages(stack.redis_url)
        sender.publish({"test.messages": 5_001})
        ids = {json.loads(raw)["headers"]["id"] for raw in queue.lrange("test.messages", 0, -1)}
        assert len(ids) == 5_001
        sender.drop("test.messages", 5_000, waiting=7)  # somebody was faster: nothing is dropped
        assert queue.llen("test.messages") == 5_001
        sender.drop("test.messages", 5_000, waiting=5_001)
        assert sender.waiting(["test.messages"]) == {"test.messages": 1}
        queue.delete("test.messages")
        sender.round_trip()
        assert not queue.keys(f"{messages.PROBE}*")
        sender.close()
