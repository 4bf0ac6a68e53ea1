"""Reader of pictures in class folders, in whatever they are packed."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from tgsh.datasets.uploads.containers import Archive
from tgsh.datasets.uploads.file_names import Names, sorted_class_names, tidy_names
from tgsh.datasets.uploads.labelled_images import (
    MAX_DOMAINS,
    MAX_IMAGES,
    LabelledImages,
    Problems,
    class_problems,
    refusal,
)
from tgsh.datasets.uploads.layouts import FilePlacement, recognise_layout
from tgsh.datasets.uploads.picture_sets import PictureFiles, Reading, decode_all
from tgsh.datasets.uploads.splits import split_mask
from tgsh.errors import InvalidSpec

PATTERN_SECONDS = 10.0
"""Time that a pattern of the uploader's may take over all names."""


@dataclass(frozen=True, eq=False)
class PlacedPictures:
    """Pictures that were given a class, by folders or otherwise.

    Attributes
    ----------
    files : PictureFiles
        Their files, in the order in which they count as sent.
    placements : Sequence[FilePlacement]
        What is known of each.
    class_order : Sequence[str], default=()
        Names of classes in an order of the uploader's; natural order where it is empty.
    """

    files: PictureFiles
    placements: Sequence[FilePlacement]
    class_order: Sequence[str] = ()


def read_image_folders(archive: Archive, reading: Reading) -> LabelledImages:
    """Read class folders: CLASS/image, with splits and domains above or below the classes.

    Parameters
    ----------
    archive : Archive
        The archive, or a folder.
    reading : Reading
        Options, report and limits.

    Returns
    -------
    LabelledImages
        Images by folder and name, in natural order.

    Raises
    ------
    InvalidSpec
        If it does not hold a dataset; with all that is wrong, and the remedies.
    """
    report, options = reading.report, reading.options
    report.ignore("links", archive.links)
    is_zip = archive.kind == "zip"
    names, problems = tidy_names(
        archive.names,
        report,
        encoding=options.encoding,
        legacy="cp437" if is_zip else None,
        backslashes=is_zip,
    )
    if len(names.places) > MAX_IMAGES:
        raise InvalidSpec("body", f"{len(names.places):,} files were sent, and 1 to {MAX_IMAGES:,} are taken")
    layout, wrong = recognise_layout(names, report, can_skip=options.on_bad == "skip")
    problems += wrong
    hidden = names.within(layout.hidden).tolist()
    report.ignore("hidden folders", (names.path(index) for index in hidden[:5]), len(hidden))
    kept = names.within(layout.placements)
    if not len(kept):
        raise refusal(problems or [("body", "holds no image; a folder for each class is wanted")])
    dotted = sorted({each.label for each in layout.placements.values() if each.label.startswith(".")})
    report.do("dot classes", dotted)
    files = PictureFiles(archive, names.places[kept], lambda index: names.path(int(kept[index])))
    of_folder = [layout.placements.get(folder) for folder in names.folders]
    placements = [
        each for folder in names.folder_of[kept].tolist() if (each := of_folder[folder]) is not None
    ]
    groups = _pattern_groups(names, kept, options.group_pattern)
    return labelled_pictures(PlacedPictures(files, placements), reading, problems, groups)


def labelled_pictures(
    pictures: PlacedPictures, reading: Reading, problems: Problems, groups: Sequence[str] | None = None
) -> LabelledImages:
    """Decode pictures that have classes.

    Parameters
    ----------
    pictures : PlacedPictures
        The pictures.
    reading : Reading
        Options, report and limits.
    problems : Problems
        What is known to be wrong already.
    groups : Sequence[str] | None, default=None
        Groups that the uploader's pattern gives; they replace those of the folders.

    Returns
    -------
    LabelledImages
        Those that could be read.

    Raises
    ------
    InvalidSpec
        With all that is wrong.
    """
    placements = pictures.placements
    known = problems + class_problems(sorted_class_names({each.label for each in placements}), "body")
    decoded = decode_all(pictures.files, reading, known)
    held = [placements[index] for index in decoded.kept.tolist()]
    present = {each.label for each in held}
    class_names = tuple(name for name in pictures.class_order if name in present) or sorted_class_names(
        present
    )
    if wrong := class_problems(class_names, "body"):
        raise refusal(wrong)
    domains = sorted_class_names({each.domain or "" for each in held if each.domain is not None})
    if len(domains) > MAX_DOMAINS:
        raise InvalidSpec("body", f"there are {len(domains):,} domains, and {MAX_DOMAINS:,} are taken")
    if groups is None:
        own = [each.group for each in held]
        groups = None if all(each is None for each in own) else [each or "" for each in own]
    else:
        groups = [groups[index] for index in decoded.kept.tolist()]
    place = {name: number for number, name in enumerate(class_names)}
    domain_place = {name: number for number, name in enumerate(domains)}
    return LabelledImages(
        shape=decoded.shape,
        class_names=class_names,
        labels=np.array([place[each.label] for each in held], np.int64),
        is_test=split_mask([each.split for each in held], reading.report),
        read=lambda places: np.asarray(decoded.pixels[decoded.kept[places]]),
        domains=domains,
        domain=np.array([domain_place[each.domain or ""] for each in held], np.int64) if domains else None,
        groups=None if groups is None else _numbered(groups),
    )


def _numbered(groups: Sequence[str]) -> np.ndarray:
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(group, len(numbers)) for group in groups], np.int64)


def _pattern_groups(names: Names, kept: np.ndarray, pattern: str | None) -> list[str] | None:
    """The text that a pattern finds in every path; what it does not find is a group of its own."""
    if pattern is None:
        return None
    compiled, groups, found = re.compile(pattern), [], 0
    with _time_limit(PATTERN_SECONDS):
        for index in kept.tolist():
            match = compiled.search(names.path(index))
            text = None if match is None else match[1] if compiled.groups else match[0]
            found += text is not None
            groups.append(f"\0{index}" if text is None else text)
    if found == 0:
        raise InvalidSpec("group_pattern", f"matches none of the paths, such as {names.path(int(kept[0]))}")
    return groups


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """End a search that runs away; outside the main thread, where nothing can, it runs on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_: Any) -> None:
        raise InvalidSpec("group_pattern", f"takes over {seconds:g} s; write one that backtracks less")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
