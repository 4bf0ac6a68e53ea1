"""/experiments/{id}/tasks/{index}/predictions, …/representations and …/codes of images in the request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from scipy.special import softmax

from service.dependencies import Bits, Body, ExperimentId, Format, Services, ServicesDep, Stage
from service.parsing import IMAGES_BODY, images_in
from service.responses import choose, documented, respond_once
from service.results.base import ARRAY_WRITERS, check_text, spec_of
from service.results.classes import info_to_run
from service.results.hash_codes import check_bits
from tgsh.analysis.hash_codes import hash_codes, packed
from tgsh.arrays import LabelledArray, table_csv
from tgsh.datasets.base import DatasetInfo
from tgsh.datasets.classes import task_labels
from tgsh.datasets.normalisation import normalisation_of
from tgsh.errors import ArtifactCorrupt, Conflict, InvalidSpec
from tgsh.networks.inference import TaskNetwork, task_network
from tgsh.networks.registry import context_of, random_base, vector_size
from tgsh.schemas import HashCodes, HashKind, Predictions, Representations
from tgsh.specs import MAX_TASKS, ExperimentSpec
from tgsh.specs.results import RESULT_SPECS
from tgsh.store import queries
from tgsh.store.results import epoch_of, find_trajectory, load_trajectory
from tgsh.suites import build
from tgsh.suites.pixel_maps import PixelMap

router = APIRouter(prefix="/experiments", tags=["tasks"])

PREDICTIONS = RESULT_SPECS["predictions"].formats
REPRESENTATIONS = RESULT_SPECS["representations"].formats
CODES = ("json", "csv", "npy")

MAX_VALUES = 20_000_000
"""Numbers in one response (80 MB); networks of the paper's size stay far below it with all images."""


@dataclass(frozen=True, eq=False)
class InferenceParams:
    """A task's network at a stage, and the images [n, D] it is run on. about: what it all belongs to."""

    about: dict[str, str]
    task: int
    label: str
    class_labels: tuple[str, ...]
    network: TaskNetwork
    images: np.ndarray

    def document(self, **fields: object) -> dict[str, object]:
        """A response's content as JSON has it."""
        return {**self.about, "task": self.task, "label": self.label, **fields}

    def array(self, values: np.ndarray) -> LabelledArray:
        """The same for the formats of arrays."""
        return LabelledArray(values, [self.task], [self.label], None, self.about)

    def file_name(self, what: str) -> str:
        """File name of a download."""
        return f"{what}-{self.about['experiment_id']}-{self.task}"


def _inference_params(
    experiment_id: ExperimentId,
    index: Annotated[int, Path(ge=0, le=MAX_TASKS)],
    services: ServicesDep,
    request: Request,
    body: Body,
    stage: Stage = "after",
    transform: Annotated[
        bool,
        Query(description="the images are the dataset's kind: move their pixels as the task does first"),
    ] = False,
) -> Iterator[InferenceParams]:
    """Hold one of the turns of computing until the response is there."""
    with services.cache.turns.turn():
        yield _load(
            experiment_id, index, services, request.headers.get("content-type"), body, stage, transform
        )


def _load(
    experiment_id: str,
    index: int,
    services: Services,
    content_type: str | None,
    body: bytes,
    stage: str,
    transform: bool,
) -> InferenceParams:
    record = queries.experiment(services.database, experiment_id).record
    spec = ExperimentSpec.model_validate(record.spec)
    info = info_to_run(services, experiment_id, spec)
    label, network = _network(services, experiment_id, spec, info, index, stage)
    images = images_in(body, content_type, info)
    if transform:
        images = _pixel_map(spec, info, index).apply(images)
    about = {"experiment_id": experiment_id, "base_id": record.base_id, "stage": stage}
    return InferenceParams(about, index, label, task_labels(info, index), network, images)


ParamsDep = Annotated[InferenceParams, Depends(_inference_params)]


@router.post(
    "/{experiment_id}/tasks/{index}/predictions",
    summary="What a task's network sees in your images",
    responses={200: documented(Predictions, PREDICTIONS, csv="image,class,0,1,2\n0,1,0.02,0.95,0.03\n")[200]},
    response_class=Response,
    openapi_extra=IMAGES_BODY,
)
def predictions(params: ParamsDep, request: Request, format: Format = None) -> Response:
    """The class of every image and the probabilities of all classes: the softmax of the task's logits.

    Images are taken as the task's network sees them, already transformed; `transform=true` moves the pixels
    of images as the dataset has them first.
    """
    name = choose(request, format, PREDICTIONS)
    logits = params.network.logits(params.images)
    classes, probabilities = logits.argmax(axis=1).tolist(), softmax(logits, axis=1)
    if name == "json":
        names = [params.class_labels[number] for number in classes]
        document = params.document(classes=classes, class_names=names, probabilities=probabilities.tolist())
        content = Predictions.model_validate(document).model_dump_json().encode()
    elif name == "csv":
        header = ["image", "class", *params.class_labels]
        rows = zip(classes, probabilities.tolist(), strict=True)
        content = table_csv(header, ([image, number, *row] for image, (number, row) in enumerate(rows)))
    else:
        content = ARRAY_WRITERS[name](params.array(probabilities))
    return respond_once(content, name, params.file_name("predictions"))


