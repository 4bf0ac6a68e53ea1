"""Insertion of rows that another transaction may be inserting at the same moment."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table, inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from tgsh.store.models import Base, table_of


def insert_absent(session: Session, record: Base) -> bool:
    """Insert a row unless one with its primary key is there; whether it was inserted.

    Where another transaction is inserting the same key, PostgreSQL waits for its end, and SQLite has one
    writer anyway: so a row is there afterwards, unless another has deleted it since. The object stays
    outside of the session.
    """
    key = inspect(type(record)).primary_key
    inserted = _insert(session, record).on_conflict_do_nothing().returning(*key)
    return session.connection().execute(inserted).first() is not None


def insert_or_update(session: Session, record: Base) -> None:
    """Insert a row, or give one that is there with its primary key the values that `record` has set."""
    values = _values(record)
    statement = _insert(session, record)
    key = inspect(type(record)).primary_key
    changed = {
        name: statement.excluded[name] for name in values if name not in {column.key for column in key}
    }
    session.connection().execute(statement.on_conflict_do_update(index_elements=key, set_=changed))


def insert_into(dialect: str, table: Table) -> Any:
    """An insert of a dialect's own, which can say what happens to rows that are there already."""
    return {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[dialect](table)


def _insert(session: Session, record: Base) -> Any:
    into = insert_into(session.get_bind().dialect.name, table_of(type(record)))
    return into.values(_values(record))


def _values(record: Base) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if not name.startswith("_")}
