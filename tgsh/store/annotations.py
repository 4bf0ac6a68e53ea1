"""Names, tags, notes, projects, sharing and priorities of experiments, and the record of their changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from tgsh.errors import Conflict
from tgsh.specs.base import MAX_TAGS
from tgsh.store.database import Database
from tgsh.store.models import (
    ChangeRecord,
    ExperimentRecord,
    ExperimentTurnRecord,
    TagRecord,
    db_now,
    lock_experiment,
)
from tgsh.store.tag_sets import note_tag_sets, tag_set_id

MAX_CHANGES = 1_000
"""Changes of one experiment that are kept: the newest."""


def annotate(
    database: Database, experiment_id: str, changes: Mapping[str, Any], by: str | None = None
) -> None:
    """Change an experiment's name, tags, notes, project, shared or priority, and note who did.

    What is the same as before is no change. Nothing of it has an influence on results: the digest of the
    spec stays, whose name and tags change, too. by: the name of an API key. Raises NotFound.
    """
    with database.write() as session:
        _annotate(session, lock_experiment(session, experiment_id), changes, by)


def history(database: Database, experiment_id: str) -> Sequence[ChangeRecord]:
    """The changes of an experiment, the newest first."""
    query = (
        select(ChangeRecord)
        .where(ChangeRecord.experiment_id == experiment_id)
        .order_by(ChangeRecord.id.desc())
    )
    with database.read() as session:
        return session.scalars(query).all()


def retag(
    database: Database, experiment_id: str, add: Sequence[str], remove: Sequence[str], by: str | None
) -> None:
    """Add tags to those of an experiment, and remove others.

    Raises Conflict where it would have more than MAX_TAGS, and NotFound.
    """
    with database.write() as session:
        experiment = lock_experiment(session, experiment_id)
        kept = [tag for tag in _value(experiment, "tags") if tag not in remove]
        tags = list(dict.fromkeys([*kept, *add]))
        if len(tags) > MAX_TAGS:
            raise Conflict(f"an experiment has {MAX_TAGS} tags at most; take some away first")
        _annotate(session, experiment, {"tags": tags}, by)


def _annotate(
    session: Session, experiment: ExperimentRecord, changes: Mapping[str, Any], by: str | None
) -> None:
    """Change the locked experiment, and note each change."""
    for field, value in changes.items():
        before = _value(experiment, field)
        after = list(dict.fromkeys(value)) if field == "tags" else value
        if before == after:
            continue
        _set(session, experiment, field, after)
        session.add(
            ChangeRecord(
                experiment_id=experiment.id,
                changed_at=session.scalar(select(db_now())),
                changed_by=by,
                field=field,
                before=before,
                after=after,
            )
        )
    session.flush()
    _forget_oldest(session, experiment.id)


def _value(experiment: ExperimentRecord, field: str) -> Any:
    return list(experiment.spec.get("tags", ())) if field == "tags" else getattr(experiment, field)


def _set(session: Session, experiment: ExperimentRecord, field: str, value: Any) -> None:
    if field != "tags":
        setattr(experiment, field, value)
    if field in ("name", "tags"):
        experiment.spec = {**experiment.spec, field: value}
    if field == "tags":
        session.execute(delete(TagRecord).where(TagRecord.experiment_id == experiment.id))
        session.add_all(TagRecord(experiment_id=experiment.id, tag=tag) for tag in value)
        note_tag_sets(session, [value])
        experiment.tag_set_id = tag_set_id(value)
    if field == "priority":
        turn = ExperimentTurnRecord.experiment_id == experiment.id
        session.execute(update(ExperimentTurnRecord).where(turn).values(priority=value))


def _forget_oldest(session: Session, experiment_id: str) -> None:
    own = ChangeRecord.experiment_id == experiment_id
    newest = select(ChangeRecord.id).where(own).order_by(ChangeRecord.id.desc()).limit(MAX_CHANGES)
    session.execute(delete(ChangeRecord).where(own, ChangeRecord.id.not_in(newest)))