@router.post(
    "/{experiment_id}/tasks/{index}/representations",
    summary="How a task's network represents your images",
    responses={200: documented(Representations, REPRESENTATIONS, csv="image,0,1,2\n0,0.0,0.31,0.02\n")[200]},
    response_class=Response,
    openapi_extra=IMAGES_BODY,
)
def representations(params: ParamsDep, request: Request, format: Format = None) -> Response:
    """r_t(x) of every image, what the readout makes logits of: v_t ⊙ φ(x) of a FlyNet, B_t φ(x) of a hash.

    Images are taken as the task's network sees them, already transformed; `transform=true` moves the pixels
    of images as the dataset has them first.
    """
    name = choose(request, format, REPRESENTATIONS)
    images, size = len(params.images), params.network.size
    check_text(name, images, size)
    if images * size > MAX_VALUES:
        raise InvalidSpec("images", f"each becomes {size:,} numbers; send {MAX_VALUES // size} at most")
    values = params.network.representations(params.images)
    if name == "json":
        document = params.document(values=values.tolist())
        content = Representations.model_validate(document).model_dump_json().encode()
    elif name == "csv":
        rows = ([image, *row] for image, row in enumerate(values.tolist()))
        content = table_csv(["image", *map(str, range(size))], rows)
    else:
        content = ARRAY_WRITERS[name](params.array(values))
    return respond_once(content, name, params.file_name("representations"))


@router.post(
    "/{experiment_id}/tasks/{index}/codes",
    summary="Hash codes of your images under a task's context",
    responses={200: documented(HashCodes, CODES, csv="image,code\n0,a17f0c3e\n")[200]},
    response_class=Response,
    openapi_extra=IMAGES_BODY,
)
def codes(
    params: ParamsDep,
    services: ServicesDep,
    request: Request,
    kind: Annotated[
        HashKind, Query(description="signs of random products, or the largest units")
    ] = "simhash",
    bits: Bits = 256,
    format: Format = None,
) -> Response:
    """Codes of r_t(x), packed: eight bits a byte, the first bit highest; as npy uint8 [n, bytes].

    Planes of a SimHash follow from the base seed and the size of representations: codes of all tasks of
    experiments over one base can be compared.
    """
    name = choose(request, format, CODES)
    experiment_id, size = params.about["experiment_id"], params.network.size
    check_bits(kind, bits, size)
    if len(params.images) * size > MAX_VALUES:
        raise InvalidSpec("images", f"each becomes {size:,} numbers; send {MAX_VALUES // size} at most")
    seed = spec_of(services, experiment_id).base_seed
    bools = hash_codes(params.network.representations(params.images), kind, bits, seed)
    content_bytes = packed(bools)
    texts = [row.tobytes().hex() for row in content_bytes]
    if name == "json":
        document = params.document(kind=kind, bits=bits, length=bools.shape[1], codes=texts)
        content = HashCodes.model_validate(document).model_dump_json().encode()
    elif name == "csv":
        content = table_csv(["image", "code"], enumerate(texts))
    else:
        content = ARRAY_WRITERS[name](params.array(content_bytes))
    return respond_once(content, name, params.file_name("codes"))


def _network(
    services: Services, experiment_id: str, spec: ExperimentSpec, info: DatasetInfo, index: int, stage: str
) -> tuple[str, TaskNetwork]:
    """A task's label and its network. Raises NotFound, or Conflict where it is not trained so far."""
    trajectory = find_trajectory(services.database, experiment_id, index)
    epoch = epoch_of(stage, spec.training.epochs)
    if trajectory.epochs_done < max(epoch, 1):
        raise Conflict(
            f"task {index} has no vector at stage {stage!r} yet: {trajectory.epochs_done} of "
            f"{spec.training.epochs} epochs are done; wait, or ask for an earlier stage"
        )
    vector = load_trajectory(services.artifacts, trajectory)[epoch]
    context = context_of(spec.network, info.pixels, info.classes)
    if len(vector) != vector_size(context):
        raise ArtifactCorrupt(f"artifact {trajectory.source[0]} holds vectors that are not of this network")
    base = random_base(spec.network, info.pixels, info.classes, spec.base_seed)
    normalisation = normalisation_of(spec.normalisation, info.of_task(index))
    return trajectory.label, task_network(base, context, np.asarray(vector), index, normalisation)


def _pixel_map(spec: ExperimentSpec, info: DatasetInfo, index: int) -> PixelMap:
    task = build(spec.suite, info)[index]
    if not isinstance(task.transform, PixelMap):
        raise Conflict(
            f"task {index} ({task.label}) changes the values of pixels, which only workers carry out; "
            "send the images already transformed, with transform=false"
        )
    return task.transform
