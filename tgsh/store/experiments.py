"""Submission, cancelling, resuming and deletion of experiments."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import delete as delete_rows
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from tgsh.errors import Conflict, InvalidSpec, TgshError
from tgsh.schemas import TERMINAL
from tgsh.specs import ExperimentSpec
from tgsh.store import analyses, removals, webhooks
from tgsh.store.configurations import columns_of, note_configurations
from tgsh.store.database import Database
from tgsh.store.datasets import use_all
from tgsh.store.idempotency import USED_OTHERWISE, lock_key
from tgsh.store.lifecycle import advance, append_status_event, append_status_events
from tgsh.store.models import (
    AnalysisRecord,
    ExperimentRecord,
    FinishRecord,
    IdempotencyRecord,
    TagRecord,
    TaskRecord,
    db_now,
    lock_experiment,
)
from tgsh.store.ownership import NO_OWNER, Owner, require_queue_quota
from tgsh.store.scheduling import give_turn, give_turns, take_turn
from tgsh.store.tag_sets import note_tag_sets


@dataclass(frozen=True)
class PlannedTask:
    """A task's label and parameters, as its suite has them."""

    label: str
    params: dict[str, Any]


@dataclass(frozen=True)
class ExperimentPlan:
    """The tasks of a spec, the id of its random base, the uploaded datasets that it uses.

    needs_torch: whether workers without torch leave its jobs to others.
    """

    tasks: Sequence[PlannedTask]
    base_id: str
    datasets: Sequence[str] = ()
    needs_torch: bool = False


@dataclass(frozen=True)
class Remarks:
    """Remarks of a person on an experiment.

    notes: Markdown. project: what it belongs to. webhook: URL that is told when it ends.
    """

    notes: str | None = None
    project: str | None = None
    webhook: str | None = None


NO_REMARKS = Remarks()


class Submitted(NamedTuple):
    """The experiment of a submission.

    is_new: it was inserted now. is_stored: it is a completed one that is reused.
    """

    experiment_id: str
    is_new: bool
    is_stored: bool = False


def submit(
    database: Database,
    spec: ExperimentSpec,
    plan: ExperimentPlan,
    idempotency_key: str | None = None,
    owner: Owner = NO_OWNER,
    shared: bool = False,
    *,
    stored: str | None = None,
    anew: bool = False,
    refusal: TgshError | None = None,
    experiment_id: str | None = None,
    priority: int = 0,
    remarks: Remarks = NO_REMARKS,
) -> Submitted:
    """Insert an experiment with all its tasks, unless one that exists can be returned.

    With an idempotency key that this owner used before: the experiment of that submission, or InvalidSpec
    where its body was another. Else `stored`, the id of a completed experiment with the same results (see
    find_reusable in maintenance.py), if it still exists. anew: whether the request excludes such a one; part
    of its body for the idempotency key. experiment_id: that of a new one, where it is not to be random.
    Raises QuotaExceeded, `refusal` where it would be a new one, and NotFound where a dataset was just
    deleted.
    """
    request = _request(spec, shared, anew, priority, remarks)
    with database.write() as session:
        if idempotency_key is not None:
            lock_key(session, owner.name, idempotency_key)
            earlier = session.get(IdempotencyRecord, (owner.name or "", idempotency_key))
            if earlier is not None:
                return _replayed(earlier, request)
        submitted = _reused(session, stored)
        if submitted is None and refusal is not None:
            raise refusal
        submitted = submitted or _create(session, spec, plan, owner, shared, experiment_id, priority, remarks)
        if remarks.webhook is not None:
            webhooks.add(session, "experiment", submitted.experiment_id, remarks.webhook, owner.name)
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


def replayed(
    database: Database,
    spec: ExperimentSpec,
    idempotency_key: str,
    owner: Owner = NO_OWNER,
    shared: bool = False,
    *,
    anew: bool = False,
    priority: int = 0,
    remarks: Remarks = NO_REMARKS,
) -> Submitted | None:
    """The experiment of an earlier submission with this key; None where there was none.

    To be asked before anything that may refuse a new one, as quotas or workers that have gone. Raises
    InvalidSpec where the body was another.
    """
    with database.read() as session:
        earlier = session.get(IdempotencyRecord, (owner.name or "", idempotency_key))
    return None if earlier is None else _replayed(earlier, _request(spec, shared, anew, priority, remarks))


def _request(spec: ExperimentSpec, shared: bool, anew: bool, priority: int, remarks: Remarks) -> str:
    words = " shared" * shared + " anew" * anew + (f" priority {priority}" if priority else "")
    told = [] if remarks.webhook is None else [remarks.webhook]
    said = "" if remarks == NO_REMARKS else json.dumps([remarks.notes, remarks.project, *told])
    return spec.model_dump_json() + words + said


def _replayed(earlier: IdempotencyRecord, request: str) -> Submitted:
    """The experiment of an earlier submission with this key. Raises InvalidSpec where its body differs."""
    for is_stored in (False, True):
        if earlier.body_digest == _digest(request, is_stored):
            return Submitted(earlier.experiment_id, False, is_stored)
    raise InvalidSpec("Idempotency-Key", USED_OTHERWISE)


def _digest(request: str, is_stored: bool) -> str:
    """Digest of a request, and of whether a stored experiment was returned for it."""
    return hashlib.sha256((request + " stored" * is_stored).encode()).hexdigest()


