"""Copies of images in an upload: images with identical pixels, whatever their classes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from tgsh.datasets.uploads.labelled_images import BLOCK_BYTES, LabelledImages

DIGEST_BYTES = 16


@dataclass(frozen=True)
class Copies:
    """Counts of identical images in a dataset.

    Attributes
    ----------
    copies : int
        Images whose pixels are those of an image before them.
    overlap : int
        Test images whose pixels are those of a training image.
    contradictory : int
        Images of which an identical one has another class.
    """

    copies: int
    overlap: int
    contradictory: int


def copy_groups(contents: LabelledImages) -> np.ndarray:
    """Number the distinct images of an upload.

    Parameters
    ----------
    contents : LabelledImages
        N images.

    Returns
    -------
    np.ndarray
        int64 [N], equal for images with identical pixels.
    """
    digests = np.empty((len(contents.labels), DIGEST_BYTES), np.uint8)
    rows = max(1, BLOCK_BYTES // contents.pixels)
    for start in range(0, len(digests), rows):
        places = np.arange(start, min(start + rows, len(digests)))
        for place, image in zip(places, contents.read(places), strict=True):
            digest = hashlib.blake2b(image.data, digest_size=DIGEST_BYTES).digest()
            digests[place] = np.frombuffer(digest, np.uint8)
    _, groups = np.unique(digests.view(f"V{DIGEST_BYTES}").ravel(), return_inverse=True)
    return np.asarray(groups, np.int64)


def count_copies(groups: np.ndarray, labels: np.ndarray, is_test: np.ndarray) -> Copies:
    """Count copies, those on both sides of the split, and those with several classes.

    Parameters
    ----------
    groups : np.ndarray
        int64 [N], equal for identical images.
    labels : np.ndarray
        int64 [N], classes.
    is_test : np.ndarray
        bool [N], True for test images.

    Returns
    -------
    Copies
        The counts.
    """
    pairs = np.unique(np.column_stack([groups, labels]), axis=0)
    distinct = int(groups.max(initial=-1)) + 1
    classes = np.bincount(pairs[:, 0], minlength=distinct)
    return Copies(
        copies=len(groups) - len(np.unique(groups)),
        overlap=int(np.isin(groups[is_test], groups[~is_test]).sum()),
        contradictory=int((classes[groups] > 1).sum()),
    )
