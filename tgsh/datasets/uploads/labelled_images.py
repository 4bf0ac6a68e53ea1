"""Normal form of every upload: images with classes, split, domains and groups; the limits that it keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tgsh.errors import InvalidSpec

MAX_PIXELS = 128 * 128 * 3
"""H·W·C: a FlyNet of 200,000 units, the most there may be, then still has four a pixel."""

MAX_IMAGES = 1_000_000
MIN_CLASSES, MAX_CLASSES = 2, 1_000
MAX_DOMAINS = 1_000
MAX_NAME = 200  # characters

BLOCK_BYTES = 16 << 20
"""Of images in memory at a time."""

JOINERS = "\u200c\u200d"
"""Join letters and emoji into one; not printable by themselves, and harmless."""

Problems = list[tuple[str, str]]
"""What is wrong with an upload: a field and a message, each."""


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
    domains : tuple[str, ...], default=()
        Names of the domains; empty where there are none.
    domain : np.ndarray | None, default=None
        int64 [N], places in domains.
    groups : np.ndarray | None, default=None
        int64 [N]; images of one group stay on one side of the split.
    """

    shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    labels: np.ndarray
    is_test: np.ndarray | None
    read: Callable[[np.ndarray], np.ndarray]
    domains: tuple[str, ...] = ()
    domain: np.ndarray | None = None
    groups: np.ndarray | None = None

    @property
    def pixels(self) -> int:
        """Numbers of an image, H·W·C."""
        return int(np.prod(self.shape))


def size_problems(
    shape: Sequence[int], images: int, max_bytes: int, field: str, *, can_resize: bool = True
) -> Problems:
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
        Field of the upload, for the message.
    can_resize : bool, default=True
        Whether ``?size=`` is the remedy; False where it was asked for already.

    Returns
    -------
    Problems
        None where they are within the limits.
    """
    height, width, channels = shape
    pixels = height * width * channels
    wrong: Problems = []
    if pixels > MAX_PIXELS or pixels < 1:
        remedy = "?size=64x64 makes them smaller" if can_resize else "ask for a smaller ?size="
        wrong.append(
            (
                field,
                f"images of {height} × {width} × {channels} have {pixels:,} pixels, which is too large: 1 to "
                f"{MAX_PIXELS:,} (128 × 128 × 3) are taken; {remedy}",
            )
        )
    if not 1 <= images <= MAX_IMAGES:
        wrong.append((field, f"{images:,} images were sent, and 1 to {MAX_IMAGES:,} are taken"))
    if not wrong and images * pixels > max_bytes:
        wrong.append(
            (
                field,
                f"unpacked, {images:,} images of {pixels:,} bytes are over {max_bytes:,} bytes; send fewer "
                "or smaller ones, or have TGSH_MAX_UPLOAD_BYTES raised",
            )
        )
    return wrong


def class_problems(class_names: Sequence[str], field: str) -> Problems:
    """Check the number of classes and their names.

    Parameters
    ----------
    class_names : Sequence[str]
        Distinct names.
    field : str
        Field of the upload, for the message.

    Returns
    -------
    Problems
        None where they are well.
    """
    wrong: Problems = []
    if not MIN_CLASSES <= len(class_names) <= MAX_CLASSES:
        found = f" ({class_names[0][:80]!r})" if len(class_names) == 1 else ""
        count = f"is 1 class{found}" if len(class_names) == 1 else f"are {len(class_names):,} classes"
        remedy = "; a folder for each class, with its images, is wanted" if found and field == "body" else ""
        wrong.append((field, f"there {count}, and {MIN_CLASSES} to {MAX_CLASSES:,} are taken{remedy}"))
    bad = [name for name in class_names if not is_name(name)]
    wrong += [
        (field, f"a class is called {name[:80]!r}; names have 1 to {MAX_NAME} printable characters")
        for name in bad[:10]
    ]
    return wrong


def is_name(text: str) -> bool:
    """True where a text can name a class: printable, joiners and tags of emoji included.

    Parameters
    ----------
    text : str
        The text.

    Returns
    -------
    bool
        True for 1 to MAX_NAME characters that can be shown.
    """
    shown = "".join(each for each in text if each not in JOINERS and not "\U000e0020" <= each <= "\U000e007f")
    return 1 <= len(text) <= MAX_NAME and bool(shown) and shown.isprintable()


def refusal(problems: Problems) -> InvalidSpec:
    """Make the error that says all that is wrong.

    Parameters
    ----------
    problems : Problems
        One or more; what is there twice is said once.

    Returns
    -------
    InvalidSpec
        To be raised.
    """
    first, *others = dict.fromkeys(problems)
    return InvalidSpec(*first, others)
