"""Shift: task k sees every image rolled k·step pixels to the right (the paper: 28 × 1 px, 14 × 2 px)."""

from __future__ import annotations

from functools import partial

from tgsh.datasets.info import DatasetInfo
from tgsh.errors import InvalidSpec
from tgsh.spec import ShiftSuite
from tgsh.suites.maps import roll_map
from tgsh.suites.task import Task


def shift_tasks(suite: ShiftSuite, info: DatasetInfo) -> tuple[Task, ...]:
    """The tasks of a shift suite. Raises InvalidSpec for a step as wide as the image."""
    step = suite.step_pixels
    if step >= info.width:
        raise InvalidSpec(
            "suite.step_pixels", f"{info.name} is {info.width} pixels wide; {step} leads round it"
        )
    count = suite.tasks or -(-info.width // step)
    return tuple(_task(index, index * step, info) for index in range(count))


def _task(index: int, pixels: int, info: DatasetInfo) -> Task:
    render = partial(roll_map, pixels, 0, info.height, info.width, info.channels)
    return Task(index, f"{pixels} px", {"shift": pixels}, render)
