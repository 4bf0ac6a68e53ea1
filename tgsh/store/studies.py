"""Studies: their insertion with all experiments, queries, changes and deletion."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Select, String, and_, cast, exists, func, insert, or_, select, tuple_
from sqlalchemy import update as update_rows
from sqlalchemy.orm import Session, aliased, defer

from tgsh.errors import Conflict, InvalidSpec, NotFound, TgshError
from tgsh.specs import ExperimentSpec
from tgsh.store import experiments, webhooks
from tgsh.store.database import Database
from tgsh.store.experiments import ExperimentPlan, NewExperiment, lock_key
from tgsh.store.models import (
    ExperimentRecord,
    StudyKeyRecord,
    StudyMemberRecord,
    StudyRecord,
    TaskRecord,
    db_now,
)
from tgsh.store.ownership import Owner, require_queue_quota
from tgsh.store.queries import MAX_IDS
from tgsh.store.visibility import is_study_visible_to, is_visible_to

UNFINISHED = ("queued", "running")


@dataclass(frozen=True)
class PlannedMember:
    """A replicate of a cell, and the experiment that it is.

    experiment_id: one that exists. stored: a completed one with the same results, which is taken if it still
    exists. Otherwise a new one is inserted.
    """

    cell: int
    seed: int
    base_seed: int
    spec: ExperimentSpec
    plan: ExperimentPlan
    experiment_id: str | None = None
    stored: str | None = None


@dataclass(frozen=True)
class NewStudy:
    """A study to insert; the fields are those of StudyRecord."""

    name: str
    spec: Mapping[str, Any]
    seeds: Sequence[int]
    base_seeds: Sequence[int]
    grid: Mapping[str, Sequence[Any]]
    cells: Sequence[Mapping[str, Any]]
    tags: Sequence[str] = ()
    notes: str | None = None
    project: str | None = None
    shared: bool = False
    priority: int = 0
    webhook: str | None = None


@dataclass(frozen=True)
class SubmittedStudy:
    """The study of a submission. queued: how many experiments were inserted; 0 of a study that was there."""

    study_id: str
    queued: int


@dataclass(frozen=True)
class IdempotentRequest:
    """An Idempotency-Key and the request that came with it."""

    key: str
    body: str


@dataclass(frozen=True)
class StudyReplicate:
    """A replicate of a cell; record: its experiment, None where it was deleted or is hidden."""

    cell: int
    seed: int
    base_seed: int
    record: ExperimentRecord | None


@dataclass(frozen=True)
class Tally:
    """Sums over the experiments of a study that somebody sees. missing: deleted or hidden ones."""

    by_status: Mapping[str, int] = field(default_factory=dict)
    missing: int = 0
    tasks_total: int = 0
    tasks_done: int = 0
    epochs_total: int = 0
    epochs_done: int = 0
    pace: float = 0.0

    @property
    def status(self) -> str:
        """The status of the whole: running as long as something is to come and something has begun."""
        count = self.by_status.get
        if count("running") or (count("queued") and sum(self.by_status.values()) > (count("queued") or 0)):
            return "running"
        order = ("queued", "failed", "cancelled", "completed")
        return next((status for status in order if count(status)), "cancelled")


@dataclass(frozen=True)
class StudySnapshot:
    """A study's row and the sums over its experiments at one moment."""

    record: StudyRecord
    tally: Tally


@dataclass(frozen=True)
class StudyFilters:
    """Conditions on a list of studies; None: no condition. text: part of name, tags, notes or project."""

    text: str | None = None
    tag: str | None = None
    project: str | None = None
    visible_to: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """SQL conditions for a query of StudyRecord."""
        conditions: list[ColumnElement[bool]] = []
        tags = cast(StudyRecord.tags, String)
        if self.text is not None:
            inside = (StudyRecord.name, StudyRecord.notes, StudyRecord.project, StudyRecord.id)
            found = [column.icontains(self.text, autoescape=True) for column in inside]
            found.append(tags.icontains(json.dumps(self.text)[1:-1], autoescape=True))
            conditions.append(or_(*found))
        if self.tag is not None:
            conditions.append(tags.contains(json.dumps(self.tag), autoescape=True))
        if self.project is not None:
            conditions.append(StudyRecord.project == self.project)
        if self.visible_to is not None:
            conditions.append(is_study_visible_to(self.visible_to))
        return conditions


