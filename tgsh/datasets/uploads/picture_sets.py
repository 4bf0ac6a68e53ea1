"""All pictures of an upload: decoded on several cores, and made alike by one rule for the whole set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tgsh.datasets.uploads.containers import Archive, DamagedMember, read_member
from tgsh.datasets.uploads.file_names import MOST_WRONG
from tgsh.datasets.uploads.intensities import Scaling, float_scaling, integer_scaling
from tgsh.datasets.uploads.labelled_images import Problems, refusal, size_problems
from tgsh.datasets.uploads.options import UploadOptions
from tgsh.datasets.uploads.pictures import MAX_FILE_BYTES, BadPicture, Conversion, Picture, decode_picture
from tgsh.datasets.uploads.processes import over_cores
from tgsh.datasets.uploads.report import UploadReport

BAD, SEEN, WRITTEN = 1, 2, 3

SCAN = np.dtype(
    [
        ("state", "u1"),
        ("height", "<i4"),
        ("width", "<i4"),
        ("channels", "u1"),
        ("frames", "<i4"),
        ("deep", "u1"),  # 1: integers, 2: floats
        ("low", "<f8"),
        ("high", "<f8"),
        ("turned", "?"),
        ("reduced", "?"),
        ("alpha", "?"),
        ("clear", "?"),
        ("dark", "?"),
        ("note", "u1"),  # bits, see NOTES
    ]
)
"""What is known of a picture file after it was decoded once."""

NOTES = ("grey palette", "palette", "cmyk", "lab", "deep colour")

MOST_REASONS = 200
"""Of bad files, that a process remembers."""

LOOKED_AT = 50
"""Files at most that are opened to find the first picture."""


@dataclass(frozen=True)
class Reading:
    """Options, report and limits that a reader of uploads works with.

    Attributes
    ----------
    options : UploadOptions
        Requests of the uploader.
    report : UploadReport
        Is told everything that is done.
    scratch : Path
        Folder for files of its own.
    max_bytes : int
        Most bytes of all images, unpacked.
    processes : int
        How many may work at a time.
    """

    options: UploadOptions
    report: UploadReport
    scratch: Path
    max_bytes: int
    processes: int


@dataclass(frozen=True, eq=False)
class PictureFiles:
    """Files of an archive that are to be pictures.

    Attributes
    ----------
    archive : Archive
        The archive.
    places : np.ndarray
        int64 [n], places in it.
    path : Callable[[int], str]
        From an index in places to a path for messages.
    """

    archive: Archive
    places: np.ndarray
    path: Callable[[int], str]


@dataclass(frozen=True, eq=False)
class DecodedPictures:
    """Pictures of one size.

    Attributes
    ----------
    shape : tuple[int, int, int]
        (height, width, channels).
    kept : np.ndarray
        int64, indices of the files that were read.
    pixels : np.ndarray
        uint8 [files, H·W·C], mapped; rows of files that were not read are of no meaning.
    """

    shape: tuple[int, int, int]
    kept: np.ndarray
    pixels: np.ndarray


def decode_all(files: PictureFiles, reading: Reading, problems: Problems) -> DecodedPictures:
    """Decode pictures, and find everything that is wrong with them.

    Parameters
    ----------
    files : PictureFiles
        One or more files.
    reading : Reading
        Options, report and limits.
    problems : Problems
        What is known to be wrong already; is raised with what is found here.

    Returns
    -------
    DecodedPictures
        The pictures.

    Raises
    ------
    InvalidSpec
        With all that is wrong.
    """
    return _PictureSet(files, reading).decoded(problems)


class _PictureSet:
    def __init__(self, files: PictureFiles, reading: Reading) -> None:
        self._files, self._reading = files, reading
        self._options, self._report = reading.options, reading.report
        self._archive = files.archive
        self._count = len(files.places)
        scans = np.memmap(reading.scratch / "scans.raw", SCAN, "w+", shape=(self._count,))
        self._scans = np.asarray(scans)
        self._pixels: np.ndarray | None = None
        self._conversion: Conversion | None = None
        self._reasons: dict[int, str] = {}

    def decoded(self, problems: Problems) -> DecodedPictures:
        first = self._first()
        guess = None if first is None else self._wanted(first)
        if guess is not None and not size_problems(guess.shape, self._count, self._reading.max_bytes, ""):
            self._allocate(guess)
        self._over(self._scan)
        good = self._scans["state"] != BAD
        wrong = problems + self._problems(good)
        if wrong:
            raise refusal(wrong)
        conversion = self._decide(good)
        if self._conversion is None or conversion.shape != self._conversion.shape:
            self._allocate(conversion)
            self._scans["state"][good] = SEEN
        self._conversion = conversion
        if (self._scans["state"] == SEEN).any():
            self._over(self._write)
            good = self._scans["state"] != BAD
        self._tell(good, conversion)
        assert self._pixels is not None
        return DecodedPictures(conversion.shape, np.flatnonzero(good), self._pixels)

    def _over(self, work: Callable[[int, int], list[Any]]) -> None:
        found = over_cores(self._count, work, self._reading.processes, self._reading.scratch, self._reopen)
        self._reasons |= {int(index): str(reason) for index, reason in found}

    def _reopen(self) -> None:
        self._archive = self._files.archive.reopened()

    def _read(self, index: int) -> Picture:
        """A picture. Raises BadPicture."""
        try:
            content = read_member(self._archive, int(self._files.places[index]), MAX_FILE_BYTES)
        except DamagedMember as error:
            raise BadPicture(str(error)) from error
        return decode_picture(content, self._files.path(index), self._options.size)

    def _first(self) -> Picture | None:
        for index in range(min(self._count, LOOKED_AT)):
            try:
                return self._read(index)
            except BadPicture:
                continue
        return None

    def _wanted(self, picture: Picture) -> Conversion:
        height, width = self._options.size or picture.size
        channels = self._options.channels or picture.channels
        return Conversion((height, width, channels), self._options.fit, self._options.colour or (0, 0, 0))

    def _allocate(self, conversion: Conversion) -> None:
        pixels = int(np.prod(conversion.shape))
        path = self._reading.scratch / "pixels.raw"
        self._pixels = np.asarray(np.memmap(path, np.uint8, "w+", shape=(self._count, pixels)))
        self._conversion = conversion

    # --- one chunk, in a process of its own

    def _scan(self, start: int, stop: int) -> list[Any]:
        reasons: list[Any] = []
        for index in range(start, stop):
            try:
                picture = self._read(index)
                self._scans[index] = _scan_of(picture)
            except BadPicture as error:
                self._scans["state"][index] = BAD
                if len(reasons) < MOST_REASONS:
                    reasons.append([index, str(error)])
                continue
            if self._fits(picture):
                assert self._conversion is not None
                assert self._pixels is not None
                self._pixels[index] = self._conversion.pixels(picture)
                self._scans["state"][index] = WRITTEN
        return reasons

    def _fits(self, picture: Picture) -> bool:
        """True where a picture's pixels do not depend on the others'."""
        conversion, options = self._conversion, self._options
        if conversion is None or picture.is_deep or (picture.is_clear and options.background is None):
            return False
        return (options.size is not None or picture.size == conversion.shape[:2]) and (
            options.channels is not None or picture.channels == conversion.shape[2]
        )

    def _write(self, start: int, stop: int) -> list[Any]:
        assert self._conversion is not None
        assert self._pixels is not None
        for index in np.flatnonzero(self._scans["state"][start:stop] == SEEN).tolist():
            self._pixels[start + index] = self._conversion.pixels(self._read(start + index))
            self._scans["state"][start + index] = WRITTEN
        return []

    # --- the whole set

    def _problems(self, good: np.ndarray) -> Problems:
        wrong = self._bad_problems(good)
        if not good.any():
            return wrong
        scans, options = self._scans, self._options
        channels = np.unique(scans["channels"][good]).tolist()
        if options.channels is None and len(channels) > 1:
            wrong.append(self._channel_problem(good))
        sizes = self._sizes(good)
        if options.size is None and len(sizes) > 1:
            wrong.append(_mixed_sizes(sizes))
        else:
            (height, width) = options.size or sizes[0][0]
            shape = (height, width, options.channels or max(channels))
            wrong += size_problems(
                shape, int(good.sum()), self._reading.max_bytes, "size", can_resize=options.size is None
            )
        hidden = good & scans["dark"]
        if options.background is None and hidden.any():
            example = self._paths(hidden)[0]
            wrong.append(
                (
                    "background",
                    f"{int(hidden.sum()):,} images are transparent, such as {example}, and what is visible "
                    "on them is so dark that black would hide it: ?background=white shows the ink, "
                    "?background=black takes them all the same",
                )
            )
        return wrong

    def _bad_problems(self, good: np.ndarray) -> Problems:
        bad = np.flatnonzero(~good)
        if not len(bad) or (self._options.on_bad == "skip" and good.any()):
            return []
        wrong = [("body", f"{self._files.path(index)} {self._reason(index)}") for index in bad[:MOST_WRONG]]
        if good.any():
            wrong.append(
                (
                    "on_bad",
                    f"{_files(len(bad))} cannot be read; ?on_bad=skip takes the other {int(good.sum()):,} "
                    "and lists what was skipped",
                )
            )
        return wrong

    def _reason(self, index: int) -> str:
        return self._reasons.get(index, "cannot be read")

    def _channel_problem(self, good: np.ndarray) -> tuple[str, str]:
        grey, colour = (good & (self._scans["channels"] == channels) for channels in (1, 3))
        return (
            "channels",
            f"{self._paths(grey)[0]} and {self._paths(colour)[0]} are not both grey or both in colour "
            f"({int(grey.sum()):,} are grey, {int(colour.sum()):,} are not); say what they shall become: "
            "?channels=1 or ?channels=3",
        )

    def _sizes(self, good: np.ndarray) -> list[tuple[tuple[int, int], int]]:
        """Sizes and how many have them, the commonest first."""
        known = np.column_stack([self._scans["height"][good], self._scans["width"][good]])
        distinct, counts = np.unique(known, axis=0, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return [((int(distinct[i][0]), int(distinct[i][1])), int(counts[i])) for i in order]

    def _paths(self, mask: np.ndarray, most: int = 5) -> list[str]:
        return [self._files.path(index) for index in np.flatnonzero(mask)[:most].tolist()]

    def _decide(self, good: np.ndarray) -> Conversion:
        index = int(np.flatnonzero(good)[0])
        scan = self._scans[index]
        height, width = self._options.size or (int(scan["height"]), int(scan["width"]))
        channels = self._options.channels or int(scan["channels"])
        deep = good & (self._scans["deep"] > 0)
        conversion = Conversion(
            (height, width, channels), self._options.fit, self._options.colour or (0, 0, 0)
        )
        return replace(conversion, scaling=self._scaling(deep)) if deep.any() else conversion

    def _scaling(self, deep: np.ndarray) -> Scaling:
        low, high = float(self._scans["low"][deep].min()), float(self._scans["high"][deep].max())
        is_float = bool((self._scans["deep"][deep] == 2).any())
        found = (float_scaling if is_float else integer_scaling)(low, high)
        return found or Scaling("range", low, high)

    # --- the report

    def _tell(self, good: np.ndarray, conversion: Conversion) -> None:
        scans, report = self._scans, self._report
        report.found = self._count
        for index in np.flatnonzero(~good).tolist():
            report.skip(self._files.path(index), self._reason(index))
        self._say("turned", good & scans["turned"])
        deep = good & (scans["deep"] > 0)
        if conversion.scaling is not None:
            what = f"{_images(int(deep.sum()))} with more than 8 bits a pixel"
            report.do("scaled", self._paths(deep), int(deep.sum()), conversion.scaling.sentence(what))
        noted = {note: good & (scans["note"] >> bit & 1 > 0) for bit, note in enumerate(NOTES)}
        self._say("palettes", noted["grey palette"], "grey, as all their colours are")
        self._say("palettes", noted["palette"], "colour")
        self._say("converted", noted["cmyk"], "CMYK to RGB")
        self._say("converted", noted["lab"], "L*a*b* to RGB")
        self._say("deep colour", noted["deep colour"])
        self._say("opaque alpha", good & scans["alpha"] & ~scans["clear"])
        ground = self._options.background or "black"
        self._say("transparent", good & scans["clear"], ground)
        several = good & (scans["frames"] > 1)
        left = int((scans["frames"][several] - 1).sum())
        self._say("frames", several, f"{left:,} were" if left > 1 else "1 was")
        self._tell_sizes(good, conversion)

    def _tell_sizes(self, good: np.ndarray, conversion: Conversion) -> None:
        scans, (height, width, channels) = self._scans, conversion.shape
        other = good & ((scans["height"] != height) | (scans["width"] != width))
        if other.any():
            sizes = self._sizes(other)
            listed = ", ".join(f"{each[0]} × {each[1]}" for each, _ in sizes[:3])
            more = f" and {len(sizes) - 3} more sizes" if len(sizes) > 3 else ""
            fit = {"squash": "stretched", "crop": "cropped", "pad": "with margins"}[conversion.fit]
            self._say("resized", other, f"{height} × {width} from {listed}{more}, {fit}")
        self._say("reduced", good & scans["reduced"])
        turned = good & (scans["channels"] != channels)
        self._say("channels", turned, "grey" if channels == 1 else "colour, grey repeated")

    def _say(self, kind: str, mask: np.ndarray, detail: str = "") -> None:
        if mask.any():
            self._report.do(kind, self._paths(mask), int(mask.sum()), detail)


def _scan_of(picture: Picture) -> tuple[Any, ...]:
    deep, low, high = 0, 0.0, 0.0
    if picture.is_deep:
        numbers = picture.numbers()
        deep = 2 if numbers.dtype.kind == "f" else 1
        low, high = float(numbers.min()), float(numbers.max())
        if not np.isfinite([low, high]).all():
            raise BadPicture("holds a NaN or an infinity")
    note = sum(1 << bit for bit, name in enumerate(NOTES) if name in picture.notes)
    height, width = picture.size
    return (
        *(SEEN, height, width, picture.channels, picture.frames, deep, low, high, picture.is_turned),
        *(picture.is_reduced, picture.has_alpha, picture.is_clear, picture.is_dark, note),
    )


def _mixed_sizes(sizes: Sequence[tuple[tuple[int, int], int]]) -> tuple[str, str]:
    listed = ", ".join(f"{height} × {width} ({count:,})" for (height, width), count in sizes[:5])
    more = f" and {len(sizes) - 5} more" if len(sizes) > 5 else ""
    height, width = sizes[0][0]
    side = (height, width) if height * width <= 128 * 128 else (64, 64)
    return (
        "size",
        f"images have {len(sizes):,} sizes: {listed}{more}; say what they shall become: "
        f"?size={side[0]}x{side[1]}, and with ?fit=crop or ?fit=pad they are not stretched",
    )


def _files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"


def _images(count: int) -> str:
    return f"{count:,} image{'' if count == 1 else 's'}"
