"""Task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from tgsh.suites.pipeline import Transform


@dataclass(frozen=True)
class Task:
    """One task of a suite.

    index: its place in the suite. label: short, for axes and tables. params: what the transform is made of.
    render: makes the transform; called once, when it is needed, for a suite may have 10,000 tasks.
    """

    index: int
    label: str
    params: Mapping[str, float | int | str | tuple[float, ...]]
    render: Callable[[], Transform] = field(repr=False, compare=False)

    @cached_property
    def transform(self) -> Transform:
        """How it sees an image."""
        return self.render()


def evenly_spaced(tasks: Sequence[Task], most: int) -> list[Task]:
    """All tasks, or as many as `most`, evenly spread from the first to the last."""
    places = np.linspace(0, len(tasks) - 1, min(len(tasks), most)).round().astype(int)
    return [tasks[place] for place in dict.fromkeys(places.tolist())]
