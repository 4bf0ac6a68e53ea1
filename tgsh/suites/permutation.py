"""Permutation: every task but the first shuffles the pixels, always in the same way."""

from __future__ import annotations

from functools import partial

from tgsh.datasets.info import DatasetInfo
from tgsh.spec import PermutationSuite
from tgsh.streams import stream
from tgsh.suites.pixelmap import PixelMap
from tgsh.suites.task import Task


def permutation_tasks(suite: PermutationSuite, info: DatasetInfo) -> tuple[Task, ...]:
    """The tasks of a permutation suite; a longer suite begins with the tasks of a shorter one."""
    return tuple(
        Task(
            index,
            f"permutation {index}" if index else "identity",
            {"permutation": index},
            partial(permutation_map, suite.permutation_seed, index, info.pixels),
        )
        for index in range(suite.tasks)
    )


def permutation_map(seed: int, index: int, pixels: int) -> PixelMap:
    """Permutation `index` of a seed, from its own stream; number 0 is the identity."""
    if index == 0:
        return PixelMap.identity(pixels)
    return PixelMap(stream(seed, "permutation", index).permutation(pixels))
