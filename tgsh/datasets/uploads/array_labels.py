"""Labels in arrays: integers, text, one-hot rows, whole floats and booleans become classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tgsh.datasets.uploads.file_names import sorted_class_names, tidy_name
from tgsh.datasets.uploads.labelled_images import MAX_CLASSES, Problems
from tgsh.datasets.uploads.report import UploadReport

MAX_TEXT_BYTES = 1_024
"""Of one label."""


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels of the images of one array.

    Attributes
    ----------
    name : str
        Name of the array.
    values : np.ndarray
        int64 or text [N].
    note : str, default=""
        What was made of them.
    """

    name: str
    values: np.ndarray
    note: str = ""


_NONE = np.empty(0, np.int64)


def read_labels(name: str, array: np.ndarray) -> tuple[Labels, Problems]:
    """Read labels in whatever form they are.

    Parameters
    ----------
    name : str
        Name of the array.
    array : np.ndarray
        [N], [N, 1], or one row of zeros and a one for each image.

    Returns
    -------
    tuple[Labels, Problems]
        The labels, and what is wrong.
    """
    note = ""
    if array.ndim == 2 and 1 in array.shape:
        array = array.ravel()
    elif array.ndim == 2 and array.dtype.kind in "biuf":
        chosen = _one_hot(array)
        if chosen is None:
            text = (
                f"has the shape {list(array.shape)} and is not one-hot; send one class an image, such as "
                f"{name}.argmax(axis=1)"
            )
            return Labels(name, _NONE), [(name, text)]
        array, note = chosen, f"{name} is one-hot: the place of the one is the class"
    if array.ndim != 1:
        text = f"has the shape {list(array.shape)}; send one class an image"
        return Labels(name, _NONE), [(name, text)]
    match array.dtype.kind:
        case "b":
            return Labels(name, np.where(array, "True", "False"), note), []
        case "i" | "u":
            if array.dtype == np.uint64 and array.max(initial=np.uint64(0)) >> np.uint64(63):
                return Labels(name, _NONE), [
                    (name, "holds numbers of over 63 bits; number the classes from 0")
                ]
            return Labels(name, array.astype(np.int64), note), []
        case "f":
            if not (
                np.isfinite(array).all() and (np.rint(array) == array).all() and abs(array).max() < 2**53
            ):
                return Labels(name, _NONE), [(name, f"has fractions: it {_advice(name, array)}")]
            return Labels(name, array.astype(np.int64), note), []
        case "U" | "S":
            try:
                return Labels(name, np.array(text_of(array), dtype=np.str_), note), []
            except UnicodeDecodeError:
                text = f"holds text that is not UTF-8; send {name}.astype(str)"
                return Labels(name, _NONE), [(name, text)]
        case _:
            return Labels(name, _NONE), [(name, _advice(name, array))]


def _advice(name: str, array: np.ndarray) -> str:
    return (
        f"is {array.dtype}; classes are whole numbers or text, such as {name}.astype(int) or "
        f"{name}.astype(str)"
    )


def _one_hot(array: np.ndarray) -> np.ndarray | None:
    """The place of the one in every row; None where it is not so."""
    if array.shape[1] > MAX_CLASSES:
        return None
    ones = array != 0
    if (ones.sum(axis=1) == 1).all() and (array[ones] == 1).all():
        return np.asarray(ones.argmax(axis=1))
    return None


def text_of(array: np.ndarray) -> list[str]:
    """Read an array as text.

    Parameters
    ----------
    array : np.ndarray
        [N], text, UTF-8 or numbers.

    Returns
    -------
    list[str]
        N texts as they stand there.
    """
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8")
    return [str(each) for each in array.tolist()]


def joined_labels(
    parts: Sequence[Labels], class_names: Sequence[str] | None, report: UploadReport
) -> tuple[tuple[str, ...], np.ndarray, Problems]:
    """Number the classes of all splits.

    Parameters
    ----------
    parts : Sequence[Labels]
        Labels of every split.
    class_names : Sequence[str] | None
        Names of labels that are integers, in their order.
    report : UploadReport
        Is told what was done.

    Returns
    -------
    tuple[tuple[str, ...], np.ndarray, Problems]
        Names of the classes, int64 [N] places in these, and what is wrong.
    """
    for part in parts:
        report.do("labels", detail=part.note)
    is_text = any(part.values.dtype.kind == "U" for part in parts)
    values = np.concatenate([part.values.astype(np.str_) if is_text else part.values for part in parts])
    distinct, places = np.unique(values, return_inverse=True)
    if class_names is not None and not is_text:
        return _named(distinct, places, [tidy_name(name) for name in class_names], report, parts[0].name)
    raw = [str(each) for each in distinct.tolist()]
    tidy = [tidy_name(name) for name in raw]
    changed = [name for name, before in zip(tidy, raw, strict=True) if name != before]
    report.do("trimmed", sorted(set(changed)))
    names = sorted_class_names(tidy)
    order = {name: place for place, name in enumerate(names)}
    return names, np.array([order[name] for name in tidy], np.int64)[places], []


def _named(
    distinct: np.ndarray, places: np.ndarray, names: list[str], report: UploadReport, field: str
) -> tuple[tuple[str, ...], np.ndarray, Problems]:
    """Classes by the names that integers have."""
    low, high = int(distinct[0]), int(distinct[-1])
    first = 0
    if low >= 1 and high == len(names):
        first = 1
        report.do("labels", detail="Labels count from 1: the first class name is that of label 1")
    twice = sorted({name for name in names if names.count(name) > 1}) if len(names) <= MAX_CLASSES else []
    problems: Problems = [("class_names", f"{name!r} is there twice") for name in twice[:20]]
    if low < 0 or high - first >= len(names):
        problems.append(
            ("class_names", f"has {len(names):,} names, and the labels of {field} go from {low} to {high}")
        )
    if problems:
        return tuple(names), places, problems
    return tuple(names), (distinct - first)[places].astype(np.int64), []
