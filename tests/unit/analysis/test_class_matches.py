"""Matching of classes by their mean images, against all permutations."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from tgsh.analysis.class_matches import class_distances, nearest_classes, normalised_class_means
from tgsh.rng import rng_for


def brute_force(costs: np.ndarray) -> float:
    """The least cost of matching the fewer of rows and columns one to one."""
    costs = costs if costs.shape[0] <= costs.shape[1] else costs.T
    rows = range(len(costs))
    return min(sum(costs[row, column] for row, column in zip(rows, chosen, strict=True))
               for chosen in permutations(range(costs.shape[1]), len(costs)))  # fmt: skip


@pytest.mark.parametrize(("own", "other"), [(5, 5), (6, 3), (3, 6), (1, 4)])
@pytest.mark.parametrize("seed", range(3))
def test_no_permutation_costs_less(own: int, other: int, seed: int) -> None:
    rng = rng_for(seed, "means", own, other)
    reference, means = rng.standard_normal((own, 7)), rng.standard_normal((other, 7))
    costs = cdist(reference, means, "sqeuclidean")
    np.testing.assert_allclose(class_distances(reference, means), costs, atol=1e-12)
    places = nearest_classes(reference, means)
    matched = places >= 0
    assert matched.sum() == min(own, other) == len(set(places[matched].tolist()))
    assert costs[places[matched], np.flatnonzero(matched)].sum() == pytest.approx(brute_force(costs))


def test_contrast_does_not_decide() -> None:
    rng = rng_for(0, "contrast")
    images, labels = rng.integers(0, 200, (40, 12)).astype(np.uint8) // 10 * 10, np.arange(40) % 4
    plain = normalised_class_means(images, labels, 4, 1_000)
    fainter = normalised_class_means(images // 2 + 90, labels, 4, 1_000)
    np.testing.assert_allclose(fainter, plain, atol=1e-9)
    assert not np.allclose(normalised_class_means(images, labels, 4, 3), plain)
    pixels = images / 255
    wanted = np.array([pixels[labels == label].mean(axis=0) for label in range(4)])
    np.testing.assert_allclose(plain, (wanted - pixels.mean()) / pixels.std(), atol=1e-9)
