"""Descriptions and arrays of image datasets, and the source of an experiment's images."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Protocol

import numpy as np

from tgsh.datasets.class_names import normalised, outputs_by_name, renamed
from tgsh.errors import InvalidSpec, NotFound
from tgsh.specs import DatasetsSuite, ExperimentSpec, ManifoldSuite, UploadedDataset


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
"""Moments of MNIST's pixels, as in the paper: for every named dataset."""


MAX_GENERATED_BYTES = 100_000_000
"""Pixels of the images that a manifold suite generates for one task."""


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


UploadInfo = Callable[[str], DatasetInfo]
"""From the id of an uploaded dataset to its description; raises NotFound."""

DATASETS: Mapping[str, DatasetInfo] = MappingProxyType(
    {
        info.name: info
        for info in (
            DatasetInfo("mnist", "MNIST: handwritten digits", 28, 28, 10, 60_000, 10_000),
            DatasetInfo(
                *("fashion-mnist", "Fashion-MNIST: articles of clothing", 28, 28, 10, 60_000, 10_000),
                real_names=(
                    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
                    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
                ),
            ),
            DatasetInfo(
                *("kmnist", "KMNIST: cursive Japanese characters", 28, 28, 10, 60_000, 10_000),
                real_names=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
            ),
            DatasetInfo("mnist5k", "5,000 MNIST digits that need no download", 28, 28, 10, 4_000, 1_000),
        )
    }
)


def no_upload_info(dataset_id: str) -> DatasetInfo:
    """Refuse any id, where there is no store of uploads.

    Parameters
    ----------
    dataset_id : str
        Id of an uploaded dataset.

    Returns
    -------
    DatasetInfo
        Never.

    Raises
    ------
    NotFound
        Always.
    """
    raise NotFound(f"there is no dataset {dataset_id!r} here; datasets are uploaded to a service")


def info_of(spec: ExperimentSpec, uploads: UploadInfo = no_upload_info) -> DatasetInfo:
    """Describe the images of an experiment.

    Parameters
    ----------
    spec : ExperimentSpec
        Names the dataset and the suite.
    uploads : UploadInfo, default=no_upload_info
        Description of an uploaded dataset by its id.

    Returns
    -------
    DatasetInfo
        The dataset's, that of several datasets, or that of generated images.

    Raises
    ------
    InvalidSpec
        If the suite does not go with the dataset, or a dataset is not there.
    """
    dataset, suite = spec.dataset, spec.suite
    if isinstance(suite, ManifoldSuite):
        if dataset != "synthetic":
            raise InvalidSpec("dataset", 'the manifold suite makes its own images; write "synthetic"')
        if spec.normalisation == "dataset":
            raise InvalidSpec(
                "normalisation",
                "the manifold suite makes images for each task, which are no dataset with a mean; "
                'take "auto" or "none"',
            )
        return manifold_info(suite)
    if isinstance(suite, DatasetsSuite):
        if dataset is not None:
            raise InvalidSpec("dataset", "the datasets suite names its own; leave it out, or write null")
        members = [
            named_info(name, f"suite.datasets.{place}", uploads) for place, name in enumerate(suite.datasets)
        ]
        return joint_info(members, suite)
    if dataset is None:
        raise InvalidSpec("dataset", f"the suite {suite.kind!r} needs one; only the suite datasets does not")
    if dataset == "synthetic":
        raise InvalidSpec("dataset", f"no images are made for suite {suite.kind!r}; name a dataset")
    if isinstance(dataset, UploadedDataset):
        return named_info(dataset.id, "dataset.id", uploads)
    return DATASETS[dataset]


def named_info(name: str, field: str, uploads: UploadInfo) -> DatasetInfo:
    """Describe the dataset of a name or id.

    Parameters
    ----------
    name : str
        Key of DATASETS, or the id of an uploaded dataset.
    field : str
        Field of the spec that holds it, for the error.
    uploads : UploadInfo
        Description of an uploaded dataset by its id.

    Returns
    -------
    DatasetInfo
        Its description.

    Raises
    ------
    InvalidSpec
        If there is none; names the field.
    """
    if name in DATASETS:
        return DATASETS[name]
    try:
        return uploads(name)
    except NotFound as error:
        raise InvalidSpec(field, f"{error}; GET /datasets lists those that you have") from error