# --- submission


def create(
    database: Database,
    study: NewStudy,
    members: Sequence[PlannedMember],
    owner: Owner,
    *,
    request: IdempotentRequest | None = None,
    refusal: TgshError | None = None,
) -> SubmittedStudy:
    """Insert a study and all its new experiments, or nothing.

    With an idempotency key that this owner used before: the study of that submission, or InvalidSpec where
    its body was another. Raises QuotaExceeded, `refusal` where there would be new experiments, and NotFound
    where an experiment or a dataset was just deleted.
    """
    with database.write() as session:
        if request is not None:
            lock_key(session, owner, request.key)
            if (earlier := _earlier(session, owner, request)) is not None:
                return SubmittedStudy(earlier, 0)
        record = StudyRecord(
            id=secrets.token_hex(8),
            owner=owner.name,
            name=study.name,
            tags=list(study.tags),
            notes=study.notes,
            project=study.project,
            shared=study.shared,
            priority=study.priority,
            spec=dict(study.spec),
            replicates={"seeds": list(study.seeds), "base_seeds": list(study.base_seeds)},
            grid={path: list(values) for path, values in study.grid.items()},
            cells=[dict(values) for values in study.cells],
            created_at=session.scalar(select(db_now())),
        )
        session.add(record)
        session.flush()
        queued = _add_members(session, record, members, owner, refusal)
        if study.webhook is not None:
            webhooks.add(session, "study", record.id, study.webhook, owner.name)
        if request is not None:
            _note_key(session, owner, request, record)
        return SubmittedStudy(record.id, queued)


def extend(
    database: Database,
    study_id: str,
    seeds: Sequence[int],
    base_seeds: Sequence[int],
    members: Sequence[PlannedMember],
    owner: Owner,
    *,
    request: IdempotentRequest | None = None,
    refusal: TgshError | None = None,
) -> SubmittedStudy:
    """Add replicates to a study, all or none; seeds, base_seeds: all that it has from now on.

    Raises what `create` does, NotFound for an unknown study, and Conflict where another request has extended
    it meanwhile.
    """
    with database.write() as session:
        if request is not None:
            lock_key(session, owner, request.key)
            if (earlier := _earlier(session, owner, request)) is not None:
                return SubmittedStudy(earlier, 0)
        record = session.get(StudyRecord, study_id, with_for_update=True)
        if record is None:
            raise unknown(study_id)
        m = StudyMemberRecord
        known = session.execute(
            select(m.cell, m.seed, m.base_seed).where(m.study_id == study_id, m.experiment_id.is_not(None))
        )
        taken = {tuple(row) for row in known}
        if any((each.cell, each.seed, each.base_seed) in taken for each in members):
            raise Conflict("the study was extended by another request at the same time; look at it again")
        for each in members:  # places of deleted experiments
            place = (study_id, each.cell, each.seed, each.base_seed)
            if (row := session.get(m, place)) is not None:
                session.delete(row)
        record.replicates = {"seeds": list(seeds), "base_seeds": list(base_seeds)}
        session.flush()
        queued = _add_members(session, record, members, owner, refusal)
        if request is not None:
            _note_key(session, owner, request, record)
        return SubmittedStudy(study_id, queued)


def replayed(database: Database, owner: Owner, request: IdempotentRequest) -> str | None:
    """The study of an earlier submission with this key; None where there was none.

    To be asked before anything that may refuse a new one. Raises InvalidSpec where the body was another.
    """
    with database.read() as session:
        return _earlier(session, owner, request)


def _earlier(session: Session, owner: Owner, request: IdempotentRequest) -> str | None:
    earlier = session.get(StudyKeyRecord, (owner.name or "", request.key))
    if earlier is None:
        return None
    if earlier.body_digest != _digest(request):
        raise InvalidSpec("Idempotency-Key", "was used before with another body; use a new key")
    return earlier.study_id


