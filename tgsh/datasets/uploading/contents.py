"""What an upload holds, and what is refused whatever it comes in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tgsh.errors import InvalidSpec

MAX_PIXELS = 128 * 128 * 3
"""H·W·C: a FlyNet of 200,000 units, the most there may be, then still has four a pixel."""

MAX_IMAGES = 1_000_000
MIN_CLASSES, MAX_CLASSES = 2, 1_000
MAX_NAME = 64


@dataclass(frozen=True, eq=False)
class Contents:
    """N images with their classes, in the order in which they were sent.

    shape: (height, width, channels). labels: int64 [N], places in class_names. is_test: bool [N], which
    images are for testing; None where nobody said. read: the images of these numbers, uint8 [n, H·W·C].
    """

    shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    labels: np.ndarray
    is_test: np.ndarray | None
    read: Callable[[np.ndarray], np.ndarray]

    @property
    def pixels(self) -> int:
        """H·W·C."""
        return int(np.prod(self.shape))


def check_size(shape: Sequence[int], images: int, max_bytes: int, field: str) -> None:
    """Raises InvalidSpec for images that are too large, or too many of them."""
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


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Names of classes in the order of their numbers: as numbers where all are, else as text."""
    found = set(names)
    if all(name.isascii() and name.removeprefix("-").isdigit() for name in found):
        return tuple(sorted(found, key=lambda name: (int(name), name)))
    return tuple(sorted(found))


def check_classes(class_names: Sequence[str], field: str) -> None:
    """Raises InvalidSpec for too few or too many classes, or a name that nobody can read."""
    if not MIN_CLASSES <= len(class_names) <= MAX_CLASSES:
        raise InvalidSpec(
            field, f"there are {len(class_names):,} classes, and {MIN_CLASSES} to {MAX_CLASSES:,} are taken"
        )
    for name in class_names:
        if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
            raise InvalidSpec(
                field, f"a class is called {name[:80]!r}; names have 1 to {MAX_NAME} printable characters"
            )
