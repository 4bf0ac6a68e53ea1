"""Images with their classes, and which of them a task has."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from tgsh.datasets.info import DatasetInfo


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images uint8 [N, D], row by row, the channels of a pixel side by side, and labels [N] from 0.

    Arrays are read-only.

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

    def info_of(self, task: int) -> DatasetInfo:  # noqa: ARG002
        """The same for every task."""
        return self.info

    @cached_property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 (hex) of the images and labels for training ("train") and testing ("test").

        Of the arrays, as learning sees them: the files that they came from may be packed in many ways.
        """
        return {
            "train": _digest(self.train_images, self.train_labels),
            "test": _digest(self.test_images, self.test_labels),
        }


def _digest(*arrays: np.ndarray) -> str:
    whole = hashlib.sha256()
    for array in arrays:
        whole.update(f"{array.dtype.str} {array.shape}\n".encode())
        whole.update(np.ascontiguousarray(array).data)
    return whole.hexdigest()


@dataclass(frozen=True, eq=False)
class Several:
    """A dataset for each task. info: what they have in common."""

    info: DatasetInfo
    datasets: tuple[Dataset, ...]

    def of(self, task: int) -> Dataset:
        """The dataset of that number."""
        return self.datasets[task]

    def info_of(self, task: int) -> DatasetInfo:
        """What it is."""
        return self.datasets[task].info


class Source(Protocol):
    """Where tasks have their images from, on which their transforms are still due."""

    @property
    def info(self) -> DatasetInfo:
        """What all of them have in common."""

    def of(self, task: int) -> Dataset:
        """The images of the task of that index; tasks that share them get the same object."""

    def info_of(self, task: int) -> DatasetInfo:
        """What the images of that task are, without making or reading any."""
