"""/experiments/{id}/similarity: how alike the tasks are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service import results, subprocesses
from service.dependencies import ExperimentId, Services, ServicesDep
from service.errors import NotAcceptable
from service.responses import choose, respond, respond_streaming
from service.results import Format, Layer, Stage
from service.subprocesses import DRAWN
from tgsh.analysis.blockwise import Similarities
from tgsh.analysis.similarity import SimilarityMatrix
from tgsh.arrays import LabelledArray, npy_in_chunks
from tgsh.errors import InvalidSpec
from tgsh.schemas import Measure, Order, Similarity
from tgsh.store.results import StageRef, find_stage

router = APIRouter(prefix="/experiments", tags=["results"])

FORMATS = ("json", "csv", "npy", "safetensors", "png", "svg", "pdf")

MOST_AT_ONCE = 2_000
"""Tasks whose matrix is made as a whole (32 MB)."""

DRAWN_ROWS = 1_000
"""Rows of a picture of more; no page and no screen shows more apart."""

EXAMPLE = ",0°,10°,20°\n0°,1.0,0.715,0.493\n10°,0.715,1.0,0.716\n20°,0.493,0.716,1.0\n"
"""What the API page shows."""


@dataclass(frozen=True)
class Asked:
    """What is to be compared, and the format of the answer."""

    ref: StageRef
    order: Order
    measure: Measure
    layer: str | None
    name: str

    @property
    def key(self) -> tuple[str, ...]:
        """Decides the answer."""
        ref = self.ref
        what = (self.order, self.measure, str(self.layer))
        return ("similarity", ref.experiment_id, ref.digest, str(ref.complete), *what)

    @property
    def file_name(self) -> str:
        """What a download is called."""
        return results.file_name("similarity", self.ref.experiment_id, self.ref.stage, self.layer)


@router.get(
    "/{experiment_id}/similarity",
    summary="How alike the tasks are",
    responses=results.documented(Similarity, *FORMATS, csv=EXAMPLE),
    response_class=Response,
)
def similarity(
    experiment_id: ExperimentId,
    services: ServicesDep,
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

    More than 1,000 tasks are too many for text, and more than 2,000 for cluster order and safetensors; a
    picture of these shows means of neighbouring tasks. `similarity/block` and `similarity/nearest` answer
    parts of any matrix.
    """
    name = choose(request, format, FORMATS)
    asked = Asked(find_stage(services.database, experiment_id, stage), order, measure, layer, name)
    tasks = len(asked.ref.tasks)
    results.check_text(name, tasks, tasks)
    if tasks > MOST_AT_ONCE and name not in DRAWN:
        return _streamed(request, services, asked)
    make = _means if tasks > MOST_AT_ONCE else _whole
    return respond(
        request,
        services.cache,
        asked.key,
        name,
        asked.file_name,
        lambda: make(services, asked),
        final=asked.ref.finished,
    )


def _streamed(request: Request, services: Services, asked: Asked) -> Response:
    """The matrix of so many tasks that it is never held: its rows as they are computed."""
    _check_order(asked)
    tasks = len(asked.ref.tasks)
    if asked.name != "npy":
        raise NotAcceptable(f"{tasks:,} tasks are too many for {asked.name}; take npy, or a part of them")
    found = Similarities(results.vectors(services, asked.ref, asked.layer), asked.measure)
    size, chunks = npy_in_chunks(tasks, found.in_rows())
    return respond_streaming(request, asked.key, asked.name, asked.file_name, size, chunks)


def _means(services: Services, asked: Asked) -> bytes:
    """A picture of the means of groups of neighbouring tasks."""
    _check_order(asked)
    found = Similarities(results.vectors(services, asked.ref, asked.layer), asked.measure)
    starts = found.groups(DRAWN_ROWS)
    labels = tuple(asked.ref.labels[start] for start in starts)
    tasks = tuple(asked.ref.tasks[start] for start in starts)
    means = SimilarityMatrix(found.averaged(DRAWN_ROWS), labels, tasks, asked.measure)
    title = results.title(services, asked.ref, f"means of {results.shown(asked.layer)}")
    return services.figure_process.render(subprocesses.draw_similarity, DRAWN[asked.name], means, title)


def _check_order(asked: Asked) -> None:
    if asked.order == "cluster":
        raise InvalidSpec("order", f"like is put beside like for {MOST_AT_ONCE:,} tasks at most")


def _whole(services: Services, asked: Asked) -> bytes:
    if asked.order == "cluster":
        part = results.part(services, asked.ref.experiment_id, asked.layer)
        matrix = services.analysis_process.run(subprocesses.clustered, asked.ref, part, asked.measure)
    else:
        matrix = results.similarities(services, asked.ref, asked.measure, asked.layer)
    if asked.name in DRAWN:
        results.require_tasks(asked.ref)
        title = results.title(services, asked.ref, results.shown(asked.layer))
        return services.figure_process.render(subprocesses.draw_similarity, DRAWN[asked.name], matrix, title)
    about = {**results.about(asked.ref, asked.layer), "measure": matrix.measure, "order": asked.order}
    if asked.name == "json":
        document = Similarity.model_validate(
            {
                **about,
                "complete": asked.ref.complete,
                "tasks": matrix.tasks,
                "labels": matrix.labels,
                "values": matrix.values.tolist(),
            }
        )
        return document.model_dump_json().encode()
    return results.ARRAYS[asked.name](
        LabelledArray(matrix.values, matrix.tasks, matrix.labels, matrix.labels, about)
    )
