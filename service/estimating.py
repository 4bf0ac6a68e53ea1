"""How long an experiment would take on today's workers, before anybody trains anything."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tgsh.costs import SECONDS_A_FINISHED_TASK, crossing_seconds, task_seconds
from tgsh.datasets.info import Uploads, info_of
from tgsh.planning import plan
from tgsh.schemas import Estimate
from tgsh.shelf import seen_by
from tgsh.spec import ExperimentSpec
from tgsh.store import pace, reads
from tgsh.store.database import Database
from tgsh.store.workers import living


@dataclass(frozen=True)
class _Pace:
    """How much slower than typical its like was trained here, and seconds of a finish for each task."""

    factor: float = 1.0
    finish: float = SECONDS_A_FINISHED_TASK
    is_measured: bool = False


class _Paces:
    """The pace of each kind of experiment on a kind of device, asked for once."""

    def __init__(self, database: Database, uploads: Uploads, device: str) -> None:
        self._database, self._uploads, self._device = database, uploads, device
        self._known: dict[tuple[str, ...], _Pace] = {}

    def of(self, spec: ExperimentSpec) -> _Pace:
        kind = (spec.suite.kind, spec.dataset_key, spec.network.kind)
        if kind not in self._known:
            self._known[kind] = _pace(pace.trained(self._database, *kind, self._device), self._uploads)
        return self._known[kind]

    def task_seconds(self, spec: ExperimentSpec) -> float:
        return self.of(spec).factor * task_seconds(spec, info_of(spec, self._uploads))


def _pace(alike: list[pace.Trained], uploads: Uploads) -> _Pace:
    specs = [ExperimentSpec.model_validate(each.spec) for each in alike]
    typical = sum(
        each.tasks * task_seconds(spec, info_of(spec, uploads))
        for each, spec in zip(alike, specs, strict=True)
    )
    taken = sum(each.seconds for each in alike)
    if not typical or not taken:
        return _Pace()
    plain = [each for each, spec in zip(alike, specs, strict=True) if not spec.accuracy_matrix]
    tasks = sum(each.tasks for each in plain)
    finish = sum(each.finish_seconds for each in plain) / tasks if tasks else SECONDS_A_FINISHED_TASK
    return _Pace(taken / typical, finish, is_measured=True)


def estimate(database: Database, uploads: Uploads, spec: ExperimentSpec, visible_to: str | None) -> Estimate:
    """What a spec would cost. Writes nothing. Raises InvalidSpec as `plan` does.

    uploads: what any uploaded dataset is; the spec's must be there for who asks, too.
    """
    tasks = len(plan(spec, seen_by(database, visible_to)).tasks)
    slots = [str(slot) for worker in living(database) for slot in worker.slots]
    device = "cuda" if any(slot.startswith("cuda") for slot in slots) else "cpu"
    paces = _Paces(database, uploads, device)
    own, a_task = paces.of(spec), paces.task_seconds(spec)
    ahead, count = pace.unfinished(database)
    more = count / len(ahead) if ahead else 1.0  # of those that were not looked at
    # Experiments share the workers evenly, so nobody waits for more of another's work than it has itself.
    waited_for = [
        min(each.epochs / one.training.epochs * paces.task_seconds(one), tasks * a_task)
        for each, one in ((each, ExperimentSpec.model_validate(each.spec)) for each in ahead)
    ]
    finish = own.finish * tasks + own.factor * crossing_seconds(spec, info_of(spec, uploads), tasks)
    return Estimate(
        digest=spec.digest(),
        tasks=tasks,
        task_epochs=tasks * spec.training.epochs,
        seconds=math.ceil(tasks / len(slots)) * a_task + finish if slots else None,
        queue_seconds=more * sum(waited_for) / len(slots) if slots else None,
        experiments_ahead=count,
        tasks_ahead=round(more * sum(min(each.tasks, tasks) for each in ahead)),
        workers=len(slots),
        basis="measured" if own.is_measured else "typical",
        stored=reads.completed_with_digest(database, spec.digest(), visible_to),
    )
