"""Reader of a ZIP of class folders, and the checks that all uploads share."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from PIL import Image, UnidentifiedImageError

from tgsh.datasets.conversion import converted_picture
from tgsh.errors import InvalidSpec

MAX_PIXELS = 128 * 128 * 3
"""H·W·C: a FlyNet of 200,000 units, the most there may be, then still has four a pixel."""

MAX_IMAGES = 1_000_000
MIN_CLASSES, MAX_CLASSES = 2, 1_000
MAX_CLASS_NAME = 64  # characters

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
GREY, COLOUR = ("1", "L"), ("P", "RGB", "RGBA", "CMYK", "YCbCr")
MAX_FILE_BYTES = 32 << 20
MAX_FILE_PIXELS = 32_000_000
"""Of an image as it is sent: beyond that, a decompression bomb."""

SPLITS = ("train", "test")
IGNORED = ("__MACOSX", "Thumbs.db", "desktop.ini")  # added by operating systems


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """N images with their classes, in the order in which they were sent.

    Attributes
    ----------
    shape : tuple[int, int, int]
        (height, width, channels).
    class_names : tuple[str, ...]
        Names of the K classes.
    labels : np.ndarray
        int64 [N], places in class_names.
    is_test : np.ndarray | None
        bool [N], True for test images; None where the upload has no split.
    read : Callable[[np.ndarray], np.ndarray]
        From places int64 [n] to images uint8 [n, H·W·C].
    """

    shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    labels: np.ndarray
    is_test: np.ndarray | None
    read: Callable[[np.ndarray], np.ndarray]

    @property
    def pixels(self) -> int:
        """Numbers of an image, H·W·C."""
        return int(np.prod(self.shape))


def check_size(shape: Sequence[int], images: int, max_bytes: int, field: str) -> None:
    """Check the size and the number of images.

    Parameters
    ----------
    shape : Sequence[int]
        (height, width, channels).
    images : int
        Number of images.
    max_bytes : int
        Most bytes of all images, unpacked.
    field : str
        Field of the upload, for the error.

    Raises
    ------
    InvalidSpec
        If images are too large, or too many.
    """
    height, width, channels = shape
    pixels = height * width * channels
    if pixels > MAX_PIXELS or pixels < 1:
        raise InvalidSpec(
            field,
            f"images of {height} × {width} × {channels} have {pixels:,} pixels, and 1 to {MAX_PIXELS:,} "
            "(128 × 128 × 3) are taken; make them smaller",
        )
    if not 1 <= images <= MAX_IMAGES:
        raise InvalidSpec(field, f"{images:,} images were sent, and 1 to {MAX_IMAGES:,} are taken")
    if images * pixels > max_bytes:
        raise InvalidSpec(
            field,
            f"unpacked, {images:,} images of {pixels:,} bytes are over {max_bytes:,} bytes; send fewer or "
            "smaller ones, or have TGSH_MAX_UPLOAD_BYTES raised",
        )


def sorted_class_names(names: Iterable[str]) -> tuple[str, ...]:
    """Sort the distinct names of classes: as numbers where all are, else as text.

    Parameters
    ----------
    names : Iterable[str]
        Name of the class of each image.

    Returns
    -------
    tuple[str, ...]
        Names in the order of their class numbers.
    """
    distinct = set(names)
    if all(name.isascii() and name.removeprefix("-").isdigit() for name in distinct):
        return tuple(sorted(distinct, key=lambda name: (int(name), name)))
    return tuple(sorted(distinct))


def check_classes(class_names: Sequence[str], field: str) -> None:
    """Check the number of classes and their names.

    Parameters
    ----------
    class_names : Sequence[str]
        Distinct names.
    field : str
        Field of the upload, for the error.

    Raises
    ------
    InvalidSpec
        If there are too few or too many, or a name is empty, too long or not printable.
    """
    if not MIN_CLASSES <= len(class_names) <= MAX_CLASSES:
        raise InvalidSpec(
            field, f"there are {len(class_names):,} classes, and {MIN_CLASSES} to {MAX_CLASSES:,} are taken"
        )
    for name in class_names:
        if not 1 <= len(name) <= MAX_CLASS_NAME or not name.isprintable():
            raise InvalidSpec(
                field,
                f"a class is called {name[:80]!r}; names have 1 to {MAX_CLASS_NAME} printable characters",
            )


@dataclass(frozen=True)
class ImageOptions:
    """Conversion of images that an uploader requests.

    Attributes
    ----------
    size : tuple[int, int] | None, default=None
        (height, width) to resize to, pixels; None: as they are.
    channels : int | None, default=None
        1 (grey) or 3 (colour); None: as they are.
    """

    size: tuple[int, int] | None = None
    channels: int | None = None


@dataclass(frozen=True)
class _ImageFile:
    entry: zipfile.ZipInfo
    split: str | None
    label: str
    name: str


def read_image_folders(archive: zipfile.ZipFile, options: ImageOptions, max_bytes: int) -> LabelledImages:
    """Read a ZIP of class folders.

    Parameters
    ----------
    archive : zipfile.ZipFile
        CLASS/image.png, or train/CLASS/image.png and test/CLASS/image.png.
    options : ImageOptions
        Size and channels to convert to.
    max_bytes : int
        Most bytes of all images, unpacked.

    Returns
    -------
    LabelledImages
        Images by split, class and name; their pixels are read when needed.

    Raises
    ------
    InvalidSpec
        If it does not hold a dataset; names the file and the remedy.
    """
    files = _files(archive)
    class_names = sorted_class_names(file.label for file in files)
    check_classes(class_names, "body")
    splits = {file.split for file in files}
    if splits == {"test"}:
        raise InvalidSpec("body", "has a folder test and none train")
    first = _open_image(archive, files[0])
    with first:
        height, width = options.size or (first.height, first.width)
        channels = options.channels or _channels(first, files[0])
    shape = (height, width, channels)
    check_size(shape, len(files), max_bytes, "body")
    order = {name: place for place, name in enumerate(class_names)}
    return LabelledImages(
        shape=shape,
        class_names=class_names,
        labels=np.array([order[file.label] for file in files]),
        is_test=np.array([file.split == "test" for file in files]) if "test" in splits else None,
        read=_reader(archive, files, options, shape),
    )


def _reader(
    archive: zipfile.ZipFile, files: Sequence[_ImageFile], options: ImageOptions, shape: tuple[int, int, int]
) -> Callable[[np.ndarray], np.ndarray]:
    def one(place: int) -> np.ndarray:
        with _open_image(archive, files[place]) as picture:
            if options.channels is None and _channels(picture, files[place]) != shape[2]:
                raise InvalidSpec(
                    "channels",
                    f"{files[place].name} and {files[0].name} are not both grey or both in colour; say what "
                    "they shall become: ?channels=1 or ?channels=3",
                )
            if options.size is None and (picture.height, picture.width) != shape[:2]:
                raise InvalidSpec(
                    "size",
                    f"{files[place].name} has {picture.height} × {picture.width} pixels, and {files[0].name} "
                    f"{shape[0]} × {shape[1]}; say what they shall become: ?size={shape[0]}x{shape[1]}",
                )
            return _pixels(picture, shape, files[place])

    return lambda places: np.stack([one(place) for place in places.tolist()])


def _pixels(picture: Image.Image, shape: tuple[int, int, int], file: _ImageFile) -> np.ndarray:
    """The pixels, uint8 [H·W·C]; transparent ones lie on black."""
    try:
        if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
            clear = picture.convert("RGBA")
            picture = Image.alpha_composite(Image.new("RGBA", clear.size, (0, 0, 0, 255)), clear)
        plain = converted_picture(picture, shape)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise InvalidSpec("body", f"{file.name} cannot be read: {error}") from error
    return np.asarray(plain, np.uint8).ravel()


def _open_image(archive: zipfile.ZipFile, file: _ImageFile) -> Image.Image:
    """The image, its pixels not read yet. Raises InvalidSpec if it is no image, or too large."""
    if file.entry.file_size > MAX_FILE_BYTES:
        raise InvalidSpec("body", f"{file.name} is over {MAX_FILE_BYTES >> 20} MiB; make it smaller")
    with archive.open(file.entry) as member:
        content = member.read(MAX_FILE_BYTES + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is too large is refused below
            picture = Image.open(io.BytesIO(content), formats=FORMATS)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        raise InvalidSpec("body", f"{file.name} is no image of these: {', '.join(FORMATS)}") from error
    if picture.width * picture.height > MAX_FILE_PIXELS:
        raise InvalidSpec("body", f"{file.name} has over {MAX_FILE_PIXELS:,} pixels; make it smaller")
    return picture


def _channels(picture: Image.Image, file: _ImageFile) -> int:
    if picture.mode in (*GREY, "LA"):
        return 1
    if picture.mode in (*COLOUR, "PA"):
        return 3
    raise InvalidSpec("body", f"{file.name} has pixels of type {picture.mode}; save it with 8 bits a channel")


def _files(archive: zipfile.ZipFile) -> list[_ImageFile]:
    """Every image, by split, class and name. Raises InvalidSpec for a file outside class folders."""
    entries: dict[tuple[str, ...], zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        parts = _member_path(entry)
        if parts is None:
            continue
        if parts in entries:
            raise InvalidSpec("body", f"{'/'.join(parts)[:200]} is there twice")
        entries[parts] = entry
    if not entries:
        raise InvalidSpec("body", "holds no image; a folder for each class, with its images, is wanted")
    if len(entries) > 1 or len(next(iter(entries))) > 2:
        entries = _without_root(entries)
    files = [_file(parts, entry) for parts, entry in entries.items()]
    splits = {file.split for file in files}
    if None in splits and len(splits) > 1:
        raise InvalidSpec("body", "has class folders beside train and test; put all of them below these two")
    return sorted(files, key=lambda file: (file.split or "", file.label, file.name))


def _member_path(entry: zipfile.ZipInfo) -> tuple[str, ...] | None:
    """The path of a member, None for directories and files that systems add."""
    name = entry.filename
    if name.startswith(("/", "\\")) or "\\" in name or ":" in name.split("/")[0] or ".." in name.split("/"):
        raise InvalidSpec("body", f"{name[:200]!r} is no path within a zip; zip the folders themselves")
    parts = PurePosixPath(name).parts
    if entry.is_dir() or any(part.startswith(".") or part in IGNORED for part in parts):
        return None
    if entry.flag_bits & 1:
        raise InvalidSpec("body", f"{name[:200]} is encrypted")
    return parts


def _without_root(entries: dict[tuple[str, ...], zipfile.ZipInfo]) -> dict[tuple[str, ...], zipfile.ZipInfo]:
    """The same entries without a folder that all of them lie in, such as the one that was zipped."""
    while len({parts[0] for parts in entries}) == 1 and all(len(parts) > 2 for parts in entries):
        entries = {parts[1:]: entry for parts, entry in entries.items()}
    return entries


def _file(parts: tuple[str, ...], entry: zipfile.ZipInfo) -> _ImageFile:
    split = parts[0] if len(parts) == 3 and parts[0] in SPLITS else None
    if len(parts) != (2 if split is None else 3):
        raise InvalidSpec(
            "body",
            f"{'/'.join(parts)[:200]} does not lie in a class folder: CLASS/image.png, or "
            "train/CLASS/image.png and test/CLASS/image.png",
        )
    return _ImageFile(entry, split, parts[-2], "/".join(parts)[-200:])