def _note_key(session: Session, owner: Owner, request: IdempotentRequest, record: StudyRecord) -> None:
    session.add(
        StudyKeyRecord(
            owner=owner.name or "",
            key=request.key,
            body_digest=_digest(request),
            study_id=record.id,
            created_at=session.scalar(select(db_now())),
        )
    )


def _digest(request: IdempotentRequest) -> str:
    return hashlib.sha256(request.body.encode()).hexdigest()


def _add_members(
    session: Session,
    record: StudyRecord,
    members: Sequence[PlannedMember],
    owner: Owner,
    refusal: TgshError | None,
) -> int:
    """Insert members and the experiments that are new; how many these are."""
    there = _existing(session, [each.experiment_id for each in members if each.experiment_id])
    for each in members:
        if each.experiment_id is not None and each.experiment_id not in there:
            raise NotFound(f"there is no experiment {each.experiment_id!r}")
    stored = _existing(session, [each.stored for each in members if each.stored], "completed")
    ids, new = [], []
    for each in members:
        id = each.experiment_id or (each.stored if each.stored in stored else None)
        if id is None:
            id = secrets.token_hex(8)
            new.append(NewExperiment(id, each.spec, each.plan))
        ids.append(id)
    if new and refusal is not None:
        raise refusal
    if new:
        require_queue_quota(session, owner, sum(len(each.plan.tasks) for each in new))
        experiments.insert_all(session, new, owner, record.shared, record.priority)
    rows = [
        {
            "study_id": record.id,
            "cell": each.cell,
            "seed": each.seed,
            "base_seed": each.base_seed,
            "experiment_id": id,
        }
        for each, id in zip(members, ids, strict=True)
    ]
    if rows:
        session.execute(insert(StudyMemberRecord), rows)
    if record.shared:  # some may have been there, and were not
        own = ExperimentRecord.id.in_(ids), ExperimentRecord.owner == record.owner
        shared = update_rows(ExperimentRecord).where(*own, ~ExperimentRecord.shared).values(shared=True)
        session.execute(shared.execution_options(synchronize_session=False))
    return len(new)


def _existing(session: Session, ids: Sequence[str], status: str | None = None) -> set[str]:
    """Those experiments that are there, of one status or any; they stay until the transaction ends."""
    query = select(ExperimentRecord.id).where(ExperimentRecord.id.in_(ids)).order_by(ExperimentRecord.id)
    if status is not None:
        query = query.where(ExperimentRecord.status == status)
    return set(session.scalars(query.with_for_update(read=True, key_share=True))) if ids else set()


# --- queries


def unknown(study_id: str) -> NotFound:
    """The error for a study that is missing or hidden."""
    return NotFound(f"there is no study {study_id!r}")


def owner_of_study(database: Database, study_id: str) -> tuple[str | None, bool]:
    """The owner's name (None: no API key) and whether the study is shared. Raises NotFound."""
    query = select(StudyRecord.owner, StudyRecord.shared).where(StudyRecord.id == study_id)
    with database.read() as session:
        row = session.execute(query).one_or_none()
    if row is None:
        raise unknown(study_id)
    return row.owner, row.shared


def study(database: Database, study_id: str, visible_to: str | None) -> StudySnapshot:
    """A study as a key of that name sees it (None: as an admin). Raises NotFound."""
    query = select(StudyRecord).where(StudyRecord.id == study_id)
    if visible_to is not None:
        query = query.where(is_study_visible_to(visible_to))
    with database.read() as session:
        record = session.scalars(query).one_or_none()
        if record is None:
            raise unknown(study_id)
        return StudySnapshot(record, _tallies(session, [study_id], visible_to)[study_id])


def studies(
    database: Database, filters: StudyFilters, limit: int, after: Sequence[str | float] | None = None
) -> list[StudySnapshot]:
    """Up to `limit` studies, newest first, after the position `after` (created_at, id)."""
    query = select(StudyRecord).where(*filters.conditions())
    if after is not None:
        query = query.where(tuple_(StudyRecord.created_at, StudyRecord.id) < tuple_(*after))
    query = query.order_by(StudyRecord.created_at.desc(), StudyRecord.id.desc()).limit(limit)
    with database.read() as session:
        records = session.scalars(query).all()
        tallies = _tallies(session, [record.id for record in records], filters.visible_to)
        return [StudySnapshot(record, tallies[record.id]) for record in records]


