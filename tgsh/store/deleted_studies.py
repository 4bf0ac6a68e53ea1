"""Deletion of studies with their experiments, and their return within a week."""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy import select

from tgsh.errors import NotFound
from tgsh.store import studies
from tgsh.store.database import Database
from tgsh.store.deleted import KEPT_SECONDS, STAYING, STUDY_ID, encoded, put_away, restore
from tgsh.store.models import DeletedRecord, StudyMemberRecord, StudyRecord, db_now, table_of

_STUDIES, _PLACES = table_of(StudyRecord), table_of(StudyMemberRecord)


def put_away_study(database: Database, study_id: str, by: str | None = None) -> None:
    """Delete a study and its owner's experiments that are in no other study, so that they can be restored.

    Raises Conflict where one of them is running, and NotFound for an unknown study.
    """
    ids = studies.deletable_members(database, study_id)
    with database.read() as session:
        row = session.execute(select(_STUDIES).where(_STUDIES.c.id == study_id)).one()
        places = session.execute(select(_PLACES).where(_PLACES.c.study_id == study_id)).all()
    staying = [encoded(place._mapping) for place in places if place.experiment_id not in ids]
    more_rows = {_STUDIES.name: [encoded(row._mapping)], STAYING: staying}
    for id in ids:
        with suppress(NotFound):  # another request has deleted it meanwhile
            put_away(database, id, by, more_rows)
    studies.delete(database, study_id)


def restore_study(database: Database, study_id: str, owner: str | None) -> list[str]:
    """Bring a study back with the experiments that were deleted with it; their ids.

    owner: whose it must be; None: of anybody. Raises NotFound where none of them is kept any more, and
    Conflict as `restore` does.
    """
    d = DeletedRecord
    query = select(d.id).where(study_id == STUDY_ID, d.deleted_at > db_now() - KEPT_SECONDS).order_by(d.id)
    if owner is not None:
        query = query.where(d.owner == owner)
    with database.read() as session:
        ids = list(session.scalars(query))
    if not ids:
        raise NotFound(f"there is no deleted study {study_id!r}")
    for id in ids:
        with suppress(NotFound):  # another request has restored it meanwhile
            restore(database, id, owner)
    return ids
