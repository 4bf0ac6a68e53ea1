"""Steps of a job's life that several store tests take."""

from __future__ import annotations

from tgsh.jobs import Job
from tgsh.spec import ExperimentSpec, RotationSuite, TrainingSpec
from tgsh.store import claims, experiments
from tgsh.store.claims import Claim
from tgsh.store.database import Database
from tgsh.store.experiments import Plan, PlannedTask

EPOCHS = 2


def submitted(database: Database, tasks: int = 2, name: str = "test", tags: tuple[str, ...] = ()) -> str:
    """A new experiment of `tasks` tasks and two epochs."""
    spec = ExperimentSpec(
        name=name, suite=RotationSuite(tasks=tasks), training=TrainingSpec(epochs=EPOCHS), tags=tags
    )
    plan = Plan([PlannedTask(f"{10 * index}°", {"angle": 10.0 * index}) for index in range(tasks)], "b" * 64)
    return experiments.submit(database, spec, plan)[0]


def claimed(database: Database, experiment_id: str, index: int | None, lease_seconds: float = 60) -> Claim:
    """A claim that must succeed."""
    claim = claims.claim(database, Job(experiment_id=experiment_id, index=index), "worker-1", lease_seconds)
    assert claim is not None
    return claim


def completed(database: Database, claim: Claim, accuracy: float = 0.5) -> list[Job]:
    """The task's epochs and its end; the jobs due after it."""
    for epoch in range(1, EPOCHS + 1):
        claims.record_epoch(database, claim, tuple([0.5] * epoch), 1.0, f"key-{epoch}", "s" * 64)
    return claims.complete_task(database, claim, accuracy, "cpu", {"torch": "2"}, 0.1)
