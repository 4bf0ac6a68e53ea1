"""Descriptions and arrays of image datasets, and the source of an experiment's images."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Protocol

import numpy as np

from tgsh.datasets.class_names import normalised
from tgsh.datasets.named_sets import NAMED_SETS, NamedSet
from tgsh.errors import InvalidSpec


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation that pixels from 0 to 1 are normalised by.

    One of each, whatever the channels: a FlyNet sums pixels, and can leave the normalisation to its readout
    only where all have the same scale.

    Attributes
    ----------
    mean : float
        Mean of pixels from 0 to 1.
    deviation : float
        Standard deviation of pixels from 0 to 1.
    """

    mean: float
    deviation: float

    @property
    def scale(self) -> float:
        """Factor from differences of pixels from 0 to 255 to differences of normalised ones."""
        return 1 / (255 * self.deviation)


PAPER = Normalisation(0.1307, 0.3081)
"""Moments of MNIST's pixels, as in the paper: for every dataset of MNIST's family."""


@dataclass(frozen=True)
class DatasetInfo:
    """Description of a classification dataset of uint8 images, grey (one channel) or in colour (three).

    Of several datasets, sizes and counts are what holds for all of them, and `classes` the most that one has.

    Attributes
    ----------
    name : str
        Name in a spec; the id of an uploaded dataset.
    title : str
        Name for people.
    height : int
        Pixels.
    width : int
        Pixels.
    classes : int
        K.
    train_images : int
        Training images.
    test_images : int
        Test images.
    channels : int, default=1
        1 or 3.
    class_names : tuple[str, ...], default=()
        Names of the classes, where they have any.
    normalisation : Normalisation, default=PAPER
        Mean and deviation of the pixels.
    members : tuple[DatasetInfo, ...], default=()
        The datasets of which each is a task, where they are several.
    real_names : tuple[str, ...], default=()
        Names of its classes where datasets are compared; class_names or numbers where it is empty.
    outputs : tuple[int, ...], default=()
        The output of each class where datasets share outputs; class k is output k where it is empty.
    source_shape : tuple[int, ...], default=()
        Of the images before they were given this size and these channels; empty where they were not.
    domains : tuple[str, ...], default=()
        Names of the domains that its images come from, where they are told apart.
    domain_classes : tuple[tuple[int, ...], ...], default=()
        The classes of each domain; empty where every domain has all of them.
    is_part : bool, default=False
        Whether its images are a part of the dataset of its name: counts are then estimates until they are
        read, and a limit of training images is what a task takes at most.
    """

    name: str
    title: str
    height: int
    width: int
    classes: int
    train_images: int
    test_images: int
    channels: int = 1
    class_names: tuple[str, ...] = ()
    normalisation: Normalisation = PAPER
    members: tuple[DatasetInfo, ...] = ()
    real_names: tuple[str, ...] = ()
    outputs: tuple[int, ...] = ()
    source_shape: tuple[int, ...] = ()
    domains: tuple[str, ...] = ()
    domain_classes: tuple[tuple[int, ...], ...] = ()
    is_part: bool = False

    @property
    def pixels(self) -> int:
        """D: numbers of one image, H·W·C."""
        return self.height * self.width * self.channels

    @property
    def shape(self) -> tuple[int, ...]:
        """(height, width) of a grey image, (height, width, channels) of a colour one."""
        size = (self.height, self.width)
        return size if self.channels == 1 else (*size, self.channels)

    @property
    def is_uploaded(self) -> bool:
        """True if it is an upload: its name is then its id, its title the name that its owner gave it."""
        return self.name not in DATASETS and self.name != "synthetic" and not self.members

    @property
    def class_outputs(self) -> tuple[int, ...]:
        """The output of each class."""
        return self.outputs or tuple(range(self.classes))

    @property
    def common_outputs(self) -> tuple[int, ...]:
        """Outputs whose class every task has."""
        own = [set(member.class_outputs) for member in self.members or (self,)]
        return tuple(sorted(set.intersection(*own)))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes where datasets are compared."""
        return tuple(map(normalised, self.real_names or self.class_labels))

    def of_task(self, index: int) -> DatasetInfo:
        """Select the dataset of a task.

        Parameters
        ----------
        index : int
            Index of the task.

        Returns
        -------
        DatasetInfo
            The task's own where each has one, else this.
        """
        return self.members[index] if self.members else self

    @property
    def class_labels(self) -> tuple[str, ...]:
        """A label for every class: its name, or its number."""
        return self.class_names or tuple(map(str, range(self.classes)))


def _info(named: NamedSet) -> DatasetInfo:
    height, width, channels = named.size
    counts = [classes for _, classes in named.domains]
    ends = np.cumsum(counts)
    return DatasetInfo(
        *(named.name, named.title, height, width, named.classes, *named.images, channels),
        class_names=named.class_names,
        normalisation=Normalisation(*named.normalisation),
        real_names=named.real_names,
        domains=tuple(domain for domain, _ in named.domains),
        domain_classes=tuple(
            tuple(range(end - own, end)) for end, own in zip(ends.tolist(), counts, strict=True)
        )
        if any(counts)
        else (),
    )


DATASETS: Mapping[str, DatasetInfo] = MappingProxyType(
    {name: _info(named) for name, named in NAMED_SETS.items()}
)
"""Descriptions of the named datasets."""


def check_train_limit(train_limit: int | None, info: DatasetInfo) -> int:
    """Count the training images that every task has at least under a limit.

    Parameters
    ----------
    train_limit : int | None
        Most training images a task; None: all of them.
    info : DatasetInfo
        One dataset or several.

    Returns
    -------
    int
        Training images a task.

    Raises
    ------
    InvalidSpec
        If a task has fewer than the limit; parts of a dataset (split, domains) may.
    """
    fewest = min(info.members, key=lambda member: member.train_images, default=info)
    if train_limit is not None and fewest.is_part:
        return min(train_limit, fewest.train_images)
    if train_limit is not None and train_limit > fewest.train_images:
        raise InvalidSpec(
            "training.train_limit",
            f"{fewest.name} has {fewest.train_images} training images, not {train_limit}",
        )
    return fewest.train_images if train_limit is None else train_limit


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """Images and labels in memory; also the image source of tasks that all see the same images.

    Attributes
    ----------
    info : DatasetInfo
        Description.
    train_images : np.ndarray
        uint8 [N, D], read-only, row by row, the channels of a pixel side by side.
    train_labels : np.ndarray
        Integers [N], read-only, classes from 0.
    test_images : np.ndarray
        uint8 [N, D], read-only.
    test_labels : np.ndarray
        Integers [N], read-only.
    train_domains : np.ndarray | None, default=None
        uint16 [N], the domain of every training image, where its description names domains.
    test_domains : np.ndarray | None, default=None
        uint16 [N].
    """

    info: DatasetInfo
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    train_domains: np.ndarray | None = None
    test_domains: np.ndarray | None = None

    def of(self, task: int) -> ImageDataset:  # noqa: ARG002
        """Return the images of a task: the same for every task.

        Parameters
        ----------
        task : int
            Index of the task.

        Returns
        -------
        ImageDataset
            This dataset.
        """
        return self

    def info_of(self, task: int) -> DatasetInfo:  # noqa: ARG002
        """Describe the images of a task: the same for every task.

        Parameters
        ----------
        task : int
            Index of the task.

        Returns
        -------
        DatasetInfo
            This dataset's.
        """
        return self.info

    @cached_property
    def digests(self) -> Mapping[str, str]:
        """Digest images and labels as arrays: the files that they came from may be packed in many ways.

        Returns
        -------
        Mapping[str, str]
            SHA-256 (hex) of the arrays for training (``"train"``) and testing (``"test"``).
        """
        return {
            "train": _digest(self.train_images, self.train_labels),
            "test": _digest(self.test_images, self.test_labels),
        }


def _digest(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


class ImageSource(Protocol):
    """Images of an experiment's tasks, before their transforms."""

    @property
    def info(self) -> DatasetInfo:
        """Description that holds for all tasks."""

    def of(self, task: int) -> ImageDataset:
        """Return the images of a task.

        Parameters
        ----------
        task : int
            Index of the task.

        Returns
        -------
        ImageDataset
            Its images; the same object for tasks that share them.
        """

    def info_of(self, task: int) -> DatasetInfo:
        """Describe the images of a task, without reading or generating any.

        Parameters
        ----------
        task : int
            Index of the task.

        Returns
        -------
        DatasetInfo
            Sizes, counts and classes.
        """
