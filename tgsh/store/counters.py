"""What only grows: counted in the transaction that does it, so that no deletion takes anything back.

Sums over what is stored would fall when an experiment is deleted or its damaged tasks are trained again, and
whoever asks how much was done in an hour would be told less than nothing.
"""

from __future__ import annotations

import zlib
from functools import cache
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from tgsh.store.records import CounterRecord

LANES = 16
"""Rows of one counter: workers that commit at the same moment seldom wait for each other's."""

SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, float("inf"))
"""Upper bounds of the classes that jobs are counted in by how long they took."""

Step = tuple[str, str, float]
"""A counter's name, its label ("" where it has none), and what is added."""


def count(session: Session, worker: str | None, *steps: Step) -> None:
    """Add to counters, in this transaction. worker: whose doing it is; None: a user's."""
    lane = zlib.crc32(worker.encode()) % LANES if worker else 0
    rows = [{"name": name, "label": label, "lane": lane, "value": value} for name, label, value in steps]
    session.connection().execute(_adding(session.get_bind().dialect.name), rows)


def count_job(session: Session, worker: str | None, kind: str, outcome: str, seconds: float | None) -> None:
    """A job ended. kind: task or finish. seconds: how long its last attempt took, if it was begun."""
    if seconds is None:
        return
    bound = next(bound for bound in SECONDS if seconds <= bound)
    count(
        session,
        worker,
        ("job_seconds", f"{kind}/{outcome}", max(seconds, 0.0)),
        ("jobs", f"{kind}/{outcome}/{bound}", 1),
    )


def totals(session: Session) -> dict[str, dict[str, float]]:
    """What was counted so far, by name and label."""
    sums = select(CounterRecord.name, CounterRecord.label, func.sum(CounterRecord.value)).group_by(
        CounterRecord.name, CounterRecord.label
    )
    found: dict[str, dict[str, float]] = {}
    for name, label, value in session.execute(sums):
        found.setdefault(name, {})[label] = float(value)
    return found


@cache  # to put the statement together takes longer than to run it
def _adding(dialect: str) -> Any:
    insert = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[dialect]
    adding: Any = insert(CounterRecord)
    return adding.on_conflict_do_update(
        index_elements=["name", "label", "lane"],
        set_={"value": CounterRecord.value + adding.excluded.value},
    )
