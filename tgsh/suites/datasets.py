"""Datasets: each dataset is a task, and all of them share one random base."""

from __future__ import annotations

from collections import Counter
from functools import partial

from tgsh.datasets.info import DatasetInfo
from tgsh.suites.pixelmap import PixelMap
from tgsh.suites.task import Task


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
