"""/experiments/{id}/accuracy: how well each task was learned."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from service import results, subprocesses
from service.dependencies import ExperimentId, Services, ServicesDep
from service.responses import choose, respond
from service.results import Format
from service.routers.accuracy_matrix import measured
from service.subprocesses import DRAWN
from tgsh.arrays import table_csv
from tgsh.errors import Conflict
from tgsh.execution.presenters import accuracy_view
from tgsh.schemas import Accuracy
from tgsh.store import queries

router = APIRouter(prefix="/experiments", tags=["results"])

FORMATS = ("json", "csv", "png", "svg", "pdf")

EXAMPLE = "task,label,accuracy\n0,0°,0.9447\n1,10°,0.9461\n2,20°,0.9454\n"
"""What the API page shows."""


@router.get(
    "/{experiment_id}/accuracy",
    summary="How well each task was learned",
    responses=results.documented(Accuracy, *FORMATS, csv=EXAMPLE),
    response_class=Response,
)
def accuracy(
    experiment_id: ExperimentId, services: ServicesDep, request: Request, format: Format = None
) -> Response:
    """Test accuracy per task, its mean and range; tasks that are not done are left out.

    Where the accuracy matrix was asked for, `matrix` has forgetting and forward transfer.
    """
    name = choose(request, format, FORMATS)
    document = _accuracy(services, experiment_id)
    body = document.model_dump_json()

    def make() -> bytes:
        if name == "json":
            return body.encode()
        if name in DRAWN:
            return _draw(services, document, name)
        return table_csv(
            ["task", "label", "accuracy"], [(t.index, t.label, t.accuracy) for t in document.tasks]
        )

    file_name = results.file_name("accuracy", experiment_id)
    return respond(request, services.cache, ("accuracy", body), name, file_name, make)


def _accuracy(services: Services, experiment_id: str) -> Accuracy:
    mean = queries.experiment(services.database, experiment_id).record.mean_accuracy
    tasks = queries.tasks(services.database, experiment_id)
    return accuracy_view(experiment_id, tasks, mean, measured(services, experiment_id))


def _draw(services: Services, document: Accuracy, name: str) -> bytes:
    if not document.tasks:
        raise Conflict("no task is done yet, so there is nothing to draw")
    title = queries.experiment(services.database, document.experiment_id).record.name
    values, labels = [t.accuracy for t in document.tasks], [t.label for t in document.tasks]
    return services.figure_process.render(
        subprocesses.draw_accuracy, DRAWN[name], values, labels, f"{title}: test accuracy"
    )
