"""Database with thousands of experiments: rows as the lifecycle writes them, without tasks."""

from __future__ import annotations

import random

from sqlalchemy import bindparam, insert, update

from tgsh.specs import ExperimentSpec, FlyNetSpec, NeuroModNetSpec, RotationSuite, ShiftSuite, TrainingSpec
from tgsh.store.configurations import columns_of, note_configurations
from tgsh.store.database import Database
from tgsh.store.models import ExperimentRecord, StudyMemberRecord, StudyRecord, TagRecord
from tgsh.store.tag_sets import note_tag_sets

STATUSES = ("completed", "completed", "completed", "failed", "cancelled", "queued", "running")
BEGAN = 1_700_000_000.0

PROJECTS = (None, "thesis", "rotations", "shifts", "reviewers", "appendix", "teaching")


def fill(database: Database, count: int, owner: str | None = None) -> None:
    """Insert experiments of all kinds and ages, named "run 00000" and so on; the last is the newest."""
    rng = random.Random(0)
    rows = [_row(rng, number, owner) for number in range(count)]
    tags = [
        {"experiment_id": row["id"], "tag": tag}
        for row in rows
        for tag in row["spec"]["tags"]  # type: ignore[index]
    ]
    with database.write() as session:
        note_configurations(session, [row["spec"] for row in rows])  # type: ignore[misc]
        note_tag_sets(session, [row["spec"]["tags"] for row in rows])  # type: ignore[index]
        session.execute(insert(ExperimentRecord), rows)
        session.execute(insert(TagRecord), tags)


def arrange(database: Database, count: int, per_study: int = 20) -> None:
    """Put the first `count` experiments of `fill` into projects, and so many after another into studies."""
    with database.write() as session:
        of_project = update(ExperimentRecord).where(ExperimentRecord.id == bindparam("of"))
        session.connection().execute(
            of_project.values(project=bindparam("to")),
            [
                {"of": f"{number:016x}", "to": PROJECTS[number // 7 % len(PROJECTS)]}
                for number in range(count)
            ],
        )
        studies = [
            {
                "id": f"{first:016x}",
                "name": f"study {first // per_study:04}",
                "spec": {},
                "replicates": {},
                "grid": {},
                "cells": [{}],
                "created_at": BEGAN + 60 * first,
            }
            for first in range(0, count, per_study)
        ]
        session.execute(insert(StudyRecord), studies)
        session.execute(
            insert(StudyMemberRecord),
            [
                {
                    "study_id": f"{number - number % per_study:016x}",
                    "cell": 0,
                    "seed": number % per_study,
                    "base_seed": 0,
                    "experiment_id": f"{number:016x}",
                }
                for number in range(count)
            ],
        )


def _row(rng: random.Random, number: int, owner: str | None) -> dict[str, object]:
    suite = RotationSuite(tasks=rng.randint(2, 90)) if number % 2 else ShiftSuite(tasks=28)
    spec = ExperimentSpec(
        name=f"run {number:05}",
        dataset=rng.choice(("mnist", "kmnist", "mnist5k")),
        suite=suite,
        network=FlyNetSpec() if number % 3 else NeuroModNetSpec(),
        training=TrainingSpec(epochs=rng.randint(1, 12)),
        tags=(f"week-{number // 200}", rng.choice(("paper", "try"))),
    )
    status, tasks = STATUSES[number % len(STATUSES)], suite.tasks or 0
    done = {"completed": tasks, "queued": 0}.get(status, rng.randrange(tasks))
    started = None if status == "queued" else BEGAN + 60 * number + 5
    has_ended = started is not None and status != "running"
    dumped = spec.model_dump(mode="json")
    return {
        "id": f"{number:016x}",
        "name": spec.name,
        "spec": dumped,
        **columns_of(dumped),
        "digest": spec.digest(),
        "base_id": "b" * 64,
        "suite": suite.kind,
        "dataset": spec.dataset,
        "status": status,
        "reason": "1 of 9 tasks failed; task 5 (150°): MemoryError" if status == "failed" else None,
        "tasks_total": tasks,
        "tasks_done": done,
        "epochs_total": tasks * spec.training.epochs,
        "epochs_done": done * spec.training.epochs,
        "mean_accuracy": (accuracy := rng.uniform(0.5, 1) if done else None),
        "mean_balanced": accuracy if has_ended else None,
        "created_at": BEGAN + 60 * number,
        "started_at": started,
        "finished_at": started + rng.uniform(1, 9_000) if has_ended and started is not None else None,
        "owner": owner,
    }
