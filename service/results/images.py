"""Images: samples of tasks, of previews and of datasets, and reconstructions."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from service import subprocesses
from service.dependencies import Services
from service.parsing import parse_indices
from service.results import base
from service.results.base import (
    Computed,
    NoParams,
    Params,
    Result,
    Sketch,
    Source,
    as_arrays,
    as_json,
    source_itself,
    stage_source,
)
from service.results.classes import read_info
from tgsh.analysis.reconstruction import Decoder, agreement, codes
from tgsh.arrays import LabelledArray
from tgsh.datasets.base import DatasetInfo
from tgsh.datasets.classes import task_labels
from tgsh.datasets.descriptions import info_of
from tgsh.errors import Conflict, InvalidSpec
from tgsh.networks.registry import FlyNetBase, random_base, unavailable_reason
from tgsh.rng import rng_for
from tgsh.schemas import (
    DatasetSamples,
    Preview,
    ReconstructionMethod,
    Reconstructions,
    ReconstructionScore,
    Samples,
)
from tgsh.specs import ExperimentSpec, FlyNetSpec
from tgsh.specs.results import PICTURES, RESULT_SPECS, ResultSpec
from tgsh.store import queries
from tgsh.store.datasets import StoredDataset
from tgsh.store.models import PreviewRecord
from tgsh.store.results import StageRef, load_result, load_stage
from tgsh.task_names import MAX_NAME, told_apart

FORMATS_OF_IMAGES = ("json", "npy", "safetensors", *PICTURES)

# --- the same images as some tasks show them


@dataclass(frozen=True)
class ImageGrid:
    """The same n test images in every task: a row a task, a column an image.

    Parameters
    ----------
    about : what they are of, for formats that can hold it.
    title : of the figure.
    tasks, labels : of the rows.
    classes, names : of the columns.
    own_names : of each task's images, where no class is in all tasks and each shows its own; else None.
    images : float32 [T, n, height, width], 0 to 1; [T, n, height, width, 3] in colour.
    """

    about: dict[str, str]
    title: str
    tasks: list[int]
    labels: list[str]
    classes: list[int]
    names: list[str]
    images: np.ndarray
    own_names: list[list[str]] | None = None


Grid = Computed[ImageGrid, Any, Any]


def _grid_array(computed: Grid) -> LabelledArray:
    about = {**computed.value.about, "classes": json.dumps(computed.value.classes)}
    return LabelledArray(computed.value.images, computed.value.tasks, computed.value.labels, None, about)


def _grid_figure(_services: Services, computed: Grid) -> Sketch:
    return Sketch(
        subprocesses.draw_samples,
        (
            computed.value.images,
            told_apart(computed.value.labels, computed.value.tasks, MAX_NAME),
            computed.value.names,
            computed.value.title,
        ),
    )


# --- samples of an experiment


class SamplesParams(Params):
    """tasks: such as "0,9,18"; None: all that are kept."""

    tasks: str | None = None


def _find_samples(services: Services, experiment_id: str, params: SamplesParams) -> Source[ImageGrid]:
    tensors, about = base.measured(services, experiment_id, "samples")
    stored = tuple(json.loads(about["tasks"]))
    tasks = parse_indices(params.tasks, stored, "tasks")
    record = queries.experiment(services.database, experiment_id).record
    labels = {task.index: task.label for task in queries.tasks(services.database, experiment_id)}
    info = read_info(services, experiment_id, ExperimentSpec.model_validate(record.spec))
    rows = [stored.index(task) for task in tasks]
    classes, names, own_names = _columns(info, tensors["classes"], rows, tasks)
    images = tensors["images"][rows]
    grid = ImageGrid(
        about={"experiment_id": experiment_id},
        title=f"{record.name}: samples",
        tasks=tasks,
        labels=[labels[task] for task in tasks],
        classes=classes,
        names=names,
        images=images.reshape(*images.shape[:2], *info.shape),
        own_names=own_names,
    )
    return Source(grid, f"{experiment_id} {grid.title}", experiment_id, final=True)


def _columns(
    info: DatasetInfo, classes: np.ndarray, rows: list[int], tasks: list[int]
) -> tuple[list[int], list[str], list[list[str]] | None]:
    """Numbers and names of the columns, and of each task's images where tasks share no class."""
    if classes.ndim == 1:
        return classes.tolist(), [info.class_labels[number] for number in classes.tolist()], None
    labels = (task_labels(info, task) for task in tasks)
    own = [[names[number] for number in classes[row]] for row, names in zip(rows, labels, strict=True)]
    places = list(range(classes.shape[1]))
    return places, [f"its class {place + 1}" for place in places], own


