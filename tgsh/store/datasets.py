"""Uploaded datasets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select, tuple_
from sqlalchemy import delete as delete_rows
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, make_transient

from tgsh.errors import Conflict, NotFound
from tgsh.store.database import Database
from tgsh.store.models import DatasetRecord, ExperimentRecord, HolderRecord, UseRecord, db_now

FOLDER = "datasets"
"""Of the artifacts; the name of no experiment, as those are hexadecimal."""

Seen = Select[DatasetRecord, HolderRecord]

MOST_NAMED = 10
"""Experiments that a refusal names."""


@dataclass(frozen=True)
class Held:
    """A dataset as one of those who see it has it. used_by: experiments that use it, whosesoever."""

    record: DatasetRecord
    holder: HolderRecord
    used_by: int

    @property
    def owner(self) -> str | None:
        """The name of the key that uploaded it; None: nobody's, everybody's to see."""
        return self.holder.owner or None


def keep(
    database: Database, record: DatasetRecord, name: str, owner: str | None, shared: bool
) -> tuple[bool, bool]:
    """Let an owner hold a dataset; (whether its content is new here, whether the owner is new to it).

    Where the content was here, its row stays, and the files that `record` names are the caller's to remove.
    """
    try:
        return _keep(database, record, name, owner, shared)
    except IntegrityError:  # somebody else inserted the same content at this moment
        make_transient(record)
        return _keep(database, record, name, owner, shared)


def _keep(
    database: Database, record: DatasetRecord, name: str, owner: str | None, shared: bool
) -> tuple[bool, bool]:
    with database.write() as session:
        there = session.get(DatasetRecord, record.id, with_for_update=True)
        if there is not None and there.sha256 != record.sha256:
            raise Conflict(f"another dataset has the id {record.id}; change an image")
        created_at = session.scalar(select(db_now())) or 0.0
        if there is None:
            record.created_at = created_at
            session.add(record)
            session.flush()
        held = session.get(HolderRecord, (record.id, owner or ""))
        if held is None:
            session.add(
                HolderRecord(
                    dataset_id=record.id, owner=owner or "", name=name, shared=shared, created_at=created_at
                )
            )
        return there is None, held is None


def get(database: Database, dataset_id: str, visible_to: str | None) -> Held:
    """A dataset as a key of that name sees it (None: as an admin): its own first. Raises NotFound."""
    with database.read() as session:
        found = _held(session, _seen(visible_to).where(DatasetRecord.id == dataset_id))
    if not found:
        raise NotFound(f"there is no dataset {dataset_id!r}")
    return found[0]


def page(
    database: Database, visible_to: str | None, limit: int, after: Sequence[str | float] | None = None
) -> list[Held]:
    """Up to `limit` datasets that a key of that name sees, newest first, from behind `after`."""
    query = _seen(visible_to)
    place = tuple_(HolderRecord.created_at, HolderRecord.dataset_id)
    if after is not None:
        query = query.where(place < tuple_(*after))
    query = query.order_by(HolderRecord.created_at.desc(), HolderRecord.dataset_id.desc()).limit(limit)
    with database.read() as session:
        return _held(session, query)


def content(database: Database, dataset_id: str) -> DatasetRecord:
    """A dataset's content, for who works on an experiment that uses it. Raises NotFound."""
    with database.read() as session:
        found = session.get(DatasetRecord, dataset_id)
    if found is None:
        raise NotFound(f"there is no dataset {dataset_id!r}")
    return found


def share(database: Database, dataset_id: str, owner: str | None, shared: bool) -> None:
    """Let others see what an owner holds, or no longer (None: whoever holds it). Raises NotFound."""
    with database.write() as session:
        held = list(session.scalars(select(HolderRecord).where(*_holdings(dataset_id, owner))))
        if not held:
            raise NotFound(f"there is no dataset {dataset_id!r}")
        for holder in held:
            holder.shared = shared


def let_go(database: Database, dataset_id: str, owner: str | None, visible_to: str | None) -> list[str]:
    """Delete what an owner holds (None: whoever holds it); the artifacts that nobody names any more.

    Raises Conflict, naming experiments that a key of the name `visible_to` sees, where it is still used: by
    the owner's, or by anybody's where no other holder is left. Raises NotFound.
    """
    with database.write() as session:
        record = session.get(DatasetRecord, dataset_id, with_for_update=True)
        ours = _holdings(dataset_id, owner)
        held = list(session.scalars(select(HolderRecord.owner).where(*ours)))
        if record is None or not held:
            raise NotFound(f"there is no dataset {dataset_id!r}")
        everybody = session.scalar(
            select(func.count()).select_from(HolderRecord).where(HolderRecord.dataset_id == dataset_id)
        )
        last = everybody == len(held)
        _require_unused(session, dataset_id, None if last else held, visible_to)
        session.execute(delete_rows(HolderRecord).where(*ours))
        if not last:
            return []
        files = [record.images, record.labels]
        session.delete(record)
        return files


