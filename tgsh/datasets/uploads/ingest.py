"""Sandboxed child process; canonical order, content id."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import signal
import zipfile
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from tgsh.datasets.uploads.image_folders import Contents, ImageOptions, read_folders
from tgsh.datasets.uploads.npz import read_npz
from tgsh.errors import InvalidSpec
from tgsh.rng import rng_for
from tgsh.system import limit_memory, yield_to_others

FORMAT = "tgsh.dataset/1"
SPLIT_SEED = 0
TEST_SHARE = 0.2
"""Of every class, where nobody said which images are for testing."""

ROWS_BYTES = 16 << 20
"""Of images that are in memory at a time."""


@dataclass(frozen=True)
class Unpacked:
    """What a dataset turned out to be. sha256: of its content, whatever it came in."""

    sha256: str
    height: int
    width: int
    channels: int
    class_names: tuple[str, ...]
    train: int
    test: int
    mean: float
    deviation: float


def canonical_order(contents: Contents) -> tuple[np.ndarray, int]:
    """The numbers of the images as they are kept, and how many of them are for training: those come first.

    In either part the first image of each class comes first, then the second of each, and so on, so that
    prefixes are balanced; within a class they stay in the order in which they were sent. Raises InvalidSpec
    where a class lacks a training or a test image.
    """
    labels, is_test = contents.labels, contents.is_test
    if is_test is None:
        is_test = _split(contents)
    for name, part in (("training", ~is_test), ("test", is_test)):
        counts = np.bincount(labels[part], minlength=len(contents.class_names))
        if not counts.all():
            lacking = contents.class_names[int(counts.argmin())]
            raise InvalidSpec("y", f"class {lacking!r} has no {name} image; every class needs one")
    train, test = (_interleaved(labels, np.flatnonzero(part)) for part in (~is_test, is_test))
    return np.concatenate([train, test]), len(train)


def _split(contents: Contents) -> np.ndarray:
    """Which images are for testing: a fifth of each class, at least one, always the same ones."""
    is_test = np.zeros(len(contents.labels), bool)
    for label, name in enumerate(contents.class_names):
        places = np.flatnonzero(contents.labels == label)
        if len(places) < 2:
            raise InvalidSpec("y", f"class {name!r} has one image; it needs one to train on and one to test")
        drawn = rng_for(SPLIT_SEED, "uploaded", "split", label).permutation(len(places))
        is_test[places[drawn[: max(1, round(TEST_SHARE * len(places)))]]] = True
    return is_test


def _interleaved(labels: np.ndarray, places: np.ndarray) -> np.ndarray:
    own = labels[places]
    by_class = np.argsort(own, kind="stable")
    counts = np.bincount(own)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    ranks = np.empty(len(own), np.int64)
    ranks[by_class] = np.arange(len(own)) - starts
    return np.asarray(places[np.lexsort((own, ranks))])


def write(contents: Contents, images: Path, labels: Path) -> Unpacked:
    """Write images uint8 [N, D] and labels uint16 [N] as .npy, the training images first.

    Raises InvalidSpec where all training images are of one and the same grey.
    """
    order, train = canonical_order(contents)
    kept = contents.labels[order].astype("<u2")
    np.save(labels, kept, allow_pickle=False)
    height, width, channels = contents.shape
    about = {
        "format": FORMAT,
        "height": height,
        "width": width,
        "channels": channels,
        "train": train,
        "test": len(order) - train,
        "class_names": contents.class_names,
    }
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    digest.update(kept.tobytes())
    counts = np.zeros(256, np.int64)
    rows = max(1, ROWS_BYTES // contents.pixels)
    with images.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(order), contents.pixels)}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(order), rows):
            some = contents.read(order[start : start + rows])
            counts += np.bincount(some[: max(0, train - start)].ravel(), minlength=256)
            digest.update(some.data)
            file.write(some.data)
    mean, deviation = _moments(counts)
    if deviation == 0:
        raise InvalidSpec("x", "every pixel of every training image is the same; there is nothing to learn")
    return Unpacked(
        sha256=digest.hexdigest(),
        height=height,
        width=width,
        channels=channels,
        class_names=contents.class_names,
        train=train,
        test=len(order) - train,
        mean=mean,
        deviation=deviation,
    )


def _moments(counts: np.ndarray) -> tuple[float, float]:
    """Mean and deviation of pixels from 0 to 1, so often each byte: exact, whatever the order."""
    total, values = int(counts.sum()), range(256)
    first = sum(value * int(count) for value, count in zip(values, counts, strict=True))
    second = sum(value**2 * int(count) for value, count in zip(values, counts, strict=True))
    return first / total / 255, float((second * total - first**2) ** 0.5 / total / 255)


Kind = Literal["npz", "zip"]

MEMORY = 1 << 30
SECONDS = 900.0
"""Two gibibytes take about half a minute."""

IMAGES, LABELS = "images.npy", "labels.npy"


@dataclass(frozen=True)
class Upload:
    """A file that was sent. max_bytes: of its images, unpacked."""

    path: Path
    kind: Kind
    wishes: ImageOptions
    max_bytes: int


def unpack(upload: Upload, folder: Path) -> Unpacked:
    """Leave a dataset's two files in `folder`, IMAGES and LABELS.

    Raises InvalidSpec for what is no dataset, and OSError where the folder cannot be written to.
    """
    try:
        with zipfile.ZipFile(upload.path) as archive:
            if upload.kind == "npz":
                contents = read_npz(archive, folder, upload.max_bytes)
            else:
                contents = read_folders(archive, upload.wishes, upload.max_bytes)
            return write(contents, folder / IMAGES, folder / LABELS)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        what = "no .npz as numpy.savez writes them" if upload.kind == "npz" else "no zip"
        raise InvalidSpec("body", f"is {what}, or is damaged: {error}") from error


def unpack_apart(upload: Upload, folder: Path, seconds: float = SECONDS) -> Unpacked:
    """The same in a process that has `MEMORY` bytes and so many seconds. Raises InvalidSpec, OSError."""
    answer = folder / "answer.json"
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_apart, args=(upload, folder, answer), daemon=True)
    process.start()
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise InvalidSpec("body", f"takes over {seconds:g} s to unpack; send fewer or smaller images")
    if not answer.exists():
        raise InvalidSpec("body", "takes more memory to unpack than there is; send fewer or smaller files")
    found = json.loads(answer.read_text("utf-8"))
    if "field" in found:
        raise InvalidSpec(found["field"], found["message"])
    if "errno" in found:
        raise OSError(found["errno"], found["strerror"])
    return Unpacked(**{**found, "class_names": tuple(found["class_names"])})


def _apart(upload: Upload, folder: Path, answer: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit_memory(MEMORY)
    yield_to_others(10)
    try:
        found: dict[str, object] = asdict(unpack(upload, folder))
    except InvalidSpec as error:
        found = {"field": error.field, "message": error.message}
    except OSError as error:  # a full disk
        found = {"errno": error.errno or 5, "strerror": error.strerror or str(error)}
    answer.write_text(json.dumps(found), "utf-8")
