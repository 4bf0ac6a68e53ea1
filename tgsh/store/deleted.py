"""Experiments and studies that were deleted lately: put away for a week, brought back or forgotten."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, Table, insert, or_, select, update
from sqlalchemy import delete as delete_rows
from sqlalchemy.orm import Session

from tgsh.errors import Conflict, NotFound
from tgsh.schemas import TERMINAL
from tgsh.store import removals
from tgsh.store.configurations import columns_of, note_configurations
from tgsh.store.database import Database
from tgsh.store.lifecycle import append_status_event
from tgsh.store.models import (
    AnalysisRecord,
    ChangeRecord,
    DatasetRecord,
    DeletedRecord,
    ExperimentRecord,
    FinishRecord,
    StudyMemberRecord,
    StudyRecord,
    TagRecord,
    TaskRecord,
    UseRecord,
    db_now,
    lock_experiment,
    table_of,
)
from tgsh.store.tag_sets import note_tag_sets

KEPT_DAYS = 7
KEPT_SECONDS = KEPT_DAYS * 86_400.0
"""For which a deleted experiment can be brought back; then its files go."""

_BELONGING: tuple[Table, ...] = tuple(
    map(table_of, (FinishRecord, TaskRecord, TagRecord, UseRecord, ChangeRecord, AnalysisRecord))
)
"""Tables whose rows come back with an experiment. Its events do not, nor keys of its submission."""

_PLACES = table_of(StudyMemberRecord)
_STUDIES = table_of(StudyRecord)

STAYING = "staying_members"
"""Places of experiments that stay where their study is deleted, beside its row in `rows` of the others."""

STUDY_ID = DeletedRecord.rows[(_STUDIES.name, 0, "id")].as_string()
_STUDY_NAME = DeletedRecord.rows[(_STUDIES.name, 0, "name")].as_string()

_BYTES = "base64"

ANALYSES = "analyses"
"""Folder of the artifacts of placements, a folder for each experiment in it."""


@dataclass(frozen=True)
class DeletedExperimentRow:
    """A deleted experiment, and the id and name of the study that it was deleted with."""

    record: DeletedRecord
    study_id: str | None
    study_name: str | None


def put_away(
    database: Database,
    experiment_id: str,
    by: str | None = None,
    more_rows: Mapping[str, list[dict[str, Any]]] = MappingProxyType({}),
) -> None:
    """Delete an experiment in such a way that `restore` brings it back; its files stay for KEPT_DAYS.

    by: the name of an API key. more_rows: what comes back with it. Raises Conflict for one that is running,
    and NotFound.
    """
    with database.write() as session:
        experiment = lock_experiment(session, experiment_id)
        if experiment.status == "running":
            raise Conflict("the experiment is running; cancel it first")
        tables = [table_of(ExperimentRecord), *_BELONGING, _PLACES]
        rows = {table.name: _read(session, table, experiment_id) for table in tables}
        now = session.scalar(select(db_now())) or 0.0
        session.execute(delete_rows(DeletedRecord).where(DeletedRecord.id == experiment_id))
        session.add(
            DeletedRecord(
                id=experiment_id,
                owner=experiment.owner,
                name=experiment.name,
                tasks_total=experiment.tasks_total,
                created_at=experiment.created_at,
                deleted_at=now,
                deleted_by=by,
                rows={**rows, **more_rows},
            )
        )
        session.execute(delete_rows(ExperimentRecord).where(ExperimentRecord.id == experiment_id))


def restore(database: Database, experiment_id: str, owner: str | None) -> None:
    """Bring a deleted experiment back, with its tasks, tags, changes and places in studies.

    A study that was deleted with it comes back, too. One that waited is cancelled now, and can be resumed.
    owner: whose it must be; None: of anybody. Raises NotFound, and Conflict where its uploaded dataset was
    deleted meanwhile.
    """
    with database.write() as session:
        record = session.get(DeletedRecord, experiment_id, with_for_update=True)
        if record is None or (owner is not None and record.owner != owner):
            raise NotFound(f"there is no deleted experiment {experiment_id!r}")
        if session.get(ExperimentRecord, experiment_id) is not None:
            raise Conflict(f"there is an experiment {experiment_id!r}")
        rows = {name: [_decoded(row) for row in some] for name, some in record.rows.items()}
        _require_datasets(session, rows.get(table_of(UseRecord).name, ()))
        for table in (table_of(ExperimentRecord), *_BELONGING):
            if some := [_fitting(table, row) for row in rows.get(table.name, ())]:
                session.execute(insert(table), some)
        restored = session.get_one(ExperimentRecord, experiment_id)
        note_configurations(session, [restored.spec])
        note_tag_sets(session, [restored.spec.get("tags", ())])
        for name, value in columns_of(restored.spec).items():  # a version before them may have deleted it
            setattr(restored, name, value)
        for study in rows.get(_STUDIES.name, ()):
            _bring_study_back(session, study, rows.get(STAYING, ()))
        for place in rows.get(_PLACES.name, ()):
            _take_place(session, place)
        session.delete(record)
        session.flush()
        _cancel_unfinished(session, experiment_id)


def listed(
    database: Database, visible_to: str | None, limit: int, after: Sequence[str | float] | None = None
) -> Sequence[DeletedExperimentRow]:
    """Up to `limit` deleted experiments of an owner (None: of all), the last deleted first.

    after: `deleted_at` and id of the last one before.
    """
    d = DeletedRecord
    query = select(d, STUDY_ID, _STUDY_NAME).where(d.deleted_at > db_now() - KEPT_SECONDS)
    if visible_to is not None:
        query = query.where(d.owner == visible_to)
    if after is not None:
        at, id = after
        query = query.where(or_(d.deleted_at < at, (d.deleted_at == at) & (d.id < id)))
    with database.read() as session:
        rows = session.execute(query.order_by(d.deleted_at.desc(), d.id.desc()).limit(limit))
        return [DeletedExperimentRow(*row) for row in rows]


def forget(database: Database, *conditions: ColumnElement[bool]) -> list[str]:
    """Forget deleted experiments for ever, by default those of more than KEPT_DAYS ago; their ids.

    Their folders are noted for removal (see removals.py).
    """
    d = DeletedRecord
    meant = conditions or (d.deleted_at <= db_now() - KEPT_SECONDS,)
    with database.read() as session:
        if session.scalar(select(d.id).where(*meant).limit(1)) is None:
            return []
    with database.write() as session:
        ids = list(session.scalars(select(d.id).where(*meant).with_for_update()))
        session.execute(delete_rows(d).where(d.id.in_(ids)))
        removals.note(session, [*ids, *(f"{ANALYSES}/{id}" for id in ids)], is_folder=True)
        return ids


def kept_ids(session: Session, owner: str | None = None) -> set[str]:
    """Ids of deleted experiments whose files are still there, of an owner or of all."""
    query = select(DeletedRecord.id)
    return set(session.scalars(query if owner is None else query.where(DeletedRecord.owner == owner)))


def _read(session: Session, table: Table, experiment_id: str) -> list[dict[str, Any]]:
    key = table.c.id if table.name == ExperimentRecord.__tablename__ else table.c.experiment_id
    return [encoded(row._mapping) for row in session.execute(select(table).where(key == experiment_id))]


def encoded(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row as JSON has it, and as `restore` reads it."""
    return {
        str(name): {_BYTES: base64.b64encode(value).decode()} if isinstance(value, bytes) else value
        for name, value in row.items()
    }


