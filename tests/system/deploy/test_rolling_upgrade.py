"""A rolling upgrade: API and workers of 0.4 and of this version at once on one database, and the way back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.conftest import missing
from tests.support.compose import ROOT
from tests.support.compose_stack import WORKER
from tests.support.postgres import find_tool, running_postgres
from tests.system.faults.stack import PATIENCE, FaultStack, User
from tests.system.faults.verdict import judge
from tgsh.stack.redis import free_port

BEFORE = "04258d1ad700f678654fdc7ae69ac3cf8442c308"
"""The last commit of 0.4."""

OLD_API, OLD_WORKER = "service-before", "worker-before"

SPEC: dict[str, Any] = {
    "dataset": "mnist5k",
    "suite": {"kind": "rotation", "tasks": 6, "step_degrees": 45},
    "network": {"kind": "flynet", "expansion": 2},
    "training": {"epochs": 2, "train_limit": 500},
}

SLOW = [{"point": "mid-epoch", "action": "sleep", "seconds": 0.3}]
"""So that there is something half done."""


class TwoVersions(FaultStack):
    """A stack with services of 0.4 beside those of this version."""

    def __init__(self, folder: Path, before: Path, **settings: str) -> None:
        super().__init__(folder, **settings)
        self._before = before
        self._services[OLD_API] = self._services["service"]
        self._services[OLD_WORKER] = self._services[WORKER]
        self._old_port = free_port()
        self.old_url = f"http://127.0.0.1:{self._old_port}"

    def start(self, name: str, *more: str) -> subprocess.Popen[bytes]:
        """Start a service; the old API has a port of its own."""
        return super().start(name, *more, *(("--port", str(self._old_port)) if name == OLD_API else ()))

    def wait(self, name: str, seconds: float = PATIENCE) -> int:
        """The exit status of a service that ends by itself."""
        return self._processes.pop(name).wait(seconds)

    def work_of(self, name: str, tasks: list[dict[str, Any]]) -> int:
        """How many of these tasks a worker did last."""
        pid = str(self.parent(name).pid)
        return sum(pid in (task["worker"] or "").split("/") for task in tasks)

    def _source(self, name: str) -> Path:
        return self._before if name in (OLD_API, OLD_WORKER) else super()._source(name)

    def _environment(self, name: str) -> dict[str, str]:
        kept = {}
        if name in (OLD_API, OLD_WORKER):  # what it compiles is of use to nobody else
            kept["NUMBA_CACHE_DIR"] = str(self._before / "compiled")
        return super()._environment(name) | kept


def _git(*words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source of 0.4, out of the history."""
    if _git("cat-file", "-e", f"{BEFORE}^{{commit}}").returncode:
        pytest.skip("the history of 0.4 is not here: a shallow clone or an sdist (git fetch --unshallow)")
    archive = _git("archive", BEFORE, "tgsh", "service", "worker")
    assert archive.returncode == 0, archive.stderr
    folder = tmp_path_factory.mktemp("before")
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, timeout=60, check=True)
    return folder


@pytest.fixture(params=["sqlite", "postgresql"])
def stack(
    request: pytest.FixtureRequest, tmp_path: Path, before: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TwoVersions]:
    """Both versions on an empty database, and nothing started but Redis."""
    with ExitStack() as parts:
        settings = {"TGSH_DEVICES": "cpu:1", "TGSH_MAX_ATTEMPTS": "20"}
        if request.param == "postgresql":
            if find_tool("initdb") is None:
                missing("no PostgreSQL server tools; install Debian's package postgresql")
            folder = tmp_path_factory.mktemp("postgres")
            settings["TGSH_DATABASE_URL"] = parts.enter_context(running_postgres(folder))
        stack = TwoVersions(tmp_path, before, **settings)
        parts.callback(stack.kill)
        stack.start("redis")
        yield stack


def until(condition: Callable[[], object], stack: TwoVersions) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        logs = (f"{path.name}:\n{path.read_text()[-2000:]}" for path in stack.home.parent.glob("*.log"))
        assert time.monotonic() < deadline, "\n".join(logs)
        time.sleep(0.1)


def is_ready(url: str, workers: int) -> bool:
    """Whether an API has all that it needs, and sees so many workers."""
    try:
        answer = httpx.get(f"{url}/readyz", timeout=10, trust_env=False)
    except httpx.TransportError:
        return False
    return (
        answer.status_code == 200
        and len(httpx.get(f"{url}/workers", timeout=60).json()["workers"]) == workers
    )


