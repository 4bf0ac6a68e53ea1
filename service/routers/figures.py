"""/experiments/{id}/figures/{name}.{format}: every figure under a name that stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from service import results, subprocesses
from service.dependencies import ExperimentId, Services, ServicesDep
from service.errors import NotAcceptable
from service.responses import MEDIA_TYPES, respond
from service.routers.accuracy import accuracy
from service.routers.accuracy_matrix import accuracy_matrix
from service.routers.dendrogram import dendrogram
from service.routers.embedding import embedding
from service.routers.geometry import geometry
from service.routers.reconstructions import reconstructions
from service.routers.samples import samples
from service.routers.similarity import similarity
from service.routers.similarity_epochs import similarity_epochs
from service.subprocesses import DRAWN
from tgsh.analysis.similarity import similarity as similarity_of
from tgsh.errors import NotFound
from tgsh.store import queries
from tgsh.store.results import find_stage

router = APIRouter(prefix="/experiments", tags=["results"])

Figure = Callable[[str, Services, Request, str], Response]

FIGURES: dict[str, Figure] = {
    "similarity": lambda id, services, request, format: similarity(id, services, request, format=format),
    "similarity-before-after": lambda id, services, request, format: _before_after(
        id, services, request, format
    ),
    "similarity-epochs": lambda id, services, request, format: similarity_epochs(
        id, services, request, format=format
    ),
    "dendrogram": lambda id, services, request, format: dendrogram(id, services, request, format=format),
    "embedding": lambda id, services, request, format: embedding(id, services, request, format=format),
    "geometry": lambda id, services, request, format: geometry(id, services, request, format=format),
    "reconstructions": lambda id, services, request, format: reconstructions(
        id, services, request, format=format
    ),
    "samples": lambda id, services, request, format: samples(id, services, request, format=format),
    "accuracy": lambda id, services, request, format: accuracy(id, services, request, format=format),
    "accuracy-matrix": lambda id, services, request, format: accuracy_matrix(
        id, services, request, format=format
    ),
}
"""Each drawn as its own endpoint draws it when nothing more is asked; before-after has no other."""


@router.get(
    "/{experiment_id}/figures/{name}.{format}",
    summary="A figure under its stable name",
    responses={
        200: {"content": {MEDIA_TYPES[name]: {"schema": {"type": "string"}} for name in DRAWN}},
        304: {"description": "the caller has it (If-None-Match)"},
    },
    response_class=Response,
)
def figure(
    experiment_id: ExperimentId,
    name: Annotated[str, Path(json_schema_extra={"enum": list(FIGURES)}, examples=["similarity"])],
    format: Annotated[str, Path(json_schema_extra={"enum": list(DRAWN)}, examples=["png"])],
    services: ServicesDep,
    request: Request,
) -> Response:
    """The figure of a result as it is after training; the result's own endpoint draws other stages."""
    if name not in FIGURES:
        raise NotFound(f"there is no figure {name!r}: ask for one of {', '.join(FIGURES)}")
    if format not in DRAWN:
        raise NotAcceptable(f"figures are not drawn as {format!r}; ask for one of: {', '.join(DRAWN)}")
    return FIGURES[name](experiment_id, services, request, format)


def _before_after(experiment_id: str, services: Services, request: Request, format: str) -> Response:
    # In this order: what has its last vector has its first one too, whatever happens in between.
    after = find_stage(services.database, experiment_id, "after")
    before = find_stage(services.database, experiment_id, "before")
    rows = [before.tasks.index(task) for task in after.tasks]

    def make() -> bytes:
        results.require_tasks(after)
        first = similarity_of(results.vectors(services, before)[rows], after.labels, after.tasks)
        last = results.similarities(services, after, "cosine")
        name = queries.experiment(services.database, experiment_id).record.name
        return services.figure_process.render(
            subprocesses.draw_before_after, DRAWN[format], first, last, f"{name}: context vectors"
        )

    key = ("similarity-before-after", experiment_id, before.digest, after.digest)
    file_name = f"similarity-before-after-{experiment_id}"
    return respond(request, services.cache, key, format, file_name, make, final=after.finished)
