"""Reader of WebDataset: KEY.png beside KEY.cls or KEY.json, in a tar or in shards."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tgsh.datasets.uploads.containers import Archive, DamagedMember, read_member
from tgsh.datasets.uploads.file_names import natural_key, tidy_name
from tgsh.datasets.uploads.image_folders import PlacedPictures, labelled_pictures
from tgsh.datasets.uploads.labelled_images import LabelledImages, Problems, refusal
from tgsh.datasets.uploads.layouts import FilePlacement
from tgsh.datasets.uploads.parquet import split_of
from tgsh.datasets.uploads.picture_sets import PictureFiles, Reading

PICTURE_ENDINGS = {
    *("png", "jpg", "jpeg", "jpe", "jfif", "webp", "gif", "bmp", "tif", "tiff", "pgm", "ppm", "pnm", "pbm"),
    *("avif", "jp2", "j2k", "jpx", "heic", "heif", "tga", "ico", "qoi", "img"),
}
LABEL_ENDINGS = ("cls", "label", "class")
LABEL_KEYS = ("class_name", "label_name", "label", "cls", "class", "target", "category", "class_id")
MAX_LABEL_BYTES = 1 << 16
MOST_TOLD = 20


def is_webdataset(names: Sequence[str]) -> bool:
    """True where the files of an archive are samples of WebDataset.

    Parameters
    ----------
    names : Sequence[str]
        Paths.

    Returns
    -------
    bool
        True where pictures have a .cls beside them, or pictures outside folders a .json each.
    """
    endings = Counter(_parts(name)[1] for name in names)
    pictures = sum(endings[each] for each in PICTURE_ENDINGS)
    if pictures and any(endings[each] >= pictures for each in LABEL_ENDINGS):
        return True
    keys = {_parts(name)[0] for name in names if _parts(name)[1] in PICTURE_ENDINGS}
    told = {_parts(name)[0] for name in names if _parts(name)[1] == "json"}
    return bool(keys) and keys <= told and len({key.rpartition("/")[0] for key in keys}) == 1


def read_webdataset(archive: Archive, reading: Reading) -> LabelledImages:
    """Read samples: pictures with their classes by key.

    Parameters
    ----------
    archive : Archive
        The archive.
    reading : Reading
        Options, report and limits.

    Returns
    -------
    LabelledImages
        Images by key, in natural order.

    Raises
    ------
    InvalidSpec
        With all that is wrong.
    """
    pictures: list[tuple[str, str, int]] = []
    labels: dict[str, int] = {}
    others = []
    for place, name in enumerate(archive.names):
        key, ending = _parts(name)
        if ending in PICTURE_ENDINGS:
            pictures.append((key, name, place))
        elif ending in LABEL_ENDINGS or (ending == "json" and key not in labels):
            labels[key] = place
        elif ending != "json":
            others.append(name)
    reading.report.ignore("other files", others)
    reading.report.layout = "KEY.image beside KEY.cls"
    pictures.sort(key=lambda each: (natural_key(each[0]), each[1]))
    placements, problems, kept = [], list[tuple[str, str]](), []
    for key, name, place in pictures:
        label, wrong = _label(archive, labels.get(key))
        if wrong and reading.options.on_bad == "skip":
            reading.report.skip(name, wrong)
        elif wrong:
            problems.append(("body", f"{name[-200:]} {wrong}"))
        else:
            kept.append((name, place))
            placements.append(FilePlacement(label, split_of(key)))
    if not kept:
        raise refusal(problems[:MOST_TOLD] or [("body", "holds no image")])
    files = PictureFiles(
        archive, np.array([place for _, place in kept], np.int64), lambda index: kept[index][0][-200:]
    )
    return labelled_pictures(PlacedPictures(files, placements), reading, _first(problems))


def _first(problems: Problems) -> Problems:
    return problems[:MOST_TOLD]


def _parts(name: str) -> tuple[str, str]:
    """Key and ending, as WebDataset parts them: at the first dot of the file's name."""
    folder, slash, file = name.rpartition("/")
    key, _, ending = file.partition(".")
    return folder + slash + key, ending.lower().rpartition(".")[2]


def _label(archive: Archive, place: int | None) -> tuple[str, str]:
    """The class that a file tells; and what is wrong."""
    if place is None:
        return "", "has no .cls or .json beside it that tells its class"
    try:
        text = read_member(archive, place, MAX_LABEL_BYTES).decode("utf-8-sig")
        told: Any = text
        if archive.names[place].lower().endswith(".json"):
            told = json.loads(text)
            if isinstance(told, Mapping):
                told = next((told[key] for key in LABEL_KEYS if told.get(key) is not None), None)
    except (DamagedMember, ValueError, RecursionError) as error:
        return "", f"has a class that cannot be read: {error}"
    if isinstance(told, float) and told.is_integer():
        told = int(told)
    if not isinstance(told, str | int) or not str(told).strip():
        return "", f"has a .json that tells no class; understood are {', '.join(LABEL_KEYS)}"
    return tidy_name(str(told)), ""
