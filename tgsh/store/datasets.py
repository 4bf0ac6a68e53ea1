"""Uploaded datasets: their content, their holders, and the experiments that use them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, or_, select, tuple_, update
from sqlalchemy import delete as delete_rows
from sqlalchemy.orm import Session

from tgsh.errors import Conflict, NotFound
from tgsh.store import removals
from tgsh.store.database import Database
from tgsh.store.insertion import insert_absent
from tgsh.store.models import DatasetRecord, ExperimentRecord, HolderRecord, UseRecord, db_now
from tgsh.store.visibility import is_visible_to

FOLDER = "datasets"
"""Folder of the artifacts; it is no experiment's, as their ids are hexadecimal."""

DatasetQuery = Select[DatasetRecord, HolderRecord]

MAX_NAMED = 10
"""Most experiments that a Conflict names."""


@dataclass(frozen=True)
class StoredDataset:
    """A dataset with the holder whose name for it a caller sees.

    used_by: the number of experiments that use it and that the caller sees.
    """

    record: DatasetRecord
    holder: HolderRecord
    used_by: int

    @property
    def owner(self) -> str | None:
        """The name of the API key that uploaded it; None: uploaded without a key, visible to everybody."""
        return self.holder.owner or None


def add(database: Database, record: DatasetRecord, holder: HolderRecord) -> tuple[bool, bool]:
    """Add a holder of a dataset; (whether its content is new, whether the holder is).

    Where the content is stored already, its row stays, and the caller removes the files that `record` names.
    """
    while True:
        with database.write() as session:
            record.created_at = holder.created_at = session.scalar(select(db_now())) or 0.0
            is_new = insert_absent(session, record)
            stored = session.get(DatasetRecord, record.id, with_for_update=True)
            if stored is None:  # it was there, and another transaction has deleted it since
                continue
            if stored.sha256 != record.sha256:
                raise Conflict(f"another dataset has the id {record.id}; change an image")
            if stored.report is None:  # from before copies were counted
                stored.report = record.report
            return is_new, insert_absent(session, holder)


def get(database: Database, dataset_id: str, visible_to: str | None) -> StoredDataset:
    """A dataset as a key of that name sees it (None: as an admin). Raises NotFound."""
    dataset = find(database, dataset_id, visible_to)
    if dataset is None:
        raise NotFound(f"there is no dataset {dataset_id!r}")
    return dataset


def find(database: Database, dataset_id: str, visible_to: str | None) -> StoredDataset | None:
    """The same, or None."""
    with database.read() as session:
        query = _visible_datasets(visible_to).where(DatasetRecord.id == dataset_id)
        return next(iter(_load(session, query, visible_to)), None)


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
        return _load(session, query, visible_to)


def content(database: Database, dataset_id: str) -> DatasetRecord:
    """A dataset's content, whoever holds it: for workers. Raises NotFound."""
    with database.read() as session:
        record = session.get(DatasetRecord, dataset_id)
    if record is None:
        raise NotFound(f"there is no dataset {dataset_id!r}")
    return record


def change(database: Database, dataset_id: str, owner: str | None, values: Mapping[str, object]) -> None:
    """Change columns of an owner's hold on a dataset (owner None: that of every holder). Raises NotFound."""
    changed = update(HolderRecord).where(*_holder_filter(dataset_id, owner)).values(**values)
    with database.write() as session:  # in one statement: it may be deleted at this moment
        if not session.scalars(changed.returning(HolderRecord.owner)).all():
            raise NotFound(f"there is no dataset {dataset_id!r}")


