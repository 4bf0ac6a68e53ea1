"""Custom: tasks that the caller composes of named transforms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from tgsh.datasets.info import DatasetInfo
from tgsh.spec import CustomSuite
from tgsh.spec.transforms import TransformSpec
from tgsh.suites.chain import chain, check_fits
from tgsh.suites.task import Task


def custom_tasks(suite: CustomSuite, info: DatasetInfo) -> tuple[Task, ...]:
    """The tasks of a custom suite. Raises InvalidSpec for a transform that does not fit the images."""
    for index, task in enumerate(suite.tasks):
        check_fits(task.transforms, info, f"suite.tasks.{index}.transforms")
    return tuple(
        Task(
            index,
            task.label,
            dict(_parameters(task.transforms)),
            partial(chain, task.transforms, info.height, info.width, info.channels),
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
