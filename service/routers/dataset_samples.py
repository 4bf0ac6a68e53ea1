"""/datasets/{id}/samples: what the images of an uploaded dataset look like."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request, Response

from service import results, subprocesses
from service.dependencies import Services, ServicesDep
from service.parsing import numbers
from service.responses import choose, respond
from service.results import Format
from service.routers.datasets import HeldDep
from service.subprocesses import DRAWN
from tgsh.arrays import LabelledArray
from tgsh.errors import InvalidSpec
from tgsh.schemas import DatasetSamples

router = APIRouter(prefix="/datasets", tags=["datasets"])

OFFERED = ("json", "npy", "safetensors", "png", "svg", "pdf")

SHOWN_CLASSES = 20
MOST_IMAGES = 1_000


@dataclass(frozen=True)
class Shown:
    """Training images of some classes: uint8 [K, n, height, width], or colour [K, n, height, width, 3]."""

    dataset_id: str
    name: str
    classes: list[int]
    names: list[str]
    images: np.ndarray


@router.get(
    "/{dataset_id}/samples",
    summary="What the images of a dataset look like",
    responses=results.documented(DatasetSamples, *OFFERED),
    response_class=Response,
)
def dataset_samples(
    held: HeldDep,
    services: ServicesDep,
    request: Request,
    classes: Annotated[
        str | None, Query(max_length=2000, description="such as 0,9 or 0-19; the first 20")
    ] = None,
    examples: Annotated[int, Query(ge=1, le=20, description="images of each class")] = 8,
    format: Format = None,
) -> Response:
    """The first training images of each class, pixels from 0 to 255: a row a class on the sheet.

    A class that has fewer examples shows what it has, and so do the others then.
    """
    name = choose(request, format, OFFERED)
    record = held.record
    every = tuple(range(len(record.class_names)))
    chosen = numbers(classes, every, "classes") if classes is not None else list(every[:SHOWN_CLASSES])
    if (count := len(chosen) * examples) > MOST_IMAGES:
        raise InvalidSpec("classes", f"{count:,} images are more than {MOST_IMAGES:,}; choose fewer")

    def make() -> bytes:
        names = [record.class_names[number] for number in chosen]
        images = _images(services, record.id, chosen, examples)
        return _encode(services, Shown(record.id, held.holder.name, chosen, names, images), name)

    key = ("dataset-samples", record.sha256, held.holder.name, str(chosen), str(examples))
    return respond(request, services.cache, key, name, f"samples-{record.id}", make)


def _images(services: Services, dataset_id: str, classes: list[int], examples: int) -> np.ndarray:
    dataset = services.uploads.load(dataset_id)
    labels = dataset.train_labels
    places = [np.flatnonzero(labels == number)[:examples] for number in classes]
    fewest = min(map(len, places))
    found = dataset.train_images[np.concatenate([some[:fewest] for some in places])]
    return np.asarray(found).reshape(len(classes), fewest, *dataset.info.shape)


def _encode(services: Services, shown: Shown, name: str) -> bytes:
    if name == "json":
        return DatasetSamples(
            id=shown.dataset_id,
            classes=shown.classes,
            class_names=shown.names,
            images=shown.images.tolist(),
        ).model_dump_json().encode()  # fmt: skip
    if name in DRAWN:
        columns = [str(number + 1) for number in range(shown.images.shape[1])]
        sheet = (shown.images / np.float32(255), shown.names, columns, shown.name)
        return services.figure_process.render(subprocesses.draw_dataset_samples, DRAWN[name], *sheet)
    about = {"id": shown.dataset_id, "class_names": json.dumps(shown.names)}
    return results.ARRAYS[name](LabelledArray(shown.images, shown.classes, shown.names, None, about))
