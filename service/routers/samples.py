"""/experiments/{id}/samples: what the images of each task look like."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service import results
from service.dependencies import ExperimentId, Services, ServicesDep
from service.parsing import numbers
from service.responses import choose, respond
from service.results import Format
from service.showing import Shown, encode
from tgsh.datasets.base import info_of
from tgsh.schemas import Samples
from tgsh.specs import ExperimentSpec
from tgsh.store import queries

router = APIRouter(prefix="/experiments", tags=["results"])

OFFERED = ("json", "npy", "safetensors", "png", "svg", "pdf")


@router.get(
    "/{experiment_id}/samples",
    summary="What the images of each task look like",
    responses=results.documented(Samples, *OFFERED),
    response_class=Response,
)
def samples(
    experiment_id: ExperimentId,
    services: ServicesDep,
    request: Request,
    tasks: Annotated[
        str | None, Query(max_length=2000, description="such as 0,9,18 or 0-35; all that are kept")
    ] = None,
    format: Format = None,
) -> Response:
    """The same few test images in every task, pixels from 0 (black) to 1 (white), before any scaling.

    They are kept when an experiment completes, of 36 tasks at most, evenly spread. The sheet has a row a
    task and a column an image.
    """
    name = choose(request, format, OFFERED)
    shown = _shown(services, experiment_id, tasks)
    return respond(
        request,
        services.cache,
        ("samples", experiment_id, shown.title, str(shown.tasks)),
        name,
        results.file_name("samples", experiment_id),
        lambda: _encode(services, shown, name),
        final=True,
    )


def _shown(services: Services, experiment_id: str, tasks: str | None) -> Shown:
    tensors, about = results.measured(services, experiment_id, "samples")
    kept = tuple(json.loads(about["tasks"]))
    chosen = numbers(tasks, kept, "tasks")
    record = queries.experiment(services.database, experiment_id).record
    labels = {task.index: task.label for task in queries.tasks(services.database, experiment_id)}
    info = info_of(ExperimentSpec.model_validate(record.spec), services.uploads.info)
    classes = tensors["classes"].tolist()
    images = tensors["images"][[kept.index(task) for task in chosen]]
    return Shown(
        about={"experiment_id": experiment_id},
        title=f"{record.name}: samples",
        tasks=chosen,
        labels=[labels[task] for task in chosen],
        classes=classes,
        names=[info.class_labels[number] for number in classes],
        images=images.reshape(*images.shape[:2], *info.shape),
    )


def _encode(services: Services, shown: Shown, name: str) -> bytes:
    if name != "json":
        return encode(services, shown, name)
    document = Samples(
        experiment_id=shown.about["experiment_id"],
        tasks=shown.tasks,
        labels=shown.labels,
        classes=shown.classes,
        class_names=shown.names,
        images=shown.images.tolist(),
    )
    return document.model_dump_json().encode()
