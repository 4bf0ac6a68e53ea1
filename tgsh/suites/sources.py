"""Image sources of an experiment: a named or uploaded dataset, several of them, or generated images."""

from __future__ import annotations

from pathlib import Path

from tgsh.datasets.dataset import Dataset, Several, Source
from tgsh.datasets.info import DATASETS, info_of
from tgsh.datasets.loading import NO_SHELF, Shelf, load
from tgsh.datasets.manifold import ManifoldImages
from tgsh.spec import DatasetsSuite, ExperimentSpec, ManifoldSuite


def source_of(spec: ExperimentSpec, data_dir: Path, shelf: Shelf = NO_SHELF) -> Source:
    """Where the tasks of an experiment have their images from.

    Raises DatasetUnavailable as `load` does, and what the shelf raises.
    """
    if isinstance(spec.suite, ManifoldSuite):
        return ManifoldImages(spec.suite)
    if isinstance(spec.suite, DatasetsSuite):
        found = tuple(_named(name, data_dir, shelf) for name in spec.suite.datasets)
        return Several(info_of(spec, shelf.info), found)
    return _named(spec.dataset_key, data_dir, shelf)


def _named(name: str, data_dir: Path, shelf: Shelf) -> Dataset:
    return load(name, data_dir) if name in DATASETS else shelf.load(name)
