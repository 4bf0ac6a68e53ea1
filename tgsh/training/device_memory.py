"""Memory of a GPU that a task takes while it is trained, and how many tasks fit into what is free."""

from __future__ import annotations

from itertools import pairwise
from math import prod

from tgsh.datasets.base import DatasetInfo
from tgsh.networks.registry import context_of
from tgsh.specs import (
    AugmentSuite,
    CorruptionSuite,
    CustomSuite,
    DatasetsSuite,
    ExperimentSpec,
    FlyNetSpec,
    GshSpec,
    ManifoldSuite,
    NeuroModNetSpec,
    TgshSpec,
    shares_images,
)

FLOAT = 4
"""Bytes of float32, int32."""

FEATURES_AT_ONCE = 2**24
"""Features of one task in memory at a time (64 MB); larger batches are taken in chunks of this size."""

EVALUATION_BATCH = 128
"""Test images of a batch at least, but for what FEATURES_AT_ONCE allows."""

TAKEN = 0.8
"""Share of the free memory that is taken: the allocator rounds up, and libraries have workspaces."""


def task_bytes(spec: ExperimentSpec, info: DatasetInfo, *, cuda_graphs: bool = False) -> int:
    """Memory that one more task of a batch takes on a device, an upper bound.

    Parameters
    ----------
    spec : ExperimentSpec
        The experiment.
    info : DatasetInfo
        Its images.
    cuda_graphs : bool, default=False
        Whether steps are launched as graphs, which keep their own memory beside that of other steps.

    Returns
    -------
    int
        Bytes.
    """
    network, pixels, classes = spec.network, info.pixels, info.classes
    learned = sum(prod(shape) for shape in context_of(network, pixels, classes).shapes.values())
    match network:  # numbers of a task, and numbers of an image while a task learns from it
        case FlyNetSpec():
            units = network.expansion * pixels
            # Readout, modulated readout and correlations; wiring; v and its gradient.
            of_task = units * (3 * classes + network.fan_in + 4) + pixels
            of_image = units + pixels
        case NeuroModNetSpec():
            widths = [pixels, *network.layers, classes]
            units, of_image = sum(widths), 5 * sum(widths) // 2
            of_task = learned + 3 * pixels
        case TgshSpec():
            units = of_image = 2 * (network.hidden + network.rank) + pixels
            of_task = learned + 3 * pixels
        case GshSpec():
            units = of_image = 2 * (network.hidden + network.rank) + pixels
            of_task = 2 * learned + network.hidden * pixels + 3 * pixels
    images = min(spec.training.train_limit or info.train_images, info.train_images)
    at_once = max(1, min(max(spec.training.batch_size, EVALUATION_BATCH), FEATURES_AT_ONCE // units))
    step = at_once * (of_image + 3 * pixels + 6 * classes)
    floats = 4 * learned + of_task + step * (2 if cuda_graphs else 1)
    order_and_labels = 16 * images + 16 * info.test_images
    return FLOAT * floats + order_and_labels + _image_bytes(spec, info) + _transform_bytes(spec, info)


def _image_bytes(spec: ExperimentSpec, info: DatasetInfo) -> int:
    """Images that only this task has."""
    if shares_images(spec.suite) and not isinstance(spec.suite, CorruptionSuite | ManifoldSuite):
        return 0
    return (info.train_images + info.test_images) * info.pixels


def _transform_bytes(spec: ExperimentSpec, info: DatasetInfo) -> int:
    """Random parameters of every image: intervals of rows and columns at most, for each transform."""
    if isinstance(spec.suite, CustomSuite):
        steps = max(len(task.transforms) for task in spec.suite.tasks)
    else:
        steps = 1 if isinstance(spec.suite, AugmentSuite) else 0
    images = max(info.train_images, info.test_images)
    return steps * images * FLOAT * max(info.height + info.width, 16)


def shared_bytes(spec: ExperimentSpec, info: DatasetInfo) -> int:
    """Memory that all tasks of a batch take together: images, frozen weights, one task's chunk of features.

    Parameters
    ----------
    spec : ExperimentSpec
        The experiment.
    info : DatasetInfo
        Its images.

    Returns
    -------
    int
        Bytes, an upper bound.
    """
    network, pixels, classes = spec.network, info.pixels, info.classes
    match network:
        case FlyNetSpec():
            weights = network.expansion * pixels * classes
        case NeuroModNetSpec():
            widths = [pixels, *network.layers, classes]
            weights = sum(before * after for before, after in pairwise(widths))
        case TgshSpec():
            weights = network.hidden * pixels + network.rank * classes
        case GshSpec():
            weights = network.hidden * pixels
    images = (info.train_images + info.test_images) * (pixels + 8)
    members = len(spec.suite.datasets) if isinstance(spec.suite, DatasetsSuite) else 1
    return images * members + FLOAT * (2 * weights + 2 * FEATURES_AT_ONCE)


def tasks_that_fit(
    spec: ExperimentSpec, info: DatasetInfo, free: int, most: int, *, cuda_graphs: bool = False
) -> int:
    """Tasks of an experiment that a device trains in one batch.

    Parameters
    ----------
    spec : ExperimentSpec
        The experiment.
    info : DatasetInfo
        Its images.
    free : int
        Bytes that are free on the device.
    most : int
        Tasks at most.
    cuda_graphs : bool, default=False
        Whether steps are launched as graphs.

    Returns
    -------
    int
        From 1 to `most`; 1 also where even that may not fit, which training will tell.
    """
    left = int(free * TAKEN) - shared_bytes(spec, info)
    return max(1, min(most, left // task_bytes(spec, info, cuda_graphs=cuda_graphs)))
