"""Augment (Table 1) and custom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from tgsh.datasets.base import DatasetInfo
from tgsh.specs import CustomSuite
from tgsh.specs.transforms import (
    GaussianBlur,
    HorizontalFlip,
    Invert,
    RandomErasing,
    RandomPerspective,
    RandomResizedCrop,
    TransformSpec,
    VerticalFlip,
)
from tgsh.suites.pipeline import check_fits, compose_transforms
from tgsh.suites.task import Task

TABLE_1: tuple[tuple[str, str, tuple[TransformSpec, ...]], ...] = (
    ("T1 identity", "identity", ()),
    ("T2 mirrored", "RandomHorizontalFlip(p=1)", (HorizontalFlip(),)),
    ("T3 upside down", "RandomVerticalFlip(p=1)", (VerticalFlip(),)),
    ("T4 blurred", "GaussianBlur(5, sigma=2)", (GaussianBlur(),)),
    ("T5 perspective", "RandomPerspective(0.5, p=1)", (RandomPerspective(),)),
    ("T6 erased", "RandomErasing(p=1)", (RandomErasing(),)),
    ("T7 inverted", "RandomInvert(p=1)", (Invert(),)),
    ("T8 cropped", "RandomResizedCrop(28)", (RandomResizedCrop(),)),
)
"""Label, torchvision's name, transform. A label begins with the number that the paper gives the task."""


def augment_tasks(info: DatasetInfo) -> tuple[Task, ...]:
    """The eight tasks, in the paper's order."""
    return tuple(
        Task(
            index,
            label,
            {"transform": name},
            partial(compose_transforms, transforms, info.height, info.width, info.channels),
        )
        for index, (label, name, transforms) in enumerate(TABLE_1)
    )


def custom_tasks(suite: CustomSuite, info: DatasetInfo) -> tuple[Task, ...]:
    """The tasks of a custom suite. Raises InvalidSpec for a transform that does not fit the images."""
    for index, task in enumerate(suite.tasks):
        check_fits(task.transforms, info, f"suite.tasks.{index}.transforms")
    return tuple(
        Task(
            index,
            task.label,
            dict(_parameters(task.transforms)),
            partial(compose_transforms, task.transforms, info.height, info.width, info.channels),
        )
        for index, task in enumerate(suite.tasks)
    )


def _parameters(transforms: Sequence[TransformSpec]) -> Iterator[tuple[str, float | int | str]]:
    """What the transforms are, and every parameter by a name of its own: `0.rotate.degrees`."""
    yield "transforms", ", ".join(transform.kind for transform in transforms) or "identity"
    for place, transform in enumerate(transforms):
        for name, value in transform.model_dump(mode="json", exclude={"kind"}).items():
            yield from _flat(f"{place}.{transform.kind}.{name}", value)


def _flat(name: str, value: Any) -> Iterator[tuple[str, float | int | str]]:
    if isinstance(value, list):
        for place, part in enumerate(value):
            yield f"{name}.{place}", part
    else:
        yield name, value
