"""Uploaded datasets: their content, their holders, and the experiments that use them."""

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
"""Folder of the artifacts; it is no experiment's, as their ids are hexadecimal."""

DatasetQuery = Select[DatasetRecord, HolderRecord]

MAX_NAMED = 10
"""Most experiments that a Conflict names."""


@dataclass(frozen=True)
class StoredDataset:
    """A dataset with the holder whose name for it a caller sees.

    used_by: the number of experiments that use it, of all owners.
    """

    record: DatasetRecord
    holder: HolderRecord
    used_by: int

    @property
    def owner(self) -> str | None:
        """The name of the API key that uploaded it; None: uploaded without a key, visible to everybody."""
        return self.holder.owner or None


def add(
    database: Database, record: DatasetRecord, name: str, owner: str | None, shared: bool
) -> tuple[bool, bool]:
    """Add an owner as a holder of a dataset; (whether its content is new, whether the holder is).

    Where the content is stored already, its row stays, and the caller removes the files that `record` names.
    """
    try:
        return _add(database, record, name, owner, shared)
    except IntegrityError:  # another transaction inserted the same content at this moment
        make_transient(record)
        return _add(database, record, name, owner, shared)


def _add(
    database: Database, record: DatasetRecord, name: str, owner: str | None, shared: bool
) -> tuple[bool, bool]:
    with database.write() as session:
        stored = session.get(DatasetRecord, record.id, with_for_update=True)
        if stored is not None and stored.sha256 != record.sha256:
            raise Conflict(f"another dataset has the id {record.id}; change an image")
        created_at = session.scalar(select(db_now())) or 0.0
        if stored is None:
            record.created_at = created_at
            session.add(record)
            session.flush()
        elif stored.report is None:  # from before copies were counted
            stored.report = record.report
        holder = session.get(HolderRecord, (record.id, owner or ""))
        if holder is None:
            session.add(
                HolderRecord(
                    dataset_id=record.id, owner=owner or "", name=name, shared=shared, created_at=created_at
                )
            )
        return stored is None, holder is None


def get(database: Database, dataset_id: str, visible_to: str | None) -> StoredDataset:
    """A dataset as a key of that name sees it (None: as an admin). Raises NotFound."""
    with database.read() as session:
        datasets = _load(session, _visible_datasets(visible_to).where(DatasetRecord.id == dataset_id))
    if not datasets:
        raise NotFound(f"there is no dataset {dataset_id!r}")
    return datasets[0]


def page(
    database: Database, visible_to: str | None, limit: int, after: Sequence[str | float] | None = None
) -> list[StoredDataset]:
    """Up to `limit` datasets that a key of that name sees, newest first, after the position `after`."""
    query = _visible_datasets(visible_to)
    position = tuple_(HolderRecord.created_at, HolderRecord.dataset_id)
    if after is not None:
        query = query.where(position < tuple_(*after))
    query = query.order_by(HolderRecord.created_at.desc(), HolderRecord.dataset_id.desc()).limit(limit)
    with database.read() as session:
        return _load(session, query)


def content(database: Database, dataset_id: str) -> DatasetRecord:
    """A dataset's content, whoever holds it: for workers. Raises NotFound."""
    with database.read() as session:
        record = session.get(DatasetRecord, dataset_id)
    if record is None:
        raise NotFound(f"there is no dataset {dataset_id!r}")
    return record


def share(database: Database, dataset_id: str, owner: str | None, shared: bool) -> None:
    """Share an owner's dataset, or no longer (owner None: that of every holder). Raises NotFound."""
    with database.write() as session:
        holders = list(session.scalars(select(HolderRecord).where(*_holder_filter(dataset_id, owner))))
        if not holders:
            raise NotFound(f"there is no dataset {dataset_id!r}")
        for holder in holders:
            holder.shared = shared


def remove(database: Database, dataset_id: str, owner: str | None, visible_to: str | None) -> list[str]:
    """Remove an owner from a dataset's holders (None: all holders); the artifacts to remove afterwards.

    Raises Conflict where it is still used: by the owner's experiments, or by any where no other holder is
    left. It names the experiments that a key of the name `visible_to` sees. Raises NotFound.
    """
    with database.write() as session:
        record = session.get(DatasetRecord, dataset_id, with_for_update=True)
        conditions = _holder_filter(dataset_id, owner)
        owners = list(session.scalars(select(HolderRecord.owner).where(*conditions)))
        if record is None or not owners:
            raise NotFound(f"there is no dataset {dataset_id!r}")
        holders = session.scalar(
            select(func.count()).select_from(HolderRecord).where(HolderRecord.dataset_id == dataset_id)
        )
        is_last = holders == len(owners)
        _require_unused(session, dataset_id, None if is_last else owners, visible_to)
        session.execute(delete_rows(HolderRecord).where(*conditions))
        if not is_last:
            return []
        files = [record.images, record.labels]
        session.delete(record)
        return files


