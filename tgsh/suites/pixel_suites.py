"""Rotation, shift, permutation, datasets."""

from __future__ import annotations

from collections import Counter
from functools import partial

from tgsh.datasets.base import DatasetInfo
from tgsh.errors import InvalidSpec
from tgsh.specs import PermutationSuite, RotationSuite, ShiftSuite
from tgsh.suites.pixel_maps import PixelMap, permutation_map, roll_map, rotation_map
from tgsh.suites.task import Task


def rotation_tasks(suite: RotationSuite, info: DatasetInfo) -> tuple[Task, ...]:
    """The tasks of a rotation suite."""
    return tuple(
        _rotation_task(index, index * suite.step_degrees + 0.0, info) for index in range(suite.tasks)
    )


def _rotation_task(index: int, degrees: float, info: DatasetInfo) -> Task:
    render = partial(rotation_map, degrees, info.height, info.width, info.channels)
    return Task(index, f"{degrees:.10g}°", {"angle": degrees}, render)


def shift_tasks(suite: ShiftSuite, info: DatasetInfo) -> tuple[Task, ...]:
    """The tasks of a shift suite. Raises InvalidSpec for a step as wide as the image."""
    step = suite.step_pixels
    if step >= info.width:
        raise InvalidSpec(
            "suite.step_pixels", f"{info.name} is {info.width} pixels wide; {step} leads round it"
        )
    count = suite.tasks or -(-info.width // step)
    return tuple(_shift_task(index, index * step, info) for index in range(count))


def _shift_task(index: int, pixels: int, info: DatasetInfo) -> Task:
    render = partial(roll_map, pixels, 0, info.height, info.width, info.channels)
    return Task(index, f"{pixels} px", {"shift": pixels}, render)


def permutation_tasks(suite: PermutationSuite, info: DatasetInfo) -> tuple[Task, ...]:
    """The tasks of a permutation suite; a longer suite begins with the tasks of a shorter one."""
    places = info.height * info.width
    return tuple(
        Task(
            index,
            f"permutation {index}" if index else "identity",
            {"permutation": index},
            partial(permutation_map, suite.permutation_seed, index, places, info.channels),
        )
        for index in range(suite.tasks)
    )


def datasets_tasks(info: DatasetInfo) -> tuple[Task, ...]:
    """The tasks of a datasets suite, called by their dataset's name; by its id, too, where others have it."""
    labels = [_label(member) for member in info.members]
    times = Counter(labels)
    return tuple(
        Task(
            index,
            label if times[label] == 1 else f"{label} ({member.name})",
            {"dataset": member.name},
            partial(PixelMap.identity, info.pixels),
        )
        for index, (label, member) in enumerate(zip(labels, info.members, strict=True))
    )


def _label(member: DatasetInfo) -> str:
    """mnist5k is called so; of an uploaded one the name is its id, and the title what its owner calls it."""
    return member.title if member.is_uploaded else member.name