def remove(database: Database, dataset_id: str, owner: str | None, visible_to: str | None) -> list[str]:
    """Remove an owner from a dataset's holders (None: all holders); the folders that are noted for removal.

    Raises Conflict where it is still used: by the owner's experiments, or where no other holder is left by
    any that a key of the name `visible_to` sees; it names them. Experiments that this key does not see keep
    the content, which then has no holder, and tell nothing (see `forget_unheld`). Raises NotFound.
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
        _require_unused(session, dataset_id, owner, visible_to, is_last)
        session.execute(delete_rows(HolderRecord).where(*conditions))
        if not is_last or _is_used(session, dataset_id):
            return []
        folders = [str(PurePosixPath(record.images).parent)]
        removals.note(session, folders, is_folder=True)
        session.delete(record)
        return folders


def forget_unheld(database: Database) -> int:
    """Delete the rows of content that no owner holds and no experiment uses any more; their number.

    Its files are then orphans, see `remove_orphans` in maintenance.py.
    """
    query = select(DatasetRecord.id).where(
        ~exists().where(HolderRecord.dataset_id == DatasetRecord.id),
        ~exists().where(UseRecord.dataset_id == DatasetRecord.id),
    )
    with database.read() as session:
        unheld = session.scalars(query).all()
    return sum(_forget(database, dataset_id) for dataset_id in unheld)


def _forget(database: Database, dataset_id: str) -> bool:
    with database.write() as session:
        record = session.get(DatasetRecord, dataset_id, with_for_update=True)
        is_held = exists().where(HolderRecord.dataset_id == dataset_id)
        if record is None or session.scalar(select(is_held)) or _is_used(session, dataset_id):
            return False
        session.delete(record)
        return True


def _is_used(session: Session, dataset_id: str) -> bool:
    return bool(session.scalar(select(exists().where(UseRecord.dataset_id == dataset_id))))


def use_all(session: Session, used: Mapping[str, Iterable[str]]) -> None:
    """Record the datasets that experiments being inserted use, by their ids. Raises NotFound."""
    for dataset_id in sorted({each for ids in used.values() for each in ids}):  # in one order: no deadlock
        if session.get(DatasetRecord, dataset_id, with_for_update={"read": True}) is None:
            raise NotFound(f"there is no dataset {dataset_id!r}")
    session.add_all(
        UseRecord(experiment_id=experiment_id, dataset_id=dataset_id)
        for experiment_id, ids in used.items()
        for dataset_id in sorted(set(ids))
    )
    session.flush()


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
        DatasetRecord.domain_labels,
        DatasetRecord.domain_labels_sha256,
    )
    digests: dict[str, str] = {}
    for row in session.execute(select(*columns)):
        digests |= {str(key): str(sha256) for key, sha256 in zip(row[::2], row[1::2], strict=True) if key}
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


def _load(session: Session, query: DatasetQuery, visible_to: str | None) -> list[StoredDataset]:
    rows = session.execute(query).all()
    counts = (
        select(UseRecord.dataset_id, func.count())
        .where(UseRecord.dataset_id.in_({record.id for record, _ in rows}))
        .group_by(UseRecord.dataset_id)
    )
    if visible_to is not None:
        counts = counts.join(ExperimentRecord, ExperimentRecord.id == UseRecord.experiment_id)
        counts = counts.where(is_visible_to(visible_to))
    used = {row[0]: row[1] for row in session.execute(counts)}
    return [StoredDataset(record, holder, used.get(record.id, 0)) for record, holder in rows]


def _require_unused(
    session: Session, dataset_id: str, owner: str | None, visible_to: str | None, is_last: bool
) -> None:
    """Raise Conflict where experiments use the dataset that keep this owner (None: everybody) its holder."""
    query = (
        select(ExperimentRecord.id, ExperimentRecord.name)
        .join(UseRecord, UseRecord.experiment_id == ExperimentRecord.id)
        .where(UseRecord.dataset_id == dataset_id)
        .order_by(ExperimentRecord.created_at)
    )
    if owner is not None:
        own = func.coalesce(ExperimentRecord.owner, "") == owner
        query = query.where(or_(own, is_visible_to(visible_to)) if is_last and visible_to else own)
    users = session.execute(query).all()
    if not users:
        return
    named = ", ".join(f"{row.id} ({row.name})" for row in users[:MAX_NAMED])
    more = f" and {len(users) - MAX_NAMED} more" if len(users) > MAX_NAMED else ""
    raise Conflict(f"experiments use dataset {dataset_id}: {named}{more}; delete them first")
