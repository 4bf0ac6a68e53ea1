"""Readers of the named datasets' files, each in the format in which it is published."""

from __future__ import annotations

import bz2
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from PIL import Image

from tgsh.datasets.idx import INT, read_idx
from tgsh.datasets.named_sets import FileForm, NamedSet
from tgsh.datasets.pickled_arrays import read_pickled_arrays

OMNIGLOT_TRAINING_DRAWERS = 16
"""Of 20 people who drew each character; the others' drawings are for testing."""

TEST_PERIOD = 5
"""Of a set that is published without a split, every fifth image of a class and domain is for testing."""

PICTURES = (".png", ".jpg", ".jpeg")


class Part(NamedTuple):
    """Images of one split.

    Attributes
    ----------
    images : np.ndarray
        uint8 [N, D], the channels of a pixel side by side.
    labels : np.ndarray
        Integers [N], classes from 0.
    domains : np.ndarray | None
        uint16 [N], numbers of domains; None where there are none.
    """

    images: np.ndarray
    labels: np.ndarray
    domains: np.ndarray | None = None


def read_named_set(named: NamedSet, data_dir: Path) -> tuple[Part, Part]:
    """Read the files of a named dataset.

    Parameters
    ----------
    named : NamedSet
        Its entry in the table.
    data_dir : Path
        Folder that its `files` are relative to.

    Returns
    -------
    train : Part
        Images for training.
    test : Part
        Images for testing.

    Raises
    ------
    OSError
        If a file cannot be read.
    ValueError
        If a file is not what its entry says, or is damaged; names the file.
    """
    train, test = _READERS[named.form](named, data_dir)
    return _checked(named, train, named.images[0]), _checked(named, test, named.images[1])


# Published in several versions, or with files that cannot be read: their number follows from the files.
COUNTED: frozenset[FileForm] = frozenset({"medmnist", "class-folders", "domain-folders"})


def _checked(named: NamedSet, part: Part, count: int) -> Part:
    height, width, channels = named.size
    images = np.ascontiguousarray(part.images).reshape(len(part.images), -1)
    if len(images) == 0 or len(images) != len(part.labels):
        raise ValueError(f"{len(images)} images have {len(part.labels)} labels")
    if images.shape[1] != height * width * channels:
        raise ValueError(f"an image has {images.shape[1]} numbers, not {height} × {width} × {channels}")
    if named.form not in COUNTED and len(images) != count:
        raise ValueError(f"there are {len(images):,} images, not {count:,}")
    if part.labels.min() < 0 or part.labels.max() >= named.classes:
        raise ValueError(
            f"classes go from {part.labels.min()} to {part.labels.max()}, and there are {named.classes}"
        )
    labels = part.labels.astype(np.uint8 if named.classes <= 256 else np.uint16)
    return Part(images, labels, part.domains)


def _emnist(named: NamedSet, data_dir: Path) -> tuple[Part, Part]:
    """Images are stored column by column, letters numbered from 1."""
    first = 1 if named.name == "emnist-letters" else 0

    def part(files: Sequence[str], count: int) -> Part:
        images, labels = files
        pictures = read_idx(data_dir / images, (count, *named.size[:2]))
        numbers = read_idx(data_dir / labels, (count,))
        return Part(pictures.transpose(0, 2, 1), numbers.astype(np.int16) - first)

    files = named.files
    return part(files[:2], named.images[0]), part(files[2:], named.images[1])


def _qmnist(named: NamedSet, data_dir: Path) -> tuple[Part, Part]:
    """Labels are eight numbers an image, the first of which is its class."""

    def part(files: Sequence[str], count: int) -> Part:
        images, labels = files
        pictures = read_idx(data_dir / images, (count, *named.size[:2]))
        return Part(pictures, read_idx(data_dir / labels, (count, 8), INT)[:, 0])

    files = named.files
    return part(files[:2], named.images[0]), part(files[2:], named.images[1])


def _libsvm(named: NamedSet, data_dir: Path) -> tuple[Part, Part]:
    """A line an image: its class from 1, and index:value for each pixel, from −1 to 1."""
    return _libsvm_part(named, data_dir / named.files[0]), _libsvm_part(named, data_dir / named.files[1])


