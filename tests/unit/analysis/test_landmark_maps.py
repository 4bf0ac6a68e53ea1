"""Maps of many tasks against classical MDS, scikit-learn, and a plane that is known."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest
from sklearn.decomposition import PCA

from tgsh.analysis import landmark_maps
from tgsh.analysis.embedding import classical_mds
from tgsh.analysis.landmark_maps import task_plane
from tgsh.analysis.similarity import similarity
from tgsh.errors import MachineProblem


def directions(count: int, width: int = 40) -> np.ndarray:
    rng = np.random.default_rng(0)
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1) @ rng.standard_normal((2, width))
    rows += 0.3 * rng.standard_normal(rows.shape)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def test_few_tasks_lie_as_classical_mds_puts_them() -> None:
    rows = directions(60)
    expected = classical_mds(similarity(rows, [""] * 60, range(60)), 2)
    found = task_plane(rows, "mds")
    np.testing.assert_allclose(found.points, expected.points, atol=1e-9)
    np.testing.assert_allclose(found.explained, expected.explained, atol=1e-9)
    assert found.stress == pytest.approx(expected.stress)
    assert found.landmarks == 60


def test_others_are_placed_by_their_distances_to_landmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Landmarks lie as without the others; and the others near where they would lie as landmarks."""
    rows = directions(300)
    every = task_plane(rows, "mds").points
    monkeypatch.setattr(landmark_maps, "LANDMARKS", 60)
    found = task_plane(rows, "mds")
    alone = task_plane(rows[::5], "mds")
    assert found.landmarks == 60
    assert found.stress == pytest.approx(alone.stress)
    signs = np.sign((found.points[::5] * alone.points).sum(axis=0))
    np.testing.assert_allclose(found.points[::5] * signs, alone.points, atol=1e-9)
    # the same plane up to rotation: Procrustes leaves little
    u, singular, v = np.linalg.svd(found.points.T @ every)
    scale = singular.sum() / (found.points**2).sum()
    left = np.linalg.norm(found.points @ (u @ v) * scale - every) / np.linalg.norm(every)
    assert left < 0.15


@pytest.mark.parametrize("count", [30, 200])
def test_pca_is_that_of_scikit_learn(count: int) -> None:
    rows = directions(count)
    oracle = PCA(2, svd_solver="full").fit(rows)
    found = task_plane(rows, "pca")
    np.testing.assert_allclose(np.abs(found.points), np.abs(oracle.transform(rows)), atol=1e-8)
    np.testing.assert_allclose(found.explained, oracle.explained_variance_ratio_, atol=1e-9)


@pytest.mark.parametrize("method", ["mds", "pca"])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_hardly_any_task(method: str, count: int) -> None:
    found = task_plane(directions(5)[:count], method)  # type: ignore[arg-type]
    assert found.points.shape == (count, 2)
    assert np.isfinite(found.points).all()
    assert len(found.explained) == 2


def test_equal_tasks_lie_in_one_place() -> None:
    found = task_plane(np.repeat(directions(1), 4, axis=0), "mds")
    assert np.abs(found.points).max() < 1e-6
    assert found.stress == 0


@pytest.mark.skipif(find_spec("umap") is not None, reason="UMAP is installed")
def test_umap_names_its_package() -> None:
    with pytest.raises(MachineProblem, match="pip install umap-learn"):
        task_plane(directions(5), "umap")
