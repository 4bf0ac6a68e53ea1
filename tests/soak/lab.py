"""A lab that submits small experiments for months, looks at them, and keeps the last ones."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.soak.samples import Gauge, Sample
from tests.soak.verdict import Finding, judge, table
from tests.support.postgres import running_postgres
from tests.system.faults.stack import PATIENCE, FaultStack, User, running
from tgsh.schemas import TERMINAL

SAMPLES, SAMPLES_LEAST = 60, 12
"""Samples of a run; a short one has fewer, as they are at least SAMPLE_SECONDS apart.

Each is taken when nothing is under way and as many experiments are kept as will ever be.
"""

SAMPLE_SECONDS = 0.5

LOOK_SECONDS = 0.1
"""The pause between two looks at what is under way."""

READS = (
    "",
    "/tasks",
    "/similarity",
    "/similarity?format=csv",
    "/accuracy",
    "/dendrogram",
    "/context-vectors?format=npy",
)

CANCELLED_EVERY, PREVIEWED_EVERY = 8, 5

SETTINGS = {
    "TGSH_CACHE_BYTES": "1000000",  # the cache of answers is full before the warm-up ends
    "TGSH_LOG_LEVEL": "WARNING",
}


def spec(number: int, tasks: int) -> dict[str, Any]:
    """An experiment that is a matter of the queue: a task learns one image, once."""
    return {
        "name": f"soak {number}",
        "dataset": "mnist5k",
        "suite": {"kind": "rotation", "tasks": tasks, "step_degrees": 1 + number % 5},
        "network": {"kind": "flynet", "expansion": 1},
        "training": {"epochs": 1, "train_limit": 1},
        "seed": number,
        "base_seed": number // 20,
        "tags": [f"week {number // 50}", "soak"],
    }


@dataclass
class Soaked:
    """What became of a run. left: what experiments left behind that were deleted. errors: other surprises."""

    samples: list[Sample] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    left: dict[str, float] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    experiments: int = 0
    jobs: int = 0
    seconds: float = 0.0

    @property
    def is_flat(self) -> bool:
        """Whether nothing grew, nothing was left, and all was done."""
        return all(found.is_flat for found in self.findings) and not self.left and not self.errors

    def report(self) -> str:
        """Lines for a person."""
        rate = self.jobs / max(self.seconds, 1e-9)
        return (
            f"{self.jobs:,} jobs of {self.experiments:,} experiments, {rate:.0f} a second; "
            f"{len(self.samples)} samples within {self.seconds:,.0f} s\n\n{table(self.findings)}\n\n"
            f"left behind when all were deleted: {self.left or 'nothing'}\n"
            f"errors: {len(self.errors)} {self.errors[:3] or ''}\n"
            f"{'flat' if self.is_flat else 'NOT FLAT'}"
        )


class Lab:
    """One user of a stack. keep: finished experiments. at_once: those under way. tasks: of each."""

    def __init__(self, stack: FaultStack, keep: int, at_once: int, tasks: int) -> None:
        self._user = User(stack.url)
        self._keep = keep
        self._at_once = at_once
        self._tasks = tasks
        self._numbers = itertools.count()
        self._under_way: deque[str] = deque()
        self._kept: deque[str] = deque()
        self.jobs = 0
        self.experiments = 0
        self.errors: list[str] = []

    def work(self, *, is_more: bool) -> None:
        """Submit what there is room for, look at what has ended, delete what is too old."""
        while is_more and len(self._under_way) < self._at_once:
            self._under_way.append(self._submit(next(self._numbers)))
        for path in list(self._under_way):
            found = self._user.look(path)
            if found["status"] in TERMINAL:
                self._under_way.remove(path)
                self._end(path, found)
        while len(self._kept) > self._keep:
            self._delete(self._kept.popleft())

    @property
    def is_steady(self) -> bool:
        """Whether it has as many experiments as it will ever have."""
        return len(self._kept) == self._keep

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._under_way

    def clear(self) -> None:
        """Delete everything."""
        while self._kept:
            self._delete(self._kept.popleft())

    def close(self) -> None:
        """Close the connections."""
        self._user.close()

    def _submit(self, number: int) -> str:
        self.experiments += 1
        wanted = spec(number, self._tasks)
        if number % PREVIEWED_EVERY == 0:  # of few specs: previews are kept for a week, 500 at most
            few = {**wanted, "seed": 0, "suite": {**wanted["suite"], "step_degrees": 1}}
            self._expect(self._user.ask("POST", "/previews", json=few), 200, 202)
        headers = {"Idempotency-Key": f"soak-{number}"}
        for _ in range(2):  # as a client does that got no answer
            answer = self._user.ask(
                "POST", "/experiments", params={"anew": True}, json=wanted, headers=headers
            )
            self._expect(answer, 200, 202)
        path = str(answer.headers["Location"])
        if number % CANCELLED_EVERY == CANCELLED_EVERY - 1:
            self._expect(self._user.ask("POST", f"{path}/cancel"), 202, 409)
        return path

    def _end(self, path: str, found: dict[str, Any]) -> None:
        self.jobs += found["progress"]["tasks_done"] + (found["status"] == "completed")
        if found["status"] == "failed":
            self.errors.append(f"{path}: {found['reason']}")
        if found["status"] == "completed":
            for read in READS:
                self._expect(self._user.ask("GET", f"{path}{read}"), 200)
            with self._user.http.stream("GET", f"{path}/events") as events:  # to its end
                self._expect_ended(path, "".join(events.iter_text()))
            self._kept.append(path)
        else:  # nobody keeps what was cancelled
            self._delete(path)

    def _expect_ended(self, path: str, events: str) -> None:
        if "completed" not in events:
            self.errors.append(f"{path}: its stream of events has no end")

    def _delete(self, path: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while (
            answer := self._user.ask("DELETE", f"{path}?forever=true")
        ).status_code == 409 and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
        self._expect(answer, 204)

    def _expect(self, answer: Any, *statuses: int) -> None:
        if answer.status_code not in statuses:
            request = answer.request
            self.errors.append(f"{request.method} {request.url.path}: {answer.status_code} {answer.text}")


@contextmanager
def stack_on(folder: Path, database: str, **settings: str) -> Iterator[FaultStack]:
    """A stack on a database of this kind, sqlite or postgresql."""
    with ExitStack() as parts:
        values = {**SETTINGS, **settings}
        if database == "postgresql":
            folder.chmod(0o755)  # the server may be another user's
            (folder / "postgres").mkdir()
            # As often as a large database is vacuumed: small ones wait a minute otherwise, a tenth of a run.
            words = ("-c autovacuum_naptime=5s",)
            values["TGSH_DATABASE_URL"] = parts.enter_context(
                running_postgres(folder / "postgres", words=words)
            )
        yield parts.enter_context(running(folder, **values))


def soak(
    folder: Path,
    database: str,
    jobs: int,
    *,
    seconds: float = float("inf"),
    keep: int = 20,
    at_once: int = 4,
    tasks: int = 50,
    tell: Callable[[str], None] = lambda _: None,
) -> Soaked:
    """Work until so many jobs are done, or for so many seconds, and judge what became of all sizes."""
    soaked = Soaked()
    with stack_on(folder, database) as stack, ExitStack() as parts:
        lab = Lab(stack, keep, at_once, tasks)
        parts.callback(lab.close)
        gauge = Gauge(stack)
        parts.callback(gauge.close)
        began = sampled = time.monotonic()
        pause = max(seconds / SAMPLES, SAMPLE_SECONDS)
        while True:
            now = time.monotonic()
            is_enough = len(soaked.samples) >= SAMPLES_LEAST
            is_more = not is_enough or (lab.jobs < jobs and now - began < seconds)
            is_far = lab.jobs >= jobs / SAMPLES * len(soaked.samples) and now - sampled > SAMPLE_SECONDS
            is_due = lab.is_steady and (is_far or now - sampled > pause)
            if lab.is_idle and not is_more:
                break
            if lab.is_idle and is_due:  # so that what is there is the same each time
                soaked.samples.append(gauge.sample(now - began, lab.jobs))
                tell(f"{lab.jobs:,} jobs, {now - began:.0f} s, {lab.experiments:,} experiments")
                sampled, is_due = time.monotonic(), False
            lab.work(is_more=is_more and not is_due)
            time.sleep(LOOK_SECONDS)
        soaked.seconds = time.monotonic() - began
        soaked.jobs, soaked.experiments = lab.jobs, lab.experiments
        lab.clear()
        deadline = time.monotonic() + 60
        while (left := gauge.remains()) and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
        soaked.left, soaked.errors = left, lab.errors
    soaked.findings = judge(soaked.samples)
    return soaked
