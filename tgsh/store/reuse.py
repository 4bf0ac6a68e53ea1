"""What was computed before, and answers a submission at once."""

from __future__ import annotations

from sqlalchemy import select

from tgsh.spec import ExperimentSpec
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.ownership import is_visible_to
from tgsh.store.records import ExperimentRecord, FinishRecord
from tgsh.store.results import damaged_results

MOST_LOOKED_AT = 20
"""Of experiments with one digest, the newest: more were asked for anew."""


def stored_answer(
    database: Database,
    artifacts: Artifacts,
    spec: ExperimentSpec,
    visible_to: str | None = None,
    *,
    shared: bool = False,
) -> str | None:
    """The id of a completed experiment that has all that this spec asks for; None where there is none.

    Names and tags may be others, and so may the versions that trained it, which it tells. visible_to: the
    name of a key, whose own experiments are preferred; None sees all. shared: everybody must see it.
    Results of which a file is damaged or gone are no answer.
    """
    query = (
        select(ExperimentRecord.id, ExperimentRecord.owner, FinishRecord.results)
        .join(FinishRecord, FinishRecord.experiment_id == ExperimentRecord.id)
        .where(ExperimentRecord.digest == spec.digest(), ExperimentRecord.status == "completed")
        .order_by(ExperimentRecord.created_at.desc())
        .limit(MOST_LOOKED_AT)
    )
    if visible_to is not None:
        query = query.where(is_visible_to(visible_to))
    if shared:
        query = query.where(ExperimentRecord.owner.is_(None) | ExperimentRecord.shared)
    needed = {"vectors", "accuracy-matrix"} if spec.accuracy_matrix else {"vectors"}
    with database.read() as session:
        found = session.execute(query).all()
    for row in sorted(found, key=lambda row: row.owner != visible_to):
        if needed <= row.results.keys() and not damaged_results(database, artifacts, row.id):
            return str(row.id)
    return None
