"""Several machines, of which one is cut off for longer than its lease, and comes back."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.system.faults.conftest import SPEC
from tests.system.faults.machines import Machines, machines
from tests.system.faults.stack import PATIENCE, User
from tests.system.faults.verdict import judge


@pytest.mark.timeout(600)
def test_a_machine_that_is_cut_off_and_comes_back_neither_loses_nor_doubles_anything(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with machines(tmp_path) as lab:
        user = User(lab.url)
        deadline = time.monotonic() + PATIENCE
        while "2 worker(s)" not in user_sees_workers(user):
            assert time.monotonic() < deadline, "\n".join(log.read_text() for log in tmp_path.glob("*.log"))
            time.sleep(0.3)
        path = user.submit({**SPEC, "name": "undisturbed"})
        assert user.wait(path)["status"] == "completed"
        expected = user.digest(path)
        for point in ("mid-epoch", "between file and row"):
            lab.faults.write_text(json.dumps([{"point": point, "action": "sleep", "seconds": 0.7}]))
            path = user.submit({**SPEC, "name": f"cut off, {point}"})
            task = _held_by(lab, user, path)
            lab.network.pull("two")
            while user.ask("GET", task["path"]).json()["attempts"] == task["attempts"]:
                assert user.look(path)["status"] in ("queued", "running")
                time.sleep(0.2)
            lab.network.plug("two")
            lab.faults.unlink()
            assert user.wait(path)["status"] == "completed"
            verdict = judge(lab, user, path)
            assert (verdict.lost, verdict.double, verdict.left_over) == (0, 0, ())
            assert verdict.digest == expected
        while "2 worker(s)" not in user_sees_workers(user):  # it works again
            assert time.monotonic() < deadline + PATIENCE
            time.sleep(0.3)
        user.close()


def user_sees_workers(user: User) -> str:
    """What /readyz says of them, ready or not."""
    try:
        answer = user.http.get("/readyz")
    except Exception:
        return "no answer"
    return str(answer.json()["checks"]["workers"]["detail"])


def _held_by(lab: Machines, user: User, path: str) -> dict[str, Any]:
    """A task that machine two works on; both have the same host name, and processes of their own."""
    while True:
        assert user.look(path)["status"] in ("queued", "running")
        for task in user.ask("GET", f"{path}/tasks").json()["items"]:
            if task["status"] == "running":
                pid = int(task["worker"].split("/")[-2])
                home = f"TGSH_HOME={lab.log('two').with_suffix('')}"
                if home in Path(f"/proc/{pid}/environ").read_text().split("\0"):
                    return {**task, "path": f"{path}/tasks/{task['index']}"}
        time.sleep(0.05)
