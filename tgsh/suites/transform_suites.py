"""The rotation, shift, permutation, augment (Table 1), custom, datasets, split and domains suites."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from tgsh.datasets.base import DatasetInfo
from tgsh.errors import InvalidSpec
from tgsh.specs import CustomSuite, PermutationSuite, RotationSuite, ShiftSuite
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
from tgsh.suites.pixel_maps import PixelMap, permutation_map, roll_map, rotation_map
from tgsh.suites.task import SuiteTask

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


def rotation_tasks(suite: RotationSuite, info: DatasetInfo) -> tuple[SuiteTask, ...]:
    """Build the tasks of a rotation suite, task k turned counter-clockwise by k·step_degrees (RotationMNIST).

    Parameters
    ----------
    suite : RotationSuite
        Number of tasks, and degrees from task to task.
    info : DatasetInfo
        Size of the images.

    Returns
    -------
    tuple[SuiteTask, ...]
        Tasks with the parameter ``angle``, degrees.
    """
    return tuple(
        _rotation_task(index, index * suite.step_degrees + 0.0, info) for index in range(suite.tasks)
    )


def _rotation_task(index: int, degrees: float, info: DatasetInfo) -> SuiteTask:
    render = partial(rotation_map, degrees, info.height, info.width, info.channels)
    return SuiteTask(index, f"{degrees:.10g}°", {"angle": degrees}, render)


def shift_tasks(suite: ShiftSuite, info: DatasetInfo) -> tuple[SuiteTask, ...]:
    """Build the tasks of a shift suite, task k rolled to the right by k·step_pixels (ShiftMNIST).

    Parameters
    ----------
    suite : ShiftSuite
        Pixels from task to task, and number of tasks; None: once round the image.
    info : DatasetInfo
        Size of the images.

    Returns
    -------
    tuple[SuiteTask, ...]
        Tasks with the parameter ``shift``, pixels.

    Raises
    ------
    InvalidSpec
        If a step is as wide as the image.
    """
    step = suite.step_pixels
    if step >= info.width:
        raise InvalidSpec(
            "suite.step_pixels", f"{info.name} is {info.width} pixels wide; {step} leads round it"
        )
    count = suite.tasks or -(-info.width // step)
    return tuple(_shift_task(index, index * step, info) for index in range(count))


def _shift_task(index: int, pixels: int, info: DatasetInfo) -> SuiteTask:
    render = partial(roll_map, pixels, 0, info.height, info.width, info.channels)
    return SuiteTask(index, f"{pixels} px", {"shift": pixels}, render)


def permutation_tasks(suite: PermutationSuite, info: DatasetInfo) -> tuple[SuiteTask, ...]:
    """Build the tasks of a permutation suite; a longer suite begins with the tasks of a shorter one.

    Parameters
    ----------
    suite : PermutationSuite
        Number of tasks, and the seed of the permutations.
    info : DatasetInfo
        Size of the images.

    Returns
    -------
    tuple[SuiteTask, ...]
        Tasks with the parameter ``permutation``, a number; 0 is the identity.
    """
    places = info.height * info.width
    return tuple(
        SuiteTask(
            index,
            f"permutation {index}" if index else "identity",
            {"permutation": index},
            partial(permutation_map, suite.permutation_seed, index, places, info.channels),
        )
        for index in range(suite.tasks)
    )


def augment_tasks(info: DatasetInfo) -> tuple[SuiteTask, ...]:
    """Build the eight tasks of the paper's Table 1, in its order (AugmentMNIST).

    Parameters
    ----------
    info : DatasetInfo
        Size of the images.

    Returns
    -------
    tuple[SuiteTask, ...]
        Tasks with the parameter ``transform``, torchvision's name.
    """
    return tuple(
        SuiteTask(
            index,
            label,
            {"transform": name},
            partial(compose_transforms, transforms, info.height, info.width, info.channels),
        )
        for index, (label, name, transforms) in enumerate(TABLE_1)
    )


def custom_tasks(suite: CustomSuite, info: DatasetInfo) -> tuple[SuiteTask, ...]:
    """Build the tasks of a custom suite.

    Parameters
    ----------
    suite : CustomSuite
        A label and a list of transforms for each task.
    info : DatasetInfo
        Size of the images.

    Returns
    -------
    tuple[SuiteTask, ...]
        Tasks with every parameter of their transforms.

    Raises
    ------
    InvalidSpec
        If a transform does not fit the images.
    """
    for index, task in enumerate(suite.tasks):
        check_fits(task.transforms, info, f"suite.tasks.{index}.transforms")
    return tuple(
        SuiteTask(
            index,
            task.label,
            dict(_parameters(task.transforms)),
            partial(compose_transforms, task.transforms, info.height, info.width, info.channels),
        )
        for index, task in enumerate(suite.tasks)
    )


def _parameters(transforms: Sequence[TransformSpec]) -> Iterator[tuple[str, float | int | str]]:
    """The kinds of the transforms, and every parameter by a name of its own: `0.rotate.degrees`."""
    yield "transforms", ", ".join(transform.kind for transform in transforms) or "identity"
    for place, transform in enumerate(transforms):
        for name, value in transform.model_dump(mode="json", exclude={"kind"}).items():
            if name == "fill" and value == 0:  # as it was before there was a choice
                continue
            yield from _flat(f"{place}.{transform.kind}.{name}", value)


def _flat(name: str, value: Any) -> Iterator[tuple[str, float | int | str]]:
    if isinstance(value, list):
        for place, part in enumerate(value):
            yield f"{name}.{place}", part
    else:
        yield name, value


def datasets_tasks(info: DatasetInfo) -> tuple[SuiteTask, ...]:
    """Build the tasks of a datasets suite: one for each dataset, its images as they are.

    Parameters
    ----------
    info : DatasetInfo
        Joint description of several datasets.

    Returns
    -------
    tuple[SuiteTask, ...]
        Tasks labelled by the dataset's name, and its id where others have the same name.
    """
    labels = [_label(member) for member in info.members]
    times = Counter(labels)
    return tuple(
        SuiteTask(
            index,
            label if times[label] == 1 else f"{label} ({member.name})",
            {"dataset": member.name},
            partial(PixelMap.identity, info.pixels),
        )
        for index, (label, member) in enumerate(zip(labels, info.members, strict=True))
    )


def split_tasks(info: DatasetInfo) -> tuple[SuiteTask, ...]:
    """Build the tasks of a split suite: one for each group of classes, images as they are (Split-MNIST).

    Parameters
    ----------
    info : DatasetInfo
        Description with a member for each task.

    Returns
    -------
    tuple[SuiteTask, ...]
        Tasks labelled by their classes, with the parameter ``classes``, their names.
    """
    return _part_tasks(info, [{"classes": ", ".join(member.class_names)} for member in info.members])


def domains_tasks(info: DatasetInfo) -> tuple[SuiteTask, ...]:
    """Build the tasks of a domains suite: one for each domain, its images as they are (PACS).

    Parameters
    ----------
    info : DatasetInfo
        Description with a member for each task.

    Returns
    -------
    tuple[SuiteTask, ...]
        Tasks labelled by their domains, with the parameter ``domain``.
    """
    return _part_tasks(info, [{"domain": member.title} for member in info.members])


def _part_tasks(info: DatasetInfo, params: Sequence[dict[str, str]]) -> tuple[SuiteTask, ...]:
    times = Counter(member.title for member in info.members)
    return tuple(
        SuiteTask(
            index,
            member.title if times[member.title] == 1 else f"{member.title} #{index}",
            own,
            partial(PixelMap.identity, info.pixels),
        )
        for index, (member, own) in enumerate(zip(info.members, params, strict=True))
    )


def _label(member: DatasetInfo) -> str:
    """The name of a named dataset; of an uploaded one the title, for its name is its id."""
    return member.title if member.is_uploaded else member.name
