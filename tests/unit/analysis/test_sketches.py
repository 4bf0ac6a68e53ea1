"""Sketches keep angles; the best are found exactly, with ties in their order."""

from __future__ import annotations

import numpy as np
import pytest

from tgsh.analysis.sketches import best, estimates, most_alike, projection, sketches, spread_evenly

H, K = 3_000, 1_024


def vectors(count: int, seed: int = 0, width: int = H) -> np.ndarray:
    """Contexts that share a part, so that their cosines are from 0 to 1: float32 [count, width]."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal(width)
    found = np.linspace(0, 3, count)[:, None] * shared + rng.standard_normal((count, width))
    return np.asarray(found, np.float32)


def cosine_matrix(rows: np.ndarray) -> np.ndarray:
    exact = rows.astype(np.float64)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    return np.asarray(exact @ exact.T)


def test_the_cosine_of_sketches_is_that_of_the_vectors_with_the_deviation_that_is_promised() -> None:
    rows = vectors(60)
    made = sketches(rows)
    assert (made.shape, made.dtype) == ((60, K), np.dtype(np.float32))
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)
    pairs = np.triu_indices(60, 1)
    exact = cosine_matrix(rows)[pairs]
    errors = ((made @ made.T)[pairs] - exact) / ((1 - exact**2) / np.sqrt(K))
    assert 0.7 < errors.std() < 1.3
    assert np.abs(errors).max() < 6


def test_the_same_vector_has_the_same_sketch_in_any_company() -> None:
    rows = vectors(9)
    np.testing.assert_allclose(sketches(rows)[4], sketches(rows[4:5])[0], atol=1e-6)
    assert projection(H) is projection(H)


def test_short_vectors_are_their_own_sketches() -> None:
    rows = vectors(5, width=K)
    np.testing.assert_allclose(sketches(rows) @ sketches(rows).T, cosine_matrix(rows), atol=1e-5)


def test_zeros_stay_zeros_and_what_is_not_finite_is_refused() -> None:
    rows = vectors(3)
    rows[1] = 0
    assert not sketches(rows)[1].any()
    for number in (np.nan, np.inf):
        rows[2, 5] = number
        with pytest.raises(ValueError, match="not finite"):
            sketches(rows)


def test_most_alike_is_an_exact_search() -> None:
    rows = vectors(300)
    found, values = most_alike(rows, rows[40], 12)
    exact = cosine_matrix(rows)[40]
    assert found.tolist() == np.argsort(-exact, kind="stable")[:12].tolist()
    np.testing.assert_allclose(values, exact[found], atol=1e-12)
    everything, _ = most_alike(rows[:4], rows[0], 99)
    assert sorted(everything.tolist()) == [0, 1, 2, 3]


def test_equals_come_in_their_order() -> None:
    assert best(np.array([1.0, 3, 2, 3, 3]), 2).tolist() == [1, 3]
    assert best(np.array([1.0, 3, 2, 3, 3]), 4).tolist() == [1, 3, 4, 2]
    assert best(np.array([2.0, 1]), 9).tolist() == [0, 1]
    assert best(np.zeros(0), 3).tolist() == []
    rows = np.repeat(vectors(2), 5, axis=0)
    assert most_alike(rows, rows[0], 5)[0].tolist() == [0, 1, 2, 3, 4]


def test_estimates_are_of_all_parts() -> None:
    made = sketches(vectors(20))
    found = estimates((made[:3], made[3:4], made[4:]), made[7], 20)
    np.testing.assert_allclose(found, made @ made[7], atol=1e-6)


def test_evenly_spread_places() -> None:
    assert list(spread_evenly(3, 5)) == [0, 1, 2]
    assert list(spread_evenly(10, 4)) == [0, 2, 5, 7]
