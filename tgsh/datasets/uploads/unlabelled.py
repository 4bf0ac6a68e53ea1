"""Images without labels in a file: pictures in an archive, one picture, or one array."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

from tgsh.datasets.conversion import converted_picture
from tgsh.datasets.uploads.array_files import idx_array, npy_array
from tgsh.datasets.uploads.arrays import StoredArray, role_of
from tgsh.datasets.uploads.compression import COMPRESSED, decompress
from tgsh.datasets.uploads.containers import Archive, ZipArchive, head_of, kind_of, tar_archive
from tgsh.datasets.uploads.file_names import tidy_names
from tgsh.datasets.uploads.labelled_images import refusal
from tgsh.datasets.uploads.picture_sets import PictureFiles, Reading, decode_all
from tgsh.datasets.uploads.readers import ARCHIVE_KINDS
from tgsh.datasets.uploads.report import UploadReport
from tgsh.datasets.uploads.sandbox import Upload, run_in_subprocess
from tgsh.errors import InvalidSpec
from tgsh.system import cores

IMAGES = "unlabelled.npy"

TAKEN = "a zip or tar of pictures, one picture, an .npz or .npy of images, or an IDX file"

TIMEOUT_SECONDS = 120.0
"""Limit of a subprocess; a thousand photographs take half a minute."""


def read_unlabelled(upload: Upload, folder: Path, most: int) -> np.ndarray:
    """Read images without labels in a process with limited memory and time.

    Folders and labels beside the images are of no meaning.

    Parameters
    ----------
    upload : Upload
        The file, with `size`, `channels`, `fit`, `background` and `on_bad` of its options.
    folder : Path
        Existing folder.
    most : int
        Images that are taken.

    Returns
    -------
    np.ndarray
        Pictures: uint8 [n, H, W], in colour [n, H, W, 3]. Arrays: as they were stored, where no
        option converts them.

    Raises
    ------
    InvalidSpec
        If there are no images in it, or too many, or they are damaged or not alike; with the remedies.
    OSError
        If the folder cannot be written to.
    """
    if kind_of(head_of(upload.path)) == "empty":
        raise InvalidSpec("body", f"is empty; {TAKEN} is taken")
    run_in_subprocess(write_unlabelled, (upload, folder, most), folder, TIMEOUT_SECONDS)
    found: np.ndarray = np.load(folder / IMAGES, allow_pickle=False)
    return found


def write_unlabelled(upload: Upload, folder: Path, most: int) -> dict[str, object]:
    """Read images without labels, and write them as IMAGES.

    Parameters
    ----------
    upload : Upload
        The file and its options.
    folder : Path
        For IMAGES.
    most : int
        Images that are taken.

    Returns
    -------
    dict[str, object]
        Nothing: all is in the file.

    Raises
    ------
    InvalidSpec
        As `read_unlabelled`.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix="reading-") as scratch:
        reading = Reading(upload.options, UploadReport(), Path(scratch), upload.max_bytes, cores())
        np.save(folder / IMAGES, _read(upload.path, reading, most), allow_pickle=False)
    return {}


def _read(path: Path, reading: Reading, most: int) -> np.ndarray:
    kind = kind_of(head_of(path))
    if kind in COMPRESSED:
        inner = reading.scratch / "unpacked"
        decompress(path, kind, inner, reading.max_bytes)
        path, kind = inner, kind_of(head_of(inner))
    if kind == "picture":
        return _pictures(_LoneFile(path), reading, most)
    if kind == "idx":
        return _array(idx_array(path, "idx"), reading, most)
    if kind == "npy":
        return _array(npy_array(_LoneFile(path), 0, "images", reading), reading, most)
    if kind in ARCHIVE_KINDS:
        archive = ZipArchive(path) if kind == "zip" else tar_archive(path)
        arrays = [place for place, name in enumerate(archive.names) if name.lower().endswith(".npy")]
        if arrays:
            return _array(_chosen(archive, arrays, reading), reading, most)
        return _pictures(archive, reading, most)
    raise InvalidSpec("body", f"is nothing that images are read from; {TAKEN} is taken")


