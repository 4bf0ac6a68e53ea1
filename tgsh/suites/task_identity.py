"""What makes a task the same in two experiments; its numeric parameter gamma_t."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tgsh.datasets.base import DatasetInfo
from tgsh.specs import ManifoldSuite, PermutationSuite, RotationSuite, ShiftSuite, SuiteSpec
from tgsh.suites.manifold import task_identifier
from tgsh.suites.task import Task

AMOUNTS = {"kind", "tasks", "train_images", "test_images"}
"""What of a manifold suite says how much there is of it, not what it is."""


def task_identity(suite: SuiteSpec, label: str) -> str:
    """Equal where two suites show a task in the same way: the label, and what a suite does not say in it.

    The images may be others: 90° of MNIST and 90° of KMNIST are the same task, on other images. Custom
    tasks are what their labels say that they are.
    """
    match suite:
        case PermutationSuite() if label != "identity":
            return f"{label} of permutation_seed {suite.permutation_seed}"
        case ManifoldSuite():
            parameters = suite.model_dump(exclude=AMOUNTS)
            return f"{label} of " + ", ".join(f"{name} {value}" for name, value in parameters.items())
        case _:
            return label


def task_parameters(suite: SuiteSpec, tasks: Sequence[Task], info: DatasetInfo) -> np.ndarray | None:
    """float64 [T, 2]: cosine and sine of each task's angle, or of its shift as a part of the image's width.

    Both are periodic: 350° lies beside 0°. For the manifold suite, the true γ_t, [T, task_dimensions]. None
    for suites whose tasks have no such numbers.
    """
    match suite:
        case ManifoldSuite():
            return np.array([task_identifier(suite, task.index) for task in tasks])
        case RotationSuite():
            name, period = "angle", 360.0
        case ShiftSuite():
            name, period = "shift", float(info.width)
        case _:
            return None
    turns = 2 * np.pi * np.array([task.params[name] for task in tasks], np.float64) / period
    return np.stack([np.cos(turns), np.sin(turns)], axis=1)
