"""The order in which jobs are due, the turns that it is read from, and the number of queued jobs.

Finishes go first. Then the owner with the fewest running jobs is served, of these the one served longest ago;
of its experiments those of the highest priority, of these the one with the fewest running jobs, and of these
the one served longest ago. So priorities order what an owner has, and take nothing from other owners.

The order is read from one row for each owner and each experiment with queued tasks, and from the running
jobs, which are as many as there are workers: it costs the same however much waits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    Subquery,
    UpdateBase,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    union_all,
    update,
)
from sqlalchemy.orm import Session

from tgsh.store.database import Database
from tgsh.store.insertion import insert_absent, insert_into
from tgsh.store.models import (
    AnalysisRecord,
    ExperimentRecord,
    ExperimentTurnRecord,
    FinishRecord,
    OwnerTurnRecord,
    PreviewRecord,
    TaskRecord,
    db_now,
    table_of,
)

QUEUE = "tgsh"
"""Job messages for every worker."""

TORCH_QUEUE = "tgsh.torch"
"""Job messages for workers that have torch, of which a worker without would make nothing."""

RUN_JOB_TASK = "tgsh.hint"
"""Name of the Celery task. It has no arguments: a message gives a worker a turn, and the database the job."""


@cache  # building a statement takes longer than running it
def due_finish(has_torch: bool) -> Select[str]:
    """The id of the experiment whose queued finish is due; workers without torch leave some to others."""
    e, f = ExperimentRecord, FinishRecord
    due = select(f.experiment_id).join(e, e.id == f.experiment_id).where(f.status == "queued")
    if not has_torch:
        due = due.where(e.needs_torch.is_(False))
    return due.order_by(e.created_at, e.id).limit(1)


@cache
def lease_statements(has_torch: bool) -> tuple[UpdateBase | Select[Any], ...]:
    """Statements that lease the task that is due, unless a finish is; to be run together, in this order.

    Parameters of theirs: token, worker, lease_seconds. The second one returns the leased task.
    """
    t, task, owner = ExperimentTurnRecord, TaskRecord, OwnerTurnRecord
    leased = select(t.experiment_id).where(t.token == bindparam("token")).scalar_subquery()
    first = (
        select(task.index)
        .where(task.experiment_id == leased, task.status == "queued")
        .order_by(task.index)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    of_task = ExperimentRecord.id == task.experiment_id

    def of_experiment(column: Any) -> Any:
        return select(column).where(of_task).scalar_subquery().label(column.key)

    return (
        update(table_of(t))
        .where(t.experiment_id == _due_experiment(has_torch))
        .values(served_at=db_now(), token=bindparam("token")),
        update(table_of(task))
        .where(task.experiment_id == leased, task.index == first)
        .values(
            status="running",
            attempts=task.attempts + 1,
            token=bindparam("token"),
            lease_until=db_now() + bindparam("lease_seconds"),
            lease_seconds=bindparam("lease_seconds"),
            worker=bindparam("worker"),
            started_at=db_now(),
            reason=None,
        )
        .returning(
            task.experiment_id,
            task.index,
            task.label,
            task.attempts,
            task.started_at,
            task.checkpoint,
            task.checkpoint_sha256,
            of_experiment(ExperimentRecord.status),
            of_experiment(ExperimentRecord.created_at),
        ),
        update(table_of(owner))
        .where(owner.owner == select(t.owner).where(t.token == bindparam("token")).scalar_subquery())
        .values(served_at=db_now()),
        delete(table_of(t)).where(t.token == bindparam("token"), ~_has_queued_task(t.experiment_id)),
    )


@cache
def has_turns(has_torch: bool) -> Select[bool]:
    """A query that is true where an experiment has queued tasks that this worker can run."""
    turn = ExperimentTurnRecord
    can_run = () if has_torch else (turn.needs_torch.is_(False),)
    return select(exists(select(turn.experiment_id).where(*can_run)))


def _due_experiment(has_torch: bool) -> ColumnElement[str]:
    """The id of the experiment that is to be served next; none where a finish is due."""
    t, owner = ExperimentTurnRecord, OwnerTurnRecord
    held = _held_jobs()
    by_owner = select(held.c.owner, func.count().label("jobs")).group_by(held.c.owner).cte("held_by_owner")
    by_experiment = (
        select(held.c.experiment_id, func.count().label("jobs"))
        .group_by(held.c.experiment_id)
        .cte("held_by_experiment")
    )
    can_run = () if has_torch else (t.needs_torch.is_(False),)
    served = (
        select(owner.owner)
        .outerjoin(by_owner, by_owner.c.owner == owner.owner)
        .where(exists().where(t.owner == owner.owner, *can_run), ~exists(due_finish(has_torch).subquery()))
        .order_by(func.coalesce(by_owner.c.jobs, 0), owner.served_at, owner.owner)
        .limit(1)
        .cte("served_owner")
    )
    its_owner = select(served.c.owner).scalar_subquery()
    highest = select(func.max(t.priority)).where(t.owner == its_owner, *can_run).scalar_subquery()
    of_rank = t.owner == its_owner, t.priority == highest, *can_run
    order = t.served_at, t.created_at, t.experiment_id
    idle = (
        select(t.experiment_id, literal(0).label("jobs"), t.served_at, t.created_at)
        .where(*of_rank, ~exists().where(by_experiment.c.experiment_id == t.experiment_id))
        .order_by(*order)
        .limit(1)
        .with_for_update(skip_locked=True)
        .subquery()
    )
    busy = (
        select(t.experiment_id, by_experiment.c.jobs, t.served_at, t.created_at)
        .join(by_experiment, by_experiment.c.experiment_id == t.experiment_id)
        .where(*of_rank)
        .order_by(by_experiment.c.jobs, *order)
        .limit(1)
        .with_for_update(skip_locked=True, of=t)
        .subquery()
    )
    either = union_all(select(idle), select(busy)).subquery()
    return (
        select(either.c.experiment_id)
        .order_by(either.c.jobs, either.c.served_at, either.c.created_at, either.c.experiment_id)
        .limit(1)
        .scalar_subquery()
    )


def _held_jobs() -> CTE | Subquery:
    """Experiment and owner of each running job; they are as many as there are workers."""
    ids = union_all(
        *(
            select(record.experiment_id.label("experiment_id")).where(record.status == "running")
            for record in (TaskRecord, FinishRecord)
        )
    ).subquery()
    e = ExperimentRecord
    return (
        select(ids.c.experiment_id, func.coalesce(e.owner, "").label("owner"))
        .join(e, e.id == ids.c.experiment_id)
        .cte("held")
    )


def _has_queued_task(experiment_id: Any) -> ColumnElement[bool]:
    return exists().where(TaskRecord.experiment_id == experiment_id, TaskRecord.status == "queued")


def give_turn(session: Session, experiment: ExperimentRecord) -> None:
    """Make the experiment, of which tasks were queued, due; the caller holds its lock.

    Where it has a turn already, the row is locked: whoever leases its last task meanwhile looks again.
    """
    owner = experiment.owner or ""
    insert_absent(session, OwnerTurnRecord(owner=owner, served_at=0.0))
    turn = {
        "experiment_id": experiment.id,
        "owner": owner,
        "priority": experiment.priority,
        "needs_torch": experiment.needs_torch,
        "served_at": 0.0,
        "created_at": experiment.created_at,
    }
    into = insert_into(session.get_bind().dialect.name, table_of(ExperimentTurnRecord)).values(turn)
    kept = into.on_conflict_do_update(index_elements=["experiment_id"], set_={"priority": turn["priority"]})
    session.execute(kept)


def give_turns(session: Session, experiments: Sequence[Mapping[str, Any]]) -> None:
    """Make experiments of one owner due that this transaction inserts; their rows as mappings."""
    owner = experiments[0]["owner"] or ""
    insert_absent(session, OwnerTurnRecord(owner=owner, served_at=0.0))
    rows = [
        {
            "experiment_id": each["id"],
            "owner": owner,
            "priority": each["priority"],
            "needs_torch": each["needs_torch"],
            "served_at": 0.0,
            "created_at": each["created_at"],
        }
        for each in experiments
    ]
    session.execute(insert(ExperimentTurnRecord), rows)


def lock_turn(session: Session, experiment_id: str) -> bool:
    """Lock the experiment's turn, as whoever leases its queued tasks must; whether it has one."""
    turn = ExperimentTurnRecord.experiment_id
    return session.scalar(select(turn).where(turn == experiment_id).with_for_update()) is not None


