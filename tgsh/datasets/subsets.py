"""Parts of one dataset, each the images of a task: some of its classes (split), or one of its domains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from textwrap import shorten

import numpy as np

from tgsh.datasets.base import DatasetInfo, ImageDataset
from tgsh.datasets.class_names import normalised
from tgsh.errors import DatasetUnavailable, InvalidSpec
from tgsh.specs import DomainsSuite, SplitSuite

MOST_NAMED, LABEL_CHARACTERS = 4, 40
"""Classes, and characters, of a task's label that names all of its classes."""

CACHE_BYTES = 256_000_000
"""Of copied images in memory: all tasks of Split-MNIST, or of Split-CIFAR-10."""


def split_info(info: DatasetInfo, suite: SplitSuite) -> DatasetInfo:
    """Describe the tasks of a split dataset, a member each.

    Parameters
    ----------
    info : DatasetInfo
        The whole dataset.
    suite : SplitSuite
        Says which classes a task has, and which outputs.

    Returns
    -------
    DatasetInfo
        Its members have the dataset's name, their classes and outputs; counts are estimates until images are
        read.

    Raises
    ------
    InvalidSpec
        If there are too few classes, or a class is named that is not there.
    """
    groups = class_groups(info, suite)
    own = suite.outputs == "own"
    members = [_part(info, group, group if own else tuple(range(len(group)))) for group in groups]
    if own:
        return _joint(info, members, info.classes, info.names)
    most = max(map(len, groups))
    return _joint(info, members, most, tuple(f"output {number}" for number in range(most)))


def class_groups(info: DatasetInfo, suite: SplitSuite) -> list[tuple[int, ...]]:
    """Deal out the classes of a dataset to tasks.

    Parameters
    ----------
    info : DatasetInfo
        The whole dataset.
    suite : SplitSuite
        Says in what order, and how many a task.

    Returns
    -------
    list[tuple[int, ...]]
        Numbers of classes, two or more a task.

    Raises
    ------
    InvalidSpec
        If there are too few classes, or a class is named that is not there.
    """
    if isinstance(suite.order, tuple):
        return [
            tuple(_number(info, name, place) for name in group) for place, group in enumerate(suite.order)
        ]
    order = (
        list(range(info.classes)) if suite.order == "label" else random_order(info.classes, suite.order_seed)
    )
    size = suite.classes_per_task
    groups = [tuple(order[start : start + size]) for start in range(0, info.classes, size)]
    if len(groups[-1]) < 2:
        raise InvalidSpec(
            "suite.classes_per_task",
            f"{info.name} has {info.classes} classes: {size} a task leave one of a single class; take "
            'another number, or write the classes of every task as "order"',
        )
    return groups


def random_order(count: int, seed: int) -> list[int]:
    """Permute numbers as `torch.randperm` does after `torch.manual_seed`, without torch.

    So does Avalanche's SplitMNIST of that seed order its classes: the Fisher–Yates shuffle from the front,
    with a 32-bit number of the Mersenne twister a place.

    Parameters
    ----------
    count : int
        How many numbers.
    seed : int
        Seed, of which the twister takes the lower 32 bits.

    Returns
    -------
    list[int]
        A permutation of 0 … count − 1.
    """
    twister = np.random.RandomState(seed & 0xFFFFFFFF)  # its seeding is what torch's is
    numbers = list(range(count))
    for place in range(count - 1):
        other = place + int(twister.randint(0, 1 << 32, dtype=np.uint32)) % (count - place)
        numbers[place], numbers[other] = numbers[other], numbers[place]
    return numbers


def domains_info(info: DatasetInfo) -> DatasetInfo:
    """Describe the domains of a dataset, a member each.

    Parameters
    ----------
    info : DatasetInfo
        A dataset with domains.

    Returns
    -------
    DatasetInfo
        Its members have the dataset's name and their domain's title. Each class is its own output; where no
        two domains share a class, as in Omniglot, a domain's classes are the first outputs. Counts are
        estimates until images are read.

    Raises
    ------
    InvalidSpec
        If it has fewer than two domains.
    """
    if len(info.domains) < 2:
        raise InvalidSpec(
            "suite.kind",
            f"{info.title if info.is_uploaded else info.name} has no domains; upload folders domain/class, "
            "or take pacs or omniglot",
        )
    everything = tuple(range(info.classes))
    classes = info.domain_classes or (everything,) * len(info.domains)
    own = [set(each) for each in classes]
    disjoint = bool(info.domain_classes) and sum(map(len, own)) == len(set.union(*own))
    members = [
        _part(info, each, tuple(range(len(each))) if disjoint else each, domain)
        for domain, each in zip(info.domains, classes, strict=True)
    ]
    if not disjoint:
        return _joint(info, members, info.classes, info.names)
    most = max(map(len, own))
    return _joint(info, members, most, tuple(f"output {number}" for number in range(most)))


def _part(info: DatasetInfo, classes: Sequence[int], outputs: Sequence[int], title: str = "") -> DatasetInfo:
    names = tuple(info.names[label] for label in classes)
    share = len(classes) / info.classes
    return replace(
        info,
        title=title or group_label(names),
        classes=len(classes),
        class_names=names,
        real_names=(),
        outputs=tuple(outputs),
        train_images=max(1, round(info.train_images * share)),
        test_images=max(1, round(info.test_images * share)),
        domains=(),
        domain_classes=(),
        is_part=True,
    )


