"""Clustering against SciPy, and orders that put like beside like."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest
from scipy.cluster import hierarchy
from scipy.spatial.distance import pdist, squareform

from tgsh.analysis import clustering
from tgsh.analysis.clustering import METHODS, cluster_order, dendrogram, linkage, newick
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


TOKEN = re.compile(r"'(?:[^']|'')*'|[(),:;]|[^(),:;']+")


def leaf_paths(text: str) -> dict[str, dict[int, float]]:
    """For every leaf the branches above it (by a number) with their lengths."""
    tokens = TOKEN.findall(text)
    assert "".join(tokens) == text, "a text with anything that is no token"
    position, branches = 0, iter(range(10**6))

    def length() -> float:
        nonlocal position
        if tokens[position] != ":":
            return 0.0
        position += 2
        return float(tokens[position - 1])

    def node() -> dict[str, dict[int, float]]:
        nonlocal position
        found: dict[str, dict[int, float]] = {}
        if tokens[position] == "(":
            while tokens[position] in "(,":
                position += 1
                found |= node()
            assert tokens[position] == ")"
            position += 1
        else:
            name = tokens[position]
            position += 1
            found[name[1:-1].replace("''", "'") if name.startswith("'") else name] = {}
        branch, far = next(branches), length()
        return {name: {**path, branch: far} for name, path in found.items()}

    read = node()
    assert tokens[position:] == [";"]
    return read


@pytest.mark.parametrize("method", METHODS)
def test_leaves_are_their_cophenetic_distance_apart(method: str) -> None:
    vectors = rng_for(3, "newick").standard_normal((9, 30))
    labels = [f"t{i}" for i in range(9)]
    tree = dendrogram(similarity(vectors, labels, range(9)), method)
    paths = leaf_paths(newick(tree))
    wanted = squareform(hierarchy.cophenet(tree.linkage))
    for one, other in combinations(range(9), 2):
        a, b = paths[labels[one]], paths[labels[other]]
        apart = sum((a | b)[branch] for branch in a.keys() ^ b.keys())
        assert apart == pytest.approx(wanted[one, other], abs=1e-12)


def test_labels_are_taken_literally() -> None:
    labels = ["0°", "it's (a; b), [c]:_", "plain-1.5", "", "two words", "''"]
    tree = dendrogram(similarity(np.eye(6), labels, range(6)))
    assert leaf_paths(newick(tree)).keys() == set(labels)
    assert "plain-1.5:" in newick(tree)


def test_a_label_stays_on_its_line() -> None:
    assert newick(dendrogram(similarity(np.eye(1), ["a\nb"], [0]))) == "'a b';"


@pytest.mark.parametrize(("tasks", "text"), [(0, ";"), (1, "t0;"), (2, "(t0:0.5,t1:0.5);")])
def test_few_tasks(tasks: int, text: str) -> None:
    labels = [f"t{i}" for i in range(tasks)]
    assert newick(dendrogram(similarity(np.eye(tasks), labels, range(tasks)))) == text


def test_a_deep_chain_is_no_recursion() -> None:
    angles = 1e-6 * np.arange(3000) ** 1.5
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    text = newick(dendrogram(similarity(vectors, [str(i) for i in range(3000)], range(3000)), "single"))
    assert text.count("(") == text.count(")") == 2999
