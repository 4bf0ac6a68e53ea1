"""What can become of the queue: forged, repeated and lost messages, a Redis that is away or emptied."""

from __future__ import annotations

import base64
import json
import pickle
import time
from typing import Any

import pytest
import redis

from tests.support.compose_stack import WORKER
from tests.system.faults.conftest import SPEC
from tests.system.faults.stack import PATIENCE, FaultStack, User, looked_after
from tests.system.faults.verdict import judge
from tgsh.store import leases
from tgsh.store.messages import job_message
from tgsh.store.scheduling import QUEUE, RUN_JOB_TASK

SMALL: dict[str, Any] = {**SPEC, "training": {"epochs": 1, "train_limit": 200}}


class Bomb:
    """What a pickle would run, if any were read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("import os; os._exit(66)",))


def envelope(body: bytes = b"", kind: str = "application/json", **headers: object) -> str:
    """A message as Celery's Redis transport writes it."""
    told = {"task": RUN_JOB_TASK, "id": "forged", "lang": "py", **headers}
    properties = {
        "body_encoding": "base64",
        "delivery_tag": "forged",
        "delivery_info": {"exchange": "", "routing_key": QUEUE},
    }
    return json.dumps(
        {
            "body": base64.b64encode(body or b"[[], {}, {}]").decode(),
            "content-type": kind,
            "content-encoding": "utf-8",
            "headers": told,
            "properties": properties,
        }
    )


NESTED = "[" * 200_000
FORGED = {
    "no JSON": "garbage",
    "no bytes of text": b"\xff\xfe\x00",
    "nothing": "",
    "no envelope": json.dumps([1, 2]),
    "an empty envelope": "{}",
    "null": "null",
    "far too deep": NESTED,
    "a body that is no base64": envelope().replace('"body": "', '"body": "!'),
    "a pickle": envelope(pickle.dumps(Bomb()), "application/x-python-serialize"),
    "an unknown content type": envelope(b"x", "application/x-yaml"),
    "another task": envelope(task="os.system"),
    "no task": envelope(task=None),
    "an unknown experiment": envelope(json.dumps([["f" * 16, 0], {}, {}]).encode()),
    "an unknown job": envelope(json.dumps([[], {"experiment_id": "../..", "index": -1}, {}]).encode()),
    "arguments of a wrong shape": envelope(b'{"no": "list"}'),
    "a body of a wrong shape": envelope(b"7"),
    "a chain of its own": envelope(
        json.dumps([[], {}, {"chain": [{"task": "x"}], "callbacks": [1]}]).encode()
    ),
    "a time to come": envelope(eta="9999-12-31T23:59:59+00:00"),
    "no time at all": envelope(eta="never"),
    "limits of its own": envelope(timelimit=["x", -1]),
}
"""Each name says what is wrong with it."""


def test_forged_messages_are_refused_and_the_worker_lives(
    stack: FaultStack, user: User, undisturbed: str
) -> None:
    parent = stack.parent(WORKER)
    with redis.Redis.from_url(stack.redis_url) as queue:
        for message in FORGED.values():
            queue.lpush(QUEUE, message)
            _until(lambda: queue.llen(QUEUE) == 0)
        path = user.submit({**SPEC, "name": "after the forged ones"})
        assert user.wait(path)["status"] == "completed"
    assert parent.is_running()
    assert parent.pid == stack.parent(WORKER).pid
    assert user.digest(path) == undisturbed
    log = stack.log(WORKER)
    assert log.count("refused something in the queue that is no message") >= 6
    assert "untrusted content of type pickle" in log
    assert "refused a message that is no job message" in log


def test_a_message_that_comes_ten_times_is_one_execution(
    stack: FaultStack, user: User, undisturbed: str
) -> None:
    with redis.Redis.from_url(stack.redis_url) as queue:
        path = user.submit({**SPEC, "name": "ten times"})
        for _ in range(10):
            queue.lpush(QUEUE, envelope())
        assert user.wait(path)["status"] == "completed"
    verdict = judge(stack, user, path)
    assert (verdict.lost, verdict.double, verdict.digest) == (0, 0, undisturbed)
    attempts = [task["attempts"] for task in user.ask("GET", f"{path}/tasks").json()["items"]]
    assert attempts == [1] * SPEC["suite"]["tasks"]


def test_a_redis_that_is_restarted_and_emptied_in_mid_run_costs_nothing(
    stack: FaultStack, user: User, undisturbed: str
) -> None:
    path = user.submit({**SPEC, "name": "emptied"})
    others = [user.submit({**SMALL, "name": "behind it"}) for _ in range(3)]
    with looked_after(stack):
        for fraction in (0.1, 0.3, 0.5):
            while user.look(path)["progress"]["fraction"] < fraction:
                time.sleep(0.05)
            with redis.Redis.from_url(stack.redis_url) as queue:
                queue.flushall()
            stack.kill_one("redis")
            _until(lambda: _answers(stack))
            with redis.Redis.from_url(stack.redis_url) as queue:
                queue.flushall()
        assert [user.wait(other)["status"] for other in (path, *others)] == ["completed"] * 4
    assert user.digest(path) == undisturbed


