"""Description of an experiment's images from its spec, before any is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tgsh.datasets.base import DATASETS, DatasetInfo
from tgsh.datasets.class_names import outputs_by_name, renamed
from tgsh.datasets.named_sets import NAMED_SETS
from tgsh.datasets.subsets import domains_info, split_info
from tgsh.errors import InvalidSpec, NotFound
from tgsh.specs import DatasetsSuite, DomainsSuite, ExperimentSpec, ManifoldSuite, SplitSuite, UploadedDataset

MAX_GENERATED_BYTES = 100_000_000
"""Pixels of the images that a manifold suite generates for one task."""

UploadInfo = Callable[[str], DatasetInfo]
"""From the id of an uploaded dataset to its description; raises NotFound."""


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
        info = joint_info(members, suite)
        _require_moments(spec, info.members)
        return info
    info = _single_info(spec, uploads)
    match suite:
        case SplitSuite():
            return split_info(info, suite)
        case DomainsSuite():
            return domains_info(info)
        case _:
            return info


def _single_info(spec: ExperimentSpec, uploads: UploadInfo) -> DatasetInfo:
    """The one dataset of a spec."""
    dataset, suite = spec.dataset, spec.suite
    if dataset is None:
        raise InvalidSpec("dataset", f"the suite {suite.kind!r} needs one; only the suite datasets does not")
    if dataset == "synthetic":
        raise InvalidSpec("dataset", f"no images are made for suite {suite.kind!r}; name a dataset")
    if isinstance(dataset, UploadedDataset):
        return named_info(dataset.id, "dataset.id", uploads)
    _require_moments(spec, [DATASETS[dataset]])
    return DATASETS[dataset]


def _require_moments(spec: ExperimentSpec, datasets: Sequence[DatasetInfo]) -> None:
    """Refuse "dataset" for named ones whose moments nobody knows before their images are read."""
    if spec.normalisation != "dataset":
        return
    unknown = [
        each.name
        for each in datasets
        if each.name in NAMED_SETS and not NAMED_SETS[each.name].is_measured and not each.source_shape
    ]
    if unknown:
        raise InvalidSpec(
            "normalisation",
            f"mean and deviation of the training images of {', '.join(unknown)} are not published; "
            'take "auto" or "none"',
        )


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
