"""/experiments/{id}/geometry: is the network a task-specific geometric-sensitive hash?"""

from __future__ import annotations

import json

import numpy as np
import safetensors.numpy
from fastapi import APIRouter, Request, Response

from service import sketches
from service.deps import ExperimentId, Parts, PartsDep
from service.drawing import DRAWN
from service.negotiation import answer, choose
from service.results import Format, documented
from tgsh.encoding import table_csv
from tgsh.errors import Conflict
from tgsh.schemas import Geometry
from tgsh.store import reads
from tgsh.store.results import result

router = APIRouter(prefix="/experiments", tags=["results"])

OFFERED = ("json", "csv", "safetensors", "png", "svg", "pdf")


@router.get(
    "/{experiment_id}/geometry",
    summary="Is it a task-specific geometric-sensitive hash",
    responses=documented(Geometry, *OFFERED),
    response_class=Response,
)
def geometry(
    experiment_id: ExperimentId, parts: PartsDep, request: Request, format: Format = None
) -> Response:
    """Definition 1 and Fig. 2a of the paper, measured on test images when the experiment completes.

    Cosines of representations r_t(x), such as v_t ⊙ φ(x) of FlyNet: `intra` pairs share the task and
    differ in class, `inter` pairs share the class and differ in task. T-GSH means that intra exceeds
    inter. Beside the trained contexts stand the untrained ones: their P(intra > inter) is near 1 too, as
    independent random contexts share nothing; what training adds is that alike tasks come closer (inter
    grows above 0).
    Recoverability of γ: a ridge map from representations to the task, and to its angle or shift, fitted
    on one half of the images and scored on the other.
    """
    name = choose(request, format, OFFERED)
    record = reads.experiment(parts.database, experiment_id).record
    measured = result(parts.database, parts.artifacts, experiment_id, "geometry")
    if measured is None:
        raise Conflict(f"geometry is measured when an experiment completes; this one is {record.status}")
    tensors, about = measured
    document = Geometry.model_validate(
        {
            "experiment_id": experiment_id,
            "base_id": record.base_id,
            "sample": json.loads(about["sample"]),
            "edges": tensors["edges"].tolist(),
            **{
                stage: {
                    **summary,
                    "intra": tensors[f"{stage}.intra"].tolist(),
                    "inter": tensors[f"{stage}.inter"].tolist(),
                }
                for stage, summary in json.loads(about["summaries"]).items()
            },
        }
    )
    body = document.model_dump_json()
    key = ("geometry", body, record.name)
    return answer(
        request,
        parts.cache,
        key,
        name,
        f"geometry-{experiment_id}",
        lambda: _encode(parts, document, body, tensors, record.name, name),
    )


def _encode(
    parts: Parts, document: Geometry, body: str, tensors: dict[str, np.ndarray], title: str, name: str
) -> bytes:
    if name == "json":
        return body.encode()
    if name == "safetensors":
        return safetensors.numpy.save(tensors)
    if name in DRAWN:
        return parts.artist.draw(sketches.geometry, DRAWN[name], document, title)
    stages = (document.before, document.after)
    counts = [column for stage in stages for column in (stage.intra, stage.inter)]
    header = ["from", "to", "before intra", "before inter", "after intra", "after inter"]
    return table_csv(header, zip(document.edges[:-1], document.edges[1:], *counts, strict=True))
