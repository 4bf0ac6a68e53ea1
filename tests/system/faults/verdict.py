"""Whether the promise was kept: one terminal state, one set of results, the bytes of an undisturbed run."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import Protocol

from tests.system.faults.stack import User
from tgsh.schemas import TERMINAL
from tgsh.store import queries
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.maintenance import collect_garbage
from tgsh.store.models import EventRecord, FinishRecord


class Store(Protocol):
    """Where experiments lie."""

    def database(self) -> Database: ...

    def artifacts(self) -> Artifacts: ...


@dataclass(frozen=True)
class Verdict:
    """What was found of an experiment that has ended.

    lost: tasks without a result. double: epochs, tasks or ends that were recorded twice.
    left_over: files that no row names.
    """

    status: str
    lost: int
    double: int
    left_over: tuple[str, ...]
    digest: str


def judge(stack: Store, user: User, path: str) -> Verdict:
    """Look at records, files and answers of an experiment that has ended."""
    experiment_id = path.rsplit("/", 1)[-1]
    experiment = user.look(path)
    database = stack.database()
    events = _events(database, experiment_id)
    double = sum(count - 1 for count in _recorded(events).values())
    lost = sum(task.status != "completed" for task in queries.tasks(database, experiment_id))
    collect_garbage(database, stack.artifacts(), seconds=3600)  # as every worker does twice an hour
    left_over = _left_over(database, stack.artifacts(), experiment_id)
    database.dispose()
    return Verdict(experiment["status"], lost, double, left_over, user.digest(path))


def _events(database: Database, experiment_id: str) -> list[EventRecord]:
    found: list[EventRecord] = []
    over = False
    while not over:
        some, over = queries.events(database, experiment_id, found[-1].id if found else 0)
        found += some
        if not some:
            break
    return found


def _recorded(events: list[EventRecord]) -> Counter[tuple[object, ...]]:
    """How often each thing was recorded that may happen once only; what failed may complete when resumed."""
    counted: Counter[tuple[object, ...]] = Counter()
    for event in events:
        data = event.data
        if event.kind == "progress":
            counted[("epoch", data["index"], data["epoch"])] += 1
        elif event.kind == "task" and data["status"] in TERMINAL:
            counted[("task", data["index"], data["status"])] += 1
        elif event.kind == "status" and data["status"] in TERMINAL:
            counted[("end", data["status"])] += 1
    return counted


def _left_over(database: Database, artifacts: Artifacts, experiment_id: str) -> tuple[str, ...]:
    """Files that no row names, once those who lost their lease had the time to clean up."""
    with database.read() as session:
        finish = session.get_one(FinishRecord, experiment_id)
        named = {key for key, _ in finish.results.values()}
    named |= {task.checkpoint for task in queries.tasks(database, experiment_id)}
    deadline = time.monotonic() + 15
    while found := set(artifacts.keys(experiment_id)) - named:
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    return tuple(sorted(found))
