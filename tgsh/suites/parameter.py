"""What tells the tasks of a suite apart, where numbers do: γ_t of the paper."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tgsh.datasets.info import DatasetInfo
from tgsh.spec import ManifoldSuite, RotationSuite, ShiftSuite, SuiteSpec
from tgsh.suites.manifold import task_identifier
from tgsh.suites.task import Task


def parameters(suite: SuiteSpec, tasks: Sequence[Task], info: DatasetInfo) -> np.ndarray | None:
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