def take_turn(session: Session, experiment_id: str, *, only_if_idle: bool = False) -> None:
    """Remove the experiment's turn, before its queued tasks are changed. only_if_idle: if none is queued."""
    turn = ExperimentTurnRecord
    idle = (~_has_queued_task(experiment_id),) if only_if_idle else ()
    session.execute(delete(turn).where(turn.experiment_id == experiment_id, *idle))


def count_queued(database: Database) -> int:
    """The number of queued jobs, previews and analyses included."""
    return sum(count_by_queue(database).values())


def count_by_queue(database: Database) -> dict[str, int]:
    """The number of queued jobs by the queue of their messages, with previews and analyses."""
    with database.read() as session:
        total, torch = session.execute(_counts()).one()
    return {QUEUE: total - torch, TORCH_QUEUE: torch}


@cache
def _counts() -> Select[int, int]:
    """Queued jobs in all, and those that need torch: of these only the experiments have to be looked up."""
    e, needs_torch = ExperimentRecord, ExperimentRecord.needs_torch.is_(True)
    is_unfinished = e.status.in_(("queued", "running"))

    def count(record: Any, *conditions: ColumnElement[bool]) -> ColumnElement[int]:
        query = select(func.count()).select_from(record).where(record.status == "queued", *conditions)
        return query.scalar_subquery()

    def of_torch(record: Any) -> ColumnElement[int]:
        return (
            select(func.count())
            .select_from(e)
            .join(record, record.experiment_id == e.id)
            .where(needs_torch, is_unfinished, record.status == "queued")
            .scalar_subquery()
        )

    short = PreviewRecord, AnalysisRecord
    total = count(FinishRecord) + count(TaskRecord)
    torch = of_torch(FinishRecord)
    for record in short:
        total += count(record)
        torch += count(record, record.needs_torch.is_(True))
    return select(total, torch + of_torch(TaskRecord))
