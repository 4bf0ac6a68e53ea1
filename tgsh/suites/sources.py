"""Image sources of an experiment: a named or uploaded dataset, several of them, or generated images."""

from __future__ import annotations

from pathlib import Path

from tgsh.datasets.base import DATASETS, Dataset, ImageSource, SeveralDatasets, info_of
from tgsh.datasets.mnist import NO_UPLOADS, UploadSource, load_dataset
from tgsh.specs import DatasetsSuite, ExperimentSpec, ManifoldSuite
from tgsh.suites.manifold import ManifoldImages


def source_of(spec: ExperimentSpec, data_dir: Path, uploads: UploadSource = NO_UPLOADS) -> ImageSource:
    """Where the tasks of an experiment have their images from.

    Raises DatasetUnavailable as `load` does, and what the shelf raises.
    """
    if isinstance(spec.suite, ManifoldSuite):
        return ManifoldImages(spec.suite)
    if isinstance(spec.suite, DatasetsSuite):
        datasets = tuple(_load(name, data_dir, uploads) for name in spec.suite.datasets)
        return SeveralDatasets(info_of(spec, uploads.info), datasets)
    return _load(spec.dataset_key, data_dir, uploads)


def _load(name: str, data_dir: Path, uploads: UploadSource) -> Dataset:
    return load_dataset(name, data_dir) if name in DATASETS else uploads.load(name)
