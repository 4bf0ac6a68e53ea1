"""Suites: sequences of classification tasks over a dataset."""

from __future__ import annotations

from tgsh.datasets.base import DatasetInfo
from tgsh.specs import (
    AugmentSuite,
    CorruptionSuite,
    CustomSuite,
    DatasetsSuite,
    DomainsSuite,
    ManifoldSuite,
    PermutationSuite,
    RotationSuite,
    ShiftSuite,
    SplitSuite,
    SuiteSpec,
)
from tgsh.suites.corruption import corruption_tasks
from tgsh.suites.manifold import manifold_tasks
from tgsh.suites.task import SuiteTask, evenly_spaced
from tgsh.suites.transform_suites import (
    augment_tasks,
    custom_tasks,
    datasets_tasks,
    domains_tasks,
    permutation_tasks,
    rotation_tasks,
    shift_tasks,
    split_tasks,
)

__all__ = ["SuiteTask", "build", "evenly_spaced"]


def build(suite: SuiteSpec, info: DatasetInfo) -> tuple[SuiteTask, ...]:
    """Build the tasks of a suite on a dataset.

    Cheap: transforms are rendered when they are used.

    Parameters
    ----------
    suite : SuiteSpec
        Suite of an experiment.
    info : DatasetInfo
        Size, channels and counts of its images.

    Returns
    -------
    tuple[SuiteTask, ...]
        The tasks, in order.

    Raises
    ------
    InvalidSpec
        If the suite does not fit the images; names the field.
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
        case SplitSuite():
            return split_tasks(info)
        case DomainsSuite():
            return domains_tasks(info)
        case CorruptionSuite():
            return corruption_tasks(suite, info)
        case ManifoldSuite():
            return manifold_tasks(suite, info)
        case DatasetsSuite():
            return datasets_tasks(info)