def _samples_document(computed: Grid) -> Samples:
    return Samples(
        experiment_id=computed.value.about["experiment_id"],
        tasks=computed.value.tasks,
        labels=computed.value.labels,
        classes=computed.value.classes,
        class_names=computed.value.names,
        task_classes=computed.value.own_names,
        images=computed.value.images.tolist(),
    )


SAMPLES = Result(
    spec=RESULT_SPECS["samples"],
    params=SamplesParams,
    find=_find_samples,
    compute=source_itself,
    encoders={"json": as_json(_samples_document), **as_arrays(_grid_array, "npy", "safetensors")},
    figure=_grid_figure,
)


# --- previews


@dataclass(frozen=True)
class DrawnPreview:
    """A preview whose images are there, and its document."""

    record: PreviewRecord
    document: Preview


def _find_preview(_services: Services, preview: DrawnPreview, _params: NoParams) -> Source[DrawnPreview]:
    key, shown = preview.record.key, preview.document.model_dump_json()  # labels differ by who asks
    return Source(preview, f"{key} {preview.record.artifact_sha256} {shown}", key[:12], final=True)


def _preview_grid(services: Services, preview: DrawnPreview, _params: NoParams) -> ImageGrid:
    record = preview.record
    tensors, _ = services.artifacts.load(str(record.artifact), str(record.artifact_sha256))
    spec = ExperimentSpec.model_validate(record.spec)
    info, images = info_of(spec, services.uploads.info), tensors["images"]
    tasks = [index for index, _ in record.tasks]
    classes, names, own_names = _columns(info, tensors["classes"], list(range(len(tasks))), tasks)
    some = "" if len(images) == record.tasks_total else f", {len(images)} of {record.tasks_total} tasks"
    return ImageGrid(
        about={"preview": record.key},
        title=f"{spec.suite.kind} on {spec.dataset_key}{some}",
        tasks=tasks,
        labels=preview.document.tasks,
        classes=classes,
        names=names,
        images=images.reshape(*images.shape[:2], *info.shape),
        own_names=own_names,
    )


PREVIEW = Result(
    spec=ResultSpec("preview", FORMATS_OF_IMAGES),
    params=NoParams,
    find=_find_preview,
    compute=_preview_grid,
    encoders={
        "json": lambda computed: computed.content.document.model_dump_json().encode(),
        **as_arrays(_grid_array, "npy", "safetensors"),
    },
    figure=_grid_figure,
)


# --- samples of a dataset

DEFAULT_CLASSES = 20
MOST_DATASET_IMAGES = 1_000


class DatasetSamplesParams(Params):
    """classes: such as "0,9"; None: the first. examples: of each class."""

    classes: str | None = None
    examples: int = 8


@dataclass(frozen=True)
class ClassChoice:
    """A dataset as one of those who see it has it, and some of its classes."""

    dataset: StoredDataset
    classes: list[int]

    @property
    def names(self) -> list[str]:
        """Of these classes."""
        return [self.dataset.record.class_names[number] for number in self.classes]


ClassImages = Computed[np.ndarray, ClassChoice, DatasetSamplesParams]


def _find_classes(
    _services: Services, dataset: StoredDataset, params: DatasetSamplesParams
) -> Source[ClassChoice]:
    record = dataset.record
    every = tuple(range(len(record.class_names)))
    some = None if params.classes is None else parse_indices(params.classes, every, "classes")
    content = ClassChoice(dataset, list(every[:DEFAULT_CLASSES]) if some is None else some)
    return Source(content, f"{record.sha256} {dataset.holder.name}", record.id)


def _check_classes(content: ClassChoice, params: DatasetSamplesParams, _format: str) -> None:
    if (count := len(content.classes) * params.examples) > MOST_DATASET_IMAGES:
        raise InvalidSpec("classes", f"{count:,} images are more than {MOST_DATASET_IMAGES:,}; choose fewer")