def _reused(session: Session, stored: str | None) -> Submitted | None:
    """The stored experiment, if it still exists and is completed."""
    if stored is None:
        return None
    experiment = session.get(ExperimentRecord, stored, with_for_update=True)
    is_completed = experiment is not None and experiment.status == "completed"
    return Submitted(stored, False, True) if is_completed else None


def _create(
    session: Session,
    spec: ExperimentSpec,
    plan: ExperimentPlan,
    owner: Owner,
    shared: bool,
    experiment_id: str | None,
    priority: int,
    remarks: Remarks,
) -> Submitted:
    require_queue_quota(session, owner, len(plan.tasks))
    experiment_id = experiment_id or secrets.token_hex(8)
    insert_all(session, [NewExperiment(experiment_id, spec, plan, remarks)], owner, shared, priority)
    return Submitted(experiment_id, True)


@dataclass(frozen=True)
class NewExperiment:
    """An experiment to insert."""

    id: str
    spec: ExperimentSpec
    plan: ExperimentPlan
    remarks: Remarks = NO_REMARKS


def insert_all(
    session: Session, new: Sequence[NewExperiment], owner: Owner, shared: bool, priority: int
) -> None:
    """Insert experiments with all their tasks, queued. The caller has seen to the owner's quota.

    Raises NotFound where a dataset was just deleted.
    """
    created_at = session.scalar(select(db_now()))
    specs = {each.id: each.spec.model_dump(mode="json") for each in new}
    note_configurations(session, specs.values())
    note_tag_sets(session, (each.spec.tags for each in new))
    records = [
        {
            "id": each.id,
            "name": each.spec.title,
            "spec": specs[each.id],
            **columns_of(specs[each.id]),
            "digest": each.spec.digest(),
            "base_id": each.plan.base_id,
            "suite": each.spec.suite.kind,
            "dataset": each.spec.dataset_key,
            "status": "queued",
            "tasks_total": len(each.plan.tasks),
            "epochs_total": len(each.plan.tasks) * each.spec.training.epochs,
            "created_at": created_at,
            "queued_at": created_at,
            "owner": owner.name,
            "shared": shared,
            "needs_torch": each.plan.needs_torch,
            "priority": priority,
            "notes": each.remarks.notes,
            "project": each.remarks.project,
        }
        for each in new
    ]
    session.execute(insert(ExperimentRecord), records)
    use_all(session, {each.id: each.plan.datasets for each in new})
    tags = [{"experiment_id": each.id, "tag": tag} for each in new for tag in dict.fromkeys(each.spec.tags)]
    if tags:
        session.execute(insert(TagRecord), tags)
    session.execute(insert(FinishRecord), [{"experiment_id": each.id, "status": "waiting"} for each in new])
    rows = [
        {
            "experiment_id": each.id,
            "index": index,
            "label": task.label,
            "params": task.params,
            "status": "queued",
        }
        for each in new
        for index, task in enumerate(each.plan.tasks)
    ]
    session.execute(insert(TaskRecord), rows)
    give_turns(session, records)
    append_status_events(session, [each.id for each in new], "queued")


def cancel(database: Database, experiment_id: str) -> None:
    """Cancel queued jobs now and running ones soon; idempotent. Raises Conflict for an ended experiment."""
    with database.write() as session:
        experiment = lock_experiment(session, experiment_id)
        if experiment.status == "cancelled":
            return
        if experiment.status in TERMINAL:
            raise Conflict(
                f"the experiment is {experiment.status}; only queued or running ones can be cancelled"
            )
        experiment.cancel_requested = True
        take_turn(session, experiment_id)
        for record in (TaskRecord, FinishRecord):
            session.execute(
                update(record)
                .where(record.experiment_id == experiment_id, record.status == "queued")
                .values(status="cancelled", finished_at=db_now())
            )
        advance(session, experiment)


def resume(database: Database, experiment_id: str, max_queued: int | None = None) -> None:
    """Queue failed and cancelled tasks again; completed ones stay, others continue from their checkpoints.

    max_queued: the number of queued or running tasks that its owner may have. Raises Conflict, QuotaExceeded.
    """
    with database.write() as session:
        experiment = lock_experiment(session, experiment_id)
        if experiment.status not in ("failed", "cancelled"):
            raise Conflict(
                f"the experiment is {experiment.status}; only failed or cancelled ones can be resumed"
            )
        missing = experiment.tasks_total - experiment.tasks_done
        require_queue_quota(session, Owner(experiment.owner, max_queued), missing)
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
        if missing:
            give_turn(session, experiment)
        append_status_event(session, experiment_id, "queued")
        advance(session, experiment)


def delete(database: Database, experiment_id: str) -> None:
    """Delete the experiment and all its rows, and note its artifacts for removal (see removals.py)."""
    with database.write() as session:
        experiment = lock_experiment(session, experiment_id)
        if experiment.status == "running":
            raise Conflict("the experiment is running; cancel it first")
        folders = [experiment_id]
        if session.scalar(
            select(AnalysisRecord.id).where(AnalysisRecord.experiment_id == experiment_id).limit(1)
        ):
            folders.append(analyses.folder_of(experiment_id))
        removals.note(session, folders, is_folder=True)
        session.execute(delete_rows(ExperimentRecord).where(ExperimentRecord.id == experiment_id))
