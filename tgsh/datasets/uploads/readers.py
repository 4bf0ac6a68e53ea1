"""The reader of all uploads: what a file is, and which reader takes it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from tgsh.datasets.uploads.array_files import idx_array, matlab_arrays, missing_labels, npy_array
from tgsh.datasets.uploads.arrays import UNDERSTOOD, StoredArray, read_arrays
from tgsh.datasets.uploads.compression import COMPRESSED, decompress, spool_member
from tgsh.datasets.uploads.containers import (
    Archive,
    DamagedMember,
    FolderArchive,
    ZipArchive,
    head_of,
    kind_of,
    member_head,
    read_member,
    tar_archive,
)
from tgsh.datasets.uploads.file_names import SYSTEM_FOLDERS, THUMBNAIL_FOLDERS
from tgsh.datasets.uploads.image_folders import read_image_folders
from tgsh.datasets.uploads.labelled_images import LabelledImages
from tgsh.datasets.uploads.parquet import ParquetFile, read_parquet
from tgsh.datasets.uploads.picture_sets import Reading
from tgsh.datasets.uploads.webdataset import PICTURE_ENDINGS, is_webdataset, read_webdataset
from tgsh.errors import InvalidSpec

TAKEN = (
    "what is taken: class folders in a zip or tar (.gz, .zst), an .npz, IDX files, a WebDataset, Hugging "
    "Face's parquet, or a MATLAB file with X and y"
)

MOST_LAYERS = 3
"""Of files within files."""

LOOKED_AT = 64
"""Members whose first bytes are read."""

ARRAY_KINDS = ("npy", "idx", "mat", "parquet")
ARCHIVE_KINDS = ("zip", "tar")
MAX_DOCUMENT_BYTES = 4 << 20

REFUSED: Mapping[str, str] = {
    "empty": f"is empty; {TAKEN}",
    "rar": f"is a RAR archive, which is not read here: pack it as a zip; {TAKEN}",
    "7z": f"is a 7z archive, which is not read here: pack it as a zip; {TAKEN}",
    "pickle": "is a pickle, which nobody unpickles here: send numpy.savez(file, x=images, y=classes)",
    "hdf5": "is an HDF5 file (a MATLAB file of version 7.3 is one), which is not read here: save it with "
    "-v7, or as an .npz: numpy.savez(file, x=images, y=classes)",
    "npy": f"is one array: images without labels, or labels without images; send an .npz of both: "
    f"{UNDERSTOOD}",
    "picture": "is one image; a folder for each class, with its images, is wanted, in a zip",
    "unknown": f"is no dataset; {TAKEN}",
}


def read_upload(path: Path, reading: Reading) -> LabelledImages:
    """Read an upload, whatever it is.

    Parameters
    ----------
    path : Path
        A file, recognised by its bytes, or a folder of this machine.
    reading : Reading
        Options, report, limits and a scratch folder.

    Returns
    -------
    LabelledImages
        Its images in normal form.

    Raises
    ------
    InvalidSpec
        With all that is wrong, and the remedies.
    """
    if path.is_dir():
        reading.report.container = "folder"
        return _read_archive(FolderArchive(path), reading, 0)
    return _read_file(path, "", reading, 0)


def _read_file(path: Path, name: str, reading: Reading, layer: int) -> LabelledImages:
    kind = _kind(path)
    if kind in COMPRESSED:
        if layer >= MOST_LAYERS:
            raise InvalidSpec("body", "is packed too often; pack it once")
        inner = reading.scratch / f"unpacked-{layer}"
        decompress(path, kind, inner, reading.max_bytes)
        reading.report.container = {"gzip": "gz", "zstd": "zst", "bzip2": "bz2", "xz": "xz"}[kind]
        return _read_file(inner, name or _name_in_gzip(path, kind), reading, layer + 1)
    if kind in ARCHIVE_KINDS or kind in ("parquet", "mat"):
        packed = f".{reading.report.container}" if layer and reading.report.container else ""
        reading.report.container = {"mat": "MATLAB file", "parquet": "parquet file"}.get(kind, kind + packed)
    match kind:
        case "zip":
            return _read_archive(ZipArchive(path), reading, layer)
        case "tar":
            return _read_archive(tar_archive(path), reading, layer)
        case "parquet":
            return read_parquet([ParquetFile(path, name)], {}, reading)
        case "mat":
            return read_arrays(matlab_arrays(path, "", reading), reading)
        case "idx":
            raise _lone_idx(idx_array(path, name))
    raise InvalidSpec("body", REFUSED[kind])


def check_kind(path: Path) -> None:
    """Refuse a file that is none of those that are read, by its first bytes.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    InvalidSpec
        If no reader takes it.
    """
    kind = _kind(path)
    if kind in REFUSED:
        raise InvalidSpec("body", REFUSED[kind])


def _kind(path: Path) -> str:
    kind = kind_of(head_of(path))
    return "zip" if kind == "unknown" and zipfile.is_zipfile(path) else kind


def _name_in_gzip(path: Path, kind: str) -> str:
    """The name that a gzip file keeps."""
    head = head_of(path) if kind == "gzip" else b""
    if len(head) < 12 or head[3] != 0x08:
        return ""
    return head[10:].partition(b"\0")[0].decode("latin-1")[:100]


def _lone_idx(array: StoredArray) -> InvalidSpec:
    if array.role == "images":
        lacking = (missing_labels([array]) or ["train-labels-idx1-ubyte"])[0]
        return InvalidSpec(
            "body",
            f"holds images without their labels: the file {lacking} (or .gz) is missing; send both, or all "
            "four IDX files, in a zip",
        )
    lacking = (missing_labels([array]) or ["train-images-idx3-ubyte"])[0]
    return InvalidSpec(
        "body", f"holds labels without their images: the file {lacking} is missing; send a zip"
    )


# --- archives


def _read_archive(archive: Archive, reading: Reading, layer: int) -> LabelledImages:
    kinds = _kinds(archive)
    pictures = any(_ending(name) in PICTURE_ENDINGS for name in archive.names if not _is_noise(name))
    if pictures and is_webdataset([name for name in archive.names if not _is_noise(name)]):
        return read_webdataset(archive, reading)
    by_kind = {kind: [place for place, each in kinds.items() if each == kind] for kind in set(kinds.values())}
    if not pictures and "picture" not in by_kind:
        if "npy" in by_kind:
            return _read_npy(archive, by_kind["npy"], reading)
        if "parquet" in by_kind:
            return _read_parquet(archive, by_kind["parquet"], reading)
        packed = [
            place for kind in (*COMPRESSED, *ARCHIVE_KINDS, "idx", "mat") for place in by_kind.get(kind, [])
        ]
        for kind in sorted(by_kind.keys() & {"pickle", "hdf5", "rar", "7z"} if not packed else ()):
            raise InvalidSpec("body", f"{archive.names[by_kind[kind][0]][-200:]} {REFUSED[kind]}")
        if packed:
            return _read_packed(archive, sorted(packed), reading, layer)
    return read_image_folders(archive, reading)


def _kinds(archive: Archive) -> dict[int, str]:
    """Kinds of members by their first bytes; not of those that are pictures by their names."""
    places = [
        place
        for place, name in enumerate(archive.names)
        if _ending(name) not in PICTURE_ENDINGS and not _is_noise(name)
    ]
    return {place: kind_of(member_head(archive, place)) for place in places[:LOOKED_AT]}


def _ending(name: str) -> str:
    return name.rpartition(".")[2].lower()


def _is_noise(name: str) -> bool:
    parts = name.lower().replace("\\", "/").split("/")
    return parts[-1].startswith("._") or any(
        part in SYSTEM_FOLDERS or part in THUMBNAIL_FOLDERS for part in parts[:-1]
    )


def _read_npy(archive: Archive, places: Sequence[int], reading: Reading) -> LabelledImages:
    if reading.report.container == "zip":
        reading.report.container = "npz"
    _ignore_others(archive, places, reading)
    return read_arrays(
        [npy_array(archive, place, _stem(archive.names[place]), reading) for place in places], reading
    )


def _stem(name: str) -> str:
    return name.rpartition("/")[2].removesuffix(".npy")


def _ignore_others(archive: Archive, places: Sequence[int], reading: Reading) -> None:
    used = set(places)
    reading.report.ignore(
        "other files", [name for place, name in enumerate(archive.names) if place not in used]
    )


def _read_parquet(archive: Archive, places: Sequence[int], reading: Reading) -> LabelledImages:
    files = []
    left = reading.max_bytes
    for place in sorted(places, key=lambda each: archive.names[each]):
        path = reading.scratch / f"table-{place}.parquet"
        spool_member(archive, place, path, left)
        left -= path.stat().st_size
        files.append(ParquetFile(path, archive.names[place]))
    features: Mapping[str, Any] = {}
    for place, name in enumerate(archive.names):
        if name.rpartition("/")[2] in ("dataset_info.json", "dataset_infos.json"):
            features = features or _features(archive, place)
    return read_parquet(files, features, reading)


def _features(archive: Archive, place: int) -> Mapping[str, Any]:
    """``features`` of a dataset_info.json, or of the first configuration of a dataset_infos.json."""
    try:
        document = json.loads(read_member(archive, place, MAX_DOCUMENT_BYTES))
    except (DamagedMember, ValueError, RecursionError):
        return {}
    while isinstance(document, Mapping) and "features" not in document and document:
        document = next(iter(document.values()))
    found = document.get("features") if isinstance(document, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _read_packed(archive: Archive, places: Sequence[int], reading: Reading, layer: int) -> LabelledImages:
    """Read files in an archive that are containers or arrays themselves."""
    if layer >= MOST_LAYERS:
        raise InvalidSpec("body", "is packed too often; pack it once")
    arrays: list[StoredArray] = []
    archives: list[tuple[str, Archive]] = []
    left = reading.max_bytes
    for place in places:
        path, kind, name = _unpacked(archive, place, reading, left)
        left -= path.stat().st_size
        shown = name.rpartition("/")[2]
        if kind == "idx":
            arrays.append(idx_array(path, shown))
        elif kind == "mat":
            arrays += matlab_arrays(path, shown.rpartition(".")[0], reading)
        elif kind in ARCHIVE_KINDS:
            inner = ZipArchive(path) if kind == "zip" else tar_archive(path)
            npy = [number for number, each in _kinds(inner).items() if each == "npy"]
            stem = shown.rpartition(".")[0]
            arrays += [npy_array_in(inner, number, stem, reading) for number in npy]
            if not npy:
                archives.append((name, inner))
    if archives:
        reading.report.do(
            "nested", detail=f"{len(archives):,} archives within the {archive.kind} were read as folders"
        )
        return _read_archive(JoinedArchive(archive.kind, archives), reading, layer + 1)
    if not arrays:
        return read_image_folders(archive, reading)
    _ignore_others(archive, places, reading)
    lacking = missing_labels([each for each in arrays if each.role])
    if lacking:
        raise InvalidSpec("body", f"IDX files come in pairs: {', '.join(lacking)} (or .gz) is missing")
    return read_arrays(arrays, reading)


def npy_array_in(archive: Archive, place: int, stem: str, reading: Reading) -> StoredArray:
    """Describe an array of an .npz that lies in an archive.

    Parameters
    ----------
    archive : Archive
        The .npz.
    place : int
        Place in it.
    stem : str
        Name of the .npz, which tells what its array is where that is called arr_0.
    reading : Reading
        Limits and scratch folder.

    Returns
    -------
    StoredArray
        The array.

    Raises
    ------
    InvalidSpec
        If it is none.
    """
    name = _stem(archive.names[place])
    scratch = reading.scratch / f"inner-{stem.encode().hex()[:60]}"
    scratch.mkdir(exist_ok=True)
    apart = Reading(reading.options, reading.report, scratch, reading.max_bytes, reading.processes)
    array = npy_array(archive, place, stem if name == "arr_0" else f"{stem} {name}", apart)
    return StoredArray(
        stem if name == "arr_0" else array.name, array.words, array.shape, array.dtype, array.load
    )


def _unpacked(archive: Archive, place: int, reading: Reading, left: int) -> tuple[Path, str, str]:
    """A member as a file, unpacked where it is compressed; its kind; its name without the ending for that."""
    path, name = reading.scratch / f"member-{place}", archive.names[place]
    spool_member(archive, place, path, left)
    kind = _kind(path)
    if kind in COMPRESSED:
        inner = reading.scratch / f"member-{place}-unpacked"
        decompress(path, kind, inner, left)
        path.unlink()
        path, kind = inner, _kind(inner)
        name = name.rpartition(".")[0] or name
    return path, kind, name


class JoinedArchive:
    """Archives in an archive, each as a folder of its name.

    Parameters
    ----------
    kind : str
        Word for the outer one.
    parts : Sequence[tuple[str, Archive]]
        Names and archives.
    """

    def __init__(self, kind: str, parts: Sequence[tuple[str, Archive]]) -> None:
        self.kind = kind
        self._parts = list(parts)
        self._starts = np.cumsum([0, *(len(each.names) for _, each in parts)])
        self.names = [f"{_folder_of(name)}/{inner}" for name, each in self._parts for inner in each.names]
        self.sizes = np.concatenate([each.sizes for _, each in self._parts])
        self.links = [link for _, each in self._parts for link in each.links]

    def open(self, place: int) -> IO[bytes]:
        """Open a member.

        Parameters
        ----------
        place : int
            Place in names.

        Returns
        -------
        IO[bytes]
            A stream.
        """
        part = int(np.searchsorted(self._starts, place, side="right")) - 1
        return self._parts[part][1].open(place - int(self._starts[part]))

    def reopened(self) -> JoinedArchive:
        """Return the same archives with handles of their own.

        Returns
        -------
        JoinedArchive
            Shares nothing that has a position.
        """
        return JoinedArchive(self.kind, [(name, each.reopened()) for name, each in self._parts])


def _folder_of(name: str) -> str:
    """A name without the endings of archives."""
    for ending in (".zip", ".tar", ".tgz", ".gz", ".zst"):
        name = name.removesuffix(ending)
    return name
