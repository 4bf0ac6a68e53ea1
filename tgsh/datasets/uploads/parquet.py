"""Reader of Hugging Face's parquet: a column of images, a column of classes."""

from __future__ import annotations

import importlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tgsh.datasets.uploads.containers import SlicedFile
from tgsh.datasets.uploads.file_names import tidy_name
from tgsh.datasets.uploads.image_folders import PlacedPictures, labelled_pictures
from tgsh.datasets.uploads.labelled_images import MAX_IMAGES, LabelledImages, Problems, refusal
from tgsh.datasets.uploads.layouts import SPLITS, FilePlacement
from tgsh.datasets.uploads.picture_sets import PictureFiles, Reading
from tgsh.errors import InvalidSpec

IMAGE_COLUMNS = ("image", "img", "images", "picture", "pixels", "jpg", "png")
LABEL_COLUMNS = ("label", "labels", "fine_label", "class", "target", "cls", "y", "category")
GROUP_COLUMNS = ("group", "groups")
DOMAIN_COLUMNS = ("domain", "domains")

ROWS = 64
"""Rows in memory at a time."""

MAX_FILE_BYTES = 32 << 20


@dataclass(frozen=True)
class ParquetFile:
    """A file of a dataset.

    Attributes
    ----------
    path : Path
        The file.
    name : str
        Its name in the archive, such as ``"data/train-00000-of-00001.parquet"``; the split is in it.
    """

    path: Path
    name: str


@dataclass(frozen=True)
class _Columns:
    """Columns of a file by what they hold; names of the classes, where they are told."""

    image: str
    label: str
    group: str | None
    domain: str | None
    classes: tuple[str, ...]

    def used(self) -> list[str]:
        return [each for each in (self.image, self.label, self.group, self.domain) if each is not None]


def read_parquet(
    files: Sequence[ParquetFile], features: Mapping[str, Any], reading: Reading
) -> LabelledImages:
    """Read images and classes from tables.

    Parameters
    ----------
    files : Sequence[ParquetFile]
        One or more.
    features : Mapping[str, Any]
        ``features`` of a ``dataset_info.json`` beside them; empty where there is none.
    reading : Reading
        Options, report and limits.

    Returns
    -------
    LabelledImages
        Images in the order of the rows.

    Raises
    ------
    InvalidSpec
        With all that is wrong; names the extra where what reads parquet is not installed.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # the others reserve what they do not use
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise InvalidSpec(
            "body",
            "is a parquet file, which this service reads with the extra tgsh[parquet] (pip install "
            "'tgsh[parquet]'); send class folders in a zip",
        ) from error
    if reading.options.group_pattern is not None:
        raise InvalidSpec("group_pattern", "is for names of files; a table has a column group")
    blobs = reading.scratch / "blobs.raw"
    rows = _Rows()
    with blobs.open("wb") as file:
        for each in files:
            _read_file(parquet, each, features, reading, rows, file)
    if rows.problems:
        raise refusal(rows.problems)
    archive = SlicedFile(blobs, "parquet", rows.names, np.array(rows.offsets, np.int64),
                         np.array(rows.sizes, np.int64))  # fmt: skip
    pictures = PlacedPictures(
        PictureFiles(archive, np.arange(len(rows.names)), lambda index: rows.names[index]),
        rows.placements,
        rows.classes,
    )
    reading.report.layout = f"columns {rows.columns}"
    return labelled_pictures(pictures, reading, [])


class _Rows:
    """All that was read of the rows so far."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.offsets: list[int] = []
        self.sizes: list[int] = []
        self.placements: list[FilePlacement] = []
        self.classes: tuple[str, ...] = ()
        self.columns = ""
        self.problems: Problems = []
        self.length = 0


def _read_file(
    parquet: Any, each: ParquetFile, features: Mapping[str, Any], reading: Reading, rows: _Rows, blobs: Any
) -> None:
    try:
        table = parquet.ParquetFile(each.path, memory_map=True, pre_buffer=False)
        columns, problem = _columns(table.schema_arrow, features)
        if columns is None:
            rows.problems.append(("body", f"{each.name or 'the table'} {problem}"))
            return
        if rows.length + table.metadata.num_rows > MAX_IMAGES:
            raise InvalidSpec("body", f"has over {MAX_IMAGES:,} rows; 1 to {MAX_IMAGES:,} images are taken")
        rows.classes = rows.classes or columns.classes
        rows.columns = f"{columns.image} and {columns.label}"
        split = split_of(each.name)
        cache: dict[tuple[object, ...], FilePlacement] = {}
        for batch in table.iter_batches(ROWS, columns=columns.used(), use_threads=False):
            for record in batch.to_pylist():
                _take(record, columns, split, each.name, reading, rows, blobs, cache)
    except (InvalidSpec, MemoryError):
        raise
    except Exception as error:  # pyarrow's are of many kinds
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise InvalidSpec("body", f"{each.name or 'it'} is a damaged parquet file: {error}"[:300]) from error