def studies_of(database: Database, experiment_id: str, visible_to: str | None) -> list[StudyRecord]:
    """Studies that an experiment belongs to and a key of that name sees (None: all), newest first."""
    using = select(StudyMemberRecord.study_id).where(StudyMemberRecord.experiment_id == experiment_id)
    query = select(StudyRecord).where(StudyRecord.id.in_(using))
    if visible_to is not None:
        query = query.where(is_study_visible_to(visible_to))
    with database.read() as session:
        return list(session.scalars(query.order_by(StudyRecord.created_at.desc(), StudyRecord.id.desc())))


def names_by_experiment(
    database: Database, ids: Sequence[str], visible_to: str | None
) -> dict[str, list[tuple[str, str]]]:
    """Ids and names of the studies that each of these experiments belongs to, as this key sees them."""
    found: dict[str, list[tuple[str, str]]] = {}
    m, s = StudyMemberRecord, StudyRecord
    with database.read() as session:
        for start in range(0, len(ids), MAX_IDS):
            query = select(m.experiment_id, s.id, s.name).join(s, s.id == m.study_id).distinct()
            query = query.where(m.experiment_id.in_(ids[start : start + MAX_IDS])).order_by(s.name, s.id)
            if visible_to is not None:
                query = query.where(is_study_visible_to(visible_to))
            for experiment_id, id, name in session.execute(query):
                found.setdefault(str(experiment_id), []).append((id, name))
    return found


def members(
    database: Database, study_id: str, visible_to: str | None, cell: int | None = None
) -> list[StudyReplicate]:
    """Replicates of a study, or of one of its cells, base after base. Their records have no specs loaded."""
    m = StudyMemberRecord
    query = (
        select(m.cell, m.seed, m.base_seed, ExperimentRecord)
        .outerjoin(ExperimentRecord, _seen(m, visible_to))
        .where(m.study_id == study_id)
        .order_by(m.cell, m.base_seed, m.seed)
        .options(defer(ExperimentRecord.spec))
    )
    if cell is not None:
        query = query.where(m.cell == cell)
    with database.read() as session:
        return [StudyReplicate(*row) for row in session.execute(query)]


def task_accuracies(database: Database, study_id: str) -> dict[str, dict[int, tuple[str, float | None]]]:
    """Label and test accuracy of every task, by the ids of a study's experiments and the task's index."""
    t = TaskRecord
    query = select(t.experiment_id, t.index, t.label, t.accuracy).where(
        t.experiment_id.in_(_member_ids(study_id))
    )
    found: dict[str, dict[int, tuple[str, float | None]]] = {}
    with database.read() as session:
        for id, index, label, accuracy in session.execute(query):
            found.setdefault(id, {})[index] = label, accuracy
    return found


def _seen(member: Any, visible_to: str | None) -> ColumnElement[bool]:
    """The condition that joins the experiment of a member, where a key of that name sees it."""
    own = ExperimentRecord.id == member.experiment_id
    return own if visible_to is None else and_(own, is_visible_to(visible_to))


def _tallies(session: Session, ids: Sequence[str], visible_to: str | None) -> dict[str, Tally]:
    m, e = StudyMemberRecord, ExperimentRecord
    at = session.scalar(select(db_now())) or 0.0
    gained, taken = e.epochs_done - e.pace_epochs, at - e.pace_since
    running = and_(e.status == "running", gained > 0, taken > 0)
    query = (
        select(
            m.study_id,
            e.status,
            func.count(),
            func.sum(e.tasks_total),
            func.sum(e.tasks_done),
            func.sum(e.epochs_total),
            func.sum(e.epochs_done),
            func.sum(gained / func.nullif(taken, 0.0)).filter(running),
        )
        .outerjoin(e, _seen(m, visible_to))
        .where(m.study_id.in_(ids))
        .group_by(m.study_id, e.status)
    )
    sums: dict[str, list[Any]] = {id: [] for id in ids}
    for id, *row in session.execute(query):
        sums[id].append(row)
    return {id: _tally(rows) for id, rows in sums.items()}


