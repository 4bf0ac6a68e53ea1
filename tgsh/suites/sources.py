"""Image sources of an experiment: a named or uploaded dataset, several of them, or generated images."""

from __future__ import annotations

from pathlib import Path

from tgsh.datasets.base import DATASETS, Dataset, Several, Source, info_of
from tgsh.datasets.mnist import NO_SHELF, Shelf, load
from tgsh.specs import DatasetsSuite, ExperimentSpec, ManifoldSuite
from tgsh.suites.manifold import ManifoldImages


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
