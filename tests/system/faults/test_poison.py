"""Tasks that take their worker along: they stop, the reason is kept, and their siblings finish."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.compose_stack import WORKER
from tests.system.faults.conftest import SPEC
from tests.system.faults.stack import FaultStack, User, running
from tgsh.store.leases import live_workers

ATTEMPTS = 2
GIGABYTE = 1 << 30


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultStack]:
    """A stack whose children may hold three gigabytes each, and whose tasks have two attempts."""
    folder = tmp_path_factory.mktemp("poison")
    with running(folder, TGSH_MAX_ATTEMPTS=str(ATTEMPTS), TGSH_MEMORY_LIMIT="3GiB") as stack:
        yield stack


POISON = {
    "raises": ({"action": "raise"}, 1, "InjectedFault: injected at mid-epoch"),
    "exits": ({"action": "exit"}, ATTEMPTS, f"its worker fell silent {ATTEMPTS} times"),
    "is killed": ({"action": "kill"}, ATTEMPTS, f"its worker fell silent {ATTEMPTS} times"),
    "takes too much memory": ({"action": "allocate", "bytes": 16 * GIGABYTE}, 1, "MemoryError"),
}


@pytest.mark.timeout(300)
def test_poison_stops_with_its_reason_and_its_siblings_finish(
    stack: FaultStack, user: User, undisturbed: str
) -> None:
    """All poison in one experiment: whoever is not poisoned must not notice."""
    faults = [
        {"point": "mid-epoch", "index": index, **fault} for index, (fault, _, _) in enumerate(POISON.values())
    ]
    stack.faults.write_text(json.dumps(faults))
    path = user.submit({**SPEC, "name": "poisoned"})
    ended = user.wait(path)
    assert ended["status"] == "failed"
    assert f"{len(POISON)} of 8 tasks failed; task 0 (0°): InjectedFault" in ended["reason"]
    tasks = user.ask("GET", f"{path}/tasks").json()["items"]
    for task, (_, attempts, reason) in zip(tasks, POISON.values(), strict=False):
        assert (task["status"], task["attempts"]) == ("failed", attempts)
        assert reason in task["reason"]
    assert {task["status"] for task in tasks[len(POISON) :]} == {"completed"}
    stack.faults.unlink()
    assert user.ask("POST", f"{path}/resume").status_code == 202
    assert user.wait(path)["status"] == "completed"
    assert user.digest(path) == undisturbed


def test_a_poisoned_finish_stops_with_its_reason(stack: FaultStack, user: User, undisturbed: str) -> None:
    stack.faults.write_text(json.dumps([{"point": "before the results", "action": "exit"}]))
    path = user.submit({**SPEC, "name": "poisoned at the end"})
    ended = user.wait(path)
    assert ended["status"] == "failed"
    assert (
        f"the results could not be put together: its worker fell silent {ATTEMPTS} times" in ended["reason"]
    )
    stack.faults.unlink()
    user.ask("POST", f"{path}/resume")
    assert user.wait(path)["status"] == "completed"
    assert user.digest(path) == undisturbed


def test_getting_further_is_no_failed_attempt(
    stack: FaultStack, user: User, undisturbed: str, tmp_path: Path
) -> None:
    """A worker that dies once in every epoch of a task: more deaths than attempts, and no poison."""
    faults = [
        {"point": "after the row", "index": 5, "action": "kill", "once": str(tmp_path / f"death {number}")}
        for number in range(3)
    ]
    stack.faults.write_text(json.dumps(faults))
    path = user.submit({**SPEC, "name": "dies in every epoch"})
    assert user.wait(path)["status"] == "completed"
    stack.faults.unlink()
    assert len(list(tmp_path.iterdir())) == 3 > ATTEMPTS
    assert user.ask("GET", f"{path}/tasks/5").json()["attempts"] == 4
    assert user.digest(path) == undisturbed


@pytest.mark.timeout(300)
def test_sigterm_gives_every_claim_back_within_the_grace_period(
    stack: FaultStack, user: User, undisturbed: str
) -> None:
    path = user.submit({**SPEC, "name": "stopped"})
    while user.look(path)["progress"]["fraction"] == 0:
        time.sleep(0.02)
    children = stack.children()
    stack.stop(WORKER, seconds=60)  # the grace period of the compose file
    tasks = user.ask("GET", f"{path}/tasks").json()["items"]
    assert {task["status"] for task in tasks} <= {"queued", "completed"}
    assert all(task["attempts"] == (task["status"] == "completed") for task in tasks)
    assert not any(psutil.pid_exists(child.pid) and child.is_running() for child in children)
    database = stack.database()
    assert live_workers(database) == []
    database.dispose()
    stack.start(WORKER)
    assert user.wait(path)["status"] == "completed"
    assert user.digest(path) == undisturbed


def test_the_kernel_takes_a_child_before_the_rest_and_the_rest_before_a_child(
    stack: FaultStack, user: User, undisturbed: str
) -> None:
    """Out of memory: the child goes first. Out of processor time: it comes last."""
    parent, child = stack.parent(WORKER), stack.children()[0]
    scores = [int(Path(f"/proc/{who.pid}/oom_score_adj").read_text()) for who in (parent, child)]
    assert scores[1] >= scores[0] + 500 or scores[1] == 1000
    assert child.nice() > parent.nice() == os.getpriority(os.PRIO_PROCESS, 0)
