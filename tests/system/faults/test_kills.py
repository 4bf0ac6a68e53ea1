"""SIGKILL for everybody at every named point of a job; who was stopped for longer than a lease."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.compose_stack import WORKER
from tests.system.faults.conftest import SPEC
from tests.system.faults.stack import FaultStack, User, looked_after, running
from tests.system.faults.verdict import judge


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultStack]:
    """Redis, API and workers; what is lost is noticed sooner still, as much is."""
    folder = tmp_path_factory.mktemp("kills")
    with running(folder, TGSH_MAX_ATTEMPTS="30", TGSH_LEASE_SECONDS="2") as stack:
        yield stack


OF_TASKS = ("after claim", "mid-epoch", "between file and row", "after the row", "before completing")
OF_ALL = ("before claim", "before the results", "before finishing")
VICTIMS = ("child", WORKER, "service", "redis")


@pytest.mark.timeout(600)
def test_whoever_is_killed_at_whatever_point_the_results_are_those_of_an_undisturbed_run(
    stack: FaultStack, user: User, undisturbed: str, tmp_path: Path
) -> None:
    cases = [*product(OF_TASKS, VICTIMS), *product(OF_ALL, VICTIMS)]
    faults: list[dict[str, object]] = []
    for number, (point, victim) in enumerate(cases):
        fault = {"point": point, "action": "kill", "once": str(tmp_path / f"{point}, {victim}")}
        if point in OF_TASKS:
            fault["index"] = number % SPEC["suite"]["tasks"]
        if victim != "child":
            fault["victim"] = str(stack.victim(victim))
        faults.append(fault)
    stack.faults.write_text(json.dumps(faults))
    with looked_after(stack):
        path = user.submit({**SPEC, "name": "killed at every point"})
        user.wait(path, seconds=540)
        stack.faults.unlink()
        assert sorted(file.name for file in tmp_path.iterdir()) == sorted(f"{p}, {v}" for p, v in cases)
        verdict = judge(stack, user, path)
    assert (verdict.status, verdict.lost, verdict.double, verdict.left_over) == ("completed", 0, 0, ())
    assert verdict.digest == undisturbed


@pytest.mark.timeout(300)
def test_a_placement_survives_the_kill_of_its_worker(
    stack: FaultStack, user: User, undisturbed: str, tmp_path: Path
) -> None:
    assert undisturbed  # its experiment is completed
    path = f"/experiments/{user.look('/experiments?status=completed')['items'][0]['id']}"
    body = {"dataset": "mnist5k", "train_limit": 50, "replicates": 1}
    expected = user.wait(_placed(user, path, body))
    points = ("mid-placement", "before the placement's row")
    kills = [
        {"point": point, "action": "kill", "once": str(tmp_path / str(place))}
        for place, point in enumerate(points)
    ]
    stack.faults.write_text(json.dumps(kills))
    with looked_after(stack):
        found = user.wait(_placed(user, path, body))
    stack.faults.unlink()
    assert len(list(tmp_path.iterdir())) == len(points)
    assert (found["status"], found["tasks"]) == ("completed", expected["tasks"])
    assert len(user.look(f"{path}/placements")["items"]) == 2


def _placed(user: User, path: str, body: dict[str, Any]) -> str:
    """The path of a new placement."""
    answer = user.ask("POST", f"{path}/placements", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.headers["Location"])


@pytest.mark.timeout(300)
def test_a_zombie_writes_nothing(stack: FaultStack, user: User, undisturbed: str) -> None:
    """Stopped for longer than the lease, in an epoch and before its row; then they go on."""
    for point in ("mid-epoch", "between file and row"):
        stack.faults.write_text(json.dumps([{"point": point, "action": "sleep", "seconds": 0.5}]))
        path = user.submit({**SPEC, "name": f"a zombie {point}"})
        zombie, task = _stop_one_at_work(stack, user, path)
        is_taken = False
        while not is_taken:
            status = user.look(path)["status"]
            is_taken = user.ask("GET", task["path"]).json()["attempts"] > task["attempts"]
            # in this order: it may be completed soon after
            assert is_taken or status in ("queued", "running")
            time.sleep(0.1)
        stack.faults.unlink()
        zombie.resume()
        assert user.wait(path)["status"] == "completed"
        verdict = judge(stack, user, path)
        assert (verdict.lost, verdict.double, verdict.left_over) == (0, 0, ())
        assert verdict.digest == undisturbed
        assert zombie.is_running()
        assert user.ask("GET", task["path"]).json()["worker"] != task["worker"]


def _stop_one_at_work(stack: FaultStack, user: User, path: str) -> tuple[psutil.Process, dict[str, Any]]:
    """A child that is stopped while it holds a task, and that task as it was."""
    while True:
        assert user.look(path)["status"] in ("queued", "running")
        for task in user.ask("GET", f"{path}/tasks").json()["items"]:
            if task["status"] != "running":
                continue
            child = psutil.Process(int(task["worker"].split("/")[-2]))
            child.suspend()
            task["path"] = f"{path}/tasks/{task['index']}"
            again = user.ask("GET", task["path"]).json()
            if all(again[key] == task[key] for key in ("status", "attempts", "worker")) and _may_write(stack):
                return child, task
            child.resume()


def _may_write(stack: FaultStack) -> bool:
    """Whether the child was not stopped while it held SQLite's one write lock, at which all would wait."""
    with closing(sqlite3.connect(stack.home / "tgsh.db", timeout=2, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return False
    return True
