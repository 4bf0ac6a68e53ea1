"""Images with their classes, and which of them a task has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tgsh.datasets.info import DatasetInfo


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images uint8 [N, D], row-major as they lie in the file, and labels [N] from 0. Arrays are read-only.

    A dataset is a source, too: that of tasks which all see the same images.
    """

    info: DatasetInfo
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray

    def of(self, task: int) -> Dataset:  # noqa: ARG002
        """The same for every task."""
        return self


class Source(Protocol):
    """Where tasks have their images from, on which their transforms are still due."""

    @property
    def info(self) -> DatasetInfo:
        """What all of them have in common."""

    def of(self, task: int) -> Dataset:
        """The images of the task of that index; tasks that share them get the same object."""
