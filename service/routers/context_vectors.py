"""/experiments/{id}/context-vectors: what was learned."""

from __future__ import annotations

import numpy as np
from fastapi import APIRouter, Request, Response

from service import results
from service.deps import ExperimentId, PartsDep
from service.negotiation import answer, choose
from service.results import Format, Stage
from tgsh.encoding import LabelledArray
from tgsh.schemas import ContextVectors
from tgsh.store.vectors import StageRef, find_stage

router = APIRouter(prefix="/experiments", tags=["results"])

FORMATS = ("json", "npy", "safetensors", "csv")


@router.get(
    "/{experiment_id}/context-vectors",
    summary="What was learned",
    responses=results.documented(ContextVectors, *FORMATS),
    response_class=Response,
)
def context_vectors(
    experiment_id: ExperimentId,
    parts: PartsDep,
    request: Request,
    stage: Stage = "after",
    format: Format = None,
) -> Response:
    """The context vectors v_t = g_t·c_t, one row a task: T×H."""
    name = choose(request, format, FORMATS)
    ref = find_stage(parts.database, experiment_id, stage)

    def make() -> bytes:
        return _encode(ref, results.vectors(parts, ref), name)

    key = ("context-vectors", experiment_id, ref.digest, str(ref.complete))
    return answer(request, parts.cache, key, name, f"context-vectors-{experiment_id}-{stage}", make)


def _encode(ref: StageRef, values: np.ndarray, name: str) -> bytes:
    results.check_text(name, *values.shape)
    if name == "json":
        document = ContextVectors.model_validate(
            {
                **results.about(ref),
                "complete": ref.complete,
                "tasks": ref.tasks,
                "labels": ref.labels,
                "values": values.tolist(),
            }
        )
        return document.model_dump_json().encode()
    return results.ARRAYS[name](LabelledArray(values, ref.tasks, ref.labels, None, results.about(ref)))