def _libsvm_part(named: NamedSet, path: Path) -> Part:
    pixels = named.size[0] * named.size[1]
    try:
        rows = [line.split() for line in bz2.decompress(path.read_bytes()).decode("ascii").splitlines()]
        if wrong := next((place for place, row in enumerate(rows) if len(row) != pixels + 1), None):
            raise ValueError(f"line {wrong + 1} has {len(rows[wrong]) - 1} pixels, not {pixels}")
        labels = np.array([int(row[0]) - 1 for row in rows])
        values = np.array([[entry.rpartition(":")[2] for entry in row[1:]] for row in rows], np.float32)
    except (OSError, ValueError) as error:
        if not path.exists():
            raise
        raise ValueError(f"{path.name} is no bzip2 file of LIBSVM's lines: {error}") from error
    return Part(((values + 1) / 2 * 255).astype(np.uint8), labels)


def _svhn(named: NamedSet, data_dir: Path) -> tuple[Part, Part]:
    """X [32, 32, 3, N], y [N, 1] from 1 to 10, where 10 is the digit 0."""

    def part(file: str) -> Part:
        loaded = _matlab(data_dir / file, ("X", "y"))
        return Part(loaded["X"].transpose(3, 0, 1, 2), loaded["y"].ravel().astype(np.int64) % 10)

    return part(named.files[0]), part(named.files[1])


def _digit_five(named: NamedSet, data_dir: Path) -> tuple[Part, Part]:
    """Images [N, side, side, 3]; labels [N, 1], or one-hot [N, 10]."""
    keys = (
        ("train", "label_train", "test", "label_test")
        if named.name == "mnist-m"
        else ("train_data", "train_label", "test_data", "test_label")
    )
    loaded = _matlab(data_dir / named.files[0], keys)

    def part(names: Sequence[str]) -> Part:
        images, labels = names
        numbers = loaded[labels]
        classes = numbers.argmax(axis=1) if numbers.ndim == 2 and numbers.shape[1] > 1 else numbers.ravel()
        return Part(_bytes(loaded[images], images), classes.astype(np.int64))

    return part(keys[:2]), part(keys[2:])


def _matlab(path: Path, keys: Sequence[str]) -> dict[str, np.ndarray]:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        loaded = loadmat(path, variable_names=list(keys))
    except (MatReadError, TypeError, ValueError, IndexError, EOFError, NotImplementedError) as error:
        raise ValueError(f"{path.name} is no MATLAB file of version 5: {error}") from error
    if missing := [key for key in keys if key not in loaded]:
        raise ValueError(f"{path.name} lacks {', '.join(missing)}")
    return {key: loaded[key] for key in keys}


def _bytes(images: np.ndarray, name: str) -> np.ndarray:
    """Pixels from 0 to 255 in whatever numbers, as bytes."""
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind not in "iuf" or images.min() < 0 or images.max() > 255:
        raise ValueError(f"{name} holds other numbers than 0 to 255")
    return images.astype(np.uint8)


def _cifar(named: NamedSet, data_dir: Path) -> tuple[Part, Part]:
    """Pickled dictionaries: data [N, 3·32·32], channel after channel; labels, fine_labels of CIFAR-100."""
    key = "labels" if named.classes == 10 else "fine_labels"

    def batch(file: str) -> tuple[np.ndarray, list[int]]:
        path = data_dir / file
        try:
            loaded = read_pickled_arrays(path.read_bytes())
            pixels, labels = loaded["data"], loaded[key]
            return pixels.reshape(-1, 3, *named.size[:2]).transpose(0, 2, 3, 1), labels
        except (ValueError, KeyError, AttributeError) as error:
            raise ValueError(f"{path.name} is no batch of CIFAR: {error}") from error

    def part(files: Sequence[str]) -> Part:
        batches = [batch(file) for file in files]
        labels = [label for _, own in batches for label in own]
        return Part(np.concatenate([images for images, _ in batches]), np.array(labels))

    return part(named.files[:-1]), part(named.files[-1:])


