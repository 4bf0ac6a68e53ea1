"""Which tasks or classes a caller means: "0,9,18" or "0-3,9"."""

from __future__ import annotations

import re

from tgsh.errors import InvalidSpec

_RANGE = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?")


def numbers(text: str | None, available: tuple[int, ...], field: str) -> list[int]:
    """The numbers that `text` names, in its order; all available ones where it is None.

    Raises InvalidSpec, naming `field`, for text of another form or a number that is not available.
    """
    if text is None:
        return list(available)
    found: list[int] = []
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            raise InvalidSpec(field, f'{part!r} is no number or range; write "0,9,18" or "0-3,9"')
        first, last = int(match[1]), int(match[2] or match[1])
        found += range(first, min(last, first + len(available)) + 1)
    if unknown := [number for number in found if number not in set(available)]:
        raise InvalidSpec(field, f"{unknown[0]} is not there" + _among(available))
    return list(dict.fromkeys(found))


def _among(available: tuple[int, ...]) -> str:
    return f"; there are {available[0]} to {available[-1]}" if available else " yet"
