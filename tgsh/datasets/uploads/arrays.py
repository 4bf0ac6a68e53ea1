"""Arrays of images and labels: which is which, which axis is which, and their pixels as bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isqrt, prod
from typing import Any

import numpy as np
from PIL import Image

from tgsh.datasets.conversion import converted_picture
from tgsh.datasets.uploads.array_labels import Labels, joined_labels, read_labels, text_of
from tgsh.datasets.uploads.file_names import sorted_class_names
from tgsh.datasets.uploads.intensities import Scaling, float_scaling, integer_scaling
from tgsh.datasets.uploads.labelled_images import (
    BLOCK_BYTES,
    MAX_DOMAINS,
    MAX_IMAGES,
    LabelledImages,
    Problems,
    class_problems,
    refusal,
    size_problems,
)
from tgsh.datasets.uploads.layouts import SPLITS, TEST, TRAIN, VALIDATION
from tgsh.datasets.uploads.picture_sets import Reading
from tgsh.datasets.uploads.processes import over_cores
from tgsh.datasets.uploads.splits import split_mask

WORDS: Mapping[str, str] = {
    **dict.fromkeys(("x", "xs", "images", "image", "imgs", "img", "data", "pixels", "pictures"), "images"),
    **dict.fromkeys(("features", "inputs", "input", "samples"), "images"),
    **dict.fromkeys(("y", "ys", "labels", "label", "targets", "target", "lbls", "classid", "cls"), "labels"),
    **dict.fromkeys(("classnames", "classname", "labelnames", "targetnames", "categories"), "class names"),
    **dict.fromkeys(("names", "categorynames", "classes"), "class names"),
    **dict.fromkeys(("groups", "group"), "groups"),
    **dict.fromkeys(("domains", "domain"), "domains"),
}
"""Words that arrays are called by, without the name of a split."""

UNDERSTOOD = (
    "understood are x, images or data with y, labels or targets, a name of a split beside them, such as "
    "x_test or train_images, and class_names, groups and domains"
)

SPLIT_WORDS = {**SPLITS, "t10k": TEST, "tr": TRAIN, "te": TEST}


@dataclass(frozen=True, eq=False)
class StoredArray:
    """An array in a file.

    Attributes
    ----------
    name : str
        What the file calls it.
    words : str
        The same, after the name of the file where there are several.
    shape : tuple[int, ...]
        Shape.
    dtype : np.dtype[Any]
        Type of its numbers.
    load : Callable[[], np.ndarray]
        Reads or maps it.
    role : str, default=""
        Where it is known by other means than its words.
    """

    name: str
    words: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    load: Callable[[], np.ndarray]
    role: str = ""

    @property
    def size(self) -> int:
        """Bytes of its numbers."""
        return prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class _Axes:
    """The way from an array to images [N, H, W, C]."""

    order: tuple[int, ...]
    shape: tuple[int, int, int]
    planes: bool = False
    note: str = ""


def role_of(words: str) -> tuple[str, str]:
    """Find what an array is by its words.

    Parameters
    ----------
    words : str
        Name of the array, perhaps after that of its file.

    Returns
    -------
    tuple[str, str]
        A value of WORDS, empty where it is none, and TRAIN, VALIDATION or TEST.
    """
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", words)
    spaced = re.sub(r"\b([xyXY])(train|test|valid|val|tr|te)\b", r"\1 \2", spaced)
    parts = [part.lower() for part in re.split(r"[^A-Za-z0-9]+", spaced) if part]
    splits = [SPLIT_WORDS[part] for part in parts if part in SPLIT_WORDS]
    rest = [part for part in parts if part not in SPLIT_WORDS and part not in ("set", "split")]
    role = ""
    for count in (2, 1):
        if len(rest) >= count and (role := WORDS.get("".join(rest[-count:]), "")):
            break
    return role, splits[-1] if splits else TRAIN


def read_arrays(stored: Sequence[StoredArray], reading: Reading) -> LabelledImages:
    """Read images and labels out of arrays.

    Parameters
    ----------
    stored : Sequence[StoredArray]
        All arrays that there are.
    reading : Reading
        Options, report and limits.

    Returns
    -------
    LabelledImages
        Images in the order in which they were sent, training images first.

    Raises
    ------
    InvalidSpec
        With all that is wrong; names the arrays and the remedies.
    """
    plain = _without_objects(stored)
    reading.report.ignore("arrays", [each.name for each in stored if each not in plain])
    found, problems = _by_role(plain, reading)
    splits = [split for split in (TRAIN, VALIDATION, TEST) if ("images", split) in found]
    problems += _lacking(found, splits, stored)
    if problems:
        raise refusal(problems)
    labels: dict[str, Labels] = {}
    for split in splits:
        labels[split], wrong = read_labels(found["labels", split].name, found["labels", split].load())
        problems += wrong
    axes: dict[str, _Axes] = {}
    for split in splits:
        array = found["images", split]
        known = len(labels[split].values) if split in labels and not problems else array.shape[0]
        each, wrong = _axes(array, known, found["labels", split])
        problems += wrong
        if each is not None:
            axes[split] = each
            reading.report.do("axes", detail=each.note and f"{array.name}: {each.note}")
    if problems:
        raise refusal(problems)
    names, numbers, wrong = joined_labels([labels[split] for split in splits], _names(found), reading.report)
    problems += wrong + class_problems(names, found["labels", splits[0]].name)
    images, shape, wrong = _pixels([(found["images", split], axes[split]) for split in splits], reading)
    problems += wrong
    counts = [len(labels[split].values) for split in splits]
    domains, domain, wrong = _domains(found, splits, counts)
    problems += wrong
    groups, wrong = _groups(found, splits, counts, reading)
    if problems := problems + wrong:
        raise refusal(problems)
    each_split = np.repeat(splits, counts).tolist()
    used = np.unique(numbers)
    reading.report.ignore("class names", [name for place, name in enumerate(names) if place not in used])
    place_of = np.cumsum(np.isin(np.arange(len(names)), used)) - 1
    return LabelledImages(
        shape=shape,
        class_names=tuple(names[place] for place in used.tolist()),
        labels=place_of[numbers],
        is_test=split_mask(each_split, reading.report),
        read=images,
        domains=domains,
        domain=domain,
        groups=groups,
    )


# --- which array is which


def _without_objects(stored: Sequence[StoredArray]) -> list[StoredArray]:
    """The same arrays; refuses pickled ones that would be needed."""
    wrong = [
        (
            each.name,
            f"is an array of {each.dtype}, which nobody unpickles here; send numbers, or "
            f"{each.name}.astype(str)",
        )
        for each in stored
        if not _is_plain(each.dtype) and (each.role or role_of(each.words)[0] or each.name.startswith("arr_"))
    ]
    if wrong:
        raise refusal(wrong)
    return [each for each in stored if _is_plain(each.dtype)]


def _is_plain(dtype: np.dtype[Any]) -> bool:
    return not dtype.hasobject and dtype.names is None and dtype.subdtype is None


def _by_role(
    stored: Sequence[StoredArray], reading: Reading
) -> tuple[dict[tuple[str, str], StoredArray], Problems]:
    """Arrays by role and split."""
    found: dict[tuple[str, str], StoredArray] = {}
    problems: Problems = []
    ordinal = _ordinal(stored)
    others = []
    for each in stored:
        role, split = role_of(each.words)
        role = each.role or role
        if each.name in ordinal:
            role, split = ordinal[each.name]
        if role == "class names" and each.dtype.kind not in "US":
            role = "labels" if "class" in each.words.lower() else ""
        if role in ("class names",):
            split = TRAIN
        if not role:
            others.append(each.name)
        elif (role, split) in found:
            first = found[role, split]
            problems.append((each.name, f"and {first.name} are both {role}; leave one out"))
        else:
            found[role, split] = each
    reading.report.ignore("arrays", others)
    return found, problems


def _ordinal(stored: Sequence[StoredArray]) -> dict[str, tuple[str, str]]:
    """Roles of the arrays that numpy.savez calls arr_0, arr_1, …: images and labels in turns."""
    plain = sorted(
        (each for each in stored if re.fullmatch(r"arr_\d+", each.words)), key=lambda each: int(each.name[4:])
    )
    images = [each.name for each in plain if len(each.shape) >= 3]
    labels = [each.name for each in plain if len(each.shape) < 3]
    roles: dict[str, tuple[str, str]] = {}
    for split, name in zip((TRAIN, TEST), images, strict=False):
        roles[name] = ("images", split)
    for split, name in zip((TRAIN, TEST), labels, strict=False):
        roles[name] = ("labels", split)
    return roles


def _lacking(
    found: Mapping[tuple[str, str], StoredArray], splits: Sequence[str], stored: Sequence[StoredArray]
) -> Problems:
    held = ", ".join(each.name for each in stored[:10])
    problems: Problems = []
    if TRAIN not in splits:
        problems.append(("x", f"is missing: there are no images to train on, only {held}; {UNDERSTOOD}"))
    for split in splits:
        if ("labels", split) not in found:
            name = found["images", split].name
            problems.append(
                (
                    "y" if split == TRAIN else f"y_{split}",
                    f"is missing: {name} has images without labels (there are {held}); {UNDERSTOOD}",
                )
            )
    for role, split in found:
        if role == "labels" and split not in splits and (TRAIN in splits or split != TRAIN):
            name = found[role, split].name
            problems.append((name, f"comes with images, or not at all; {UNDERSTOOD}"))
    return problems


def _names(found: Mapping[tuple[str, str], StoredArray]) -> list[str] | None:
    array = found.get(("class names", TRAIN))
    return None if array is None else text_of(array.load().ravel())


# --- which axis is which


def _axes(array: StoredArray, count: int, labels: StoredArray) -> tuple[_Axes | None, Problems]:
    """The way from an array to images, for as many as there are labels."""
    shape, name = array.shape, array.name
    if min(shape, default=0) < 1:
        return None, [(name, f"has the shape {list(shape)}, and 1 to {MAX_IMAGES:,} images are taken")]
    found = None
    match len(shape):
        case 2:
            found = _flat_axes(shape, count)
            if found is None and count in shape:
                width = shape[1] if shape[0] == count else shape[0]
                return None, [
                    (
                        name,
                        f"has the shape {list(shape)}, and {width} pixels are no square image; "
                        f"send N × height × width: {name}.reshape(-1, height, width)",
                    )
                ]
        case 3 if shape[0] == count:
            found = _Axes((0, 1, 2), (shape[1], shape[2], 1))
        case 3 if shape[2] == count:
            found = _Axes((2, 0, 1), (shape[0], shape[1], 1), note="the last axis was read as images")
        case 4:
            found = _deep_axes(shape, count)
            if found is None and count in (shape[0], shape[3]):
                channels = shape[3] if shape[0] == count else shape[2]
                remedy = f"; {name}[..., :3] leaves transparency out" if channels == 4 else ""
                return None, [
                    (name, f"has {channels} channels; images have 1 or 3, in the last place{remedy}")
                ]
    if found is not None:
        return found, []
    if len(shape) not in (2, 3, 4):
        return None, [(name, f"has the shape {list(shape)}; send N × height × width, or × channels")]
    return None, [
        (
            labels.name,
            f"has the shape {list(labels.shape)}, {count:,} labels; for the {shape[0]:,} images of {name} it "
            f"must be [{shape[0]}]",
        )
    ]


def _flat_axes(shape: tuple[int, ...], count: int) -> _Axes | None:
    order = (0, 1) if shape[0] == count else (1, 0) if shape[1] == count else None
    if order is None:
        return None
    width = shape[order[1]]
    side = isqrt(width)
    if side * side == width:
        return _Axes(order, (side, side, 1), note=f"rows of {width:,} were read as {side} × {side} pixels")
    side = isqrt(width // 3)
    if width % 3 == 0 and side * side * 3 == width:
        note = f"rows of {width:,} were read as {side} × {side} pixels in three planes, red, green and blue"
        return _Axes(order, (side, side, 3), planes=True, note=note)
    return None


def _deep_axes(shape: tuple[int, ...], count: int) -> _Axes | None:
    if shape[0] == count and shape[3] in (1, 3):
        return _Axes((0, 1, 2, 3), (shape[1], shape[2], shape[3]))
    if shape[0] == count and shape[1] in (1, 3):
        return _Axes((0, 2, 3, 1), (shape[2], shape[3], shape[1]), note="channels came first")
    if shape[3] == count and shape[2] in (1, 3):
        return _Axes((3, 0, 1, 2), (shape[0], shape[1], shape[2]), note="the last axis was read as images")
    return None


# --- pixels


def _pixels(
    arrays: Sequence[tuple[StoredArray, _Axes]], reading: Reading
) -> tuple[Callable[[np.ndarray], np.ndarray], tuple[int, int, int], Problems]:
    """A reader of the images of all splits, their shape, and what is wrong."""
    options, problems = reading.options, list[tuple[str, str]]()
    shapes = [axes.shape for _, axes in arrays]
    height, width = options.size or shapes[0][:2]
    channels = options.channels or shapes[0][2]
    shape = (height, width, channels)
    for (array, _), own in zip(arrays, shapes, strict=True):
        if (options.size is None and own[:2] != shapes[0][:2]) or (
            options.channels is None and own[2] != shapes[0][2]
        ):
            held = (
                f"has images of {_format_shape(own)}, and {arrays[0][0].name} of {_format_shape(shapes[0])}"
            )
            remedy = "?size={}x{} and ?channels={}".format(*shapes[0])
            problems.append((array.name, f"{held}; say what all shall become, such as {remedy}"))
        if array.size > reading.max_bytes:
            problems.append((array.name, f"has {array.size:,} bytes, over {reading.max_bytes:,} bytes; send "
                             "fewer or smaller images, or have TGSH_MAX_UPLOAD_BYTES raised"))  # fmt: skip
        if array.dtype.kind not in "biuf":
            problems.append(
                (array.name, f"is {array.dtype}; pixels are uint8 from 0 (black) to 255 (white), or floats")
            )
    total = sum(array.shape[axes.order[0]] for array, axes in arrays)
    first_name, can_resize = arrays[0][0].name, options.size is None
    problems += size_problems(shape, total, reading.max_bytes, first_name, can_resize=can_resize)
    if problems:
        return np.empty_like, shape, problems
    loaded = [array.load() for array, _ in arrays]
    scaling, problems = _scaling([array for array, _ in arrays], loaded, reading)
    if problems:
        return np.empty_like, shape, problems
    parts = [
        _written(each, axes, scaling, reading, number)
        for number, (each, (_, axes)) in enumerate(zip(loaded, arrays, strict=True))
    ]
    if any(own != shape for own in shapes):
        parts = [
            _converted(part, own, shape, reading, number)
            for number, (part, own) in enumerate(zip(parts, shapes, strict=True))
        ]
    return _reader(parts), shape, []


def _scaling(
    stored: Sequence[StoredArray], loaded: Sequence[np.ndarray], reading: Reading
) -> tuple[Scaling | None, Problems]:
    """One rule for all images."""
    kinds = {array.dtype.kind for array in stored}
    if all(array.dtype == np.uint8 for array in stored):
        return None, []
    names = " and ".join(each.name for each in stored)
    if len({"b" if kind == "b" else "f" if kind == "f" else "i" for kind in kinds}) > 1:
        types = " and ".join(f"{each.name} is {each.dtype}" for each in stored)
        return None, [(stored[-1].name, f"and the others are not of one scale: {types}; make them alike")]
    ranges = [_range(array) for array in loaded]
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    found: Scaling | None
    if kinds == {"b"}:
        found = Scaling("bool", low, high)
    else:
        found = (float_scaling if "f" in kinds else integer_scaling)(low, high)
    if found is None:
        return None, [(stored[0].name, _advice(stored[0], low, high))]
    reading.report.do("scaled", detail=found.sentence(f"The {stored[0].dtype} numbers of {names}"))
    return found, []


def _advice(array: StoredArray, low: float, high: float) -> str:
    name = array.name
    if not np.isfinite([low, high]).all():
        return f"is {array.dtype} and holds a NaN or an infinity; replace them"
    return (
        f"is {array.dtype} from {low:g} to {high:g}, which is none of 0…1, −1…1, 0…255 and 0…65535: bring it "
        f"to 0..255, such as (255 * ({name} - {name}.min()) / numpy.ptp({name})).round().astype('uint8')"
    )


def _range(array: np.ndarray) -> tuple[float, float]:
    lows, highs = [], []
    for block in _blocks(array):
        lows.append(float(block.min()))
        highs.append(float(block.max()))
    finite = np.isfinite(lows).all() and np.isfinite(highs).all()
    return (min(lows), max(highs)) if finite else (float("nan"), float("nan"))


def _blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    """Blocks of an array as it lies in memory."""
    flat = array.T if array.flags.f_contiguous and not array.flags.c_contiguous else array
    rows = max(1, BLOCK_BYTES * len(flat) // max(1, array.nbytes))
    for start in range(0, len(flat), rows):
        yield np.asarray(flat[start : start + rows])


def _written(
    array: np.ndarray, axes: _Axes, scaling: Scaling | None, reading: Reading, number: int
) -> np.ndarray:
    """uint8 [N, H·W·C], in a file where it has to be made."""
    view = array.transpose(axes.order)
    pixels = prod(axes.shape)
    if scaling is None and not axes.planes and view.flags.c_contiguous:
        return view.reshape(len(view), pixels)
    path = reading.scratch / f"pixels-{number}.raw"
    result = np.memmap(path, np.uint8, "w+", shape=(len(view), pixels))
    rows = max(1, 4 * BLOCK_BYTES // max(1, array.nbytes // len(view)))
    height, width, channels = axes.shape
    for start in range(0, len(view), rows):
        block = np.ascontiguousarray(view[start : start + rows])
        block = block if scaling is None else scaling.apply(block)
        if axes.planes:
            block = block.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
        result[start : start + rows] = block.reshape(len(block), pixels)
    return result


def _converted(
    part: np.ndarray,
    own: tuple[int, int, int],
    shape: tuple[int, int, int],
    reading: Reading,
    number: int,
) -> np.ndarray:
    """Images of another size or other channels, in a file."""
    if own == shape:
        return part
    options = reading.options
    path = reading.scratch / f"converted-{number}.raw"
    result = np.memmap(path, np.uint8, "w+", shape=(len(part), prod(shape)))
    margins = options.colour or (0, 0, 0)

    def work(start: int, stop: int) -> list[Any]:
        for index in range(start, stop):
            pixels = np.ascontiguousarray(part[index]).reshape(own if own[2] == 3 else own[:2])
            image = converted_picture(Image.fromarray(pixels), shape, options.fit, margins)
            result[index] = np.asarray(image, np.uint8).ravel()
        return []

    over_cores(len(part), work, reading.processes, reading.scratch)
    if own[:2] != shape[:2]:
        fit = {"squash": "stretched", "crop": "cropped", "pad": "with margins"}[options.fit]
        detail = f"{shape[0]} × {shape[1]} from {own[0]} × {own[1]}, {fit}"
        reading.report.do("resized", count=len(part), detail=detail)
    if own[2] != shape[2]:
        detail = "grey" if shape[2] == 1 else "colour, grey repeated"
        reading.report.do("channels", count=len(part), detail=detail)
    return result


def _reader(parts: Sequence[np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    ends = np.cumsum([len(part) for part in parts])

    def read(places: np.ndarray) -> np.ndarray:
        images = np.empty((len(places), parts[0].shape[1]), np.uint8)
        owners = np.searchsorted(ends, places, side="right")
        for number, part in enumerate(parts):
            mine = owners == number
            if mine.any():
                images[mine] = part[places[mine] - (ends[number] - len(part))]
        return images

    return read


def _format_shape(shape: tuple[int, int, int]) -> str:
    return " × ".join(map(str, shape if shape[2] != 1 else shape[:2]))


# --- domains and groups


def _domains(
    found: Mapping[tuple[str, str], StoredArray], splits: Sequence[str], counts: Sequence[int]
) -> tuple[tuple[str, ...], np.ndarray | None, Problems]:
    if not any(("domains", split) in found for split in splits):
        return (), None, []
    texts, problems = _columns("domains", found, splits, counts)
    if problems:
        return (), None, problems
    names = sorted_class_names(texts)
    if len(names) > MAX_DOMAINS:
        return (), None, [("domains", f"holds {len(names):,} domains, and {MAX_DOMAINS:,} are taken")]
    place = {name: number for number, name in enumerate(names)}
    return names, np.array([place[text] for text in texts], np.int64), []


def _groups(
    found: Mapping[tuple[str, str], StoredArray],
    splits: Sequence[str],
    counts: Sequence[int],
    reading: Reading,
) -> tuple[np.ndarray | None, Problems]:
    if reading.options.group_pattern is not None:
        return None, [("group_pattern", "is for names of files; arrays have an array groups, one an image")]
    if not any(("groups", split) in found for split in splits):
        return None, []
    texts, problems = _columns("groups", found, splits, counts)
    if problems:
        return None, problems
    return np.unique(np.array(texts), return_inverse=True)[1].astype(np.int64), []


def _columns(
    role: str, found: Mapping[tuple[str, str], StoredArray], splits: Sequence[str], counts: Sequence[int]
) -> tuple[list[str], Problems]:
    """A text for every image, out of an array a split."""
    texts: list[str] = []
    problems: Problems = []
    for split, count in zip(splits, counts, strict=True):
        array = found.get((role, split))
        if array is None:
            name = found["images", split].name
            problems.append((role, f"is there for some images, and not for those of {name}"))
            continue
        values, wrong = read_labels(array.name, array.load())
        problems += wrong
        if not wrong and len(values.values) != count:
            problems.append((array.name, f"has {len(values.values):,} entries for {count:,} images"))
        texts += [str(each) for each in values.values.tolist()]
    return texts, problems