def _take(
    record: Mapping[str, Any],
    columns: _Columns,
    split: str | None,
    file_name: str,
    reading: Reading,
    rows: _Rows,
    blobs: Any,
    cache: dict[tuple[object, ...], FilePlacement],
) -> None:
    """Keep a row: its image in a file, its class and the rest in memory."""
    content, path = _image_of(record[columns.image])
    number = len(rows.names)
    name = path or f"{file_name or 'row'}:{number}"
    label = record[columns.label]
    if label is None:
        rows.problems.append(("body", f"{name} has no class")) if len(rows.problems) < 20 else None
        return
    size = len(content)
    if size > MAX_FILE_BYTES:
        content, size = b"", 0  # is refused, or skipped, as an empty file
    if rows.length + size > reading.max_bytes:
        raise InvalidSpec("body", f"unpacked it is over {reading.max_bytes:,} bytes; send less, or have "
                          "TGSH_MAX_UPLOAD_BYTES raised")  # fmt: skip
    blobs.write(content)
    rows.names.append(name)
    rows.offsets.append(rows.length)
    rows.sizes.append(size)
    rows.length += size
    key = (
        label,
        None if columns.group is None else record[columns.group],
        None if columns.domain is None else record[columns.domain],
    )
    if key not in cache:
        cache[key] = FilePlacement(
            _class_name(label, columns.classes),
            split,
            None if key[2] is None else tidy_name(str(key[2])),
            None if key[1] is None else str(key[1]),
        )
    rows.placements.append(cache[key])


def _image_of(value: Any) -> tuple[bytes, str]:
    """The bytes of an image file and its path, as Hugging Face's struct has them."""
    if isinstance(value, bytes):
        return value, ""
    if isinstance(value, Mapping):
        content = value.get("bytes")
        return (content if isinstance(content, bytes) else b""), str(value.get("path") or "")[-200:]
    return b"", ""


def _class_name(label: Any, classes: Sequence[str]) -> str:
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    if isinstance(label, int) and not isinstance(label, bool) and 0 <= label < len(classes):
        return classes[label]
    if isinstance(label, bytes):
        return tidy_name(label.decode("utf-8", "replace"))
    return tidy_name(str(label))


def _columns(schema: Any, features: Mapping[str, Any]) -> tuple[_Columns | None, str]:
    """Columns by what they hold, by their features, names and types; and what is wrong."""
    metadata = _metadata(schema) or features
    names = list(schema.names)
    kinds = {name: str(schema.field(name).type) for name in names}

    def of(wanted: Sequence[str], feature: str, types: Sequence[str]) -> str | None:
        told = [name for name in names if _feature(metadata, name) == feature]
        named = [name for word in wanted for name in names if name.lower() == word]
        typed = [name for name in named if any(kinds[name].startswith(each) for each in types)]
        return next(iter([name for name in named if name in told] + told + typed), None)

    image = of(IMAGE_COLUMNS, "Image", ("struct<bytes", "struct<path", "binary", "large_binary"))
    label = of(LABEL_COLUMNS, "ClassLabel", ("int", "uint", "string", "large_string", "dictionary", "double",
                                             "float", "bool"))  # fmt: skip
    listed = ", ".join(f"{name} ({kind[:40]})" for name, kind in list(kinds.items())[:10])
    if image is None:
        return None, f"has no column image with image files, as Hugging Face writes it; it has {listed}"
    if label is None:
        return None, f"has no column label with classes; it has {listed}"
    simple = {
        name.lower(): name for name in names if kinds[name].startswith(("int", "string", "large_string"))
    }
    group = next((simple[word] for word in GROUP_COLUMNS if word in simple), None)
    domain = next((simple[word] for word in DOMAIN_COLUMNS if word in simple), None)
    return _Columns(image, label, group, domain, _class_names(metadata.get(label))), ""


def _metadata(schema: Any) -> Mapping[str, Any]:
    """``features`` that Hugging Face writes into a file."""
    try:
        told = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        found = told["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, Mapping) else {}


def _feature(metadata: Mapping[str, Any], name: str) -> str:
    found = metadata.get(name)
    return str(found.get("_type", "")) if isinstance(found, Mapping) else ""


def _class_names(feature: Any) -> tuple[str, ...]:
    if not isinstance(feature, Mapping):
        return ()
    names = feature.get("names") or ()
    if isinstance(names, Mapping):  # {"0": "cat", …}
        names = [name for _, name in sorted(names.items(), key=lambda each: int(each[0]))]
    return tuple(tidy_name(str(name)) for name in names)


def split_of(name: str) -> str | None:
    """Find the split that a file's name or its folders tell.

    Parameters
    ----------
    name : str
        Such as ``"data/test-00000-of-00001.parquet"``.

    Returns
    -------
    str | None
        TRAIN, VALIDATION, TEST, or None.
    """
    words: Iterator[str] = (part.lower() for part in re.split(r"[^A-Za-z0-9]+", name))
    return next((SPLITS[word] for word in words if word in SPLITS), None)
