"""Statements that record a task's epoch and its end, fenced by its lease's token.

They are run together (`Database.run_together`): siblings wait for the lock of their experiment only as long
as the server needs, not for the worker in between. The order of the locks is that of `lock_experiment`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Double,
    Integer,
    Select,
    String,
    UpdateBase,
    bindparam,
    case,
    exists,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from tgsh.store.lifecycle import add_if
from tgsh.store.models import EventRecord, ExperimentRecord, TaskRecord, db_now, table_of

PREFIX = "given_"

Statements = tuple[UpdateBase | Select[Any], ...]


class json_object(FunctionElement[Any]):  # noqa: N801 - reads as the SQL function it is
    """A JSON object of names and values that follow each other."""

    type = JSON()
    inherit_cache = True


@compiles(json_object, "sqlite")
def _sqlite(element: json_object, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_object({compiler.process(element.clauses, **options)})"


@compiles(json_object, "postgresql")
def _postgresql(element: json_object, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_build_object({compiler.process(element.clauses, **options)})"


def _object(values: Mapping[str, Any]) -> json_object:
    parts = [part for name, value in values.items() for part in (literal(name), value)]
    return json_object(*parts)


def given(name: str, type_: Any = None) -> Any:
    """A parameter of the statements. Its name is not that of a column, which SQLAlchemy keeps to itself."""
    return bindparam(f"{PREFIX}{name}", type_=type_)


def _is_leased() -> list[ColumnElement[bool]]:
    """The condition that selects the task's row, where the lease is held. Parameters: id, task, token."""
    t = TaskRecord
    return [
        t.experiment_id == given("id"),
        t.index == given("task"),
        t.token == given("token"),
        t.status == "running",
    ]


def _lock_task() -> Select[Any]:
    """The leased row, locked; no row where the lease is lost."""
    query: Select[Any] = select(TaskRecord.index).where(*_is_leased()).with_for_update()
    return query


def _append(kind: str, event: Any, *conditions: ColumnElement[bool]) -> UpdateBase:
    """An event of the task's experiment, of which the statement before has locked the row."""
    held = exists(select(TaskRecord.index).where(*_is_leased(), *conditions))
    values = select(ExperimentRecord.id, literal(kind), event).where(ExperimentRecord.id == given("id"), held)
    return insert(table_of(EventRecord)).from_select(["experiment_id", "kind", "data"], values)


@cache  # building statements takes longer than running them
def epoch_statements(dialect: str) -> Statements:
    """Statements that record an epoch; the first returns the leased row.

    Once more with the same epoch and checkpoint, as after a commit whose acknowledgement was lost, they
    change nothing.
    Parameters: id, task, token, epoch, loss, losses, seconds, checkpoint, sha256, lane.
    """
    e, t = ExperimentRecord, TaskRecord
    is_other = t.checkpoint.is_distinct_from(given("checkpoint", String()))
    is_new = or_(is_other, t.epochs_done != given("epoch", Integer()))
    gained = given("epoch", Integer()) - select(t.epochs_done).where(*_is_leased()).scalar_subquery()
    paced = case((e.status == "running", e.epochs_done - e.pace_epochs), else_=0)
    elapsed = db_now() - e.pace_since
    left = elapsed / paced * (e.epochs_total - e.epochs_done)
    done = literal(1.0) * e.epochs_done / e.epochs_total
    progress = _object(
        {
            "tasks_total": e.tasks_total,
            "tasks_done": e.tasks_done,
            "fraction": case((done > 1.0, literal(1.0)), else_=done),
            "eta_seconds": case((paced <= 0, null()), (elapsed <= 0, null()), else_=left),
        }
    )
    event = _object(
        {
            "index": given("task", Integer()),
            "epoch": given("epoch", Integer()),
            "loss": given("loss", Double()),
            "progress": progress,
        }
    )
    held, lane = exists(select(t.index).where(*_is_leased())), given("lane", Integer())
    return (
        _lock_task(),
        update(table_of(e)).where(e.id == given("id"), held).values(epochs_done=e.epochs_done + gained),
        _append("progress", event, is_new),
        add_if(dialect, "task_epochs", literal(""), lane, gained, held),
        update(table_of(t))
        .where(*_is_leased())
        .values(
            epochs_done=given("epoch"),
            losses=given("losses", type_=JSON()),
            seconds=t.seconds + case((is_new, given("seconds", Double())), else_=0.0),
            checkpoint=given("checkpoint", String()),
            checkpoint_sha256=given("sha256"),
        ),
    )


@cache
def completion_statements(dialect: str) -> Statements:
    """Statements that complete a task; the first returns the leased row, the last whether none is left.

    Parameters: id, task, token, accuracy, balanced, chance, confusion, compute, versions, seconds, event,
    lane, took (seconds since the lease), bucket.
    """
    e, t = ExperimentRecord, TaskRecord
    held, lane = exists(select(t.index).where(*_is_leased())), given("lane", Integer())
    earlier = func.coalesce(e.mean_accuracy, 0.0)
    unfinished = select(t.index).where(
        t.experiment_id == given("id"), t.status.in_((literal("queued"), literal("running")))
    )
    return (
        _lock_task(),
        update(table_of(e))
        .where(e.id == given("id"), held)
        .values(
            tasks_done=e.tasks_done + 1,
            mean_accuracy=earlier + (given("accuracy", Double()) - earlier) / (e.tasks_done + 1),
            versions=given("versions", type_=JSON()),
        ),
        _append("task", given("event", type_=JSON())),
        add_if(dialect, "job_seconds", literal("task/completed"), lane, given("took", Double()), held),
        add_if(dialect, "jobs", given("bucket", String()), lane, literal(1.0), held),
        update(table_of(t))
        .where(*_is_leased())
        .values(
            status="completed",
            reason=None,
            token=None,
            lease_until=None,
            lease_seconds=None,
            finished_at=db_now(),
            accuracy=given("accuracy"),
            balanced=given("balanced"),
            chance=given("chance"),
            confusion=given("confusion"),
            compute=given("compute"),
            seconds=t.seconds + given("seconds"),
        ),
        select(~exists(unfinished)),
    )
