"""Previews, estimates and workers through HTTP alone, with real workers, which are also killed at it."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.support.compose_stack import WORKER
from tests.system.faults.conftest import SPEC
from tests.system.faults.stack import PATIENCE, FaultStack, User, looked_after
from tgsh.cli.application import app
from tgsh.store.models import PreviewRecord

MEGABYTE = 1 << 20


def asked(user: User, **changes: Any) -> str:
    """The path of a preview that nobody had drawn before."""
    answer = user.ask("POST", "/previews", json={**SPEC, **changes})
    assert answer.status_code == 202, answer.text
    return str(answer.headers["Location"])


def drawn(user: User, path: str) -> str:
    """The hash of a preview's images, once they are there."""
    deadline = time.monotonic() + PATIENCE
    while (found := user.look(path))["status"] not in ("ready", "failed"):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    assert found["status"] == "ready", found
    return hashlib.sha256(user.ask("GET", f"{path}?format=npy").content).hexdigest()


def test_it_is_drawn_before_the_tasks_and_shows_what_they_will_be(stack: FaultStack, user: User) -> None:
    busy = user.submit({**SPEC, "name": "busy", "training": {"epochs": 3}, "suite": {"tasks": 60}})
    began = time.monotonic()
    found = drawn(user, asked(user, seed=1))
    assert time.monotonic() - began < PATIENCE / 4
    assert user.look(busy)["status"] in ("queued", "running")  # it went before what had waited longer
    user.ask("POST", f"{busy}/cancel")
    path = user.submit({**SPEC, "name": "same images", "seed": 1, "training": {"epochs": 1}})
    assert user.wait(path)["status"] == "completed"
    samples = user.ask("GET", f"{path}/samples?format=npy").content
    assert hashlib.sha256(samples).hexdigest() == found
    picture = user.ask("GET", asked_again(user, seed=1), headers={"Accept": "image/png"})
    assert picture.content.startswith(b"\x89PNG")
    estimate = user.ask("POST", "/estimates", json={**SPEC, "seed": 1, "training": {"epochs": 1}}).json()
    assert (estimate["stored"], estimate["basis"], estimate["workers"]) == (path[-16:], "measured", 2)
    assert 0 < estimate["seconds"] < 60


def asked_again(user: User, **changes: Any) -> str:
    answer = user.ask("POST", "/previews", json={**SPEC, **changes})
    assert answer.status_code == 200, answer.text
    return str(answer.headers["Location"])


@pytest.mark.parametrize("point", ["mid-preview", "before the preview's row"])
def test_a_worker_that_is_killed_at_it_is_succeeded(stack: FaultStack, user: User, point: str) -> None:
    same = {"suite": {"kind": "rotation", "tasks": 5}, "seed": len(point)}
    mark = stack.faults.with_name(f"killed at {point[:3]}")
    stack.faults.write_text(json.dumps([{"point": point, "action": "kill", "once": str(mark)}]))
    with looked_after(stack):
        path = asked(user, **same)
        found = drawn(user, path)
    assert mark.exists()  # somebody was killed
    stack.faults.unlink()
    with stack.database().read() as session:
        assert session.get_one(PreviewRecord, path.removeprefix("/previews/")).attempts == 2
    trained = user.submit({**SPEC, **same, "training": {"epochs": 1}})
    assert user.wait(trained)["status"] == "completed"
    samples = user.ask("GET", f"{trained}/samples?format=npy").content
    assert hashlib.sha256(samples).hexdigest() == found


def test_who_works_on_what_with_how_much_memory(stack: FaultStack, user: User) -> None:
    stack.faults.write_text(json.dumps([{"point": "mid-epoch", "index": 3, "action": "sleep", "seconds": 8}]))
    path = user.submit({**SPEC, "name": "slow", "training": {"epochs": 1}, "seed": 9})
    deadline = time.monotonic() + PATIENCE
    while True:
        found = user.ask("GET", "/workers").json()
        jobs = [job for worker in found["workers"] for job in worker["working_on"]]
        if [job for job in jobs if job["task_index"] == 3 and job["name"] == "slow"]:
            break
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    [worker] = found["workers"]
    assert worker["pid"] == stack.parent(WORKER).pid
    assert worker["devices"] == ["cpu", "cpu"]
    family = [process.memory_info().rss for process in stack.family(WORKER)]
    assert 0.5 * sum(family) < worker["memory_bytes"] < 2 * sum(family)
    assert worker["memory_bytes"] > 200 * MEGABYTE  # torch is in its children
    assert worker["device_memory_bytes"] is None
    assert found["queue"]["running_jobs"] >= 1
    assert path[-16:] in {each["id"] for each in found["queue"]["experiments"]}
    assert not any("torch" in mapped.path for mapped in stack.parent(WORKER).memory_maps())
    stack.faults.unlink()
    assert user.wait(path)["status"] == "completed"


def test_the_command_line_asks_the_same(
    user: User, stack: FaultStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TGSH_URL", stack.url)
    monkeypatch.setenv("COLUMNS", "160")

    def typed(*words: str) -> str:
        ended = CliRunner().invoke(app, words)
        assert ended.exit_code == 0, ended.output
        return ended.stdout

    told = typed("estimate", "demo")
    assert "36 tasks, 360 task-epochs" in told
    assert "on 2 at a time" in told
    assert json.loads(typed("estimate", "demo", "--json"))["tasks"] == 36
    assert "2× cpu" in typed("workers")
    assert len(json.loads(typed("workers", "--json"))["workers"]) == 1
    refused = CliRunner().invoke(app, ["estimate", "no-such-preset"])
    assert refused.exit_code == 2
