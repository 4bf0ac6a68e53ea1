"""DatasetInfo, Dataset, ImageSource, Normalisation."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Protocol

import numpy as np

from tgsh.errors import InvalidSpec, NotFound
from tgsh.specs import DatasetsSuite, ExperimentSpec, ManifoldSuite, UploadedDataset


@dataclass(frozen=True)
class Normalisation:
    """mean and deviation of pixels from 0 to 1.

    One of each, whatever the channels: a FlyNet sums pixels, and can leave the normalisation to its readout
    only where all have the same scale.
    """

    mean: float
    deviation: float

    @property
    def scale(self) -> float:
        """What is left of it in differences of pixels from 0 to 255."""
        return 1 / (255 * self.deviation)


PAPER = Normalisation(0.1307, 0.3081)
"""Of MNIST's pixels: the paper's, for every dataset that has a name."""


MAX_GENERATED_BYTES = 100_000_000
"""Pixels of the images that are made for one task."""


@dataclass(frozen=True)
class DatasetInfo:
    """A classification dataset of images, uint8: grey (one channel) or colour (three).

    class_names: where classes have names. members: the datasets of which each is a task, where they are
    several; sizes and counts are then what holds for all of them, and `classes` the most that one has.
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
        """Whether somebody uploaded it: its name is then its id, its title what they call it."""
        return self.name not in DATASETS and self.name != "synthetic" and not self.members

    @property
    def common_classes(self) -> int:
        """Classes that every task has: the first so many."""
        return min((member.classes for member in self.members), default=self.classes)

    def of_task(self, index: int) -> DatasetInfo:
        """The dataset of a task: its own where each has one, else this."""
        return self.members[index] if self.members else self

    @property
    def class_labels(self) -> tuple[str, ...]:
        """A word for every class: its name, or its number."""
        return self.class_names or tuple(map(str, range(self.classes)))


UploadInfo = Callable[[str], DatasetInfo]
"""What an uploaded dataset of that id is. Raises NotFound."""

DATASETS: Mapping[str, DatasetInfo] = MappingProxyType(
    {
        info.name: info
        for info in (
            DatasetInfo("mnist", "MNIST: handwritten digits", 28, 28, 10, 60_000, 10_000),
            DatasetInfo("fashion-mnist", "Fashion-MNIST: articles of clothing", 28, 28, 10, 60_000, 10_000),
            DatasetInfo("kmnist", "KMNIST: cursive Japanese characters", 28, 28, 10, 60_000, 10_000),
            DatasetInfo("mnist5k", "5,000 MNIST digits that need no download", 28, 28, 10, 4_000, 1_000),
        )
    }
)


def no_upload_info(dataset_id: str) -> DatasetInfo:
    """Where there is no store that has any."""
    raise NotFound(f"there is no dataset {dataset_id!r} here; datasets are uploaded to a service")


def info_of(spec: ExperimentSpec, uploads: UploadInfo = no_upload_info) -> DatasetInfo:
    """What an experiment's images are.

    Raises InvalidSpec where its suite does not go with its dataset, or a dataset is not there.
    """
    dataset, suite = spec.dataset, spec.suite
    if isinstance(suite, ManifoldSuite):
        if dataset != "synthetic":
            raise InvalidSpec("dataset", 'the manifold suite makes its own images; write "synthetic"')
        return manifold_info(suite)
    if isinstance(suite, DatasetsSuite):
        if dataset is not None:
            raise InvalidSpec("dataset", "the datasets suite names its own; leave it out, or write null")
        members = [
            named_info(name, f"suite.datasets.{place}", uploads) for place, name in enumerate(suite.datasets)
        ]
        return joint_info(members)
    if dataset is None:
        raise InvalidSpec("dataset", f"the suite {suite.kind!r} needs one; only the suite datasets does not")
    if dataset == "synthetic":
        raise InvalidSpec("dataset", f"no images are made for suite {suite.kind!r}; name a dataset")
    if isinstance(dataset, UploadedDataset):
        return named_info(dataset.id, "dataset.id", uploads)
    return DATASETS[dataset]


def named_info(name: str, field: str, uploads: UploadInfo) -> DatasetInfo:
    """The dataset of that name or id. Raises InvalidSpec, naming the field, where there is none."""
    if name in DATASETS:
        return DATASETS[name]
    try:
        return uploads(name)
    except NotFound as error:
        raise InvalidSpec(field, f"{error}; GET /datasets lists those that you have") from error


def joint_info(members: Sequence[DatasetInfo]) -> DatasetInfo:
    """What several datasets have in common. Raises InvalidSpec where their images are not of one size."""
    first = members[0]
    for place, other in enumerate(members):
        if other.shape != first.shape:
            raise InvalidSpec(
                f"suite.datasets.{place}",
                f"{other.title} has images of {_format_size(other)}, and {first.title} of {_format_size(first)}: one "
                "random base takes images of one size; upload one anew with ?size= and ?channels=",
            )
    return DatasetInfo(
        name="datasets",
        title=", ".join(member.title for member in members),
        height=first.height,
        width=first.width,
        channels=first.channels,
        classes=max(member.classes for member in members),
        train_images=min(member.train_images for member in members),
        test_images=min(member.test_images for member in members),
        members=tuple(members),
    )


def _format_size(info: DatasetInfo) -> str:
    return " × ".join(map(str, info.shape))


def manifold_info(suite: ManifoldSuite) -> DatasetInfo:
    """What the images that a manifold suite makes are. Raises InvalidSpec for more than MAX_GENERATED_BYTES."""
    size = (suite.train_images + suite.test_images) * suite.side**2
    if size > MAX_GENERATED_BYTES:
        raise InvalidSpec(
            "suite.train_images",
            f"{size:,} pixels a task are more than {MAX_GENERATED_BYTES:,}; make fewer or smaller",
        )
    if min(suite.train_images, suite.test_images) < suite.classes:
        raise InvalidSpec("suite.classes", "every class needs a training and a test image")
    title = "made by the manifold suite"
    sizes = (suite.side, suite.side, suite.classes, suite.train_images, suite.test_images)
    return DatasetInfo("synthetic", title, *sizes)


def check_train_limit(train_limit: int | None, info: DatasetInfo) -> int:
    """How many training images every task has at least under a limit; null means all of them.

    Raises InvalidSpec where a task has fewer than the limit.
    """
    fewest = min(info.members, key=lambda member: member.train_images, default=info)
    if train_limit is not None and train_limit > fewest.train_images:
        raise InvalidSpec(
            "training.train_limit",
            f"{fewest.name} has {fewest.train_images} training images, not {train_limit}",
        )
    return fewest.train_images if train_limit is None else train_limit


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
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class SeveralDatasets:
    """A dataset for each task. info: what they have in common."""

    info: DatasetInfo
    datasets: tuple[Dataset, ...]

    def of(self, task: int) -> Dataset:
        """The dataset of that number."""
        return self.datasets[task]

    def info_of(self, task: int) -> DatasetInfo:
        """What it is."""
        return self.datasets[task].info


class ImageSource(Protocol):
    """Where tasks have their images from, on which their transforms are still due."""

    @property
    def info(self) -> DatasetInfo:
        """What all of them have in common."""

    def of(self, task: int) -> Dataset:
        """The images of the task of that index; tasks that share them get the same object."""

    def info_of(self, task: int) -> DatasetInfo:
        """What the images of that task are, without making or reading any."""
