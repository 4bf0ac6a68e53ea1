"""/experiments/{id}/bundle: everything of an experiment in one zip that can be replayed."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from service.bundling import contents
from service.dependencies import ExperimentId, ServicesDep
from service.responses import MEDIA_TYPES, choose, respond_streaming
from service.results import Format, file_name
from tgsh.bundles.writer import pack

router = APIRouter(prefix="/experiments", tags=["results"])


@router.get(
    "/{experiment_id}/bundle",
    summary="Everything in one zip that can be replayed",
    responses={
        200: {"content": {MEDIA_TYPES["zip"]: {"schema": {"type": "string", "format": "binary"}}}},
        304: {"description": "the caller has it (If-None-Match)"},
    },
    response_class=Response,
)
def bundle(
    experiment_id: ExperimentId, services: ServicesDep, request: Request, format: Format = None
) -> Response:
    """Spec, seeds, versions, digests of the images, arrays, tables, figures, and how to cite them.

    Made while it is sent. `tgsh replay` checks its hashes, trains the spec anew and compares the vectors byte
    by byte. The same experiment makes the same bytes. Only completed experiments have one.
    """
    name = choose(request, format, ("zip",))
    inside = contents(services, experiment_id)
    chunks = pack(inside.members(), inside.left_out)
    return respond_streaming(request, inside.key, name, file_name("tgsh", experiment_id), None, chunks)