def use(session: Session, experiment_id: str, dataset_ids: Iterable[str]) -> None:
    """Record the datasets that an experiment being inserted uses. Raises NotFound."""
    for dataset_id in sorted(set(dataset_ids)):  # in one order: no deadlock
        if session.get(DatasetRecord, dataset_id, with_for_update={"read": True}) is None:
            raise NotFound(f"there is no dataset {dataset_id!r}")
        session.add(UseRecord(experiment_id=experiment_id, dataset_id=dataset_id))


def stored_bytes(session: Session, owner: str | None = None) -> int:
    """Bytes of an owner's datasets; None: of all datasets, each counted once."""
    query = select(func.coalesce(func.sum(DatasetRecord.bytes), 0))
    if owner is not None:
        is_holder = HolderRecord.dataset_id == DatasetRecord.id
        query = query.join(HolderRecord, is_holder).where(HolderRecord.owner == owner)
    return int(session.scalar(query) or 0)


def files(session: Session) -> dict[str, str]:
    """SHA-256 by key of the artifacts of all datasets."""
    columns = (
        DatasetRecord.images,
        DatasetRecord.images_sha256,
        DatasetRecord.labels,
        DatasetRecord.labels_sha256,
    )
    digests: dict[str, str] = {}
    for images, images_sha256, labels, labels_sha256 in session.execute(select(*columns)):
        digests |= {images: images_sha256, labels: labels_sha256}
    return digests


def _holder_filter(dataset_id: str, owner: str | None) -> list[ColumnElement[bool]]:
    conditions = [HolderRecord.dataset_id == dataset_id]
    return conditions if owner is None else [*conditions, HolderRecord.owner == owner]


def _is_visible(visible_to: str | None) -> ColumnElement[bool]:
    if visible_to is None:
        return HolderRecord.owner.is_not(None)
    return or_(HolderRecord.owner.in_(("", visible_to)), HolderRecord.shared)


def _visible_datasets(visible_to: str | None) -> DatasetQuery:
    """Every dataset that a key of that name sees, once: held by itself, else by its first visible holder."""
    best_first = (
        case((HolderRecord.owner == (visible_to or ""), 0), else_=1),
        HolderRecord.created_at,
        HolderRecord.owner,
    )
    ranked = (
        select(
            HolderRecord.dataset_id,
            HolderRecord.owner,
            func.row_number().over(partition_by=HolderRecord.dataset_id, order_by=best_first).label("rank"),
        )
        .where(_is_visible(visible_to))
        .subquery()
    )
    best = and_(ranked.c.dataset_id == HolderRecord.dataset_id, ranked.c.owner == HolderRecord.owner)
    return (
        select(DatasetRecord, HolderRecord)
        .join(HolderRecord, HolderRecord.dataset_id == DatasetRecord.id)
        .join(ranked, best)
        .where(ranked.c.rank == 1)
    )


def _load(session: Session, query: DatasetQuery) -> list[StoredDataset]:
    rows = session.execute(query).all()
    counts = (
        select(UseRecord.dataset_id, func.count())
        .where(UseRecord.dataset_id.in_({record.id for record, _ in rows}))
        .group_by(UseRecord.dataset_id)
    )
    used = {row[0]: row[1] for row in session.execute(counts)}
    return [StoredDataset(record, holder, used.get(record.id, 0)) for record, holder in rows]


def _require_unused(
    session: Session, dataset_id: str, owners: list[str] | None, visible_to: str | None
) -> None:
    """Raise Conflict where experiments of these owners use the dataset (None: any experiments)."""
    columns = ExperimentRecord.id, ExperimentRecord.name, ExperimentRecord.owner, ExperimentRecord.shared
    query = (
        select(*columns)
        .join(UseRecord, UseRecord.experiment_id == ExperimentRecord.id)
        .where(UseRecord.dataset_id == dataset_id)
        .order_by(ExperimentRecord.created_at)
    )
    if owners is not None:
        query = query.where(func.coalesce(ExperimentRecord.owner, "").in_(owners))
    users = session.execute(query).all()
    if not users:
        return
    visible = [
        f"{row.id} ({row.name})"
        for row in users
        if visible_to is None or row.shared or row.owner in (None, visible_to)
    ]
    named = ", ".join(visible[:MAX_NAMED])
    rest = len(users) - len(visible[:MAX_NAMED])
    more = f"{' and ' if named else ''}{rest} {'more' if named else 'of others'}" if rest else ""
    raise Conflict(f"experiments use dataset {dataset_id}: {named}{more}; delete them first")
