"""What a user changes: submit, cancel, resume, delete. One transaction each; hints follow the commit."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import ColumnElement, insert, select, update
from sqlalchemy import delete as delete_rows
from sqlalchemy.orm import Session

from tgsh.errors import Conflict, InvalidSpec, NotFound
from tgsh.jobs import Job
from tgsh.schemas import TERMINAL
from tgsh.spec import ExperimentSpec
from tgsh.store.clock import now
from tgsh.store.database import Database
from tgsh.store.ownership import NOBODY, Owner, require_room
from tgsh.store.records import (
    ExperimentRecord,
    FinishRecord,
    IdempotencyRecord,
    TagRecord,
    TaskRecord,
)
from tgsh.store.settling import announce_status, settle


@dataclass(frozen=True)
class PlannedTask:
    """A task as its suite describes it."""

    label: str
    params: dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What a spec amounts to: its tasks and the digest of its random base."""

    tasks: Sequence[PlannedTask]
    base_id: str


def locked(session: Session, experiment_id: str) -> ExperimentRecord:
    """The experiment's row, locked until the transaction ends: its changes happen one by one."""
    experiment = session.get(ExperimentRecord, experiment_id, with_for_update=True)
    if experiment is None:
        raise NotFound(f"there is no experiment {experiment_id!r}")
    return experiment


def submit(
    database: Database,
    spec: ExperimentSpec,
    plan: Plan,
    idempotency_key: str | None = None,
    owner: Owner = NOBODY,
    shared: bool = False,
) -> tuple[str, bool]:
    """Insert an experiment with all its tasks; (id, whether it is new).

    With an idempotency key that this owner used before: the experiment that it made, or InvalidSpec
    where the body was another one. Raises QuotaExceeded.
    """
    body_digest = hashlib.sha256((spec.model_dump_json() + " shared" * shared).encode()).hexdigest()
    with database.write() as session:
        if idempotency_key is not None:
            earlier = session.get(IdempotencyRecord, (owner.name or "", idempotency_key))
            if earlier is not None and earlier.body_digest != body_digest:
                raise InvalidSpec("Idempotency-Key", "was used before with another body; use a new key")
            if earlier is not None:
                return earlier.experiment_id, False
        require_room(session, owner, len(plan.tasks))
        experiment_id = secrets.token_hex(8)
        _insert(session, experiment_id, spec, plan, owner, shared)
        if idempotency_key is not None:
            session.add(
                IdempotencyRecord(
                    owner=owner.name or "",
                    key=idempotency_key,
                    body_digest=body_digest,
                    experiment_id=experiment_id,
                    created_at=session.scalar(select(now())),
                )
            )
        return experiment_id, True


def _insert(
    session: Session, experiment_id: str, spec: ExperimentSpec, plan: Plan, owner: Owner, shared: bool
) -> None:
    created_at = session.scalar(select(now()))
    session.add(
        ExperimentRecord(
            id=experiment_id,
            name=spec.title,
            spec=spec.model_dump(mode="json"),
            digest=spec.digest(),
            base_id=plan.base_id,
            suite=spec.suite.kind,
            dataset=spec.dataset,
            status="queued",
            tasks_total=len(plan.tasks),
            epochs_total=len(plan.tasks) * spec.training.epochs,
            created_at=created_at,
            queued_at=created_at,
            owner=owner.name,
            shared=shared,
        )
    )
    session.flush()
    session.add_all(TagRecord(experiment_id=experiment_id, tag=tag) for tag in dict.fromkeys(spec.tags))
    session.add(FinishRecord(experiment_id=experiment_id, status="waiting"))
    rows = [
        {
            "experiment_id": experiment_id,
            "index": index,
            "label": task.label,
            "params": task.params,
            "status": "queued",
        }
        for index, task in enumerate(plan.tasks)
    ]
    session.execute(insert(TaskRecord), rows)
    announce_status(session, experiment_id, "queued")


def record_of(job: Job) -> type[TaskRecord] | type[FinishRecord]:
    """The table that holds the job."""
    return FinishRecord if job.index is None else TaskRecord


def identity(job: Job) -> list[Any]:
    """The condition that selects the job's row."""
    if job.index is None:
        return [FinishRecord.experiment_id == job.experiment_id]
    return [TaskRecord.experiment_id == job.experiment_id, TaskRecord.index == job.index]


def row_of(session: Session, job: Job, *conditions: ColumnElement[bool]) -> TaskRecord | FinishRecord | None:
    """The job's row, locked, if it is there and meets the conditions."""
    record: Any = record_of(job)
    query = select(record).where(*identity(job), *conditions).with_for_update()
    return cast("TaskRecord | FinishRecord | None", session.scalars(query).one_or_none())


def cancel(database: Database, experiment_id: str) -> None:
    """Ask for the end: queued work ends now, running tasks soon. Cancelling twice is one cancel."""
    with database.write() as session:
        experiment = locked(session, experiment_id)
        if experiment.status == "cancelled":
            return
        if experiment.status in TERMINAL:
            raise Conflict(
                f"the experiment is {experiment.status}; only queued or running ones can be cancelled"
            )
        experiment.cancel_requested = True
        for record in (TaskRecord, FinishRecord):
            session.execute(
                update(record)
                .where(record.experiment_id == experiment_id, record.status == "queued")
                .values(status="cancelled", finished_at=now())
            )
        settle(session, experiment)


def resume(database: Database, experiment_id: str, max_queued: int | None = None) -> None:
    """Queue again what failed or was cancelled; what is done stays done, checkpoints are gone on from.

    max_queued: how many tasks its owner may have that wait or run. Raises Conflict, QuotaExceeded.
    """
    with database.write() as session:
        experiment = locked(session, experiment_id)
        if experiment.status not in ("failed", "cancelled"):
            raise Conflict(
                f"the experiment is {experiment.status}; only failed or cancelled ones can be resumed"
            )
        missing = experiment.tasks_total - experiment.tasks_done
        require_room(session, Owner(experiment.owner, max_queued), missing)
        fresh_start = {
            "status": "queued",
            "reason": None,
            "attempts": 0,
            "finished_at": None,
        }
        session.execute(
            update(TaskRecord)
            .where(TaskRecord.experiment_id == experiment_id, TaskRecord.status.in_(("failed", "cancelled")))
            .values(fresh_start)
        )
        session.execute(
            update(FinishRecord)
            .where(FinishRecord.experiment_id == experiment_id)
            .values({**fresh_start, "status": "waiting"})
        )
        experiment.status = "queued"
        experiment.reason = None
        experiment.cancel_requested = False
        experiment.finished_at = None
        experiment.pace_since = None
        experiment.queued_at = session.scalar(select(now()))
        announce_status(session, experiment_id, "queued")
        settle(session, experiment)


def delete(database: Database, experiment_id: str) -> None:
    """Forget the experiment and all its rows. Its artifacts are the caller's to remove, afterwards."""
    with database.write() as session:
        experiment = locked(session, experiment_id)
        if experiment.status == "running":
            raise Conflict("the experiment is running; cancel it first")
        session.execute(delete_rows(ExperimentRecord).where(ExperimentRecord.id == experiment_id))
