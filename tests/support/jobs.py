"""Steps of a job's lifecycle that several store tests share."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import select

from tgsh.specs import ExperimentSpec, RotationSuite, TrainingSpec
from tgsh.store import experiments, jobs
from tgsh.store.database import Database
from tgsh.store.experiments import ExperimentPlan, PlannedTask
from tgsh.store.jobs import JobLease
from tgsh.store.models import FinishRecord, Job, TaskRecord

EPOCHS = 2


def submitted(
    database: Database,
    tasks: int = 2,
    name: str = "test",
    tags: tuple[str, ...] = (),
    dataset: Literal["mnist", "mnist5k"] = "mnist",
    train_limit: int | None = None,
) -> str:
    """A new experiment of `tasks` tasks and two epochs."""
    spec = ExperimentSpec(
        name=name,
        dataset=dataset,
        suite=RotationSuite(tasks=tasks),
        training=TrainingSpec(epochs=EPOCHS, train_limit=train_limit),
        tags=tags,
    )
    planned = [PlannedTask(f"{10 * index}°", {"angle": 10.0 * index}) for index in range(tasks)]
    plan = ExperimentPlan(planned, "b" * 64)
    return experiments.submit(database, spec, plan)[0]


def leased(database: Database, experiment_id: str, index: int | None, lease_seconds: float = 60) -> JobLease:
    """Lease of a job that must be free."""
    lease = jobs.lease_job(database, Job(experiment_id=experiment_id, index=index), "worker-1", lease_seconds)
    assert lease is not None
    return lease


def queued_jobs(database: Database, experiment_id: str) -> list[Job]:
    """Every job of the experiment that waits for a worker."""
    waiting: list[Job] = []
    with database.read() as session:
        for record, columns in (
            (TaskRecord, (TaskRecord.experiment_id, TaskRecord.index)),
            (FinishRecord, (FinishRecord.experiment_id,)),
        ):
            conditions = record.experiment_id == experiment_id, record.status == "queued"
            waiting += [
                Job(*row) for row in session.execute(select(*columns).where(*conditions).order_by(*columns))
            ]
    return waiting


def completed(database: Database, lease: JobLease, accuracy: float = 0.5) -> None:
    """Record the task's epochs and complete it."""
    for epoch in range(1, EPOCHS + 1):
        jobs.record_epoch(database, lease, tuple([0.5] * epoch), 1.0, f"key-{epoch}", "s" * 64)
    jobs.complete_task(database, lease, accuracy, "cpu", {"torch": "2"}, 0.1)
