"""Permutation: every task but the first shuffles the pixels, always in the same way."""

from __future__ import annotations

from functools import partial

from tgsh.datasets.info import DatasetInfo
from tgsh.spec import PermutationSuite
from tgsh.suites.maps import permutation_map
from tgsh.suites.task import Task


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