def tasks(user: User, path: str) -> list[dict[str, Any]]:
    """The tasks of an experiment."""
    found: list[dict[str, Any]] = user.ask("GET", f"{path}/tasks").json()["items"]
    return found


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.timeout(900)
def test_both_versions_work_on_one_database_and_nothing_is_lost_or_done_twice(stack: TwoVersions) -> None:
    for name in (OLD_API, OLD_WORKER):
        stack.start(name)
    until(lambda: is_ready(stack.old_url, 1), stack)
    stack.faults.write_text(json.dumps(SLOW))
    old = User(stack.old_url)
    mixed = [old.submit({**SPEC, "name": name}) for name in ("half done", "not begun")]
    until(lambda: old.look(mixed[0])["progress"]["tasks_done"] > 0, stack)
    assert old.look(mixed[0])["status"] == "running"

    def is_migrated_amid_work() -> bool:
        going_on = [path for path in mixed if old.look(path)["status"] != "completed"]
        if len(going_on) < 2:  # the start takes longer than the work
            mixed.append(old.submit({**SPEC, "name": "not begun"}))
        return is_ready(stack.url, 1)

    stack.start("service")  # migrates, while a worker and an API of 0.4 go on
    until(is_migrated_amid_work, stack)
    new = User(stack.url)
    mixed.append(new.submit({**SPEC, "name": "by the new API, for the old worker"}))
    taken = mixed[-1]
    until(lambda: stack.work_of(OLD_WORKER, tasks(new, taken)) > 0, stack)
    stack.start(WORKER)
    until(lambda: is_ready(stack.url, 2), stack)
    mixed += [user.submit({**SPEC, "name": "beside each other"}) for user in (old, new)]
    until(lambda: any(stack.work_of(WORKER, tasks(new, path)) for path in mixed), stack)
    resumed = _cancelled_and_resumed(stack, old, new)
    mixed.append(resumed)
    _kill_the_old_child(stack, new, mixed)
    stack.faults.unlink()
    for path in mixed:
        assert new.wait(path)["status"] == "completed", path
    done = [task for path in mixed for task in tasks(new, path)]
    assert stack.work_of(OLD_WORKER, done) > 0
    assert stack.work_of(WORKER, done) > 0

    stack.stop(OLD_WORKER)
    gone = old.submit({**SPEC, "name": "by the old API, for the new worker"})
    assert old.wait(gone)["status"] == "completed"
    assert old.ask("DELETE", gone).status_code == 204
    stack.stop(OLD_API)
    alone = new.submit({**SPEC, "name": "undisturbed"})
    assert new.wait(alone)["status"] == "completed"
    expected = new.digest(alone)
    for path in mixed:
        verdict = judge(stack, new, path)
        assert (path, verdict.status, verdict.lost, verdict.left_over) == (path, "completed", 0, ())
        assert verdict.double == 0 or path == resumed, path  # that ended twice: cancelled, completed
        assert verdict.digest == expected
    assert not (stack.home / "artifacts" / gone.rsplit("/", 1)[-1]).exists()
    old.close()
    new.close()


def _cancelled_and_resumed(stack: TwoVersions, old: User, new: User) -> str:
    """An experiment that the new API took, cancelled and resumed by the old one."""
    path = new.submit({**SPEC, "name": "cancelled and resumed"})
    assert old.ask("POST", f"{path}/cancel").status_code == 202
    assert new.wait(path)["status"] == "cancelled"
    assert old.ask("POST", f"{path}/resume").status_code == 202
    return path


def _kill_the_old_child(stack: TwoVersions, new: User, mixed: list[str]) -> None:
    """SIGKILL for the old worker's child while it holds a job, whose lease has no length noted."""
    (child,) = psutil.Process(stack.parent(OLD_WORKER).pid).children()

    def held() -> list[int]:
        return [
            task["index"]
            for path in mixed
            for task in tasks(new, path)
            if task["status"] == "running" and str(child.pid) in task["worker"].split("/")
        ]

    until(held, stack)
    os.kill(child.pid, signal.SIGKILL)
    until(lambda: not held(), stack)


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.timeout(300)
def test_a_worker_of_the_version_before_refuses_a_newer_schema_and_harms_nothing(stack: TwoVersions) -> None:
    for name in ("service", WORKER):
        stack.start(name)
    until(lambda: is_ready(stack.url, 1), stack)
    user = User(stack.url)
    path = user.submit({**SPEC, "name": "while old ones try"})
    for name in (OLD_WORKER, OLD_API):
        stack.start(name)
        assert stack.wait(name) != 0
        assert "the database was written by another version of tgsh" in stack.log(name)
        assert "install that version or newer" in stack.log(name)
    assert user.wait(path)["status"] == "completed"
    verdict = judge(stack, user, path)
    assert (verdict.lost, verdict.double, verdict.left_over) == (0, 0, ())
    user.close()
