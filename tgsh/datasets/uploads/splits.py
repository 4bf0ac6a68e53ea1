"""Split of an upload into training and test images, and the canonical order of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tgsh.datasets.uploads.labelled_images import LabelledImages
from tgsh.datasets.uploads.layouts import TEST, TRAIN, VALIDATION
from tgsh.datasets.uploads.report import UploadReport
from tgsh.errors import InvalidSpec
from tgsh.rng import rng_for

SPLIT_SEED = 0


@dataclass(frozen=True, eq=False)
class Bonds:
    """Sets of images that stay on one side of the split.

    Attributes
    ----------
    together : np.ndarray
        int64 [N], equal for images that stay together.
    is_strict : bool
        Whether nothing may part them; copies alone are parted where a class would have no test images.
    """

    together: np.ndarray
    is_strict: bool


def split_mask(splits: Sequence[str | None], report: UploadReport) -> np.ndarray | None:
    """Find the test images of an upload that says which they are.

    Parameters
    ----------
    splits : Sequence[str | None]
        TRAIN, VALIDATION, TEST or None for every image.
    report : UploadReport
        Is told what became of validation images.

    Returns
    -------
    np.ndarray | None
        bool [N]; None where nothing is said, or only one of them.
    """
    counts = Counter(splits)
    trained = counts[TRAIN] + counts[None]
    if counts[TEST] and (trained or counts[VALIDATION]):
        if counts[VALIDATION]:
            report.do(
                "split", detail=f"{counts[VALIDATION]:,} images for validation joined the training images"
            )
        return np.array([split == TEST for split in splits])
    if counts[VALIDATION] and trained:
        report.do("split", detail=f"{counts[VALIDATION]:,} images for validation became the test images")
        return np.array([split == VALIDATION for split in splits])
    return None


def bonds(contents: LabelledImages, copies: np.ndarray, duplicates: str) -> Bonds:
    """Join copies and groups: what is in one of either stays together.

    Parameters
    ----------
    contents : LabelledImages
        N images, perhaps with groups.
    copies : np.ndarray
        int64 [N], equal for identical images.
    duplicates : str
        ``"keep"`` lets copies go anywhere.

    Returns
    -------
    Bonds
        The bonds.
    """
    if duplicates == "keep":
        copies = np.arange(len(copies))
    if contents.groups is None:
        return Bonds(copies, is_strict=False)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first = int(copies.max()) + 1
    edges = (np.ones(len(copies), np.int8), (copies, contents.groups + first))
    size = first + int(contents.groups.max()) + 1
    _, parts = connected_components(coo_array(edges, shape=(size, size)), directed=False)
    return Bonds(np.asarray(parts[copies], np.int64), is_strict=True)


def choose_test_images(contents: LabelledImages, held: Bonds, share: float) -> np.ndarray:
    """Select test images: a share of each class (and domain), at least one, always the same ones.

    What stays together goes together, whatever its classes. Where a class cannot have both training and test
    images then, copies are split as if they were none; groups are not, and the class is trained only, as one
    of a single image is.

    Parameters
    ----------
    contents : LabelledImages
        N images.
    held : Bonds
        Images that stay together.
    share : float
        Of every class.

    Returns
    -------
    np.ndarray
        bool [N], True for test images.
    """
    groups = held.together
    is_decided, is_test = np.zeros((2, int(groups.max()) + 1), bool)
    shuffled: dict[int, np.ndarray] = {}
    quotas: dict[int, int] = {}
    for label, places in _parts(contents):
        if len(places) < 2:
            is_decided[groups[places]] = True  # trained only
            continue
        order = rng_for(SPLIT_SEED, "uploaded", "split", label).permutation(len(places))
        shuffled[label], quotas[label] = places[order], max(1, round(share * len(places)))
        quotas[label] = min(quotas[label], len(places) - 1)
        _select_groups(groups[shuffled[label]], quotas[label], is_decided, is_test)
    mask = np.asarray(is_test[groups])
    if held.is_strict:
        return _with_training(contents, groups, mask)
    for label, places in shuffled.items():
        if mask[places].all() or not mask[places].any():
            mask[places] = np.arange(len(places)) < quotas[label]
    return mask


def _parts(contents: LabelledImages) -> list[tuple[int, np.ndarray]]:
    """Places of each class, in each domain where there are any, and the number that seeds its split."""
    if contents.domain is None:
        keys = contents.labels
    else:
        keys = contents.domain * len(contents.class_names) + contents.labels
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
    return [(int(keys[places[0]]), places) for places in np.split(order, starts[1:].tolist()) if len(places)]


def _with_training(contents: LabelledImages, groups: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The mask with the groups of every class to train on that would have been for testing only."""
    for label in range(len(contents.class_names)):
        own = contents.labels == label
        if mask[own].all():
            mask = mask & (groups != groups[np.flatnonzero(own)[0]])
    return mask


def _select_groups(groups: np.ndarray, quota: int, is_decided: np.ndarray, is_test: np.ndarray) -> None:
    """Decide the groups of a class, in their order: test images as long as they fit into its quota.

    If none fits, the smallest one that leaves another to train on.
    """
    distinct, first, sizes = np.unique(groups, return_index=True, return_counts=True)
    ordered = np.argsort(first)
    distinct, sizes = distinct[ordered], sizes[ordered]
    is_open = ~is_decided[distinct]
    taken = int(sizes[is_test[distinct]].sum())
    for group, size in zip(distinct[is_open].tolist(), sizes[is_open].tolist(), strict=True):
        if taken + size <= quota:
            is_test[group] = True
            taken += size
    if taken == 0 and is_open.any() and len(distinct) > 1:
        is_test[distinct[is_open][sizes[is_open].argmin()]] = True
    is_decided[distinct] = True


def canonical_order(contents: LabelledImages, is_test: np.ndarray) -> tuple[np.ndarray, int]:
    """Order images so that every prefix is balanced: training images first, then test images.

    In either part the first image of each class comes first, then the second of each, and so on, and so it is
    within every domain; within a class they stay in the order in which they were sent.

    Parameters
    ----------
    contents : LabelledImages
        N images.
    is_test : np.ndarray
        bool [N], True for test images.

    Returns
    -------
    tuple[np.ndarray, int]
        int64 [N], places of the images in that order, and the number of training images.

    Raises
    ------
    InvalidSpec
        If a class has no training image, or there is no test image at all; with all such classes.
    """
    wrong = []
    counts = np.bincount(contents.labels[~is_test], minlength=len(contents.class_names))
    for place in np.flatnonzero(counts == 0)[:20].tolist():
        name = contents.class_names[place]
        wrong.append(("y", f"class {name!r} has no training image; every class needs one"))
    if not is_test.any():
        wrong.append(("y", "no class has two images, so that there is none to test with; send more of them"))
    if wrong:
        raise InvalidSpec(*wrong[0], wrong[1:])
    train, test = (_interleaved(contents, np.flatnonzero(part)) for part in (~is_test, is_test))
    return np.concatenate([train, test]), len(train)


def _interleaved(contents: LabelledImages, places: np.ndarray) -> np.ndarray:
    chosen = contents.labels[places]
    domains = np.zeros_like(chosen) if contents.domain is None else contents.domain[places]
    keys = domains * len(contents.class_names) + chosen
    by_key = np.argsort(keys, kind="stable")
    counts = np.bincount(keys)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    ranks = np.empty(len(chosen), np.int64)
    ranks[by_key] = np.arange(len(chosen)) - starts
    return np.asarray(places[np.lexsort((domains, chosen, ranks))])
