"""Augment: the eight transforms of the paper's Table 1, a task each."""

from __future__ import annotations

from functools import partial

from tgsh.datasets.info import DatasetInfo
from tgsh.spec.transforms import (
    GaussianBlur,
    HorizontalFlip,
    Invert,
    RandomErasing,
    RandomPerspective,
    RandomResizedCrop,
    TransformSpec,
    VerticalFlip,
)
from tgsh.suites.chain import chain
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
            partial(chain, transforms, info.height, info.width, info.channels),
        )
        for index, (label, name, transforms) in enumerate(TABLE_1)
    )