def _class_images(services: Services, content: ClassChoice, params: DatasetSamplesParams) -> np.ndarray:
    """The first training images of each class: uint8 [K, n, height, width], in colour [.., 3]."""
    dataset = services.uploads.load(content.dataset.record.id)
    places = [np.flatnonzero(dataset.train_labels == number)[: params.examples] for number in content.classes]
    fewest = min(map(len, places))
    images = dataset.train_images[np.concatenate([some[:fewest] for some in places])]
    return np.asarray(images).reshape(len(places), fewest, *dataset.info.shape)


def _classes_document(computed: ClassImages) -> DatasetSamples:
    return DatasetSamples(
        id=computed.content.dataset.record.id,
        classes=computed.content.classes,
        class_names=computed.content.names,
        images=computed.value.tolist(),
    )


def _classes_array(computed: ClassImages) -> LabelledArray:
    about = {"id": computed.content.dataset.record.id, "class_names": json.dumps(computed.content.names)}
    return LabelledArray(computed.value, computed.content.classes, computed.content.names, None, about)


def _classes_figure(_services: Services, computed: ClassImages) -> Sketch:
    columns = [str(number + 1) for number in range(computed.value.shape[1])]
    pixels, title = computed.value / np.float32(255), computed.content.dataset.holder.name
    return Sketch(subprocesses.draw_dataset_samples, (pixels, computed.content.names, columns, title))


DATASET_SAMPLES = Result(
    spec=ResultSpec("dataset-samples", FORMATS_OF_IMAGES),
    params=DatasetSamplesParams,
    find=_find_classes,
    compute=_class_images,
    encoders={"json": as_json(_classes_document), **as_arrays(_classes_array, "npy", "safetensors")},
    figure=_classes_figure,
    limits=_check_classes,
    file_stem="samples",
)


# --- reconstructions

MAX_IMAGES = 1_000
"""Images in one response: tasks × classes × samples."""

MOST_PAIRS = 100_000_000
"""H · fan_in², the additions of AᵀA: a second. 200,000 units with the paper's fan_in take 10,000,000."""

MOST_PIXELS = 4_096
"""D: AᵀA takes D² numbers (134 MB), and its factor D³/3 multiplications (a second)."""


NO_IMAGES_KEPT = (
    "of each class the mean image is stored, not the images that it is of, so that none can be drawn anew; "
    "a study has the spread over seeds and random bases"
)
"""Why a score has no interval over test images."""


class ReconstructionParams(Params):
    """Parameters of Eq. 3, and the tasks and classes that are reconstructed."""

    tasks: str | None = None
    classes: str | None = None
    samples: int = 1
    seed: int = 0
    method: ReconstructionMethod = "pinv"
    ridge: float = 1.0
    stage: str = "after"

    @property
    def penalty(self) -> float:
        """λ of the decoder."""
        return self.ridge if self.method == "ridge" else 0.0


@dataclass(frozen=True)
class Codes:
    """Input of the decoder: context vectors of tasks and readouts of classes over a random base."""

    ref: StageRef
    info: DatasetInfo
    random_base: FlyNetBase
    tasks: list[int]
    classes: list[int]

    @property
    def rows(self) -> list[int]:
        """Rows of these tasks among those of the stage."""
        return [self.ref.tasks.index(task) for task in self.tasks]

    @property
    def labels(self) -> list[str]:
        """Of these tasks."""
        return [self.ref.labels[row] for row in self.rows]

    @property
    def names(self) -> list[str]:
        """Of these classes."""
        return [self.info.class_labels[number] for number in self.classes]


def why_no_reconstructions(spec: ExperimentSpec, info: DatasetInfo) -> str:
    """The reason for which an experiment has no reconstructions, whatever it waits for; "" where it has."""
    if reason := unavailable_reason(spec.network, "reconstructions"):
        return reason
    assert isinstance(spec.network, FlyNetSpec)
    if (ones := spec.network.expansion * info.pixels * spec.network.fan_in**2) > MOST_PAIRS:
        return (
            f"the pseudo-inverse of this random base takes {ones:,} additions, and {MOST_PAIRS:,} are the "
            "most; reconstruct with a smaller expansion or fan_in"
        )
    if info.pixels > MOST_PIXELS:
        return (
            f"{info.pixels:,} pixels an image are too many for a pseudo-inverse; {MOST_PIXELS:,} are the most"
        )
    return ""