def joint_info(members: Sequence[DatasetInfo], suite: DatasetsSuite | None = None) -> DatasetInfo:
    """Describe several datasets as one, each of them a task.

    What follows from images that nobody has read yet is left open: the outputs of all but the first dataset
    where classes are matched by images, and the normalisation of images that are converted
    (`tgsh.datasets.several`).

    Parameters
    ----------
    members : Sequence[DatasetInfo]
        One or more datasets.
    suite : DatasetsSuite | None, default=None
        Says which classes are the same, and what size images get; None: they are numbered, and stay as they
        are.

    Returns
    -------
    DatasetInfo
        What they have in common, with its members.

    Raises
    ------
    InvalidSpec
        If their images are not of one size, or a class is renamed that is not there.
    """
    fitted = [_fitted_info(member, suite) for member in members]
    _require_one_size(fitted)
    first, classes = fitted[0], max(member.classes for member in members)
    names: tuple[str, ...] = ()
    if suite is not None and suite.classes == "nearest":
        names = (*first.names, *map(str, range(first.classes, classes)))
        fitted = [replace(member, class_names=member.names) for member in fitted]
        fitted[0] = replace(fitted[0], outputs=tuple(range(first.classes)))
    elif suite is not None and suite.classes != "order":
        changes = {} if isinstance(suite.classes, str) else suite.classes
        names, outputs = outputs_by_name(
            [
                renamed(member.names, changes.get(key, {}), f"suite.classes.{key}")
                for member, key in zip(fitted, suite.datasets, strict=True)
            ]
        )
        fitted = [
            replace(member, class_names=member.names, outputs=own)
            for member, own in zip(fitted, outputs, strict=True)
        ]
        classes = len(names)
    return DatasetInfo(
        name="datasets",
        title=", ".join(member.title for member in members),
        height=first.height,
        width=first.width,
        channels=first.channels,
        classes=classes,
        class_names=names,
        train_images=min(member.train_images for member in members),
        test_images=min(member.test_images for member in members),
        members=tuple(fitted),
    )


def _fitted_info(member: DatasetInfo, suite: DatasetsSuite | None) -> DatasetInfo:
    """A dataset as its images are converted, where its suite says so and they are not so already."""
    if suite is None:
        return member
    height, width = suite.size or (member.height, member.width)
    fitted = replace(member, height=height, width=width, channels=suite.channels or member.channels)
    return member if fitted == member else replace(fitted, source_shape=member.shape)


def _require_one_size(members: Sequence[DatasetInfo]) -> None:
    first = members[0]
    wrong = [
        (
            f"suite.datasets.{place}",
            f"{other.title} has images of {_format_size(other)}, and {first.title} of "
            f"{_format_size(first)}: one random base takes images of one size; say what all become with "
            f"suite.size and suite.channels, such as {_conversion(first, other)}",
        )
        for place, other in enumerate(members)
        if other.shape != first.shape
    ]
    if wrong:
        raise InvalidSpec(*wrong[0], wrong[1:])


def _conversion(first: DatasetInfo, other: DatasetInfo) -> str:
    """The keys of a suite that make the second dataset's images like the first's."""
    keys = []
    if (first.height, first.width) != (other.height, other.width):
        keys.append(f'"size": [{first.height}, {first.width}]')
    if first.channels != other.channels:
        keys.append(f'"channels": {first.channels}')
    return ", ".join(keys)


def _format_size(info: DatasetInfo) -> str:
    return " × ".join(map(str, info.shape))


def manifold_info(suite: ManifoldSuite) -> DatasetInfo:
    """Describe the images that a manifold suite generates.

    Parameters
    ----------
    suite : ManifoldSuite
        Counts, classes and side of the images.

    Returns
    -------
    DatasetInfo
        The description, named ``"synthetic"``.

    Raises
    ------
    InvalidSpec
        If a task has more than MAX_GENERATED_BYTES, or a class no image.
    """
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
        If a task has fewer than the limit.
    """
    fewest = min(info.members, key=lambda member: member.train_images, default=info)
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
    """

    info: DatasetInfo
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray

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
