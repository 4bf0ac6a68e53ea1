"""Plan, preview and typical cost of an experiment from its spec; reaches no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from itertools import pairwise
from types import MappingProxyType

from tgsh.datasets.base import DatasetInfo, check_train_limit
from tgsh.datasets.descriptions import UploadInfo, info_of, no_upload_info
from tgsh.errors import InvalidSpec
from tgsh.execution.requirements import suite_torch_fields, torch_fields
from tgsh.networks.registry import base_id_of, context_of
from tgsh.specs import AugmentSuite, CustomSuite, ExperimentSpec, FlyNetSpec, NetworkSpec, NeuroModNetSpec
from tgsh.specs.transforms import TransformSpec
from tgsh.store.experiments import ExperimentPlan, PlannedTask
from tgsh.store.previews import PreviewRequest
from tgsh.suites import build, evenly_spaced
from tgsh.suites.transform_suites import TABLE_1

MOST_CROSSED = 100
"""Tasks of which an accuracy matrix is measured: 10,000 evaluations take minutes."""

MOST_SHUFFLED = 1_000
"""Trainings on shuffled classes: shuffles × tasks."""

MOST_PREVIEWED = 64
"""Tasks that a preview shows: the first, the last, and others evenly between them."""


def layers(spec: ExperimentSpec, uploads: UploadInfo = no_upload_info) -> Mapping[str, slice]:
    """Slices of the context vectors that belong to each layer of the network: layer-1, layer-2, …"""
    info = info_of(spec, uploads)
    return context_of(spec.network, info.pixels, info.classes).parts


def plan(spec: ExperimentSpec, uploads: UploadInfo = no_upload_info) -> ExperimentPlan:
    """The plan of a spec. Raises InvalidSpec, naming the field, where its parts do not fit together."""
    info = info_of(spec, uploads)
    check_train_limit(spec.training.train_limit, info)
    tasks = [PlannedTask(task.label, dict(task.params)) for task in build(spec.suite, info)]
    if spec.accuracy_matrix and len(tasks) > MOST_CROSSED:
        raise InvalidSpec(
            "accuracy_matrix",
            f"is for {MOST_CROSSED} tasks at most: {len(tasks):,} take {len(tasks) ** 2:,} evaluations",
        )
    if (trainings := spec.null_shuffles * len(tasks)) > MOST_SHUFFLED:
        raise InvalidSpec(
            "null_shuffles",
            f"{spec.null_shuffles} of {len(tasks):,} tasks are {trainings:,} trainings, and "
            f"{MOST_SHUFFLED:,} are the most",
        )
    used = list(dict.fromkeys(each.name for each in info.members or (info,) if each.is_uploaded))
    base_id = base_id_of(spec.network, info.pixels, info.classes, spec.base_seed)
    return ExperimentPlan(tasks, base_id, used, needs_torch=bool(torch_fields(spec)))


def preview(spec: ExperimentSpec, uploads: UploadInfo = no_upload_info) -> PreviewRequest:
    """The tasks and the key of a spec's preview. Raises InvalidSpec as `plan` does.

    Its key follows from what decides the picture: not from the network, nor from how it is trained.
    """
    plan(spec, uploads)
    relevant = spec.model_dump(mode="json", include={"dataset", "suite", "seed"})
    canonical = json.dumps([relevant, MOST_PREVIEWED], sort_keys=True, separators=(",", ":"))
    tasks = build(spec.suite, info_of(spec, uploads))
    previewed = [(task.index, task.label) for task in evenly_spaced(tasks, MOST_PREVIEWED)]
    key, needs_torch = hashlib.sha256(canonical.encode()).hexdigest(), bool(suite_torch_fields(spec.suite))
    return PreviewRequest(key, relevant, previewed, len(tasks), needs_torch)


SECONDS_A_MULTIPLICATION: Mapping[str, float] = MappingProxyType(
    {"flynet": 6.7e-12, "neuromodnet": 6.0e-12, "tgsh": 1.4e-11, "gsh": 1.3e-11}
)
"""By kind of network, with everything around the multiplications: a task-epoch of MNIST takes 0.148, 2.69,
0.768 and 0.727 s."""

SECONDS_A_PIXEL: Mapping[str, float] = MappingProxyType(
    {
        "invert": 1.4e-10,
        "color-jitter": 8.0e-9,
        "gaussian-noise": 1.6e-8,
        "impulse-noise": 1.6e-8,
        "random-erasing": 1.9e-9,
        "gaussian-blur": 2.0e-9,
        "affine": 2.1e-9,
        "random-resized-crop": 3.9e-9,
        "random-perspective": 4.9e-9,
    }
)
"""Of transforms that compute values anew; what only moves pixels costs nothing."""

SECONDS_A_CHANGED_PIXEL = 1.5e-9
"""More, once a pixel, where any of these does: images become floats, and no longer stay as they are."""

EVALUATED = 0.65
"""Cost of an image that is classified, as a share of one that is learned from."""

SECONDS_A_FINISHED_TASK = 0.05
"""Samples, geometry and class means of a task when all are trained."""


def image_seconds(spec: ExperimentSpec, info: DatasetInfo) -> float:
    """Typical seconds to learn from one image, over the tasks of the suite."""
    learned = multiplications(spec.network, info) * SECONDS_A_MULTIPLICATION[spec.network.kind]
    chains = [*_chains(spec)]
    changed = sum(_pixel_seconds(chain) for chain in chains) / len(chains)
    return learned + changed * info.pixels


def task_seconds(spec: ExperimentSpec, info: DatasetInfo) -> float:
    """Typical seconds of a task: all its epochs, and its evaluation."""
    images = info.train_images if spec.training.train_limit is None else spec.training.train_limit
    seen = spec.training.epochs * images + EVALUATED * info.test_images
    return seen * image_seconds(spec, info)


def crossing_seconds(spec: ExperimentSpec, info: DatasetInfo, tasks: int) -> float:
    """Typical seconds of the accuracy matrix, every context on every task; 0 where the spec has none."""
    if not spec.accuracy_matrix:
        return 0.0
    return tasks * (tasks + 1) * EVALUATED * info.test_images * image_seconds(spec, info)


def shuffle_seconds(spec: ExperimentSpec, info: DatasetInfo, tasks: int) -> float:
    """Typical seconds of training on shuffled classes, by the one worker that finishes an experiment."""
    return spec.null_shuffles * tasks * task_seconds(spec, info)


def multiplications(network: NetworkSpec, info: DatasetInfo) -> float:
    """Approximate multiplications of one image in one epoch."""
    match network:
        case FlyNetSpec():
            return network.expansion * info.pixels * (network.fan_in + 4 * info.classes)
        case NeuroModNetSpec():
            widths = [info.pixels, *network.layers, info.classes]
            return 4 * sum(below * above for below, above in pairwise(widths))
        case _:
            return network.hidden * (info.pixels + 2 * network.rank)


def _chains(spec: ExperimentSpec) -> Iterator[tuple[TransformSpec, ...]]:
    match spec.suite:
        case AugmentSuite():
            yield from (transforms for _, _, transforms in TABLE_1)
        case CustomSuite():
            yield from (task.transforms for task in spec.suite.tasks)
        case _:
            yield ()  # pixels are only moved


def _pixel_seconds(transforms: tuple[TransformSpec, ...]) -> float:
    changing = [SECONDS_A_PIXEL[each.kind] for each in transforms if each.kind in SECONDS_A_PIXEL]
    return sum(changing) + SECONDS_A_CHANGED_PIXEL if changing else 0.0