def _find_codes(services: Services, experiment_id: str, params: ReconstructionParams) -> Source[Codes]:
    source = stage_source(services, experiment_id, params.stage)
    spec = base.spec_of(services, experiment_id)
    info = info_of(spec, services.uploads.info)
    if reason := why_no_reconstructions(spec, info):
        raise Conflict(reason)
    assert isinstance(spec.network, FlyNetSpec)
    content = Codes(
        ref=source.content,
        info=info,
        random_base=random_base(spec.network, info.pixels, info.classes, spec.base_seed),
        tasks=parse_indices(params.tasks, source.content.tasks, "tasks"),
        classes=parse_indices(params.classes, tuple(range(info.classes)), "classes"),
    )
    return Source(content, source.digest, experiment_id, source.final)


def _check_images(content: Codes, params: ReconstructionParams, _format: str) -> None:
    if (count := len(content.tasks) * len(content.classes) * params.samples) > MAX_IMAGES:
        raise InvalidSpec("tasks", f"{count:,} images are more than {MAX_IMAGES:,}; choose tasks or classes")


@dataclass(frozen=True)
class Decoded:
    """Images float32 [T, K, S, height, width(, 3)] and the score of their mean over samples."""

    images: np.ndarray
    score: ReconstructionScore | None


DecodedCodes = Computed[Decoded, Codes, ReconstructionParams]


def _decode(services: Services, content: Codes, params: ReconstructionParams) -> Decoded:
    flynet, pixels = content.random_base, content.info.pixels
    shape = (len(content.tasks), len(content.classes), params.samples, pixels)
    images = np.zeros(shape, np.float32)
    vectors = load_stage(services.artifacts, content.ref)
    try:
        decoder = Decoder(flynet.indices, pixels, params.penalty)
    except ValueError as error:
        raise Conflict(f"the pseudo-inverse of this random base does not exist: {error}") from error
    for place, (row, task) in enumerate(zip(content.rows, content.tasks, strict=True)):
        clean = codes(vectors[row : row + 1], flynet.readout[content.classes])[0]
        for column, label in enumerate(content.classes):
            # A stream a task and class: what is drawn does not depend on what else was asked for.
            noise = rng_for(params.seed, "reconstruction", task, label).standard_normal(
                (params.samples, flynet.units)
            )
            images[place, column] = decoder.decode(clean[column] + noise / flynet.units)
    score = _score(services, content, images.mean(axis=2))
    return Decoded(images.reshape(*shape[:3], *content.info.shape), score)


def _score(services: Services, content: Codes, images: np.ndarray) -> ReconstructionScore | None:
    stored = load_result(services.database, services.artifacts, content.ref.experiment_id, "class-means")
    if stored is None:
        return None
    means = stored[0]["means"][np.ix_(content.tasks, content.classes)]
    present = np.isfinite(means).all(axis=(0, 2))  # classes that all of these tasks have
    score = agreement(images[:, present], means[:, present])
    return None if score is None else ReconstructionScore(**asdict(score), reason=NO_IMAGES_KEPT)


def _decoded_about(computed: DecodedCodes) -> dict[str, str]:
    return {**base.about(computed.content.ref), "method": computed.params.method}


def _decoded_document(computed: DecodedCodes) -> Reconstructions:
    content, params = computed.content, computed.params
    return Reconstructions.model_validate(
        {
            **_decoded_about(computed),
            "ridge": params.penalty,
            "seed": params.seed,
            "tasks": content.tasks,
            "labels": content.labels,
            "classes": content.classes,
            "class_names": content.names,
            "score": computed.value.score,
            "images": computed.value.images.tolist(),
        }
    )


def _decoded_array(computed: DecodedCodes) -> LabelledArray:
    content = computed.content
    return LabelledArray(computed.value.images, content.tasks, content.labels, None, _decoded_about(computed))


def _decoded_figure(services: Services, computed: DecodedCodes) -> Sketch:
    """The mean over samples: a row a task, a column a class."""
    content = computed.content
    base.require_tasks(content.ref)
    means = computed.value.images.mean(axis=2)
    title = base.stage_title(services, content.ref, "reconstructions")
    labels = told_apart(content.labels, content.tasks, MAX_NAME)
    return Sketch(subprocesses.draw_reconstructions, (means, labels, content.names, title))


RECONSTRUCTIONS = Result(
    spec=RESULT_SPECS["reconstructions"],
    params=ReconstructionParams,
    find=_find_codes,
    compute=_decode,
    encoders={"json": as_json(_decoded_document), **as_arrays(_decoded_array, "npy", "safetensors")},
    figure=_decoded_figure,
    limits=_check_images,
)
