"""POST images: the task that they come from, predictions under mixed contexts, and the best mix of
contexts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel
from scipy.special import softmax

from service.dependencies import (
    Body,
    CallerDep,
    ConversionDep,
    ExperimentId,
    Format,
    Services,
    ServicesDep,
    Stage,
)
from service.middleware.auth import Caller
from service.multipart import file_pieces, is_file
from service.parsing import (
    FILE_OR_IMAGES_BODY,
    IMAGES_BODY,
    MAX_IMAGES,
    images_in,
    images_of,
    parse_indices,
    parse_weights,
)
from service.responses import choose, documented, respond_once
from service.results.base import ARRAY_WRITERS, WHERE_THERE_IS_ONE
from service.results.context_mixtures import best_mixture, mixed_network, parse_labels, weight_documents
from service.results.inferred_tasks import infer_task
from service.results.task_networks import load_networks
from tgsh import schemas
from tgsh.arrays import LabelledArray, table_csv
from tgsh.datasets.base import DatasetInfo
from tgsh.datasets.classes import task_labels
from tgsh.datasets.uploads.options import UploadOptions
from tgsh.datasets.uploads.sandbox import Upload
from tgsh.datasets.uploads.unlabelled import read_unlabelled
from tgsh.errors import InvalidSpec
from tgsh.schemas import InferenceRule
from tgsh.specs import Seed

router = APIRouter(prefix="/experiments", tags=["tasks"])

INFERENCE = ("json", "csv")
MIXED = ("json", "csv", "npy")
MIXTURES = ("json", "csv")


@router.post(
    "/{experiment_id}/inference",
    summary="Which task your images come from",
    responses={
        200: documented(
            schemas.TaskInference,
            INFERENCE,
            csv="task,label,score,probability\n9,90°,2.41,0.81\n10,100°,2.2,0.15\n",
        )[200]
    },
    response_class=Response,
    openapi_extra=FILE_OR_IMAGES_BODY,
)
async def inference(
    experiment_id: ExperimentId,
    services: ServicesDep,
    caller: CallerDep,
    request: Request,
    conversion: ConversionDep,
    rule: Annotated[
        InferenceRule,
        Query(
            description="margin: how firmly each context decides; blind-hash: nearest mean image, no context"
        ),
    ] = "margin",
    stage: Stage = "after",
    format: Format = None,
) -> Response:
    """Tasks by how likely the images, all from one task, come from each; their classes without its number.

    A network with the right context decides firmly, with another one it hesitates. `margin`: mean of the
    largest logit less the second, over what is usual for the context. `entropy`: minus the mean entropy of
    the classes.
    `infomax`: mutual information of image and class over the batch. `blind-hash`: SimHash of φ(x) against
    the mean images of all tasks, which needs no context at all and is the best rule for a single image.

    Images are taken as the task's network would see them; those of a file are converted as the query says.
    All must come from one task; the answer says how
    often that task is named for batches of about this size. What is like no task gets a first task, too.
    """
    name = choose(request, format, INFERENCE)
    content_type = request.headers.get("content-type")

    def respond(read: Callable[[DatasetInfo], np.ndarray]) -> Response:
        with services.cache.turns.turn():
            loaded = load_networks(services, experiment_id, stage)
            document = infer_task(services, experiment_id, stage, rule, loaded, read(loaded.info))
        if name == "json":
            content = _json(document)
        else:
            rows = ([each.task, each.label, each.score, each.probability] for each in document.tasks)
            content = table_csv(["task", "label", "score", "probability"], rows)
        return respond_once(content, name, f"inference-{experiment_id}")

    if is_file(content_type):
        await run_in_threadpool(load_networks, services, experiment_id, stage)  # before anything is sent
        found = await _images_in_file(request, services, caller, UploadOptions.parsed(conversion))
        return await run_in_threadpool(respond, lambda info: images_of(found, info))
    if conversion:
        first, *others = [
            (each, "is an option of a file; arrays are taken as they are") for each in conversion
        ]
        raise InvalidSpec(*first, others)
    body = await request.body()
    return await run_in_threadpool(respond, lambda info: images_in(body, content_type, info))


async def _images_in_file(
    request: Request, services: Services, caller: Caller, options: UploadOptions
) -> np.ndarray:
    await run_in_threadpool(services.upload_staging.require_space, 0)
    with services.upload_staging.room() as folder:
        target = folder / "upload"
        await services.upload_staging.receive(file_pieces(request), target)
        sent = Upload(target, options, services.settings.max_upload_bytes)
        async with services.upload_staging.turn(caller.name):
            return await run_in_threadpool(read_unlabelled, sent, folder, MAX_IMAGES)


@router.post(
    "/{experiment_id}/predictions",
    summary="Classes of your images under a mean of contexts",
    responses={
        200: documented(schemas.MixedPredictions, MIXED, csv="image,class,0,1,2\n0,1,0.02,0.95,0.03\n")[200]
    },
    response_class=Response,
    openapi_extra=IMAGES_BODY,
)
def mixed_predictions(
    experiment_id: ExperimentId,
    services: ServicesDep,
    request: Request,
    body: Body,
    weights: Annotated[
        str,
        Query(
            max_length=20_000,
            description="tasks and the weights of their contexts; divided by their sum",
            examples=["8:0.5,10:0.5"],
        ),
    ],
    stage: Stage = "after",
    format: Format = None,
) -> Response:
    """Predictions with the weighted mean of context vectors, such as of the two neighbours of an unknown
    task.

    Images are taken as the task's network would see them. The mean of neighbours serves what lies between
    them; arithmetic with unlike tasks ("flip + rotate") does not work.
    """
    name = choose(request, format, MIXED)
    with services.cache.turns.turn():
        loaded = load_networks(services, experiment_id, stage)
        mix = parse_weights(weights, loaded.ref.tasks)
        images = images_in(body, request.headers.get("content-type"), loaded.info)
        logits = mixed_network(loaded, mix).logits(images)
    told = weight_documents(loaded, mix)
    labels = task_labels(loaded.info, told[0].task)
    classes, probabilities = logits.argmax(axis=1).tolist(), softmax(logits, axis=1)
    if name == "json":
        content = _json(
            schemas.MixedPredictions(
                **loaded.about,
                weights=told,
                classes=classes,
                class_names=[labels[number] for number in classes],
                probabilities=probabilities.tolist(),
            )
        )
    elif name == "csv":
        rows = zip(classes, probabilities.tolist(), strict=True)
        content = table_csv(
            ["image", "class", *labels], ([image, number, *row] for image, (number, row) in enumerate(rows))
        )
    else:
        array = LabelledArray(
            probabilities, [each.task for each in told], [each.label for each in told], None, loaded.about
        )
        content = ARRAY_WRITERS[name](array)
    return respond_once(content, name, f"predictions-{experiment_id}")


@router.post(
    "/{experiment_id}/mixtures",
    summary="The best mix of contexts for your labelled images",
    responses={
        200: documented(
            schemas.ContextMixture, MIXTURES, csv="task,label,weight\n8,80°,0.54\n10,100°,0.46\n"
        )[200]
    },
    response_class=Response,
    openapi_extra=IMAGES_BODY,
)
def mixtures(
    experiment_id: ExperimentId,
    services: ServicesDep,
    request: Request,
    body: Body,
    labels: Annotated[
        str,
        Query(max_length=20_000, description="class of every image, by name or number", examples=["3,1,4,1"]),
    ],
    contexts: Annotated[int, Query(ge=1, le=100, description="in the mix, at most")] = 2,
    tasks: Annotated[
        str | None, Query(max_length=2000, description="whose contexts may be mixed, such as 0-8,10; all")
    ] = None,
    seed: Annotated[Seed, Query(description="decides the halves")] = 0,
    stage: Stage = "after",
    format: Format = None,
) -> Response:
    """Weights of contexts that make the labels of one half of the images likeliest, measured on the other
    half.

    Cross-entropy over the simplex, which is convex where logits are linear in the context (FlyNet, T-GSH).
    Beside the mix stand the best single context, chosen on the same half, and the mean of all. Nothing is
    stored.
    """
    name = choose(request, format, MIXTURES)
    with services.cache.turns.turn():
        loaded = load_networks(services, experiment_id, stage)
        chosen = parse_indices(tasks, loaded.ref.tasks, "tasks")
        images = images_in(body, request.headers.get("content-type"), loaded.info)
        outputs = parse_labels(labels, loaded, len(images))
        document = best_mixture(loaded, images, outputs, chosen, contexts, seed)
    if name == "json":
        content = _json(document)
    else:
        rows = ([each.task, each.label, each.weight] for each in document.tasks)
        content = table_csv(["task", "label", "weight"], rows)
    return respond_once(content, name, f"mixture-{experiment_id}")


def _json(document: BaseModel) -> bytes:
    """JSON without fields that say that there is nothing."""
    silent = {name for name in WHERE_THERE_IS_ONE if not getattr(document, name, True)}
    return document.model_dump_json(exclude=silent).encode()