def use(session: Session, experiment_id: str, dataset_ids: Iterable[str]) -> None:
    """Tie an experiment that is being inserted to the datasets that it uses. Raises NotFound."""
    for dataset_id in sorted(set(dataset_ids)):  # in one order: no two wait for each other
        if session.get(DatasetRecord, dataset_id, with_for_update={"read": True}) is None:
            raise NotFound(f"there is no dataset {dataset_id!r}")
        session.add(UseRecord(experiment_id=experiment_id, dataset_id=dataset_id))


def stored_bytes(session: Session, owner: str | None = None) -> int:
    """What an owner's datasets take; None: what all of them do, each counted once."""
    query = select(func.coalesce(func.sum(DatasetRecord.bytes), 0))
    if owner is not None:
        held = HolderRecord.dataset_id == DatasetRecord.id
        query = query.join(HolderRecord, held).where(HolderRecord.owner == owner)
    return int(session.scalar(query) or 0)


def files(session: Session) -> dict[str, str]:
    """Every artifact of a dataset, with its SHA-256."""
    columns = (
        DatasetRecord.images,
        DatasetRecord.images_sha256,
        DatasetRecord.labels,
        DatasetRecord.labels_sha256,
    )
    found: dict[str, str] = {}
    for images, images_sha256, labels, labels_sha256 in session.execute(select(*columns)):
        found |= {images: images_sha256, labels: labels_sha256}
    return found


def _holdings(dataset_id: str, owner: str | None) -> list[ColumnElement[bool]]:
    mine = [HolderRecord.dataset_id == dataset_id]
    return mine if owner is None else [*mine, HolderRecord.owner == owner]


def _is_visible(visible_to: str | None) -> ColumnElement[bool]:
    if visible_to is None:
        return HolderRecord.owner.is_not(None)
    return or_(HolderRecord.owner.in_(("", visible_to)), HolderRecord.shared)


def _seen(visible_to: str | None) -> Seen:
    """Every dataset that a key of that name sees, once: as its own, else as its first holder has it."""
    best_first = (
        case((HolderRecord.owner == (visible_to or ""), 0), else_=1),
        HolderRecord.created_at,
        HolderRecord.owner,
    )
    ranked = (
        select(
            HolderRecord.dataset_id,
            HolderRecord.owner,
            func.row_number().over(partition_by=HolderRecord.dataset_id, order_by=best_first).label("place"),
        )
        .where(_is_visible(visible_to))
        .subquery()
    )
    best = and_(ranked.c.dataset_id == HolderRecord.dataset_id, ranked.c.owner == HolderRecord.owner)
    return (
        select(DatasetRecord, HolderRecord)
        .join(HolderRecord, HolderRecord.dataset_id == DatasetRecord.id)
        .join(ranked, best)
        .where(ranked.c.place == 1)
    )


def _held(session: Session, query: Seen) -> list[Held]:
    rows = session.execute(query).all()
    counts = (
        select(UseRecord.dataset_id, func.count())
        .where(UseRecord.dataset_id.in_({record.id for record, _ in rows}))
        .group_by(UseRecord.dataset_id)
    )
    used = {row[0]: row[1] for row in session.execute(counts)}
    return [Held(record, holder, used.get(record.id, 0)) for record, holder in rows]


def _require_unused(
    session: Session, dataset_id: str, owners: list[str] | None, visible_to: str | None
) -> None:
    """Raises Conflict where experiments use it: of these owners, or of anybody's where they are None."""
    columns = ExperimentRecord.id, ExperimentRecord.name, ExperimentRecord.owner, ExperimentRecord.shared
    query = (
        select(*columns)
        .join(UseRecord, UseRecord.experiment_id == ExperimentRecord.id)
        .where(UseRecord.dataset_id == dataset_id)
        .order_by(ExperimentRecord.created_at)
    )
    if owners is not None:
        query = query.where(func.coalesce(ExperimentRecord.owner, "").in_(owners))
    found = session.execute(query).all()
    if not found:
        return
    seen = [
        f"{row.id} ({row.name})"
        for row in found
        if visible_to is None or row.shared or row.owner in (None, visible_to)
    ]
    named = ", ".join(seen[:MOST_NAMED])
    rest = len(found) - len(seen[:MOST_NAMED])
    more = f"{' and ' if named else ''}{rest} {'more' if named else 'of others'}" if rest else ""
    raise Conflict(f"experiments use dataset {dataset_id}: {named}{more}; delete them first")
