"""Suites: how one dataset becomes a sequence of classification tasks. One file a family."""

from __future__ import annotations

from tgsh.datasets.info import DatasetInfo
from tgsh.spec import (
    AugmentSuite,
    CustomSuite,
    DatasetsSuite,
    ManifoldSuite,
    PermutationSuite,
    RotationSuite,
    ShiftSuite,
    SuiteSpec,
)
from tgsh.suites.augment import augment_tasks
from tgsh.suites.custom import custom_tasks
from tgsh.suites.datasets import datasets_tasks
from tgsh.suites.manifold import manifold_tasks
from tgsh.suites.permutation import permutation_tasks
from tgsh.suites.rotation import rotation_tasks
from tgsh.suites.shift import shift_tasks
from tgsh.suites.task import Task, spread

__all__ = ["Task", "build", "spread"]


def build(suite: SuiteSpec, info: DatasetInfo) -> tuple[Task, ...]:
    """The tasks of a suite on a dataset, in order. Cheap: transforms are rendered when they are used.

    Raises InvalidSpec, naming the field, where the suite does not fit the images.
    """
    match suite:
        case RotationSuite():
            return rotation_tasks(suite, info)
        case ShiftSuite():
            return shift_tasks(suite, info)
        case PermutationSuite():
            return permutation_tasks(suite, info)
        case AugmentSuite():
            return augment_tasks(info)
        case CustomSuite():
            return custom_tasks(suite, info)
        case ManifoldSuite():
            return manifold_tasks(suite, info)
        case DatasetsSuite():
            return datasets_tasks(info)