class _LoneFile:
    """A file as an archive of one."""

    kind = "file"

    def __init__(self, path: Path) -> None:
        self._path = path
        self.names: Sequence[str] = ["image"]
        self.sizes = np.array([path.stat().st_size], np.int64)
        self.links: Sequence[str] = []

    def open(self, _place: int) -> IO[bytes]:
        return self._path.open("rb")

    def reopened(self) -> _LoneFile:
        return self


def _chosen(archive: Archive, places: list[int], reading: Reading) -> StoredArray:
    """The array of images among several."""
    arrays = [npy_array(archive, place, _stem(archive.names[place]), reading) for place in places]
    images = [each for each in arrays if role_of(each.words)[0] == "images"]
    images = images or [each for each in arrays if len(each.shape) >= 3]
    images = images or (arrays if len(arrays) == 1 else [])
    if len(images) != 1:
        held = ", ".join(each.name for each in arrays[:10])
        what = "several arrays of images" if images else "no array that is called images or x"
        raise InvalidSpec("body", f"holds {what} (there are {held}); send one: numpy.savez(file, x=images)")
    return images[0]


def _stem(name: str) -> str:
    return name.rpartition("/")[2].removesuffix(".npy")


def _pictures(archive: Archive, reading: Reading, most: int) -> np.ndarray:
    is_zip = archive.kind == "zip"
    names, problems = tidy_names(
        archive.names,
        reading.report,
        encoding=reading.options.encoding or "cp437",  # names are for messages only
        legacy="cp437" if is_zip else None,
        backslashes=is_zip,
    )
    count = len(names.places)
    if not count:
        raise refusal(problems or [("body", f"holds no picture; {TAKEN} is taken")])
    _check_count(count, most)
    files = PictureFiles(archive, names.places, names.path)
    found = decode_all(files, reading, problems)
    return _plain(found.pixels[found.kept].reshape(-1, *found.shape))


def _plain(images: np.ndarray) -> np.ndarray:
    """Without the axis of channels where they are grey."""
    return images[..., 0] if images.ndim == 4 and images.shape[3] == 1 else images


def _check_count(count: int, most: int) -> None:
    if count > most:
        raise InvalidSpec("body", f"holds {count:,} images, and {most:,} are the most: send some of them")


def _array(stored: StoredArray, reading: Reading, most: int) -> np.ndarray:
    """The array; converted where an option says so and its shape tells how."""
    if stored.size > reading.max_bytes:
        raise InvalidSpec(stored.name, f"has {stored.size:,} bytes, over {reading.max_bytes:,} bytes")
    if stored.dtype.hasobject or stored.dtype.kind not in "buif":
        raise InvalidSpec(stored.name, f"is an array of {stored.dtype}, and pixels are numbers")
    if len(stored.shape) >= 3:
        _check_count(stored.shape[0], most)
    array = _plain(np.asarray(stored.load()))
    if array.dtype == bool:
        array = array.astype(np.uint8) * 255
    options = reading.options
    if (options.size is None and options.channels is None) or array.ndim not in (3, 4) or not array.size:
        return array
    channels = array.shape[3] if array.ndim == 4 else 1
    if channels not in (1, 3):
        return array  # its shape is refused, with what is wanted
    height, width = options.size or array.shape[1:3]
    shape = (height, width, options.channels or channels)
    if shape == (*array.shape[1:3], channels):
        return array
    return np.stack([_converted(image, shape, reading) for image in _bytes(array, stored.name)])


def _bytes(array: np.ndarray, name: str) -> np.ndarray:
    """Pixels as bytes, as pictures have them."""
    if array.dtype == np.uint8:
        return array
    low, high = float(array.min()), float(array.max())
    if array.dtype.kind == "f" and low >= 0 and high <= 1:
        return np.rint(array.astype(np.float64) * 255).astype(np.uint8)
    if low >= 0 and high <= 255 and array.dtype.kind in "ui":
        return array.astype(np.uint8)
    raise InvalidSpec(
        name, f"has numbers from {low:g} to {high:g}; send bytes from 0 to 255, or floats from 0 to 1"
    )


def _converted(image: np.ndarray, shape: tuple[int, int, int], reading: Reading) -> np.ndarray:
    picture = Image.fromarray(np.ascontiguousarray(image))
    options = reading.options
    made = converted_picture(picture, shape, options.fit, options.colour or (0, 0, 0))
    return np.asarray(made, np.uint8)
