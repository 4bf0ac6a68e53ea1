"""Embeddings against scikit-learn and against the equations, and what few or odd tasks make of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from sklearn.decomposition import PCA
from sklearn.manifold import ClassicalMDS

from tgsh.analysis.embedding import TaskMap, classical_mds, pca
from tgsh.analysis.similarity import SimilarityMatrix, similarity
from tgsh.rng import rng_for

VECTORS = (rng_for(8, "vectors").standard_normal((12, 40)) + rng_for(8, "mean").standard_normal(40)).astype(
    np.float32
)


def _matrix(vectors: np.ndarray) -> SimilarityMatrix:
    return similarity(vectors, [str(i) for i in range(len(vectors))], range(len(vectors)))


def _pca(vectors: np.ndarray, dimensions: int) -> TaskMap:
    return pca(vectors, [str(i) for i in range(len(vectors))], range(len(vectors)), dimensions)


def _same_signs(points: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    return wanted * np.sign((points * wanted).sum(axis=0))


@pytest.mark.parametrize("dimensions", [2, 3])
def test_pca_is_scikit_learns(dimensions: int) -> None:
    oracle = PCA(dimensions, svd_solver="full")
    wanted = oracle.fit_transform(VECTORS.astype(np.float64))
    found = _pca(VECTORS, dimensions)
    np.testing.assert_allclose(found.points, _same_signs(found.points, wanted), atol=1e-9)
    np.testing.assert_allclose(found.explained, oracle.explained_variance_ratio_, atol=1e-12)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_mds_is_scikit_learns(dimensions: int) -> None:
    matrix = _matrix(VECTORS)
    oracle = ClassicalMDS(n_components=dimensions, metric="precomputed")
    wanted = oracle.fit_transform(1 - matrix.values)
    found = classical_mds(matrix, dimensions)
    np.testing.assert_allclose(found.points, _same_signs(found.points, wanted), atol=1e-9)


def test_what_is_told_about_mds_follows_from_its_equation() -> None:
    matrix = _matrix(VECTORS[:, :3])  # of low rank: 1 − cosine is far from Euclidean there
    distances = 1 - matrix.values
    J = np.eye(12) - 1 / 12
    values = np.linalg.eigvalsh(-0.5 * J @ (distances**2) @ J)
    found = classical_mds(matrix, 2)
    above = values[values > 0]
    np.testing.assert_allclose(found.explained, values[::-1][:2] / above.sum(), atol=1e-9)
    assert found.positive == pytest.approx(above.sum() / np.abs(values).sum(), abs=1e-9)
    assert found.positive < 0.999
    true, drawn = squareform(distances, checks=False), pdist(found.points)
    assert found.stress == pytest.approx(np.sqrt(((drawn - true) ** 2).sum() / (true**2).sum()))


def test_distances_that_fit_are_shown_exactly() -> None:
    found = classical_mds(
        SimilarityMatrix(1 - 0.1 * (1 - np.eye(4)), tuple("abcd"), (0, 1, 2, 3), "cosine"), 3
    )
    np.testing.assert_allclose(pdist(found.points), 0.1)
    assert (found.stress, found.positive) == (pytest.approx(0, abs=1e-9), pytest.approx(1))
    flat = np.column_stack([VECTORS[:, :2], np.zeros((12, 5))])
    assert _pca(flat, 2).stress == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("embed", [lambda v: classical_mds(_matrix(v), 3), lambda v: _pca(v, 3)])
def test_signs_are_fixed(embed: Callable[[np.ndarray], TaskMap]) -> None:
    points = embed(VECTORS).points
    assert (points[np.abs(points).argmax(axis=0), range(3)] > 0).all()
    np.testing.assert_array_equal(points, embed(VECTORS.copy()).points)
    for scale in (1, 3, 1e-3):  # two tasks lie equally far out: the first of them is the positive one
        two = embed(np.float32(scale) * VECTORS[:2]).points
        assert two[0, 0] > 0 > two[1, 0]


@pytest.mark.parametrize("tasks", [0, 1, 2])
def test_few_tasks_lack_axes(tasks: int) -> None:
    for found in (classical_mds(_matrix(VECTORS[:tasks]), 3), _pca(VECTORS[:tasks], 3)):
        assert found.points.shape == (tasks, 3)
        np.testing.assert_allclose(found.points[:, 1:], 0, atol=1e-6)
        assert sum(found.explained) == pytest.approx(1 if tasks == 2 else 0)
        assert found.stress == pytest.approx(0, abs=1e-6)
        assert np.isfinite(found.positive)


def test_equal_tasks_are_one_point() -> None:
    same = np.repeat(VECTORS[:1], 5, axis=0)
    for found in (classical_mds(_matrix(same), 2), _pca(same, 2)):
        np.testing.assert_allclose(found.points, 0, atol=1e-6)


def test_no_vectors_at_all() -> None:
    assert _pca(np.zeros((0, 0), np.float32), 2).points.shape == (0, 2)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: pca(VECTORS, ["a"], range(12), 2),
        lambda: pca(VECTORS[0], ["a"], [0], 2),
        lambda: _pca(np.full((2, 3), np.nan), 2),
    ],
)
def test_what_does_not_fit_is_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        wrong()
