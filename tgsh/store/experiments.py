"""Submit, cancel, resume, delete."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import delete as delete_rows
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from tgsh.errors import Conflict, InvalidSpec
from tgsh.schemas import TERMINAL
from tgsh.specs import ExperimentSpec
from tgsh.store.database import Database
from tgsh.store.datasets import use
from tgsh.store.lifecycle import advance, append_status_event
from tgsh.store.models import (
    ExperimentRecord,
    FinishRecord,
    IdempotencyRecord,
    TagRecord,
    TaskRecord,
    db_now,
    lock_experiment,
)
from tgsh.store.ownership import NOBODY, Owner, require_room


@dataclass(frozen=True)
class PlannedTask:
    """A task as its suite describes it."""

    label: str
    params: dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What a spec amounts to: its tasks, the digest of its random base, and the uploaded datasets it uses."""

    tasks: Sequence[PlannedTask]
    base_id: str
    datasets: Sequence[str] = ()


class Submitted(NamedTuple):
    """The experiment that answers a submission: made now or earlier, or found as it was stored."""

    experiment_id: str
    is_new: bool
    is_stored: bool = False


def submit(
    database: Database,
    spec: ExperimentSpec,
    plan: Plan,
    idempotency_key: str | None = None,
    owner: Owner = NOBODY,
    shared: bool = False,
    *,
    stored: str | None = None,
    anew: bool = False,
) -> Submitted:
    """Insert an experiment with all its tasks, unless it needs no work.

    With an idempotency key that this owner used before: the experiment that answered it then, or InvalidSpec
    where the request was another one. Else `stored`, a completed experiment that answers it (see reuse.py),
    if it is still there. anew: whether the request refuses such a one. Raises QuotaExceeded, and NotFound
    where a dataset was just deleted.
    """
    request = spec.model_dump_json() + " shared" * shared + " anew" * anew
    with database.write() as session:
        if idempotency_key is not None:
            earlier = session.get(IdempotencyRecord, (owner.name or "", idempotency_key))
            if earlier is not None:
                return _again(earlier, request)
        submitted = _found(session, stored) or _made(session, spec, plan, owner, shared)
        if idempotency_key is not None:
            session.add(
                IdempotencyRecord(
                    owner=owner.name or "",
                    key=idempotency_key,
                    body_digest=_digest(request, submitted.is_stored),
                    experiment_id=submitted.experiment_id,
                    created_at=session.scalar(select(db_now())),
                )
            )
        return submitted


def _again(earlier: IdempotencyRecord, request: str) -> Submitted:
    """What the same request was answered. Raises InvalidSpec where it was another one."""
    for is_stored in (False, True):
        if earlier.body_digest == _digest(request, is_stored):
            return Submitted(earlier.experiment_id, False, is_stored)
    raise InvalidSpec("Idempotency-Key", "was used before with another body; use a new key")


def _digest(request: str, is_stored: bool) -> str:
    """What is kept of a request, and of whether a stored experiment answered it."""
    return hashlib.sha256((request + " stored" * is_stored).encode()).hexdigest()


def _found(session: Session, stored: str | None) -> Submitted | None:
    """A stored experiment, if it is still there and completed."""
    if stored is None:
        return None
    experiment = session.get(ExperimentRecord, stored, with_for_update=True)
    is_there = experiment is not None and experiment.status == "completed"
    return Submitted(stored, False, True) if is_there else None


def _made(session: Session, spec: ExperimentSpec, plan: Plan, owner: Owner, shared: bool) -> Submitted:
    require_room(session, owner, len(plan.tasks))
    experiment_id = secrets.token_hex(8)
    _insert(session, experiment_id, spec, plan, owner, shared)
    return Submitted(experiment_id, True)


def _insert(
    session: Session, experiment_id: str, spec: ExperimentSpec, plan: Plan, owner: Owner, shared: bool
) -> None:
    created_at = session.scalar(select(db_now()))
    session.add(
        ExperimentRecord(
            id=experiment_id,
            name=spec.title,
            spec=spec.model_dump(mode="json"),
            digest=spec.digest(),
            base_id=plan.base_id,
            suite=spec.suite.kind,
            dataset=spec.dataset_key,
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
    use(session, experiment_id, plan.datasets)
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
    append_status_event(session, experiment_id, "queued")


def cancel(database: Database, experiment_id: str) -> None:
    """Ask for the end: queued work ends now, running tasks soon. Cancelling twice is one cancel."""
    with database.write() as session:
        experiment = lock_experiment(session, experiment_id)
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
                .values(status="cancelled", finished_at=db_now())
            )
        advance(session, experiment)


def resume(database: Database, experiment_id: str, max_queued: int | None = None) -> None:
    """Queue again what failed or was cancelled; what is done stays done, checkpoints are gone on from.

    max_queued: how many tasks its owner may have that wait or run. Raises Conflict, QuotaExceeded.
    """
    with database.write() as session:
        experiment = lock_experiment(session, experiment_id)
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
        experiment.queued_at = session.scalar(select(db_now()))
        append_status_event(session, experiment_id, "queued")
        advance(session, experiment)


def delete(database: Database, experiment_id: str) -> None:
    """Forget the experiment and all its rows. Its artifacts are the caller's to remove, afterwards."""
    with database.write() as session:
        experiment = lock_experiment(session, experiment_id)
        if experiment.status == "running":
            raise Conflict("the experiment is running; cancel it first")
        session.execute(delete_rows(ExperimentRecord).where(ExperimentRecord.id == experiment_id))