def _joint(
    info: DatasetInfo, members: Sequence[DatasetInfo], classes: int, names: tuple[str, ...]
) -> DatasetInfo:
    return replace(
        info,
        classes=classes,
        class_names=names,
        real_names=(),
        train_images=min(member.train_images for member in members),
        test_images=min(member.test_images for member in members),
        members=tuple(members),
    )


def group_label(names: Sequence[str]) -> str:
    """Label a task by its classes.

    Parameters
    ----------
    names : Sequence[str]
        Names of its classes.

    Returns
    -------
    str
        All of up to four short names; else the first and the last, and how many they are.
    """
    text = ", ".join(names)
    if len(names) <= MOST_NAMED and len(text) <= LABEL_CHARACTERS:
        return text
    first, last = (shorten(names[place], LABEL_CHARACTERS // 2, placeholder="…") for place in (0, -1))
    return f"{first} … {last} ({len(names)} classes)"


def _number(info: DatasetInfo, name: str, place: int) -> int:
    """The class of a name, or of a number as the dataset's answers have it."""
    for names in (info.names, info.class_labels):
        if normalised(name) in names:
            return names.index(normalised(name))
    raise InvalidSpec(
        f"suite.order.{place}",
        f"{info.name} has no class {name!r}; they are {', '.join(info.names[:20])}"
        + (", …" if info.classes > 20 else ""),
    )


class DatasetParts:
    """Image source of tasks that each see a part of one dataset, copied when it is first needed.

    Parameters
    ----------
    suite : SplitSuite | DomainsSuite
        Suite of an experiment.
    dataset : ImageDataset
        The whole dataset.

    Attributes
    ----------
    info : DatasetInfo
        What `split_info` or `domains_info` says, with exact counts, and the classes that each domain has.
    """

    def __init__(self, suite: SplitSuite | DomainsSuite, dataset: ImageDataset) -> None:
        self._dataset = dataset
        whole = dataset.info
        if isinstance(suite, SplitSuite):
            joint = split_info(whole, suite)
            groups = class_groups(whole, suite)
            self._places = [
                (_of_classes(dataset.train_labels, group), _of_classes(dataset.test_labels, group))
                for group in groups
            ]
        else:
            joint = domains_info(whole)
            self._places = [_of_domain(dataset, number) for number in range(len(whole.domains))]
            groups = [
                tuple(np.union1d(dataset.train_labels[train], dataset.test_labels[test]).tolist())
                for train, test in self._places
            ]
        self._groups = groups
        members = [
            _counted(whole, joint, member, group, places)
            for member, group, places in zip(joint.members, groups, self._places, strict=True)
        ]
        self.info = replace(
            joint,
            members=tuple(members),
            train_images=min(member.train_images for member in members),
            test_images=min(member.test_images for member in members),
        )
        largest = max(len(train) + len(test) for train, test in self._places)
        self.of = lru_cache(max(1, CACHE_BYTES // (largest * whole.pixels)))(self._part)

    def info_of(self, task: int) -> DatasetInfo:
        """Describe the images of a task.

        Parameters
        ----------
        task : int
            Index of the task.

        Returns
        -------
        DatasetInfo
            Its classes, outputs and counts.
        """
        return self.info.members[task]

    def _part(self, task: int) -> ImageDataset:
        """Images and outputs of a task, in the order of the dataset."""
        info, whole = self.info.members[task], self._dataset
        outputs = np.full(whole.info.classes, -1, np.int64)
        outputs[list(self._groups[task])] = info.class_outputs
        train, test = self._places[task]
        arrays = (
            whole.train_images[train],
            outputs[whole.train_labels[train]],
            whole.test_images[test],
            outputs[whole.test_labels[test]],
        )
        for array in arrays:
            array.flags.writeable = False
        return ImageDataset(info, *arrays)


def _of_classes(labels: np.ndarray, group: Sequence[int]) -> np.ndarray:
    return np.flatnonzero(np.isin(labels, group))


def _of_domain(dataset: ImageDataset, number: int) -> tuple[np.ndarray, np.ndarray]:
    if dataset.train_domains is None or dataset.test_domains is None:
        raise DatasetUnavailable(f"{dataset.info.name} does not say which domain an image is of")
    return np.flatnonzero(dataset.train_domains == number), np.flatnonzero(dataset.test_domains == number)


def _counted(
    whole: DatasetInfo,
    joint: DatasetInfo,
    member: DatasetInfo,
    group: Sequence[int],
    places: tuple[np.ndarray, np.ndarray],
) -> DatasetInfo:
    """A member with the counts, and the classes, that its images have."""
    train, test = places
    if len(train) == 0 or len(test) == 0:
        missing = "training" if len(train) == 0 else "test"
        raise InvalidSpec("suite", f"{member.title} of {whole.name} has no {missing} images")
    counted = replace(member, train_images=len(train), test_images=len(test))
    return with_classes(joint, counted, group) if len(group) < member.classes else counted


def with_classes(joint: DatasetInfo, member: DatasetInfo, outputs: Sequence[int]) -> DatasetInfo:
    """Reduce the description of a domain to the classes that it has.

    Parameters
    ----------
    joint : DatasetInfo
        All domains; its classes are outputs.
    member : DatasetInfo
        The domain.
    outputs : Sequence[int]
        Outputs of its classes.

    Returns
    -------
    DatasetInfo
        With these classes alone.
    """
    names = tuple(joint.class_names[output] for output in outputs)
    return replace(member, classes=len(outputs), class_names=names, outputs=tuple(outputs))
