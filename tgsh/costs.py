"""What training costs: typical seconds on one core, and how they grow with network, images and transforms.

All of it was read off the README's table "Measured" (one core of an AMD EPYC with AVX-512); a GPU is taken to
be no slower. Where experiments of a kind have been trained, their own seconds are scaled instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from types import MappingProxyType

from tgsh.datasets.info import DatasetInfo
from tgsh.spec import AugmentSuite, CustomSuite, ExperimentSpec, FlyNetSpec, NetworkSpec, NeuroModNetSpec
from tgsh.spec.transforms import TransformSpec
from tgsh.suites.augment import TABLE_1

SECONDS_A_MULTIPLICATION: Mapping[str, float] = MappingProxyType(
    {"flynet": 6.7e-12, "neuromodnet": 6.0e-12, "tgsh": 1.4e-11, "gsh": 1.3e-11}
)
"""By kind of network, with everything around the multiplications: a task-epoch of MNIST takes 0.148, 2.69,
0.768 and 0.727 s."""

SECONDS_A_PIXEL: Mapping[str, float] = MappingProxyType(
    {
        "invert": 1.4e-10,
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
"""What an image costs that is classified, of one that is learned from."""

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
    """Typical seconds of the accuracy matrix, where it is asked for: every context on every task."""
    if not spec.accuracy_matrix:
        return 0.0
    return tasks * (tasks + 1) * EVALUATED * info.test_images * image_seconds(spec, info)


def multiplications(network: NetworkSpec, info: DatasetInfo) -> float:
    """Of one image in one epoch, about."""
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
