"""Task of a suite."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from tgsh.suites.pipeline import Transform


@dataclass(frozen=True)
class SuiteTask:
    """One task of a suite: images of a dataset under a transform.

    Attributes
    ----------
    index : int
        Place in the suite.
    label : str
        Short name, for axes and tables.
    params : Mapping[str, float | int | str | tuple[float, ...]]
        Parameters of the transform.
    render : Callable[[], Transform], default=field(repr=False, compare=False)
        Makes the transform; called once, when it is needed, for a suite may have 10,000 tasks.
    """

    index: int
    label: str
    params: Mapping[str, float | int | str | tuple[float, ...]]
    render: Callable[[], Transform] = field(repr=False, compare=False)

    @cached_property
    def transform(self) -> Transform:
        """Make the task's transform of an image, once.

        Returns
        -------
        Transform
            Result of `render`.
        """
        return self.render()


def evenly_spaced(tasks: Sequence[SuiteTask], most: int) -> list[SuiteTask]:
    """Select tasks evenly spaced from the first to the last.

    Parameters
    ----------
    tasks : Sequence[SuiteTask]
        Tasks of a suite.
    most : int
        Most tasks to select.

    Returns
    -------
    list[SuiteTask]
        All tasks where there are no more than `most`, else that many.
    """
    places = np.linspace(0, len(tasks) - 1, min(len(tasks), most)).round().astype(int)
    return [tasks[place] for place in dict.fromkeys(places.tolist())]
