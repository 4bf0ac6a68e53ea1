"""/experiments/{id}/embedding: the tasks as points."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service import results, subprocesses
from service.dependencies import ExperimentId, ServicesDep
from service.responses import choose, respond
from service.results import Format, Layer, Stage
from service.subprocesses import DRAWN
from tgsh import schemas
from tgsh.analysis.embedding import TaskMap
from tgsh.arrays import LabelledArray, table_csv, to_npy
from tgsh.schemas import EmbeddingMethod, Measure
from tgsh.store.results import StageRef, find_stage

router = APIRouter(prefix="/experiments", tags=["results"])

FORMATS = ("json", "csv", "npy", "png", "svg", "pdf")

EXAMPLE = "task,label,x,y\n0,0°,-0.254,0.071\n1,10°,0.001,-0.142\n2,20°,0.253,0.071\n"
"""What the API page shows."""

MOST_TASKS = 2_000
"""Eigenvalues take cubic time: two seconds for so many, minutes for 10,000."""

Dimensions = Annotated[int, Query(ge=2, le=3, description="in a plane or in space")]


@router.get(
    "/{experiment_id}/embedding",
    summary="The tasks as points",
    responses=results.documented(schemas.Embedding, *FORMATS, csv=EXAMPLE),
    response_class=Response,
)
def embedding(
    experiment_id: ExperimentId,
    services: ServicesDep,
    request: Request,
    stage: Stage = "after",
    method: Annotated[
        EmbeddingMethod, Query(description="classical MDS of 1 − similarity, or PCA of the context vectors")
    ] = "mds",
    dimensions: Dimensions = 2,
    measure: Annotated[Measure, Query(description="of the similarity behind mds")] = "cosine",
    layer: Layer = None,
    format: Format = None,
) -> Response:
    """Points that lie near each other where tasks are alike, and how much of the truth they show.

    Axes that so few tasks do not have are 0. A picture of three dimensions has two panels.
    """
    name = choose(request, format, FORMATS)
    ref = find_stage(services.database, experiment_id, stage)
    results.require_at_most(ref, MOST_TASKS, "an embedding")

    def make() -> bytes:
        part = results.part(services, experiment_id, layer)
        found = services.analysis_process.run(subprocesses.embedding, ref, part, method, dimensions, measure)
        if name in DRAWN:
            results.require_tasks(ref)
            title = results.title(services, ref, results.shown(layer))
            return services.figure_process.render(subprocesses.draw_embedding, DRAWN[name], found, title)
        return _encode(ref, found, measure, layer, name)

    choice = (method, str(dimensions), measure, str(layer))
    key = ("embedding", experiment_id, ref.digest, str(ref.complete), *choice)
    file_name = results.file_name("embedding", experiment_id, stage, layer)
    return respond(request, services.cache, key, name, file_name, make, final=ref.finished)


def _encode(ref: StageRef, found: TaskMap, measure: Measure, layer: str | None, name: str) -> bytes:
    if name == "csv":
        rows = zip(found.tasks, found.labels, found.points.tolist(), strict=True)
        axes = ["x", "y", "z"][: found.points.shape[1]]
        return table_csv(["task", "label", *axes], ((task, label, *point) for task, label, point in rows))
    about = {**results.about(ref, layer), "method": found.method}
    if name == "npy":
        return to_npy(LabelledArray(found.points, found.tasks, found.labels, None, about))
    document = schemas.Embedding(
        **results.about(ref, layer),
        method=found.method,
        measure=measure if found.method == "mds" else None,
        dimensions=found.points.shape[1],
        complete=ref.complete,
        tasks=list(found.tasks),
        labels=list(found.labels),
        values=found.points.tolist(),
        explained=list(found.explained),
        positive_eigenvalue_share=found.positive,
        stress=found.stress,
    )
    return document.model_dump_json().encode()
