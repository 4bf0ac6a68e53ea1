"""/experiments/{id}/similarity/epochs: how the similarity of tasks changes while they are learned."""

from __future__ import annotations

import math
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service import results, subprocesses
from service.dependencies import ExperimentId, Services, ServicesDep
from service.responses import choose, respond
from service.results import Format, Layer
from service.subprocesses import DRAWN
from tgsh import schemas
from tgsh.analysis.similarity import Trajectory, representative_pairs, similarity_over_epochs
from tgsh.arrays import table_csv
from tgsh.errors import Conflict, InvalidSpec
from tgsh.schemas import Measure, SimilarityEpochs
from tgsh.store import queries
from tgsh.store.results import Trajectories, find_trajectories, load_trajectory

router = APIRouter(prefix="/experiments", tags=["results"])

FORMATS = ("json", "csv", "png", "svg", "pdf")

EXAMPLE = "epoch,0-1,0-2\n0,0.004,-0.011\n1,0.612,0.377\n2,0.683,0.452\n"
"""What the API page shows."""

MOST_PAIRS = 20
"""As many lines as a figure can tell apart, and as many arrays as one request may read."""


@router.get(
    "/{experiment_id}/similarity/epochs",
    summary="How the similarity of tasks changes while they are learned",
    responses=results.documented(SimilarityEpochs, *FORMATS, csv=EXAMPLE),
    response_class=Response,
)
def similarity_epochs(
    experiment_id: ExperimentId,
    services: ServicesDep,
    request: Request,
    pairs: Annotated[
        str | None,
        Query(
            pattern=r"^\d{1,5}-\d{1,5}(,\d{1,5}-\d{1,5})*$",
            max_length=20 * MOST_PAIRS,
            description=f"indices of at most {MOST_PAIRS} pairs of tasks; by default the first task with "
            "each other one, or where these are more than seven, with those 1, 2, T/4 and T/2 steps away",
            examples=["0-1,0-18"],
        ),
    ] = None,
    measure: Measure = "cosine",
    layer: Layer = None,
    format: Format = None,
) -> Response:
    """Similarity of chosen pairs of tasks at every epoch, from before training to after the last one.

    What a running experiment has not reached yet is null, and `complete` says so.
    """
    name = choose(request, format, FORMATS)
    courses = find_trajectories(services.database, experiment_id)
    wanted = representative_pairs(len(courses.tasks)) if pairs is None else _pairs(pairs, len(courses.tasks))

    def make() -> bytes:
        part = results.part(services, experiment_id, layer)
        found = [_course(services, courses, pair, measure, part) for pair in wanted]
        if name in DRAWN:
            return _draw(services, courses, found, measure, layer, name)
        return _encode(courses, found, measure, layer, name)

    content = courses.digest(*(task for pair in wanted for task in pair))
    key = ("similarity-epochs", experiment_id, content, repr(wanted), measure, str(layer))
    file_name = results.file_name("similarity-epochs", experiment_id, layer)
    return respond(request, services.cache, key, name, file_name, make, final=courses.finished)


def _pairs(text: str, tasks: int) -> list[tuple[int, int]]:
    """Raises InvalidSpec for too many pairs, or one that names a task that is not there."""
    found: dict[tuple[int, int], None] = {}  # keeps the order, not what is named twice
    for pair in text.split(","):
        one, other = (int(index) for index in pair.split("-"))
        if max(one, other) >= tasks:
            raise InvalidSpec("pairs", f"{pair} names a task that is not there: they are 0 to {tasks - 1}")
        found[one, other] = None
    if len(found) > MOST_PAIRS:
        raise InvalidSpec("pairs", f"{len(found)} pairs are too many; ask for at most {MOST_PAIRS}")
    return list(found)


def _course(
    services: Services, courses: Trajectories, pair: tuple[int, int], measure: Measure, part: slice
) -> Trajectory:
    one, other = (courses.tasks[index] for index in pair)
    first, second = (load_trajectory(services.artifacts, task)[:, part] for task in (one, other))
    values = similarity_over_epochs(first, second, courses.epochs, measure)
    return Trajectory(pair, (one.label, other.label), values)


def _draw(
    services: Services,
    courses: Trajectories,
    found: list[Trajectory],
    measure: Measure,
    layer: str | None,
    name: str,
) -> bytes:
    if not any(math.isfinite(value) for course in found for value in course.values):
        raise Conflict("no pair of tasks has vectors yet, so there is nothing to draw")
    title = queries.experiment(services.database, courses.experiment_id).record.name
    return services.figure_process.render(
        subprocesses.draw_trajectories,
        DRAWN[name],
        found,
        measure,
        f"{title}: {results.shown(layer)} while learning",
    )


def _encode(
    courses: Trajectories, found: list[Trajectory], measure: Measure, layer: str | None, name: str
) -> bytes:
    epochs = list(range(courses.epochs + 1))
    values = [[float(v) if math.isfinite(v) else None for v in course.values] for course in found]
    if name == "csv":
        header = ["epoch", *(f"{one}-{other}" for one, other in (course.tasks for course in found))]
        return table_csv(header, zip(epochs, *values, strict=True))
    document = SimilarityEpochs(
        experiment_id=courses.experiment_id,
        base_id=courses.base_id,
        measure=measure,
        layer=layer,
        complete=all(value is not None for row in values for value in row),
        epochs=epochs,
        pairs=[
            schemas.SimilarityCourse(tasks=course.tasks, labels=course.labels, values=row)
            for course, row in zip(found, values, strict=True)
        ],
    )
    return document.model_dump_json().encode()
