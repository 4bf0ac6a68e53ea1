"""Ingestion of an upload: normal form, canonical order, content id."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from tgsh.datasets.conversion import counted_moments
from tgsh.datasets.uploads.copies import Copies, copy_groups, count_copies
from tgsh.datasets.uploads.labelled_images import BLOCK_BYTES, LabelledImages
from tgsh.datasets.uploads.options import UploadOptions
from tgsh.datasets.uploads.picture_sets import Reading
from tgsh.datasets.uploads.readers import check_kind, read_upload
from tgsh.datasets.uploads.report import UploadReport, report_from
from tgsh.datasets.uploads.sandbox import Upload, run_in_subprocess
from tgsh.datasets.uploads.splits import bonds, canonical_order, choose_test_images
from tgsh.errors import InvalidSpec
from tgsh.system import cores

FORMAT = "tgsh.dataset/1"

TIMEOUT_SECONDS = 900.0
"""Limit of a subprocess; two gibibytes of images take about half a minute."""

IMAGES, LABELS, DOMAINS = "images.npy", "labels.npy", "domains.npy"


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
    domains : tuple[str, ...], default=()
        Names of the domains; where there are any, DOMAINS was written too.
    report : UploadReport
        Everything that was done; no part of the digest.
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
    domains: tuple[str, ...] = ()
    report: UploadReport = field(default_factory=UploadReport, compare=False)

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the files that were written."""
        return (IMAGES, LABELS, DOMAINS) if self.domains else (IMAGES, LABELS)


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
        If the file is no dataset, is damaged, or takes more memory or time than allowed; with all that is
        wrong.
    OSError
        If the folder cannot be written to.
    """
    if upload.path.is_file():
        check_kind(upload.path)  # no process for what is no dataset
    outcome = run_in_subprocess(_ingest, (upload, folder), folder, seconds)
    found = {
        "class_names": tuple(outcome["class_names"]),
        "domains": tuple(outcome["domains"]),
        "copies": Copies(**outcome["copies"]),
        "report": report_from(outcome["report"]),
    }
    return IngestedDataset(**{**outcome, **found})


def _ingest(upload: Upload, folder: Path) -> dict[str, object]:
    return asdict(ingest(upload, folder, cores()))


def ingest(upload: Upload, folder: Path, processes: int = 1) -> IngestedDataset:
    """Read an upload and write its dataset into a folder, as IMAGES, LABELS and perhaps DOMAINS.

    Parameters
    ----------
    upload : Upload
        The file and its options.
    folder : Path
        Existing folder.
    processes : int, default=1
        How many may decode images at a time.

    Returns
    -------
    IngestedDataset
        Description of the dataset.

    Raises
    ------
    InvalidSpec
        If the file is no dataset, or is damaged; with all that is wrong.
    OSError
        If the folder cannot be written to.
    """
    report = UploadReport()
    with tempfile.TemporaryDirectory(dir=folder, prefix="reading-") as scratch:
        reading = Reading(upload.options, report, Path(scratch), upload.max_bytes, processes)
        contents = read_upload(upload.path, reading)
        return write_dataset(contents, folder, upload.options, report)


def write_dataset(
    contents: LabelledImages, folder: Path, options: UploadOptions, report: UploadReport
) -> IngestedDataset:
    """Write images, labels and domains as .npy in canonical order.

    Parameters
    ----------
    contents : LabelledImages
        N images.
    folder : Path
        For IMAGES, uint8 [N, D], LABELS, uint16 [N], and DOMAINS, uint16 [N].
    options : UploadOptions
        Of the split and of copies.
    report : UploadReport
        Is told counts, copies and the split.

    Returns
    -------
    IngestedDataset
        Sizes, moments and content digest.

    Raises
    ------
    InvalidSpec
        If a class lacks training images, copies are to be refused, or all training images are of one and the
        same grey.
    """
    groups = copy_groups(contents)
    is_test = _split(contents, groups, options, report)
    order, train = canonical_order(contents, is_test)
    copies = count_copies(groups, contents.labels, is_test)
    labels = contents.labels[order].astype("<u2")
    np.save(folder / LABELS, labels, allow_pickle=False)
    height, width, channels = contents.shape
    header: dict[str, object] = {
        "format": FORMAT,
        "height": height,
        "width": width,
        "channels": channels,
        "train": train,
        "test": len(order) - train,
        "class_names": contents.class_names,
    }
    if contents.domain is not None:
        header["domains"] = contents.domains
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    digest.update(labels.tobytes())
    if contents.domain is not None:
        domain = contents.domain[order].astype("<u2")
        np.save(folder / DOMAINS, domain, allow_pickle=False)
        digest.update(domain.tobytes())
    histogram = np.zeros(256, np.int64)
    rows = max(1, BLOCK_BYTES // contents.pixels)
    with (folder / IMAGES).open("wb") as file:
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
    _count(contents, is_test, copies, report)
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
        copies=copies,
        domains=contents.domains,
        report=report,
    )


def _split(
    contents: LabelledImages, groups: np.ndarray, options: UploadOptions, report: UploadReport
) -> np.ndarray:
    """The mask of the test images."""
    report.duplicates = options.duplicates
    distinct = len(np.unique(groups))
    if options.duplicates == "refuse" and distinct < len(groups):
        raise InvalidSpec(
            "duplicates",
            f"{len(groups) - distinct:,} images are copies of others, which were to be refused; "
            "?duplicates=together takes them and keeps copies on one side of the split",
        )
    held = bonds(contents, groups, options.duplicates)
    if contents.is_test is None:
        is_test = choose_test_images(contents, held, options.share)
        by = "class and domain" if contents.domain is not None else "class"
        report.do("split", detail=f"No test images were sent: {options.share:.0%} of every {by} became them")
        if contents.groups is not None and not any(each.kind == "groups" for each in report.done):
            count = len(np.unique(contents.groups))
            report.do("groups", detail=f"{count:,} groups of images stay each on one side of the split")
        return is_test
    report.duplicates = "given"
    if options.test_share is not None:
        report.do("options", detail="test_share was not used: the upload says which images are for testing")
    if contents.groups is not None:
        crossing = np.intersect1d(contents.groups[contents.is_test], contents.groups[~contents.is_test])
        if len(crossing):
            report.do(
                "groups",
                detail=f"{len(crossing):,} groups have images on both sides of the split that was sent",
            )
    return contents.is_test


def _count(contents: LabelledImages, is_test: np.ndarray, copies: Copies, report: UploadReport) -> None:
    """Put the counts of a dataset into its report."""
    names = contents.class_names
    report.images = len(contents.labels)
    report.found = max(report.found, report.images)
    for part, mask in (("train", ~is_test), ("test", is_test)):
        counts = np.bincount(contents.labels[mask], minlength=len(names)).tolist()
        report.counts[part] = dict(zip(names, counts, strict=True))
    report.untested = [name for name in names if not report.counts["test"][name]]
    if contents.domain is not None:
        counts = np.bincount(contents.domain, minlength=len(contents.domains)).tolist()
        report.domains = dict(zip(contents.domains, counts, strict=True))
    report.copies, report.overlap = copies.copies, copies.overlap
    report.contradictory = copies.contradictory