def _medmnist(named: NamedSet, data_dir: Path) -> tuple[Part, Part]:
    """train_, val_ and test_images and _labels [N, 1]; the validation images are trained on."""
    path = data_dir / named.files[0]
    with np.load(path, allow_pickle=False) as arrays:

        def part(*splits: str) -> Part:
            try:
                images = [arrays[f"{split}_images"] for split in splits]
                labels = [arrays[f"{split}_labels"].ravel() for split in splits]
            except KeyError as error:
                raise ValueError(f"{path.name} lacks {error}") from error
            return Part(_bytes(np.concatenate(images), path.name), np.concatenate(labels).astype(np.int64))

        return part("train", "val"), part("test")


def _class_folders(named: NamedSet, data_dir: Path) -> tuple[Part, Part]:
    """A folder of each split, with a folder of each class; files that are no pictures are passed over."""

    def part(folder: Path) -> Part:
        return _pictures(
            named,
            (
                (path, label, 0)
                for label, name in enumerate(named.class_names)
                for path in _files(folder / name)
            ),
            skip=True,
        )._replace(domains=None)

    return part(data_dir / named.files[0]), part(data_dir / named.files[1])


def _domain_folders(named: NamedSet, data_dir: Path) -> tuple[Part, Part]:
    """A folder of each domain, with a folder of each class."""
    train: list[tuple[Path, int, int]] = []
    test: list[tuple[Path, int, int]] = []
    for domain, folder in enumerate(named.files):
        for label, name in enumerate(named.class_names):
            for place, path in enumerate(_files(data_dir / folder / name)):
                (test if place % TEST_PERIOD == TEST_PERIOD - 1 else train).append((path, label, domain))
    return _pictures(named, train), _pictures(named, test)


def _omniglot(named: NamedSet, data_dir: Path) -> tuple[Part, Part]:
    """Folders of alphabets, in either part, with a folder of each character and a drawing a drawer."""
    train: list[tuple[Path, int, int]] = []
    test: list[tuple[Path, int, int]] = []
    label = 0
    for domain, (alphabet, characters) in enumerate(named.domains):
        folders = [data_dir / part / alphabet for part in named.files]
        folder = next((each for each in folders if each.is_dir()), folders[0])
        for number in range(1, characters + 1):
            drawings = _files(folder / f"character{number:02}")
            for drawer, path in enumerate(drawings):
                (train if drawer < OMNIGLOT_TRAINING_DRAWERS else test).append((path, label, domain))
            label += 1
    return _pictures(named, train), _pictures(named, test)


def _files(folder: Path) -> list[Path]:
    """Pictures of a folder, in the order of their names."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)


def _pictures(named: NamedSet, files: Iterator[tuple[Path, int, int]] | Sequence[tuple[Path, int, int]],
              skip: bool = False) -> Part:  # fmt: skip
    """Pictures in the set's size and channels; skip: pass over files that are none."""
    height, width, channels = named.size
    rows: list[np.ndarray] = []
    kept: list[tuple[int, int]] = []
    for path, label, domain in files:
        try:
            with Image.open(path) as picture:
                plain = picture.convert("L" if channels == 1 else "RGB")
        except OSError as error:
            if skip:
                continue
            raise ValueError(f"{path} is no picture: {error}") from error
        if plain.size != (width, height):
            plain = plain.resize((width, height), Image.Resampling.BILINEAR)
        rows.append(np.asarray(plain).ravel())
        kept.append((label, domain))
    if not rows:
        raise ValueError("there are no pictures")
    numbers = np.array(kept)
    return Part(np.stack(rows), numbers[:, 0], numbers[:, 1].astype(np.uint16))


_READERS: Mapping[FileForm, Callable[[NamedSet, Path], tuple[Part, Part]]] = MappingProxyType(
    {
        "emnist": _emnist,
        "qmnist": _qmnist,
        "libsvm": _libsvm,
        "svhn": _svhn,
        "cifar": _cifar,
        "medmnist": _medmnist,
        "digit-five": _digit_five,
        "class-folders": _class_folders,
        "domain-folders": _domain_folders,
        "omniglot": _omniglot,
    }
)
