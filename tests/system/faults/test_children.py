"""Children that hang, cannot work, are told to stop or die all the time: seen, ended, replaced."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.compose import ROOT
from tests.support.compose_stack import WORKER
from tests.system.faults.conftest import SPEC
from tests.system.faults.stack import PATIENCE, FaultStack, User, running
from tgsh.datasets.downloads import FILES

STALL_SECONDS = 3.0
ATTEMPTS = 2

SMALL: dict[str, Any] = {**SPEC, "training": {"epochs": 1, "train_limit": 200}}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultStack]:
    """A stack that is short of patience."""
    settings = {"TGSH_STALL_SECONDS": str(STALL_SECONDS), "TGSH_MAX_ATTEMPTS": str(ATTEMPTS)}
    with running(tmp_path_factory.mktemp("children"), **settings) as stack:
        yield stack


def until(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def states(user: User) -> list[str]:
    """What the children of all workers do."""
    workers = user.ask("GET", "/workers").json()["workers"]
    return [child["state"] for worker in workers for child in worker["children"]]


def checked(user: User) -> tuple[int, dict[str, Any]]:
    """Status and the check of the workers, of /readyz."""
    answer = user.http.get("/readyz")
    return answer.status_code, answer.json()["checks"]["workers"]


def health(stack: FaultStack) -> subprocess.CompletedProcess[str]:
    """The health check of the worker's container."""
    return subprocess.run(
        [sys.executable, "-m", "worker.health"],
        cwd=ROOT,
        env=stack._environment(WORKER),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def attempts(user: User, path: str) -> list[int]:
    return [task["attempts"] for task in user.ask("GET", f"{path}/tasks").json()["items"]]


@pytest.mark.timeout(400)
def test_a_file_that_never_ends_costs_its_job_and_no_slot(stack: FaultStack, user: User) -> None:
    """A FIFO in the place of the images: whoever reads it waits for ever, in the kernel."""
    folder = stack.data_dir / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name in FILES:
        os.mkfifo(folder / name)
    until(lambda: "mnist" in user.ask("GET", "/workers").json()["workers"][0]["datasets"])
    spec = {**SMALL, "dataset": "mnist", "suite": {"kind": "rotation", "tasks": 2}}
    path = user.submit({**spec, "name": "never ends"})
    seen = until(lambda: "stuck" in states(user) and checked(user))
    assert "stuck" in seen[1]["detail"] or "made no progress" in seen[1]["detail"], seen
    ended = user.wait(path)
    assert ended["status"] == "failed"
    assert "made no progress for" in ended["reason"]
    assert "TGSH_STALL_SECONDS" in ended["reason"]
    assert attempts(user, path) == [ATTEMPTS] * 2
    assert "killed, as it made no progress" in stack.log(WORKER)
    metrics = user.ask("GET", "/metrics").text
    assert f'tgsh_jobs_stalled_total{{kind="task"}} {2 * ATTEMPTS}.0' in metrics
    after = user.submit({**SMALL, "name": "after it"})
    assert user.wait(after)["status"] == "completed"
    until(lambda: set(states(user)) == {"idle"})
    assert checked(user)[0] == 200


@pytest.mark.timeout(400)
def test_a_cancel_frees_the_slot_of_a_child_that_hangs_in_c(
    stack: FaultStack, user: User, tmp_path: Path
) -> None:
    """With the interpreter's lock: neither its threads nor its signal handlers run."""
    fault = {"point": "mid-epoch", "index": 1, "action": "hang", "once": str(tmp_path / "hung")}
    stack.faults.write_text(json.dumps([fault]))
    path = user.submit({**SMALL, "name": "hangs"})
    until((tmp_path / "hung").exists)
    stack.faults.unlink()
    hung = {child.pid for child in stack.children()}
    assert user.ask("POST", f"{path}/cancel").status_code == 202
    assert user.wait(path)["status"] in ("cancelled", "failed")
    until(lambda: len(hung - {child.pid for child in stack.children()}) == 1)
    until(lambda: states(user) == ["idle", "idle"])
    after = user.submit({**SMALL, "name": "after the hang"})
    assert user.wait(after)["status"] == "completed"


def test_a_slow_task_that_gets_on_is_left_alone(stack: FaultStack, user: User) -> None:
    """Longer in all than TGSH_STALL_SECONDS, and never that long between two batches."""
    stack.faults.write_text(json.dumps([{"point": "mid-epoch", "action": "sleep", "seconds": 1.5}]))
    try:
        path = user.submit({**SPEC, "suite": {"kind": "rotation", "tasks": 2}, "name": "slow"})
        assert user.wait(path)["status"] == "completed"
    finally:
        stack.faults.unlink()
    assert attempts(user, path) == [1, 1]


@pytest.mark.timeout(400)
def test_a_child_that_is_told_to_stop_gives_its_job_back_and_is_replaced(
    stack: FaultStack, user: User
) -> None:
    stack.faults.write_text(json.dumps([{"point": "mid-epoch", "action": "sleep", "seconds": 0.3}]))
    path = user.submit({**SPEC, "training": {"epochs": 20, "train_limit": 1000}, "name": "told"})
    until(lambda: user.look(path)["progress"]["fraction"] > 0)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        until(lambda: user.ask("GET", "/workers").json()["queue"]["running_jobs"] == 2)
        children = stack.children()
        children[0].send_signal(number)
        told = children[0]
        until(lambda: not told.is_running())  # noqa: B023 - called at once
        until(lambda: len(stack.children()) == 2)
    stack.faults.unlink()
    assert user.wait(path)["status"] == "completed"
    assert attempts(user, path) == [1] * 8


@pytest.mark.timeout(400)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_parent_and_children_loses_no_attempt(
    stack: FaultStack, user: User, number: signal.Signals
) -> None:
    """What schedulers send, a terminal that is closed, and Ctrl-C."""
    path = user.submit(
        {**SPEC, "training": {"epochs": 10, "train_limit": 1000}, "name": f"all told {number}"}
    )
    until(lambda: user.look(path)["progress"]["fraction"] > 0)
    with stack.lock:
        parent, children = stack.parent(WORKER), stack.children()
        os.killpg(parent.pid, number)
        stack._processes[WORKER].wait(60)
    tasks = user.ask("GET", f"{path}/tasks").json()["items"]
    assert {task["status"] for task in tasks} <= {"queued", "completed"}
    assert all(task["attempts"] == (task["status"] == "completed") for task in tasks), tasks
    assert not any(child.is_running() for child in children)
    stack.revive()
    assert user.wait(path)["status"] == "completed"
    assert attempts(user, path) == [1] * 8


@pytest.mark.timeout(400)
def test_children_that_are_killed_while_a_worker_starts_are_replaced(stack: FaultStack, user: User) -> None:
    with stack.lock:
        stack.stop(WORKER, seconds=60)
        process, killed = stack.start(WORKER), 0
        while killed < 8:
            assert process.poll() is None, stack.log(WORKER)[-3000:]
            for child in stack.children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
                    killed += 1
            time.sleep(0.05)
    path = user.submit({**SMALL, "name": "after the killing"})
    assert user.wait(path)["status"] == "completed"
    assert process.poll() is None


@pytest.mark.timeout(400)
def test_children_are_replaced_after_so_many_jobs_and_keep_their_slots(
    tmp_path: Path,
) -> None:
    with running(tmp_path, TGSH_JOBS_PER_CHILD="3", TGSH_SWEEP_SECONDS="20") as stack:
        user = User(stack.url)
        suite = {"kind": "rotation", "tasks": 20, "step_degrees": 1}
        path = user.submit({**SMALL, "suite": suite, "name": "replaced"})
        assert user.wait(path)["status"] == "completed"
        tasks = user.ask("GET", f"{path}/tasks").json()["items"]
        user.close()
    assert len({task["worker"] for task in tasks}) >= 20 // 3
    assert {task["attempts"] for task in tasks} == {1}
    assert "exited with" not in stack.log(WORKER)


@pytest.mark.timeout(400)
def test_a_job_has_the_time_that_a_setting_allows(tmp_path: Path) -> None:
    """Celery's soft time limit: the job fails at its next batch, its siblings go on."""
    with running(tmp_path, TGSH_JOB_SECONDS="4", TGSH_MAX_ATTEMPTS="1") as stack:
        user = User(stack.url)
        slow = {"point": "mid-epoch", "index": 0, "action": "sleep", "seconds": 2.5}
        stack.faults.write_text(json.dumps([slow]))
        path = user.submit({**SPEC, "name": "too long"})
        ended = user.wait(path)
        tasks = user.ask("GET", f"{path}/tasks").json()["items"]
        user.close()
    assert ended["status"] == "failed"
    assert [task["status"] for task in tasks] == ["failed", *["completed"] * 7]
    assert "longer than 4 s, which TGSH_JOB_SECONDS allows" in tasks[0]["reason"]


@pytest.mark.timeout(400)
def test_a_child_without_its_device_leases_nothing_and_says_why(tmp_path: Path) -> None:
    """One that waits for a GPU that is not there, beside one that works."""
    if Path("/proc/driver/nvidia").exists():
        pytest.skip("there is a GPU")
    with running(tmp_path, TGSH_DEVICES="cuda:0,cpu:1") as stack:
        user = User(stack.url)
        until(lambda: sorted(states(user)) == ["broken", "idle"])
        status, check = checked(user)
        assert (status, check["ok"]) == (200, True)
        assert check["detail"].startswith("1 of 2 slots cannot work: cuda:0 of ")
        assert "NVIDIA" in check["detail"]
        ill = health(stack)
        assert ill.returncode == 1
        assert "cuda:0" in ill.stderr
        assert "NVIDIA" in ill.stderr
        path = user.submit({**SMALL, "name": "on the processor"})
        assert user.wait(path)["status"] == "completed"
        tasks = user.ask("GET", f"{path}/tasks").json()["items"]
        assert {task["worker"].rpartition("/")[2] for task in tasks} == {"cpu"}
        assert 'device="cuda",host=' in (text := user.ask("GET", "/metrics").text)
        assert 'state="broken"} 1.0' in text
        stack.stop(WORKER)  # also the child that waits
        stack._settings["TGSH_DEVICES"] = "cuda:0"
        stack.start(WORKER)
        until(lambda: states(user) == ["broken"])
        path = user.submit({**SMALL, "name": "for nobody"})
        until(lambda: checked(user)[0] == 503)
        assert checked(user)[1]["detail"].startswith("1 of 1 slots cannot work")
        time.sleep(3)
        assert user.look(path)["status"] == "queued"
        assert set(attempts(user, path)) == {0}
        stack.stop(WORKER)
        user.close()
