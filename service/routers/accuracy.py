"""/experiments/{id}/accuracy: how well each task was learned."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from service import results
from service.deps import ExperimentId, Parts, PartsDep
from service.negotiation import answer, choose
from service.results import Format
from tgsh.encoding import table_csv
from tgsh.schemas import Accuracy
from tgsh.store import reads
from tgsh.views import accuracy_view

router = APIRouter(prefix="/experiments", tags=["results"])

FORMATS = ("json", "csv")


@router.get(
    "/{experiment_id}/accuracy",
    summary="How well each task was learned",
    responses=results.documented(Accuracy, *FORMATS),
    response_class=Response,
)
def accuracy(
    experiment_id: ExperimentId, parts: PartsDep, request: Request, format: Format = None
) -> Response:
    """Test accuracy per task, its mean and range; tasks that are not done are left out."""
    name = choose(request, format, FORMATS)
    document = _accuracy(parts, experiment_id)
    body = document.model_dump_json()

    def make() -> bytes:
        if name == "json":
            return body.encode()
        return table_csv(
            ["task", "label", "accuracy"], [(t.index, t.label, t.accuracy) for t in document.tasks]
        )

    return answer(request, parts.cache, ("accuracy", body), name, f"accuracy-{experiment_id}", make)


def _accuracy(parts: Parts, experiment_id: str) -> Accuracy:
    mean = reads.experiment(parts.database, experiment_id).record.mean_accuracy
    return accuracy_view(experiment_id, reads.tasks(parts.database, experiment_id), mean)
