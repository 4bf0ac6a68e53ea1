"""/experiments/{id}/similarity: how alike the tasks are."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service import results, sketches
from service.deps import ExperimentId, PartsDep
from service.drawing import DRAWN
from service.negotiation import answer, choose
from service.results import Format, Layer, Stage
from tgsh.analysis.clustering import cluster_order
from tgsh.analysis.similarity import SimilarityMatrix
from tgsh.encoding import LabelledArray
from tgsh.schemas import Measure, Order, Similarity
from tgsh.store.vectors import StageRef, find_stage

router = APIRouter(prefix="/experiments", tags=["results"])

FORMATS = ("json", "csv", "npy", "safetensors", "png", "svg", "pdf")

EXAMPLE = ",0°,10°,20°\n0°,1.0,0.715,0.493\n10°,0.715,1.0,0.716\n20°,0.493,0.716,1.0\n"
"""What the API page shows."""


@router.get(
    "/{experiment_id}/similarity",
    summary="How alike the tasks are",
    responses=results.documented(Similarity, *FORMATS, csv=EXAMPLE),
    response_class=Response,
)
def similarity(
    experiment_id: ExperimentId,
    parts: PartsDep,
    request: Request,
    stage: Stage = "after",
    order: Annotated[Order, Query(description="rows as the suite has them, or like beside like")] = "task",
    measure: Measure = "cosine",
    layer: Layer = None,
    format: Format = None,
) -> Response:
    """The labelled T×T matrix of similarities between context vectors v_t = g_t·c_t.

    Tasks that have no vector at this stage yet are left out, and `complete` says so. The vectors of a
    network of several layers are v_1, v_2, … one after the other; `layer` compares one of them.
    """
    name = choose(request, format, FORMATS)
    ref = find_stage(parts.database, experiment_id, stage)

    def make() -> bytes:
        matrix = results.similarities(parts, ref, measure, layer)
        if order == "cluster":
            matrix = matrix.reordered(cluster_order(matrix))
        if name in DRAWN:
            results.require_tasks(ref)
            title = results.title(parts, ref, results.shown(layer))
            return parts.artist.draw(sketches.similarity, DRAWN[name], matrix, title)
        return _encode(ref, matrix, order, layer, name)

    key = ("similarity", experiment_id, ref.digest, str(ref.complete), order, measure, str(layer))
    file_name = results.file_name("similarity", experiment_id, stage, layer)
    return answer(request, parts.cache, key, name, file_name, make, final=ref.finished)


def _encode(ref: StageRef, matrix: SimilarityMatrix, order: Order, layer: str | None, name: str) -> bytes:
    about = {**results.about(ref, layer), "measure": matrix.measure, "order": order}
    if name == "json":
        document = Similarity.model_validate(
            {
                **about,
                "complete": ref.complete,
                "tasks": matrix.tasks,
                "labels": matrix.labels,
                "values": matrix.values.tolist(),
            }
        )
        return document.model_dump_json().encode()
    return results.ARRAYS[name](
        LabelledArray(matrix.values, matrix.tasks, matrix.labels, matrix.labels, about)
    )
