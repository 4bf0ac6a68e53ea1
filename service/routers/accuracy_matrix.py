"""/experiments/{id}/accuracy/matrix: how well the context of each task does on the images of every task."""

from __future__ import annotations

import numpy as np
from fastapi import APIRouter, Request, Response

from service import results, subprocesses
from service.dependencies import ExperimentId, Services, ServicesDep
from service.responses import choose, respond
from service.results import Format
from service.subprocesses import DRAWN
from tgsh.analysis.transfer import transfer
from tgsh.arrays import LabelledArray
from tgsh.errors import Conflict
from tgsh.schemas import AccuracyMatrix
from tgsh.store import queries
from tgsh.store.results import load_result

router = APIRouter(prefix="/experiments", tags=["results"])

FORMATS = ("json", "csv", "npy", "safetensors", "png", "svg", "pdf")

EXAMPLE = ",0°,10°,20°\n0°,0.9447,0.83,0.58\n10°,0.84,0.9461,0.83\n20°,0.57,0.84,0.9454\n"
"""What the API page shows."""


@router.get(
    "/{experiment_id}/accuracy/matrix",
    summary="How well each context does on every task",
    responses=results.documented(AccuracyMatrix, *FORMATS, csv=EXAMPLE),
    response_class=Response,
)
def accuracy_matrix(
    experiment_id: ExperimentId, services: ServicesDep, request: Request, format: Format = None
) -> Response:
    """Row i, column j: test accuracy with the context of task i on the data of task j, all learned.

    Measured when an experiment completes, where it was submitted with `"accuracy_matrix": true`.
    Forgetting compares the diagonal with what was recorded right after each task; contexts are learned
    apart, so it is exactly 0.
    """
    name = choose(request, format, FORMATS)
    record = queries.experiment(services.database, experiment_id).record
    document = measured(services, experiment_id)
    if document is None and record.status == "completed":
        raise Conflict('the accuracy matrix was not asked for: submit with "accuracy_matrix": true')
    if document is None:
        raise Conflict(
            'the accuracy matrix is measured when an experiment submitted with "accuracy_matrix": true '
            f"completes; this one is {record.status}"
        )
    found, body = document, document.model_dump_json()

    def make() -> bytes:
        if name == "json":
            return body.encode()
        if name in DRAWN:
            title = f"{record.name}: test accuracy by context"
            return services.figure_process.render(
                subprocesses.draw_accuracy_matrix, DRAWN[name], found, title
            )
        about = {"experiment_id": experiment_id, "measure": "accuracy"}
        values = np.array(found.values)
        return results.ARRAYS[name](LabelledArray(values, found.tasks, found.labels, found.labels, about))

    key = ("accuracy-matrix", body, record.name)
    file_name = results.file_name("accuracy-matrix", experiment_id)
    return respond(request, services.cache, key, name, file_name, make, final=True)


def measured(services: Services, experiment_id: str) -> AccuracyMatrix | None:
    """The matrix with what it says of forgetting and transfer; None where the finish left none (yet)."""
    found = load_result(services.database, services.artifacts, experiment_id, "accuracy-matrix")
    if found is None:
        return None
    matrix, untrained = found[0]["matrix"], found[0]["untrained"]
    tasks = queries.tasks(services.database, experiment_id)
    learned = np.array([task.accuracy for task in tasks], np.float64)
    said = transfer(learned, matrix, untrained)
    return AccuracyMatrix(
        experiment_id=experiment_id,
        tasks=[task.index for task in tasks],
        labels=[task.label for task in tasks],
        values=matrix.tolist(),
        untrained=untrained.tolist(),
        forgetting=said.forgetting.tolist(),
        mean_forgetting=said.mean_forgetting,
        forward_transfer=said.forward,
    )
