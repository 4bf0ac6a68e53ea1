"""/experiments/{id}/similarity/nearest: what each task is most like."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service import results
from service.dependencies import ExperimentId, ServicesDep
from service.responses import choose, respond
from service.results import Format, Layer, Stage
from tgsh.analysis.blockwise import NearestNeighbours, Similarities
from tgsh.arrays import table_csv
from tgsh.schemas import Measure, NearestTasks
from tgsh.store.results import StageRef, find_stage

router = APIRouter(prefix="/experiments", tags=["results"])

FORMATS = ("json", "csv")

EXAMPLE = "task,label,rank,nearest,nearest label,similarity\n0,0°,1,1,10°,0.715\n0,0°,2,35,350°,0.714\n"
"""What the API page shows."""


@router.get(
    "/{experiment_id}/similarity/nearest",
    summary="What each task is most like",
    responses=results.documented(NearestTasks, *FORMATS, csv=EXAMPLE),
    response_class=Response,
)
def similarity_nearest(
    experiment_id: ExperimentId,
    services: ServicesDep,
    request: Request,
    count: Annotated[int, Query(ge=1, le=100, description="neighbours of each task")] = 20,
    stage: Stage = "after",
    measure: Measure = "cosine",
    layer: Layer = None,
    format: Format = None,
) -> Response:
    """The most similar other tasks of every task, best first, of 10,000 tasks as of ten."""
    name = choose(request, format, FORMATS)
    ref = find_stage(services.database, experiment_id, stage)

    def make() -> bytes:
        found = Similarities(results.vectors(services, ref, layer), measure).nearest(count)
        return _encode(ref, found, {**results.about(ref, layer), "measure": measure}, name)

    key = (
        "similarity-nearest",
        experiment_id,
        ref.digest,
        str(ref.complete),
        str(count),
        measure,
        str(layer),
    )
    file_name = results.file_name("similarity-nearest", experiment_id, stage, layer)
    return respond(request, services.cache, key, name, file_name, make, final=ref.finished)


def _encode(ref: StageRef, found: NearestNeighbours, about: dict[str, str], name: str) -> bytes:
    places, values = found.indices.tolist(), found.values.tolist()
    if name == "csv":
        rows = (
            (ref.tasks[row], ref.labels[row], rank, ref.tasks[other], ref.labels[other], value)
            for row in range(len(places))
            for rank, (other, value) in enumerate(zip(places[row], values[row], strict=True), 1)
        )
        return table_csv(["task", "label", "rank", "nearest", "nearest label", "similarity"], rows)
    document = NearestTasks.model_validate(
        {
            **about,
            "complete": ref.complete,
            "tasks": ref.tasks,
            "labels": ref.labels,
            "nearest": [[ref.tasks[place] for place in row] for row in places],
            "values": values,
        }
    )
    return document.model_dump_json().encode()
