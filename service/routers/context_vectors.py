"""/experiments/{id}/context-vectors: what was learned."""

from __future__ import annotations

import numpy as np
from fastapi import APIRouter, Request, Response

from service import results
from service.dependencies import ExperimentId, ServicesDep
from service.responses import choose, respond
from service.results import Format, Layer, Stage
from tgsh.arrays import LabelledArray
from tgsh.schemas import ContextVectors
from tgsh.store.results import StageRef, find_stage

router = APIRouter(prefix="/experiments", tags=["results"])

FORMATS = ("json", "npy", "safetensors", "csv")

EXAMPLE = ",0,1,2\n0°,1.31,0.02,-0.45\n10°,1.18,0.1,-0.31\n20°,0.97,0.16,-0.12\n"
"""What the API page shows."""


@router.get(
    "/{experiment_id}/context-vectors",
    summary="What was learned",
    responses=results.documented(ContextVectors, *FORMATS, csv=EXAMPLE),
    response_class=Response,
)
def context_vectors(
    experiment_id: ExperimentId,
    services: ServicesDep,
    request: Request,
    stage: Stage = "after",
    layer: Layer = None,
    format: Format = None,
) -> Response:
    """The context vectors v_t = g_t·c_t, one row a task: T×H, or the part of one layer."""
    name = choose(request, format, FORMATS)
    ref = find_stage(services.database, experiment_id, stage)

    def make() -> bytes:
        return _encode(ref, results.vectors(services, ref, layer), layer, name)

    key = ("context-vectors", experiment_id, ref.digest, str(ref.complete), str(layer))
    file_name = results.file_name("context-vectors", experiment_id, stage, layer)
    return respond(request, services.cache, key, name, file_name, make, final=ref.finished)


def _encode(ref: StageRef, values: np.ndarray, layer: str | None, name: str) -> bytes:
    results.check_text(name, *values.shape)
    if name == "json":
        document = ContextVectors.model_validate(
            {
                **results.about(ref, layer),
                "complete": ref.complete,
                "tasks": ref.tasks,
                "labels": ref.labels,
                "values": values.tolist(),
            }
        )
        return document.model_dump_json().encode()
    return results.ARRAYS[name](LabelledArray(values, ref.tasks, ref.labels, None, results.about(ref, layer)))
