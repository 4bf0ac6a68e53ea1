"""Uploaded datasets of a store as image sources; reaches no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from weakref import WeakValueDictionary

from tgsh.datasets.base import DatasetInfo, ImageDataset, Normalisation
from tgsh.store import datasets
from tgsh.store.artifacts import Artifacts
from tgsh.store.database import Database
from tgsh.store.models import DatasetRecord

FOLDER = "uploaded"
"""Under the data folder: local copies of files of an object store."""


def dataset_info(record: DatasetRecord, title: str = "") -> DatasetInfo:
    """A dataset's record as a DatasetInfo. title: its name to the caller."""
    return DatasetInfo(
        name=record.id,
        title=title or record.id,
        height=record.height,
        width=record.width,
        channels=record.channels,
        classes=len(record.class_names),
        class_names=tuple(record.class_names),
        train_images=record.train,
        test_images=record.test,
        normalisation=Normalisation(record.mean, record.deviation),
        domains=tuple(record.domains or ()),
    )


def seen_by(database: Database, visible_to: str | None) -> Callable[[str], DatasetInfo]:
    """Look-up of the uploaded datasets that a key of that name sees (None: an admin); else NotFound."""

    def info(dataset_id: str) -> DatasetInfo:
        dataset = datasets.get(database, dataset_id, visible_to)
        return dataset_info(dataset.record, dataset.holder.name)

    return info


class UploadedDatasets:
    """The uploaded datasets of a store.

    A dataset in use is one object in this process, its images mapped from one file.
    """

    def __init__(self, database: Database, artifacts: Artifacts, data_dir: Path) -> None:
        self._database, self._artifacts, self._data_dir = database, artifacts, data_dir
        self._loaded: WeakValueDictionary[str, ImageDataset] = WeakValueDictionary()

    def info(self, dataset_id: str) -> DatasetInfo:
        """A dataset's sizes, classes and normalisation. Raises NotFound."""
        return dataset_info(datasets.content(self._database, dataset_id))

    def load(self, dataset_id: str) -> ImageDataset:
        """The dataset. Raises NotFound, and ArtifactError where its files cannot be trusted or reached."""
        dataset = self._loaded.get(dataset_id)
        if dataset is None:
            record = datasets.content(self._database, dataset_id)
            dataset = self._loaded[dataset_id] = self._map(record)
        return dataset

    def _map(self, record: DatasetRecord) -> ImageDataset:
        cache = self._data_dir / FOLDER / record.id
        images = self._artifacts.load_shared(record.images, record.images_sha256, cache)
        labels = self._artifacts.load_shared(record.labels, record.labels_sha256, cache)
        train = slice(record.train)
        test = slice(record.train, None)
        loaded = ImageDataset(dataset_info(record), images[train], labels[train], images[test], labels[test])
        if record.domain_labels is None or record.domain_labels_sha256 is None:
            return loaded
        domains = self._artifacts.load_shared(record.domain_labels, record.domain_labels_sha256, cache)
        return replace(loaded, train_domains=domains[train], test_domains=domains[test])
