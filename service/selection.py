"""Which tasks or classes a caller means: "0,9,18" or "0-3,9"."""

from __future__ import annotations

import re

from tgsh.errors import InvalidSpec

_RANGE = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?", re.ASCII)

MOST_RANGES = 200
"""Each may name all tasks again."""


def numbers(text: str | None, available: tuple[int, ...], field: str) -> list[int]:
    """The numbers that `text` names, in its order; all available ones where it is None.

    Raises InvalidSpec, naming `field`, for text of another form or a number that is not available.
    """
    if text is None:
        return list(available)
    known = set(available)
    found: dict[int, None] = {}  # keeps the order, not what is named twice
    ranges = 0
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            raise InvalidSpec(field, f'{part!r} is no number or range; write "0,9,18" or "0-3,9"')
        first, last = int(match[1]), int(match[2] or match[1])
        ranges += first < last
        if ranges > MOST_RANGES:
            raise InvalidSpec(field, f"more than {MOST_RANGES} ranges are too many; join some")
        for number in range(first, last + 1):
            if number not in known:
                raise InvalidSpec(field, f"{number} is not there" + _among(available))
            found[number] = None
    return list(found)


def _among(available: tuple[int, ...]) -> str:
    return f"; there are {available[0]} to {available[-1]}" if available else " yet"
