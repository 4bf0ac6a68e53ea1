"""The T-GSH property on representations whose answer is known, and against SciPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.spatial.distance import cosine
from scipy.stats import mannwhitneyu

from tgsh.analysis.geometry import geometry


def pairs(representations: np.ndarray) -> tuple[list[float], list[float]]:
    """Intra and inter cosines, pair by pair."""
    tasks, classes, images, _ = representations.shape
    everyone = list(itertools.product(range(tasks), range(classes), range(images)))
    intra, inter = [], []
    for one, other in itertools.combinations(everyone, 2):
        alike = 1 - cosine(representations[one], representations[other])
        if one[0] == other[0] and one[1] != other[1]:
            intra.append(alike)
        elif one[0] != other[0] and one[1] == other[1]:
            inter.append(alike)
    return intra, inter


def test_every_pair_counts_once() -> None:
    representations = np.random.default_rng(0).standard_normal((3, 4, 2, 6))
    representations[0] += 1
    intra, inter = pairs(representations)
    found = geometry(representations)
    assert (found.intra.sum(), found.inter.sum()) == (len(intra), len(inter))
    assert found.intra_mean == pytest.approx(np.mean(intra))
    assert found.inter_mean == pytest.approx(np.mean(inter))
    expected = mannwhitneyu(intra, inter).statistic / (len(intra) * len(inter))
    assert found.p_intra_greater == pytest.approx(expected, abs=1e-6)
    np.testing.assert_array_equal(found.intra, np.histogram(intra, found.edges)[0])


def test_a_perfect_hash_and_its_opposite() -> None:
    by_task = np.zeros((3, 2, 2, 5))
    by_class = np.zeros((3, 2, 2, 5))
    for task, label in itertools.product(range(3), range(2)):
        by_task[task, label, :, task] = 1
        by_class[task, label, :, label] = 1
    hash_, opposite = geometry(by_task), geometry(by_class)
    assert (hash_.p_intra_greater, hash_.overlap, hash_.intra_mean, hash_.inter_mean) == (1, 0, 1, 0)
    assert (opposite.p_intra_greater, opposite.intra_mean, opposite.inter_mean) == (0, 0, 1)


def test_what_cannot_be_told_apart_is_one_half() -> None:
    found = geometry(np.ones((2, 2, 1, 3)))
    assert found.p_intra_greater == pytest.approx(0.5)
    assert found.overlap == pytest.approx(1)


def test_one_task_has_no_inter_pairs_and_one_class_no_intra() -> None:
    one_task, one_class = geometry(np.ones((1, 2, 2, 3))), geometry(np.ones((2, 1, 2, 3)))
    assert (one_task.inter_mean, one_task.p_intra_greater) == (None, None)
    assert (one_class.intra_mean, one_class.overlap) == (None, None)


def test_a_silent_representation_is_like_no_other() -> None:
    silent = np.zeros((2, 2, 1, 3))
    silent[0, 0, 0] = 1
    assert geometry(silent).intra_mean == 0
