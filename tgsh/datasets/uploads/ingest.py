"""Ingestion of an upload: sandboxed child process, split, canonical order, content id."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import signal
import zipfile
import zlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from tgsh.datasets.conversion import counted_moments
from tgsh.datasets.uploads.copies import Copies, copy_groups, count_copies
from tgsh.datasets.uploads.image_folders import ImageOptions, LabelledImages, read_image_folders
from tgsh.datasets.uploads.npz import read_npz
from tgsh.errors import InvalidSpec
from tgsh.rng import rng_for
from tgsh.system import limit_memory, yield_to_others

FORMAT = "tgsh.dataset/1"
SPLIT_SEED = 0
TEST_SHARE = 0.2
"""Of every class, where the upload has no split."""

BLOCK_BYTES = 16 << 20
"""Of images in memory at a time."""

UploadKind = Literal["npz", "zip"]

ZIP_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    UnicodeDecodeError,  # a name that says it is UTF-8, and is not
)
"""Errors of zipfile about a file that is none, or no whole one."""

MEMORY_BYTES = 1 << 30
TIMEOUT_SECONDS = 900.0
"""Limit of a subprocess; two gibibytes of images take about half a minute."""

IMAGES, LABELS = "images.npy", "labels.npy"


@dataclass(frozen=True)
class Upload:
    """A file that was sent.

    Attributes
    ----------
    path : Path
        The file.
    kind : UploadKind
        ``"npz"`` or ``"zip"``.
    options : ImageOptions
        Size and channels to convert the images of a zip to.
    max_bytes : int
        Most bytes of its images, unpacked.
    """

    path: Path
    kind: UploadKind
    options: ImageOptions
    max_bytes: int


@dataclass(frozen=True)
class IngestedDataset:
    """Description of a dataset that was written.

    Attributes
    ----------
    sha256 : str
        Hex digest of its content, the same whatever file it came in.
    height : int
        Pixels.
    width : int
        Pixels.
    channels : int
        1 or 3.
    class_names : tuple[str, ...]
        Names of the classes.
    train : int
        Training images.
    test : int
        Test images.
    mean : float
        Mean of the training images' pixels, 0 to 1.
    deviation : float
        Standard deviation of the training images' pixels, 0 to 1.
    copies : Copies
        Identical images; no part of the digest.
    """

    sha256: str
    height: int
    width: int
    channels: int
    class_names: tuple[str, ...]
    train: int
    test: int
    mean: float
    deviation: float
    copies: Copies


def ingest_in_subprocess(upload: Upload, folder: Path, seconds: float = TIMEOUT_SECONDS) -> IngestedDataset:
    """Run `ingest` in a process with MEMORY_BYTES of memory and a time limit.

    Parameters
    ----------
    upload : Upload
        The file and its options.
    folder : Path
        Existing folder.
    seconds : float, default=TIMEOUT_SECONDS
        Time limit.

    Returns
    -------
    IngestedDataset
        Description of the dataset.

    Raises
    ------
    InvalidSpec
        If the file is no dataset, is damaged, or takes more memory or time than allowed.
    OSError
        If the folder cannot be written to.
    """
    report_path = folder / "report.json"
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_ingest_and_report, args=(upload, folder, report_path), daemon=True)
    process.start()
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise InvalidSpec("body", f"takes over {seconds:g} s to unpack; send fewer or smaller images")
    if not report_path.exists():
        raise InvalidSpec("body", "takes more memory to unpack than there is; send fewer or smaller files")
    report = json.loads(report_path.read_text("utf-8"))
    if "field" in report:
        raise InvalidSpec(report["field"], report["message"])
    if "errno" in report:
        raise OSError(report["errno"], report["strerror"])
    found = {"class_names": tuple(report["class_names"]), "copies": Copies(**report["copies"])}
    return IngestedDataset(**{**report, **found})


def _ingest_and_report(upload: Upload, folder: Path, report_path: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit_memory(MEMORY_BYTES)
    yield_to_others(10)
    try:
        report: dict[str, object] = asdict(ingest(upload, folder))
    except InvalidSpec as error:
        report = {"field": error.field, "message": error.message}
    except OSError as error:  # a full disk
        report = {"errno": error.errno or 5, "strerror": error.strerror or str(error)}
    report_path.write_text(json.dumps(report), "utf-8")


def ingest(upload: Upload, folder: Path) -> IngestedDataset:
    """Read an upload and write its dataset into a folder, as IMAGES and LABELS.

    Parameters
    ----------
    upload : Upload
        The file and its options.
    folder : Path
        Existing folder.

    Returns
    -------
    IngestedDataset
        Description of the dataset.

    Raises
    ------
    InvalidSpec
        If the file is no dataset, or is damaged.
    OSError
        If the folder cannot be written to.
    """
    try:
        with zipfile.ZipFile(upload.path) as archive:
            if upload.kind == "npz":
                contents = read_npz(archive, folder, upload.max_bytes)
            else:
                contents = _decoded(
                    read_image_folders(archive, upload.options, upload.max_bytes), folder / "pixels.raw"
                )
            return write_dataset(contents, folder / IMAGES, folder / LABELS)
    except ZIP_DAMAGE as error:
        problem = "no .npz as numpy.savez writes them" if upload.kind == "npz" else "no zip"
        raise InvalidSpec("body", f"is {problem}, or is damaged: {error}") from error


def _decoded(contents: LabelledImages, scratch: Path) -> LabelledImages:
    """The same images from a file: they are read twice, and decoding takes longest."""
    count, rows = len(contents.labels), max(1, BLOCK_BYTES // contents.pixels)
    with scratch.open("wb") as file:
        for start in range(0, count, rows):
            file.write(contents.read(np.arange(start, min(start + rows, count))).data)
    pixels = np.memmap(scratch, np.uint8, "r", shape=(count, contents.pixels))
    return replace(contents, read=lambda places: np.asarray(pixels[places]))


def write_dataset(contents: LabelledImages, images_path: Path, labels_path: Path) -> IngestedDataset:
    """Write images and labels as .npy in canonical order.

    Parameters
    ----------
    contents : LabelledImages
        N images.
    images_path : Path
        File for uint8 [N, D].
    labels_path : Path
        File for uint16 [N].

    Returns
    -------
    IngestedDataset
        Sizes, moments and content digest.

    Raises
    ------
    InvalidSpec
        If a class lacks an image, or all training images are of one and the same grey.
    """
    groups = copy_groups(contents)
    is_test = _test_mask(contents, groups) if contents.is_test is None else contents.is_test
    order, train = canonical_order(replace(contents, is_test=is_test))
    labels = contents.labels[order].astype("<u2")
    np.save(labels_path, labels, allow_pickle=False)
    height, width, channels = contents.shape
    header = {
        "format": FORMAT,
        "height": height,
        "width": width,
        "channels": channels,
        "train": train,
        "test": len(order) - train,
        "class_names": contents.class_names,
    }
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    digest.update(labels.tobytes())
    histogram = np.zeros(256, np.int64)
    rows = max(1, BLOCK_BYTES // contents.pixels)
    with images_path.open("wb") as file:
        npy_header = {"descr": "|u1", "fortran_order": False, "shape": (len(order), contents.pixels)}
        np.lib.format.write_array_header_1_0(file, npy_header)
        for start in range(0, len(order), rows):
            block = contents.read(order[start : start + rows])
            histogram += np.bincount(block[: max(0, train - start)].ravel(), minlength=256)
            digest.update(block.data)
            file.write(block.data)
    mean, deviation = counted_moments(histogram)
    if deviation == 0:
        raise InvalidSpec("x", "every pixel of every training image is the same; there is nothing to learn")
    return IngestedDataset(
        sha256=digest.hexdigest(),
        height=height,
        width=width,
        channels=channels,
        class_names=contents.class_names,
        train=train,
        test=len(order) - train,
        mean=mean,
        deviation=deviation,
        copies=count_copies(groups, contents.labels, is_test),
    )


def canonical_order(contents: LabelledImages) -> tuple[np.ndarray, int]:
    """Order images so that every prefix is balanced: training images first, then test images.

    In either part the first image of each class comes first, then the second of each, and so on; within a
    class they stay in the order in which they were sent.

    Parameters
    ----------
    contents : LabelledImages
        N images.

    Returns
    -------
    tuple[np.ndarray, int]
        int64 [N], places of the images in that order, and the number of training images.

    Raises
    ------
    InvalidSpec
        If a class lacks a training or a test image.
    """
    labels, is_test = contents.labels, contents.is_test
    if is_test is None:
        is_test = _test_mask(contents, copy_groups(contents))
    for name, part in (("training", ~is_test), ("test", is_test)):
        counts = np.bincount(labels[part], minlength=len(contents.class_names))
        if not counts.all():
            lacking = contents.class_names[int(counts.argmin())]
            raise InvalidSpec("y", f"class {lacking!r} has no {name} image; every class needs one")
    train, test = (_interleaved(labels, np.flatnonzero(part)) for part in (~is_test, is_test))
    return np.concatenate([train, test]), len(train)


def _test_mask(contents: LabelledImages, groups: np.ndarray) -> np.ndarray:
    """Select test images: a fifth of each class, at least one, always the same ones.

    Copies go together, whatever their classes. Where a class cannot have both training and test images then,
    its own are split as if there were no copies.
    """
    labels = contents.labels
    is_decided, is_test = np.zeros((2, int(groups.max()) + 1), bool)
    shuffled: dict[int, np.ndarray] = {}
    quotas: dict[int, int] = {}
    for label, name in enumerate(contents.class_names):
        places = np.flatnonzero(labels == label)
        if len(places) < 2:
            raise InvalidSpec("y", f"class {name!r} has one image; it needs one to train on and one to test")
        order = rng_for(SPLIT_SEED, "uploaded", "split", label).permutation(len(places))
        shuffled[label], quotas[label] = places[order], max(1, round(TEST_SHARE * len(places)))
        _select_groups(groups[shuffled[label]], quotas[label], is_decided, is_test)
    mask = np.asarray(is_test[groups])
    for label, places in shuffled.items():
        if mask[places].all() or not mask[places].any():
            mask[places] = np.arange(len(places)) < quotas[label]
    return mask


def _select_groups(groups: np.ndarray, quota: int, is_decided: np.ndarray, is_test: np.ndarray) -> None:
    """Decide the groups of a class, in their order: test images as long as they fit into its quota.

    If none fits, the smallest one that leaves another to train on.
    """
    distinct, first, sizes = np.unique(groups, return_index=True, return_counts=True)
    ordered = np.argsort(first)
    distinct, sizes = distinct[ordered], sizes[ordered]
    is_open = ~is_decided[distinct]
    taken = int(sizes[is_test[distinct]].sum())
    for group, size in zip(distinct[is_open].tolist(), sizes[is_open].tolist(), strict=True):
        if taken + size <= quota:
            is_test[group] = True
            taken += size
    if taken == 0 and is_open.any() and len(distinct) > 1:
        is_test[distinct[is_open][sizes[is_open].argmin()]] = True
    is_decided[distinct] = True


def _interleaved(labels: np.ndarray, places: np.ndarray) -> np.ndarray:
    chosen = labels[places]
    by_class = np.argsort(chosen, kind="stable")
    counts = np.bincount(chosen)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    ranks = np.empty(len(chosen), np.int64)
    ranks[by_class] = np.arange(len(chosen)) - starts
    return np.asarray(places[np.lexsort((chosen, ranks))])
