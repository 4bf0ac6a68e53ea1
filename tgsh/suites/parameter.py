"""The one number that tells the tasks of a suite apart, where there is one: γ_t of the paper."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tgsh.datasets.info import DatasetInfo
from tgsh.spec import RotationSuite, ShiftSuite, SuiteSpec
from tgsh.suites.task import Task


def parameters(suite: SuiteSpec, tasks: Sequence[Task], info: DatasetInfo) -> np.ndarray | None:
    """float64 [T, 2]: cosine and sine of each task's angle, or of its shift as a part of the image's width.

    Both are periodic: 350° lies beside 0°. None for suites whose tasks have no such number.
    """
    match suite:
        case RotationSuite():
            name, period = "angle", 360.0
        case ShiftSuite():
            name, period = "shift", float(info.width)
        case _:
            return None
    turns = 2 * np.pi * np.array([float(task.params[name]) for task in tasks]) / period
    return np.stack([np.cos(turns), np.sin(turns)], axis=1)