def _tally(rows: Sequence[Sequence[Any]]) -> Tally:
    there = [row for row in rows if row[0] is not None]
    done = [row[4] if row[0] == "completed" else row[5] for row in there]  # as progress_of tells it
    return Tally(
        by_status={row[0]: int(row[1]) for row in there},
        missing=sum(int(row[1]) for row in rows if row[0] is None),
        tasks_total=sum(int(row[2]) for row in there),
        tasks_done=sum(int(row[3]) for row in there),
        epochs_total=sum(int(row[4]) for row in there),
        epochs_done=sum(map(int, done)),
        pace=sum(float(row[6] or 0) for row in there),
    )


# --- changes


def change(database: Database, study_id: str, values: Mapping[str, Any]) -> None:
    """Change columns of a study. Raises NotFound.

    Who shares a study shares its experiments; who no longer does, those that are in no other shared study.
    Of both, only what belongs to the study's owner.
    """
    with database.write() as session:
        record = session.get(StudyRecord, study_id, with_for_update=True)
        if record is None:
            raise unknown(study_id)
        for name, value in values.items():
            setattr(record, name, value)
        session.flush()
        if "shared" in values:
            own = ExperimentRecord.owner == record.owner
            conditions = [ExperimentRecord.id.in_(_member_ids(study_id)), own]
            if not values["shared"]:
                conditions.append(~_in_another(study_id, only_shared=True))
            changed = update_rows(ExperimentRecord).where(*conditions).values(shared=values["shared"])
            session.execute(changed.execution_options(synchronize_session=False))


def own_members(database: Database, study_id: str, *statuses: str) -> list[str]:
    """Ids of the experiments of a study that belong to its owner, of these statuses. Raises NotFound."""
    query = (
        select(ExperimentRecord.id)
        .join(StudyRecord, StudyRecord.id == study_id)
        .where(ExperimentRecord.id.in_(_member_ids(study_id)), _same_owner())
        .order_by(ExperimentRecord.created_at, ExperimentRecord.id)
    )
    if statuses:
        query = query.where(ExperimentRecord.status.in_(statuses))
    with database.read() as session:
        if session.get(StudyRecord, study_id) is None:
            raise unknown(study_id)
        return list(session.scalars(query))


def deletable_members(database: Database, study_id: str) -> list[str]:
    """Ids of the experiments that go with a study: its owner's, in no other study. Raises Conflict.

    Raises Conflict where one of them is running, NotFound for an unknown study.
    """
    query = (
        select(ExperimentRecord.id, ExperimentRecord.status)
        .join(StudyRecord, StudyRecord.id == study_id)
        .where(ExperimentRecord.id.in_(_member_ids(study_id)), _same_owner(), ~_in_another(study_id))
    )
    with database.read() as session:
        if session.get(StudyRecord, study_id) is None:
            raise unknown(study_id)
        rows = session.execute(query).all()
    if running := [row.id for row in rows if row.status == "running"]:
        named = (
            f"{len(running)} of its experiments are running" if running[1:] else f"{running[0]} is running"
        )
        raise Conflict(f"{named}; cancel the study first")
    return [row.id for row in rows]


def delete(database: Database, study_id: str) -> None:
    """Delete a study; its experiments stay. Raises NotFound."""
    with database.write() as session:
        record = session.get(StudyRecord, study_id, with_for_update=True)
        if record is None:
            raise unknown(study_id)
        session.delete(record)


def _member_ids(study_id: str) -> Select[Any]:
    m = StudyMemberRecord
    return select(m.experiment_id).where(m.study_id == study_id, m.experiment_id.is_not(None))


def _same_owner() -> ColumnElement[bool]:
    return func.coalesce(ExperimentRecord.owner, "") == func.coalesce(StudyRecord.owner, "")


def _in_another(study_id: str, *, only_shared: bool = False) -> ColumnElement[bool]:
    """The condition that an experiment is in another study, too."""
    m, s = aliased(StudyMemberRecord), aliased(StudyRecord)
    query = exists().where(m.experiment_id == ExperimentRecord.id, m.study_id != study_id, s.id == m.study_id)
    return query.where(s.shared) if only_shared else query
