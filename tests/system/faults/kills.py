"""Kills at random times over one running experiment."""

from __future__ import annotations

import contextlib
import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.support.compose_stack import WORKER
from tests.system.faults.stack import FaultStack, User, looked_after, running
from tests.system.faults.verdict import Verdict, judge

VICTIMS = {"child": 6, "parent": 2, "API": 1, "Redis": 1}
"""Who is killed how often: what does the work most."""

SETTINGS = {"TGSH_MAX_ATTEMPTS": "20"}
"""The cap is for tasks that kill their workers; here nobody is to blame."""


@dataclass(frozen=True)
class Outcome:
    """What was killed, how long it took, and what became of the experiment."""

    killed: Counter[str]
    undisturbed_seconds: float
    seconds: float
    expected: str
    verdict: Verdict

    @property
    def kept(self) -> bool:
        """Whether the promise was kept."""
        found = self.verdict
        return (
            found.status == "completed" and found.digest == self.expected and not (found.lost or found.double)
        )

    def report(self) -> str:
        """Lines for a person."""
        found = self.verdict
        who = ", ".join(f"{name} {count}" for name, count in sorted(self.killed.items()))
        hashes = "all hashes equal" if found.digest == self.expected else "HASHES DIFFER"
        return (
            f"{self.killed.total()} kills, {found.lost} lost, {found.double} double, {hashes} "
            f"({found.status}; {len(found.left_over)} files left over)\n"
            f"killed: {who}\n"
            f"undisturbed {self.undisturbed_seconds:.0f} s, with kills {self.seconds:.0f} s"
        )


def disturb(
    folder: Path, spec: dict[str, Any], count: int, seed: int, data_dir: Path | None = None
) -> Outcome:
    """Run the experiment undisturbed, then with `count` kills, on one stack."""
    settings = SETTINGS | ({"TGSH_DATA_DIR": str(data_dir)} if data_dir else {})
    with running(folder, **settings) as stack, looked_after(stack):
        user = User(stack.url)
        began = time.monotonic()
        path = user.submit({**spec, "name": "undisturbed"})
        assert user.wait(path, seconds=3600)["status"] == "completed"
        undisturbed = time.monotonic() - began
        expected = user.digest(path)
        began = time.monotonic()
        path = user.submit({**spec, "name": "disturbed"})
        killed = _kill(stack, user, path, count, random.Random(seed))
        user.wait(path, seconds=3600)
        seconds = time.monotonic() - began
        outcome = Outcome(killed, undisturbed, seconds, expected, judge(stack, user, path))
        user.close()
        return outcome


def _kill(stack: FaultStack, user: User, path: str, count: int, chance: random.Random) -> Counter[str]:
    """Kill at random moments of the experiment's progress, some while its results are put together."""
    killed: Counter[str] = Counter()
    moments = sorted(min(chance.uniform(0, 1.02), 1.0) for _ in range(count))
    for moment in moments:
        while (found := user.look(path))["progress"]["fraction"] < moment:
            time.sleep(0.05)
        if found["status"] == "completed":
            break
        time.sleep(chance.uniform(0, 0.5))
        victim = chance.choices(list(VICTIMS), weights=list(VICTIMS.values()))[0]
        while not _kill_one(stack, victim, chance):  # the pool is just being started
            time.sleep(0.1)
        killed[victim] += 1
    return killed


def _kill_one(stack: FaultStack, victim: str, chance: random.Random) -> bool:
    """Whether there was one to kill."""
    names = {"parent": WORKER, "API": "service", "Redis": "redis"}
    with stack.lock, contextlib.suppress(psutil.NoSuchProcess):
        if victim in names:
            stack.kill_one(names[victim])
            return True
        if children := stack.children():
            chance.choice(children).kill()
            return True
    return False
