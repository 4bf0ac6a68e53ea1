"""Clustering against SciPy, and orders that put like beside like."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster import hierarchy
from scipy.spatial.distance import pdist

from tgsh.analysis import clustering
from tgsh.analysis.clustering import METHODS, cluster_order, dendrogram, linkage
from tgsh.analysis.similarity import SimilarityMatrix, similarity
from tgsh.rng import rng_for

VECTORS = rng_for(5, "vectors").standard_normal((9, 40)) + rng_for(5, "mean").standard_normal(40)


def _matrix(vectors: np.ndarray) -> SimilarityMatrix:
    return similarity(vectors, [str(i) for i in range(len(vectors))], range(len(vectors)))


def _ring(tasks: int) -> np.ndarray:
    angles = np.arange(tasks) * 2 * np.pi / tasks
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


@pytest.mark.parametrize("method", METHODS)
def test_linkage_is_scipys_on_cosine_distance(method: str) -> None:
    wanted = hierarchy.linkage(pdist(VECTORS, "cosine"), method)
    np.testing.assert_allclose(linkage(_matrix(VECTORS), method), wanted, atol=1e-12)


def test_order_is_scipys_optimal_one() -> None:
    wanted = hierarchy.linkage(pdist(VECTORS, "cosine"), "average", optimal_ordering=True)
    assert cluster_order(_matrix(VECTORS)) == hierarchy.leaves_list(wanted).tolist()


@pytest.mark.parametrize("limit", [1, 500])
def test_like_lies_beside_like(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clustering, "MOST_ORDERED", limit)
    groups = rng_for(6, "groups").permutation(np.repeat([0, 1, 2], 5))
    vectors = np.eye(3)[groups] + 0.01 * rng_for(6, "noise").standard_normal((15, 3))
    ordered = groups[cluster_order(_matrix(vectors))]
    assert np.count_nonzero(np.diff(ordered)) == 2


def test_a_ring_is_cut_once() -> None:
    shuffled = rng_for(7, "ring").permutation(12)
    order = shuffled[cluster_order(_matrix(_ring(12)[shuffled]))]
    steps = np.diff(order) % 12
    assert set(steps.tolist()) <= {1, 11}


@pytest.mark.parametrize("tasks", [0, 1, 2])
def test_few_tasks_have_an_order_too(tasks: int) -> None:
    matrix = _matrix(VECTORS[:tasks])
    assert sorted(cluster_order(matrix)) == list(range(tasks))
    assert linkage(matrix).shape == (max(tasks - 1, 0), 4)


def test_methods_that_need_coordinates_are_refused() -> None:
    with pytest.raises(ValueError, match="ward"):
        linkage(_matrix(VECTORS), "ward")


@pytest.mark.parametrize("method", METHODS)
def test_a_dendrogram_is_scipys(method: str) -> None:
    distances = pdist(VECTORS, "cosine")
    wanted = hierarchy.linkage(distances, method, optimal_ordering=True)
    tree = dendrogram(_matrix(VECTORS), method)
    np.testing.assert_allclose(tree.linkage, wanted, atol=1e-12)
    assert list(tree.leaves) == hierarchy.leaves_list(wanted).tolist()
    assert tree.cophenetic == pytest.approx(hierarchy.cophenet(wanted, distances)[0], abs=1e-12)
    assert not tree.linkage.flags.writeable


@pytest.mark.parametrize("vectors", [VECTORS[:0], VECTORS[:1], VECTORS[:2], np.eye(5)])
def test_where_a_correlation_is_not_defined_there_is_none(vectors: np.ndarray) -> None:
    tree = dendrogram(_matrix(vectors))
    assert tree.cophenetic is None
    assert sorted(tree.leaves) == list(range(len(vectors)))
