"""/experiments/{id}/similarity/block: some rows and columns of a matrix that may be large."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request, Response

from service import results
from service.dependencies import ExperimentId, ServicesDep
from service.parsing import numbers
from service.responses import choose, respond
from service.results import Format, Layer, Stage
from tgsh.analysis.blockwise import Similarities
from tgsh.arrays import LabelledArray
from tgsh.errors import InvalidSpec
from tgsh.schemas import Measure, SimilarityBlock
from tgsh.store.results import find_stage

router = APIRouter(prefix="/experiments", tags=["results"])

FORMATS = ("json", "csv", "npy", "safetensors")

MOST_VALUES = 4_000_000
"""Numbers of a block (32 MB)."""

EXAMPLE = ",0°,10°,180°\n0°,1.0,0.715,0.115\n"
"""What the API page shows."""

Chosen = Annotated[str | None, Query(max_length=2000, description="such as 0,9,18 or 0-99; all of them")]


@router.get(
    "/{experiment_id}/similarity/block",
    summary="How alike some tasks are to some tasks",
    responses=results.documented(SimilarityBlock, *FORMATS, csv=EXAMPLE),
    response_class=Response,
)
def similarity_block(
    experiment_id: ExperimentId,
    services: ServicesDep,
    request: Request,
    rows: Chosen = None,
    columns: Chosen = None,
    stage: Stage = "after",
    measure: Measure = "cosine",
    layer: Layer = None,
    format: Format = None,
) -> Response:
    """A block, or with one row a task's similarities to all; only its vectors are read."""
    name = choose(request, format, FORMATS)
    ref = find_stage(services.database, experiment_id, stage)
    chosen = [numbers(rows, ref.tasks, "rows"), numbers(columns, ref.tasks, "columns")]
    results.check_text(name, *map(len, chosen))
    if (count := len(chosen[0]) * len(chosen[1])) > MOST_VALUES:
        raise InvalidSpec("rows", f"{count:,} similarities are more than {MOST_VALUES:,}; choose fewer")

    def make() -> bytes:
        place = {task: row for row, task in enumerate(ref.tasks)}
        places = [[place[task] for task in tasks] for tasks in chosen]
        labels = [[ref.labels[row] for row in found] for found in places]
        values = Similarities(results.vectors(services, ref, layer), measure).block(*places)
        about = {**results.about(ref, layer), "measure": measure}
        return _encode(values, chosen, labels, about, name)

    key = ("similarity-block", experiment_id, ref.digest, str(chosen), measure, str(layer))
    file_name = results.file_name("similarity-block", experiment_id, stage, layer)
    return respond(request, services.cache, key, name, file_name, make, final=ref.finished)


def _encode(
    values: np.ndarray, chosen: list[list[int]], labels: list[list[str]], about: dict[str, str], name: str
) -> bytes:
    if name != "json":
        return results.ARRAYS[name](LabelledArray(values, chosen[0], labels[0], labels[1], about))
    document = SimilarityBlock.model_validate(
        {
            **about,
            "rows": chosen[0],
            "row_labels": labels[0],
            "columns": chosen[1],
            "column_labels": labels[1],
            "values": values.tolist(),
        }
    )
    return document.model_dump_json().encode()
