"""Several datasets as one image source: converted, and their classes brought to common outputs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tgsh.analysis.class_matches import nearest_classes, normalised_class_means
from tgsh.datasets.base import DatasetInfo, ImageDataset, Normalisation
from tgsh.datasets.conversion import converted_dataset
from tgsh.datasets.subsets import with_classes
from tgsh.specs import DatasetsSuite

MATCHED_IMAGES = 1_000
"""Training images of a class at most whose mean its match is found by."""


@dataclass(frozen=True, eq=False)
class SeveralDatasets:
    """Image source with a dataset for each task.

    Attributes
    ----------
    info : DatasetInfo
        What they have in common.
    datasets : tuple[ImageDataset, ...]
        The dataset of each task.
    """

    info: DatasetInfo
    datasets: tuple[ImageDataset, ...]

    def of(self, task: int) -> ImageDataset:
        """Return the images of a task.

        Parameters
        ----------
        task : int
            Index of the task.

        Returns
        -------
        ImageDataset
            The dataset of that task.
        """
        return self.datasets[task]

    def info_of(self, task: int) -> DatasetInfo:
        """Describe the images of a task.

        Parameters
        ----------
        task : int
            Index of the task.

        Returns
        -------
        DatasetInfo
            Description of that task's dataset.
        """
        return self.datasets[task].info


def several_datasets(
    suite: DatasetsSuite, info: DatasetInfo, datasets: Sequence[ImageDataset]
) -> SeveralDatasets:
    """Make the image source of a suite of datasets: images converted, labels the outputs of their classes.

    Parameters
    ----------
    suite : DatasetsSuite
        Says which classes are the same, and what size images get.
    info : DatasetInfo
        Joint description of the datasets (`tgsh.datasets.base.joint_info`).
    datasets : Sequence[ImageDataset]
        The datasets as they are, in order.

    Returns
    -------
    SeveralDatasets
        A dataset that nothing is changed of is the same object. Its description tells what was left open:
        all outputs, and the normalisation of converted images.
    """
    fitted = [
        converted_dataset(dataset, member, suite.fit) if member.source_shape else dataset
        for dataset, member in zip(datasets, info.members, strict=True)
    ]
    if suite.classes == "order" and not suite.reads_images:
        return SeveralDatasets(info, tuple(fitted))
    outputs: Sequence[tuple[int, ...]] = [member.class_outputs for member in info.members]
    if suite.classes == "nearest":
        outputs = nearest_outputs(fitted)
    described = members_read(info, outputs, [dataset.info.normalisation for dataset in fitted])
    return SeveralDatasets(described, tuple(map(_with_outputs, fitted, described.members)))


def members_read(
    info: DatasetInfo, outputs: Sequence[tuple[int, ...]], normalisations: Sequence[Normalisation]
) -> DatasetInfo:
    """Complete a joint description by what follows from images.

    Parameters
    ----------
    info : DatasetInfo
        Joint description of T datasets.
    outputs : Sequence[tuple[int, ...]]
        T times the output of every class; of a domain, of the classes that it has.
    normalisations : Sequence[Normalisation]
        T moments.

    Returns
    -------
    DatasetInfo
        The description with these.
    """
    members = []
    for member, own, normalisation in zip(info.members, outputs, normalisations, strict=True):
        whole = with_classes(info, member, own) if len(own) < member.classes else member
        members.append(replace(whole, outputs=tuple(own), normalisation=normalisation))
    return replace(info, members=tuple(members))


def nearest_outputs(datasets: Sequence[ImageDataset]) -> list[tuple[int, ...]]:
    """Match the classes of each further dataset to the first's by the means of their images.

    Classes beyond the first's number are matched to what earlier datasets had beyond it, and get outputs of
    their own otherwise.

    Parameters
    ----------
    datasets : Sequence[ImageDataset]
        T datasets of images of one size.

    Returns
    -------
    list[tuple[int, ...]]
        The output of every class of every dataset; the first's classes are outputs 0, 1, …
    """
    first, *others = (
        normalised_class_means(each.train_images, each.train_labels, each.info.classes, MATCHED_IMAGES)
        for each in datasets
    )
    own, more = first, np.empty((0, first.shape[1]))
    result = [tuple(range(len(first)))]
    for means in others:
        outputs = nearest_classes(own, means)
        left = np.flatnonzero(outputs < 0)
        places = nearest_classes(more, means[left]) if len(left) else np.empty(0, np.int64)
        for place, label in zip(places.tolist(), left.tolist(), strict=True):
            if place < 0:
                place = len(more)
                more = np.concatenate([more, means[label : label + 1]])
            outputs[label] = len(own) + place
        result.append(tuple(outputs.tolist()))
    return result


def _with_outputs(dataset: ImageDataset, info: DatasetInfo) -> ImageDataset:
    """The dataset with outputs for labels; the same images."""
    if info.class_outputs == tuple(range(dataset.info.classes)):
        train, test = dataset.train_labels, dataset.test_labels
    else:
        outputs = np.array(info.class_outputs, np.int64)
        train, test = outputs[dataset.train_labels], outputs[dataset.test_labels]
    if train is dataset.train_labels and info == dataset.info:
        return dataset
    return replace(dataset, info=info, train_labels=train, test_labels=test)


# --- what was read of images, as text


def members_to_text(info: DatasetInfo) -> dict[str, str]:
    """Write what follows from images: the outputs and the normalisation of every dataset.

    Parameters
    ----------
    info : DatasetInfo
        Description of a source of several datasets.

    Returns
    -------
    dict[str, str]
        JSON under ``"outputs"`` and ``"normalisations"``.
    """
    moments = [[each.normalisation.mean, each.normalisation.deviation] for each in info.members]
    outputs = [list(each.outputs) for each in info.members]
    return {"outputs": json.dumps(outputs), "normalisations": json.dumps(moments)}


def members_from_text(info: DatasetInfo, text: Mapping[str, str]) -> DatasetInfo:
    """Read what `members_to_text` wrote.

    Parameters
    ----------
    info : DatasetInfo
        Joint description of the same datasets.
    text : Mapping[str, str]
        What was written.

    Returns
    -------
    DatasetInfo
        The description with it.
    """
    return members_read(
        info,
        [tuple(own) for own in json.loads(text["outputs"])],
        [Normalisation(*own) for own in json.loads(text["normalisations"])],
    )
