"""Identity of a task across experiments, and its numeric parameter γ_t."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tgsh.analysis.embedding import TaskScale, goes_round
from tgsh.datasets.base import DatasetInfo
from tgsh.specs import ManifoldSuite, PermutationSuite, RotationSuite, ShiftSuite, SplitSuite, SuiteSpec
from tgsh.suites.manifold import task_identifier
from tgsh.suites.task import SuiteTask

AMOUNTS = {"kind", "tasks", "train_images", "test_images"}
"""Fields of a manifold suite that count its tasks and images; the others define the process."""


def task_identity(suite: SuiteSpec, label: str) -> str:
    """Identify a task across suites: equal where two suites transform images in the same way.

    That is the label, and what a suite does not say in it. The images may be others: 90° of MNIST and 90° of
    KMNIST are the same task, on other images. Custom tasks are identified by their labels alone.

    Parameters
    ----------
    suite : SuiteSpec
        Suite of the task.
    label : str
        Label of the task.

    Returns
    -------
    str
        The identity, as text.
    """
    match suite:
        case PermutationSuite() if label != "identity":
            return f"{label} of permutation_seed {suite.permutation_seed}"
        case SplitSuite():
            return f"{label} by {suite.outputs} outputs"
        case ManifoldSuite():
            parameters = suite.model_dump(exclude=AMOUNTS)
            return f"{label} of " + ", ".join(f"{name} {value}" for name, value in parameters.items())
        case _:
            return label


def task_scale(suite: SuiteSpec, info: DatasetInfo, tasks: Sequence[int]) -> TaskScale | None:
    """Find the parameter in whose order tasks can be joined by a line.

    Parameters
    ----------
    suite : SuiteSpec
        Suite of the tasks.
    info : DatasetInfo
        Width of the images: the period of a shift.
    tasks : Sequence[int]
        Indices of T of its tasks.

    Returns
    -------
    TaskScale | None
        Angles in degrees or shifts in pixels, with their period where the whole suite goes all the way round;
        None for suites whose tasks are in no order.
    """
    match suite:
        case RotationSuite():
            step, period, count = suite.step_degrees, 360.0, suite.tasks
        case ShiftSuite():
            step, period = float(suite.step_pixels), float(info.width)
            count = suite.tasks or -(-info.width // suite.step_pixels)
        case _:
            return None
    closes = goes_round([index * step for index in range(count)], period)
    return TaskScale(tuple(index * step + 0.0 for index in tasks), period if closes else None)


def task_parameters(suite: SuiteSpec, tasks: Sequence[SuiteTask], info: DatasetInfo) -> np.ndarray | None:
    """Collect the numeric parameter γ_t of every task.

    Angles and shifts are periodic, 350° lies beside 0°, and become cosine and sine.

    Parameters
    ----------
    suite : SuiteSpec
        Suite of the tasks.
    tasks : Sequence[SuiteTask]
        T tasks.
    info : DatasetInfo
        Width of the images: the period of a shift.

    Returns
    -------
    np.ndarray | None
        float64 [T, 2] for rotation and shift, [T, task_dimensions] for the manifold suite; None for suites
        whose tasks have no such numbers.
    """
    match suite:
        case ManifoldSuite():
            return np.array([task_identifier(suite, task.index) for task in tasks])
        case RotationSuite():
            name = "angle"
        case ShiftSuite():
            name = "shift"
        case _:
            return None
    _, period = parameter_unit(suite, info)
    assert period is not None
    turns = 2 * np.pi * np.array([task.params[name] for task in tasks], np.float64) / period
    return np.stack([np.cos(turns), np.sin(turns)], axis=1)


def parameter_unit(suite: SuiteSpec, info: DatasetInfo) -> tuple[str, float | None]:
    """Name the unit in which errors of γ_t are told.

    Parameters
    ----------
    suite : SuiteSpec
        Suite of the tasks.
    info : DatasetInfo
        Width of the images: the period of a shift.

    Returns
    -------
    tuple[str, float | None]
        The unit, and the period in this unit; None for a parameter that does not close.
    """
    match suite:
        case RotationSuite():
            return "degrees", 360.0
        case ShiftSuite():
            return "pixels", float(info.width)
        case _:
            return "Euclidean distance", None
