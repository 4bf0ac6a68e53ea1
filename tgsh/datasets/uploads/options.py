"""Options of an upload, as an uploader says them."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from PIL import ImageColor

from tgsh.errors import InvalidSpec
from tgsh.specs.suites import Fit

OnBad = Literal["refuse", "skip"]
Duplicates = Literal["together", "keep", "refuse"]

TEST_SHARE = 0.2
"""Of every class, where the upload has no split and says no share."""

MAX_SIDE = 9_999
MAX_PATTERN = 200  # characters


@dataclass(frozen=True)
class UploadOptions:
    """Requests about an upload; the defaults change nothing that need not be changed.

    Attributes
    ----------
    size : tuple[int, int] | None, default=None
        (height, width) that images get, pixels; None: as they are.
    channels : int | None, default=None
        1 (grey) or 3 (colour); None: as they are.
    fit : Fit, default="squash"
        How images get another size: ``"squash"``, ``"crop"`` or ``"pad"``.
    background : str | None, default=None
        Colour under transparent pixels, and of the margins of ``"pad"``, such as ``"white"``.
    encoding : str | None, default=None
        Of names in an archive that are not UTF-8 and do not say what they are, such as ``"gbk"``.
    on_bad : OnBad, default="refuse"
        ``"skip"`` leaves out files that cannot be read, and tells which.
    duplicates : Duplicates, default="together"
        Images with identical pixels: on one side of the split, anywhere (``"keep"``), or refused.
    test_share : float | None, default=None
        Share of every class that becomes test images where the upload has none; None: TEST_SHARE.
    group_pattern : str | None, default=None
        Regular expression; files whose paths match it in the same text (its first group, where it has one)
        stay on one side of the split.

    Raises
    ------
    InvalidSpec
        If an option has no meaning; with all that have none.
    """

    size: tuple[int, int] | None = None
    channels: int | None = None
    fit: Fit = "squash"
    background: str | None = None
    encoding: str | None = None
    on_bad: OnBad = "refuse"
    duplicates: Duplicates = "together"
    test_share: float | None = None
    group_pattern: str | None = None

    def __post_init__(self) -> None:
        _refuse([wrong for name in _CHECKS for wrong in _problems(name, getattr(self, name))])

    @property
    def share(self) -> float:
        """Share of every class that becomes test images where the upload has none."""
        return TEST_SHARE if self.test_share is None else self.test_share

    @property
    def colour(self) -> tuple[int, int, int] | None:
        """The background, red, green and blue from 0 to 255."""
        return None if self.background is None else ImageColor.getrgb(self.background)[:3]

    @classmethod
    def parsed(cls, values: Mapping[str, str]) -> UploadOptions:
        """Read options from text, as they stand in a query or on a command line.

        Parameters
        ----------
        values : Mapping[str, str]
            Text by name; ``size`` is HEIGHTxWIDTH.

        Returns
        -------
        UploadOptions
            The options.

        Raises
        ------
        InvalidSpec
            If there is no such option, or one has no meaning; with all that are wrong.
        """
        known = {field.name for field in fields(cls)}
        wrong = [(name, "is no option of an upload") for name in values if name not in known]
        read: dict[str, object] = {}
        for name, text in values.items():
            if name in known:
                try:
                    read[name] = _PARSERS.get(name, str)(text)
                except ValueError:
                    wrong.append((name, _MEANING[name]))
        wrong += [each for name, value in read.items() for each in _problems(name, value)]
        _refuse(wrong)
        return cls(**read)  # type: ignore[arg-type]


def _refuse(wrong: list[tuple[str, str]]) -> None:
    if wrong:
        raise InvalidSpec(*wrong[0], wrong[1:])


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9]\d{0,3})[x×]([1-9]\d{0,3})", text, re.ASCII)
    if found is None:
        raise ValueError(text)
    return int(found[1]), int(found[2])


def _number(text: str) -> int:
    if re.fullmatch(r"\d{1,4}", text, re.ASCII) is None:
        raise ValueError(text)
    return int(text)


_PARSERS: Mapping[str, Callable[[str], object]] = {"size": _size, "channels": _number, "test_share": float}

_MEANING = {
    "size": f"is HEIGHTxWIDTH, each from 1 to {MAX_SIDE}, such as 64x64",
    "channels": "is 1 (grey) or 3 (colour)",
    "fit": f"is one of {', '.join(get_args(Fit))}",
    "background": "is a colour, such as white, black or #ff8800",
    "encoding": "is no encoding of text; such as gbk, shift_jis, cp1252 or cp437",
    "on_bad": f"is one of {', '.join(get_args(OnBad))}",
    "duplicates": f"is one of {', '.join(get_args(Duplicates))}",
    "test_share": "is a share above 0 and below 1, such as 0.2",
    "group_pattern": f"is a regular expression of at most {MAX_PATTERN} characters, such as (patient\\d+)_",
}


def _problems(name: str, value: object) -> list[tuple[str, str]]:
    try:
        fine = value is None and name not in ("fit", "on_bad", "duplicates")
        return [] if fine or _CHECKS[name](value) else [(name, _MEANING[name])]
    except (ValueError, TypeError, LookupError, re.error, RecursionError, OverflowError) as error:
        reason = f": {error}" if isinstance(error, re.error) else ""
        return [(name, _MEANING[name] + reason)]


def _is_encoding(name: object) -> bool:
    if not isinstance(name, str) or re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,39}", name) is None:
        return False
    codecs.lookup(name)
    return isinstance(b"a".decode(name), str) and "a".encode(name) == b"a"  # no rot13, no UTF-16


def _is_colour(name: object) -> bool:
    return isinstance(name, str) and len(name) <= 40 and len(ImageColor.getrgb(name)) == 3


def _is_pattern(text: object) -> bool:
    if not isinstance(text, str) or not 1 <= len(text) <= MAX_PATTERN:
        return False
    re.compile(text)
    return True


def _is_size(size: object) -> bool:
    return isinstance(size, tuple) and len(size) == 2 and all(1 <= side <= MAX_SIDE for side in size)


_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "size": _is_size,
    "channels": lambda value: value in (1, 3),
    "fit": lambda value: value in get_args(Fit),
    "background": _is_colour,
    "encoding": _is_encoding,
    "on_bad": lambda value: value in get_args(OnBad),
    "duplicates": lambda value: value in get_args(Duplicates),
    "test_share": lambda value: 0 < value < 1,
    "group_pattern": _is_pattern,
}
