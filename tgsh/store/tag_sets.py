"""Sets of tags, each stored once: many experiments have the same, and there are few to look through."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from tgsh.store.insertion import insert_into
from tgsh.store.models import ExperimentRecord, TagRecord, TagSetRecord, table_of


def tag_set_id(tags: Iterable[str]) -> int:
    """The number of a set of tags: 63 bits of its SHA-256."""
    canonical = json.dumps(sorted(set(tags)), separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(canonical.encode()).digest()[:8], "big") >> 1


def note_tag_sets(session: Session, sets: Iterable[Iterable[str]]) -> None:
    """Store these sets of tags, where they are not stored yet."""
    found = {tag_set_id(tags): sorted(set(tags)) for tags in map(tuple, sets)}
    # In one order, so that two transactions never wait for each other.
    if rows := [{"id": id, "tag": tag} for id in sorted(found) for tag in found[id]]:
        into = insert_into(session.get_bind().dialect.name, table_of(TagSetRecord))
        session.execute(into.on_conflict_do_nothing(), rows)


def some_lack_a_set(session: Session) -> bool:
    """True where a version before 0.5 inserted experiments since this one migrated the database."""
    lacking = select(ExperimentRecord.id).where(ExperimentRecord.tag_set_id.is_(None)).limit(1)
    return session.scalar(lacking) is not None


def has_tag(matches: Callable[[Any], ColumnElement[bool]], some_lack_it: bool) -> ColumnElement[bool]:
    """The condition that an experiment has a tag that matches.

    some_lack_it: whether there are experiments without a set, which are looked up one by one; a database
    that need not do so can read the rows of a few sets alone.
    """
    sets = select(TagSetRecord.id).where(matches(TagSetRecord.tag))
    in_sets = ExperimentRecord.tag_set_id.in_(sets)
    if not some_lack_it:
        return in_sets
    tagged = select(TagRecord.experiment_id).where(matches(TagRecord.tag))
    return or_(in_sets, and_(ExperimentRecord.tag_set_id.is_(None), ExperimentRecord.id.in_(tagged)))
