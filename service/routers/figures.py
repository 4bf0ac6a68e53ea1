"""/experiments/{id}/figures/{name}.{format}: every figure under a name that stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from service.deps import ExperimentId, Parts, PartsDep
from service.drawing import DRAWN
from service.errors import NotAcceptable
from service.negotiation import MEDIA_TYPES
from service.routers.accuracy import accuracy
from service.routers.dendrogram import dendrogram
from service.routers.embedding import embedding
from service.routers.similarity import similarity
from service.routers.similarity_epochs import similarity_epochs
from tgsh.errors import NotFound

router = APIRouter(prefix="/experiments", tags=["results"])

Figure = Callable[[str, Parts, Request, str], Response]

FIGURES: dict[str, Figure] = {
    "similarity": lambda id, parts, request, format: similarity(id, parts, request, format=format),
    "similarity-epochs": lambda id, parts, request, format: similarity_epochs(
        id, parts, request, format=format
    ),
    "dendrogram": lambda id, parts, request, format: dendrogram(id, parts, request, format=format),
    "embedding": lambda id, parts, request, format: embedding(id, parts, request, format=format),
    "accuracy": lambda id, parts, request, format: accuracy(id, parts, request, format=format),
}
"""Each drawn as its own endpoint draws it when nothing more is asked."""


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
    parts: PartsDep,
    request: Request,
) -> Response:
    """The figure of a result as it is after training; the result's own endpoint draws other stages."""
    if name not in FIGURES:
        raise NotFound(f"there is no figure {name!r}: ask for one of {', '.join(FIGURES)}")
    if format not in DRAWN:
        raise NotAcceptable(f"figures are not drawn as {format!r}; ask for one of: {', '.join(DRAWN)}")
    return FIGURES[name](experiment_id, parts, request, format)
