"""Rotation: task k sees every image rotated by k·step degrees (RotationMNIST of the paper has 36 × 10°)."""

from __future__ import annotations

from functools import partial

from tgsh.datasets.info import DatasetInfo
from tgsh.spec import RotationSuite
from tgsh.suites.maps import rotation_map
from tgsh.suites.task import Task


def rotation_tasks(suite: RotationSuite, info: DatasetInfo) -> tuple[Task, ...]:
    """The tasks of a rotation suite."""
    return tuple(_task(index, index * suite.step_degrees + 0.0, info) for index in range(suite.tasks))


def _task(index: int, degrees: float, info: DatasetInfo) -> Task:
    render = partial(rotation_map, degrees, info.height, info.width, info.channels)
    return Task(index, f"{degrees:.10g}°", {"angle": degrees}, render)