def test_without_redis_a_post_is_accepted_and_done(stack: FaultStack, user: User) -> None:
    """Idle children get their turns of their own parent, one after the other."""
    stack.stop("redis")
    try:
        paths = [user.submit({**SMALL, "name": f"without Redis {number}"}) for number in range(3)]
        assert [user.wait(path)["status"] for path in paths] == ["completed"] * 3
        assert stack.parent(WORKER).is_running()
        assert user.http.get("/readyz").json()["checks"]["redis"]["ok"] is False
        assert len(user.http.get("/workers").json()["workers"]) == 1  # it has not signed off
    finally:
        stack.start("redis")
    _until(lambda: _answers(stack))
    _until(lambda: user.http.get("/readyz").status_code == 200)
    with redis.Redis.from_url(stack.redis_url) as queue:
        _until(lambda: queue.llen(QUEUE) == 0)
    assert user.wait(user.submit({**SMALL, "name": "Redis is back"}))["status"] == "completed"


def test_a_redis_that_hangs_holds_up_no_post_and_no_work(stack: FaultStack, user: User) -> None:
    """It takes connections and answers nothing."""
    frozen = stack.parent("redis")
    frozen.suspend()
    try:
        paths = [user.submit({**SMALL, "name": f"a frozen Redis {number}"}) for number in range(3)]
        assert [user.wait(path)["status"] for path in paths] == ["completed"] * 3
    finally:
        frozen.resume()
    _until(lambda: user.http.get("/readyz").status_code == 200)
    assert user.wait(user.submit({**SMALL, "name": "Redis is awake"}))["status"] == "completed"


@pytest.mark.parametrize("restarted", [False, True], ids=["", "worker started meanwhile"])
def test_a_full_redis_is_told_and_holds_up_no_work(stack: FaultStack, user: User, restarted: bool) -> None:
    """With noeviction it gives what it has, and takes nothing."""
    with redis.Redis.from_url(stack.redis_url) as queue:
        queue.config_set("maxmemory", 1)
        try:
            with stack.lock:
                if restarted:
                    stack.stop(WORKER)
                    stack.start(WORKER)
            paths = [user.submit({**SMALL, "name": f"a full Redis {number}"}) for number in range(3)]
            answer = user.http.get("/readyz")
            assert answer.status_code == 503
            check = answer.json()["checks"]["redis"]
            assert (check["ok"], "maxmemory" in check["detail"]) == (False, True)
            assert [user.wait(path)["status"] for path in paths] == ["completed"] * 3
            assert queue.llen(QUEUE) == 0
        finally:
            queue.config_set("maxmemory", 0)
    _until(lambda: user.http.get("/readyz").status_code == 200)
    assert user.wait(user.submit({**SMALL, "name": "there is room"}))["status"] == "completed"


def test_lost_messages_are_replaced_and_surplus_goes(stack: FaultStack, user: User) -> None:
    """While the worker has other things to do: its children are stopped."""
    children = stack.children()
    with redis.Redis.from_url(stack.redis_url) as queue:
        for child in children:
            child.suspend()
        try:
            path = user.submit({**SMALL, "name": "lost and found"})
            _until(lambda: queue.llen(QUEUE) > 0)
            _until(lambda: queue.llen(QUEUE) == 8 - len(children))  # the parent holds one for each child
            queue.delete(QUEUE)
            _until(lambda: queue.llen(QUEUE) == 8)
            for _ in range(30):
                queue.lpush(QUEUE, json.dumps(job_message(QUEUE)))
            _until(lambda: queue.llen(QUEUE) == 8)
        finally:
            for child in children:
                child.resume()
        assert user.wait(path)["status"] == "completed"
        _until(lambda: queue.llen(QUEUE) == 0)


@pytest.mark.timeout(300)
def test_a_deaf_worker_works_and_ends_to_be_started_again(stack: FaultStack, user: User) -> None:
    """It is alive and connected, and listens to another queue."""
    stack.faults.write_text(json.dumps([{"point": "mid-epoch", "action": "sleep", "seconds": 0.3}]))
    with stack.lock:
        stack.stop(WORKER)
        deaf = stack.start(WORKER, "-Q", "elsewhere")
        path = user.submit(
            {
                **SPEC,
                "training": {"epochs": 3, "train_limit": 1000},
                "suite": {"kind": "rotation", "tasks": 200, "step_degrees": 1},
                "name": "nobody hears",
            }
        )
        _until(lambda: deaf.poll() is not None)
        stack.faults.unlink()
        assert deaf.returncode != 0
        assert "nothing is heard" in stack.log(WORKER)
        database = stack.database()
        assert not [w for w in leases.live_workers(database) if w.pid == deaf.pid]  # it signed off
        database.dispose()
        stack.revive()
        assert user.wait(path)["status"] == "completed"


def _answers(stack: FaultStack) -> bool:
    try:
        with redis.Redis.from_url(stack.redis_url) as queue:
            return bool(queue.ping())
    except redis.RedisError:
        return False


def _until(condition: Any) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
