"""GET /dashboard/experiments/{id}/losses.csv: what the plot of the losses shows, as a table."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from service.deps import ExperimentId, PartsDep
from service.negotiation import answer
from tgsh.encoding import table_csv
from tgsh.store import reads

router = APIRouter(prefix="/dashboard/experiments")


@router.get("/{experiment_id}/losses.csv")
def losses(experiment_id: ExperimentId, parts: PartsDep, request: Request) -> Response:
    """A row a task and epoch that is done: mean training cross-entropy, in nats."""
    tasks = reads.tasks(parts.database, experiment_id)
    rows = [
        (task.index, task.label, epoch, loss)
        for task in tasks
        for epoch, loss in enumerate(task.losses, start=1)
    ]
    key = ("losses", experiment_id, *(str(task.losses) for task in tasks))
    return answer(
        request,
        parts.cache,
        key,
        "csv",
        f"losses-{experiment_id}",
        lambda: table_csv(["task", "label", "epoch", "loss"], rows),
    )
