"""Image sources of an experiment: a named or uploaded dataset, several of them, or generated images."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from tgsh.datasets.base import DATASETS, DatasetInfo, ImageDataset, ImageSource
from tgsh.datasets.descriptions import info_of, no_upload_info
from tgsh.datasets.mnist import load_dataset
from tgsh.datasets.several import several_datasets
from tgsh.datasets.subsets import DatasetParts
from tgsh.errors import NotFound
from tgsh.specs import CorruptionSuite, DatasetsSuite, DomainsSuite, ExperimentSpec, ManifoldSuite, SplitSuite
from tgsh.suites.corruption import CorruptedImages
from tgsh.suites.manifold import ManifoldImages


class UploadSource(Protocol):
    """Uploaded datasets by id."""

    def info(self, dataset_id: str) -> DatasetInfo:
        """Describe a dataset.

        Parameters
        ----------
        dataset_id : str
            Its id.

        Returns
        -------
        DatasetInfo
            Its description.

        Raises
        ------
        NotFound
            If there is none.
        """

    def load(self, dataset_id: str) -> ImageDataset:
        """Load a dataset.

        Parameters
        ----------
        dataset_id : str
            Its id.

        Returns
        -------
        ImageDataset
            The dataset; the same object as long as it is in use.

        Raises
        ------
        NotFound
            If there is none.
        ArtifactError
            If its files are missing, damaged or out of reach.
        """


class NoUploads:
    """The upload source of a process without a store."""

    def info(self, dataset_id: str) -> DatasetInfo:
        """Refuse any id.

        Parameters
        ----------
        dataset_id : str
            Its id.

        Returns
        -------
        DatasetInfo
            Never.

        Raises
        ------
        NotFound
            Always.
        """
        return no_upload_info(dataset_id)

    def load(self, dataset_id: str) -> ImageDataset:
        """Refuse any id.

        Parameters
        ----------
        dataset_id : str
            Its id.

        Returns
        -------
        ImageDataset
            Never.

        Raises
        ------
        NotFound
            Always.
        """
        raise NotFound(f"there is no dataset {dataset_id!r} here")


NO_UPLOADS = NoUploads()


def source_of(spec: ExperimentSpec, data_dir: Path, uploads: UploadSource = NO_UPLOADS) -> ImageSource:
    """Open the images of an experiment's tasks.

    Parameters
    ----------
    spec : ExperimentSpec
        Names the dataset and the suite.
    data_dir : Path
        Folder of the named datasets, torchvision's root.
    uploads : UploadSource, default=NO_UPLOADS
        Uploaded datasets.

    Returns
    -------
    ImageSource
        Images of every task, before its transform.

    Raises
    ------
    DatasetUnavailable
        If a named dataset cannot be read or downloaded.
    NotFound
        If there is no uploaded dataset of that id.
    ArtifactError
        If the files of an uploaded dataset are missing, damaged or out of reach.
    """
    if isinstance(spec.suite, ManifoldSuite):
        return ManifoldImages(spec.suite)
    if isinstance(spec.suite, DatasetsSuite):
        datasets = tuple(load_images(name, data_dir, uploads) for name in spec.suite.datasets)
        return several_datasets(spec.suite, info_of(spec, uploads.info), datasets)
    dataset = load_images(spec.dataset_key, data_dir, uploads)
    match spec.suite:
        case SplitSuite() | DomainsSuite():
            return DatasetParts(spec.suite, dataset)
        case CorruptionSuite():
            return CorruptedImages(spec.suite, dataset)
        case _:
            return dataset


def load_images(name: str, data_dir: Path, uploads: UploadSource) -> ImageDataset:
    """Load one dataset.

    Parameters
    ----------
    name : str
        Of a named dataset, or the id of an uploaded one.
    data_dir : Path
        Folder of the named datasets, torchvision's root.
    uploads : UploadSource
        Uploaded datasets.

    Returns
    -------
    ImageDataset
        The dataset.

    Raises
    ------
    DatasetUnavailable
        If a named dataset cannot be read or downloaded.
    NotFound
        If there is no uploaded dataset of that id.
    ArtifactError
        If the files of an uploaded dataset are missing, damaged or out of reach.
    """
    return load_dataset(name, data_dir) if name in DATASETS else uploads.load(name)