def _decoded(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: base64.b64decode(value[_BYTES]) if isinstance(value, dict) and _BYTES in value else value
        for name, value in row.items()
    }


def _fitting(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """The values of columns that the table has: a version between may have dropped some."""
    known = {column.name for column in table.c}
    if table.name == ChangeRecord.__tablename__:
        known.discard("id")  # another row may have taken the number
    return {name: value for name, value in row.items() if name in known}


def _require_datasets(session: Session, uses: Sequence[Mapping[str, Any]]) -> None:
    gone = [use["dataset_id"] for use in uses if session.get(DatasetRecord, use["dataset_id"]) is None]
    if gone:
        raise Conflict(f"its dataset {gone[0]} was deleted meanwhile; upload it again first")


def _bring_study_back(
    session: Session, study: Mapping[str, Any], staying: Sequence[Mapping[str, Any]]
) -> None:
    """Insert a deleted study with the places of experiments that stayed, unless it is back already."""
    if session.get(StudyRecord, study["id"]) is not None:
        return
    session.execute(insert(_STUDIES), _fitting(_STUDIES, study))
    for place in staying:
        id = place["experiment_id"]
        there = id if id is not None and session.get(ExperimentRecord, id) is not None else None
        session.execute(insert(_PLACES), {**place, "experiment_id": there})


def _take_place(session: Session, place: Mapping[str, Any]) -> None:
    """Take its place in a study again, if nothing else has."""
    if session.get(StudyRecord, place["study_id"]) is None:
        return
    m = StudyMemberRecord
    row = session.get(m, (place["study_id"], place["cell"], place["seed"], place["base_seed"]))
    if row is None:
        session.execute(insert(_PLACES), dict(place))
    elif row.experiment_id is None:
        row.experiment_id = place["experiment_id"]
        session.flush()


def _cancel_unfinished(session: Session, experiment_id: str) -> None:
    """Cancel what waited; placements are asked for again, as whoever ran one has lost it."""
    analysis = AnalysisRecord.experiment_id == experiment_id, AnalysisRecord.status == "running"
    session.execute(update(AnalysisRecord).where(*analysis).values(status="queued", token=None))
    experiment = session.get_one(ExperimentRecord, experiment_id)
    if experiment.status in TERMINAL:
        return
    for record in (TaskRecord, FinishRecord):
        unfinished = record.experiment_id == experiment_id, record.status.in_(("queued", "running"))
        session.execute(update(record).where(*unfinished).values(status="cancelled", token=None))
    experiment.status = "cancelled"
    experiment.finished_at = session.scalar(select(db_now()))
    append_status_event(session, experiment_id, "cancelled")
