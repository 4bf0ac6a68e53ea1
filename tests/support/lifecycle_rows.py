"""All rows of a store at one moment, and the invariants of their lifecycle."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from tests.support.jobs import EPOCHS
from tgsh.schemas import TERMINAL
from tgsh.store.database import Database
from tgsh.store.models import (
    Base,
    EventRecord,
    ExperimentRecord,
    ExperimentTurnRecord,
    FinishRecord,
    Job,
    TaskRecord,
)

Row = dict[str, Any]
ACTIVE = ("queued", "running")

NEXT = {
    None: {"queued"},
    "queued": {"running", *TERMINAL} - {"completed"},
    "running": set(TERMINAL),
    **{terminal: {"queued"} for terminal in ("failed", "cancelled")},
    "completed": set(),
}
"""Allowed transitions between statuses of an experiment."""


@dataclass(frozen=True)
class Rows:
    """Rows of experiments and jobs by their keys; events by experiment, in order."""

    experiments: dict[str, Row]
    jobs: dict[Job, Row]
    events: dict[str, list[Row]]
    turns: frozenset[str]

    @property
    def waiting(self) -> set[Job]:
        """Jobs that a worker may lease."""
        return {
            job
            for job, row in self.jobs.items()
            if row["status"] == "queued" and not self.experiments[job.experiment_id]["cancel_requested"]
        }


def rows_of(database: Database) -> Rows:
    """Everything that is stored about experiments."""
    with database.read() as session:
        experiments = {row.id: _values(row) for row in session.scalars(select(ExperimentRecord))}
        tasks = {
            Job(row.experiment_id, row.index): _values(row) for row in session.scalars(select(TaskRecord))
        }
        finishes = {Job(row.experiment_id): _values(row) for row in session.scalars(select(FinishRecord))}
        events: dict[str, list[Row]] = {id: [] for id in experiments}
        for row in session.scalars(select(EventRecord).order_by(EventRecord.id)):
            events[row.experiment_id].append(_values(row))
        turns = frozenset(session.scalars(select(ExperimentTurnRecord.experiment_id)))
    return Rows(experiments, tasks | finishes, events, turns)


def _values(row: Base) -> Row:
    return {attribute.key: getattr(row, attribute.key) for attribute in type(row).__mapper__.column_attrs}


def check(rows: Rows, max_attempts: int) -> None:
    """Raises AssertionError where an experiment, its jobs and its events do not fit together."""
    tokens = [row["token"] for row in rows.jobs.values() if row["token"] is not None]
    assert len(tokens) == len(set(tokens))
    assert rows.turns == {job.experiment_id for job in rows.waiting if job.index is not None}
    for job, row in rows.jobs.items():
        _check_job(job, row, max_attempts)
    for id, experiment in rows.experiments.items():
        tasks = [row for job, row in rows.jobs.items() if job.experiment_id == id and job.index is not None]
        _check_experiment(experiment, tasks, rows.jobs[Job(id)])
        _check_events(experiment, rows.events[id])


def _check_job(job: Job, row: Row, max_attempts: int) -> None:
    running, status = row["status"] == "running", row["status"]
    assert (row["token"] is not None) == (row["lease_until"] is not None) == running
    assert 0 <= row["attempts"] <= max_attempts
    assert row["attempts"] >= 1 or not running
    assert (row["finished_at"] is not None) == (status in TERMINAL)
    assert (row["reason"] is not None) == (status == "failed")
    if job.index is not None:
        assert status in (*ACTIVE, *TERMINAL)
        assert row["epochs_done"] == len(row["losses"]) <= EPOCHS
        assert (row["checkpoint"] is not None) == (row["epochs_done"] > 0)
        assert (row["accuracy"] is not None) == (status == "completed")
        assert status != "completed" or row["epochs_done"] == EPOCHS


def _check_experiment(experiment: Row, tasks: list[Row], finish: Row) -> None:
    status, counts = experiment["status"], Counter(row["status"] for row in tasks)
    active = any(row["status"] in ACTIVE for row in (*tasks, finish))
    assert active == (status in ACTIVE)
    queued = any(row["status"] == "queued" for row in (*tasks, finish))
    assert not (queued and experiment["cancel_requested"]), "no worker will ever lease it"
    assert (experiment["finished_at"] is not None) == (status in TERMINAL)
    assert (experiment["reason"] is not None) == (status == "failed")
    assert experiment["tasks_total"] == len(tasks)
    assert experiment["tasks_done"] == counts["completed"]
    assert experiment["epochs_done"] == sum(row["epochs_done"] for row in tasks)
    all_done = counts["completed"] == len(tasks)
    assert all_done or finish["status"] == "waiting"
    match status:
        case "queued":
            assert not counts["running"]
            assert finish["status"] in ("waiting", "queued")
        case "completed":
            assert all_done
            assert finish["status"] == "completed"
        case "failed":
            assert counts["failed"] or finish["status"] == "failed"
        case "cancelled":
            assert experiment["cancel_requested"]
    assert status == "completed" or finish["status"] != "completed"
    accuracies = [row["accuracy"] for row in tasks if row["accuracy"] is not None]
    if status in TERMINAL and accuracies:
        assert math.isclose(experiment["mean_accuracy"], math.fsum(accuracies) / len(accuracies))


def _check_events(experiment: Row, events: list[Row]) -> None:
    ids = [event["id"] for event in events]
    assert ids == sorted(set(ids))
    status: str | None = None
    for event in events:
        if event["kind"] == "status":
            assert event["data"]["status"] in NEXT[status], (status, event["data"]["status"])
            status = event["data"]["status"]
        else:
            assert status not in TERMINAL, "an event after the end"
    assert status == experiment["status"]
