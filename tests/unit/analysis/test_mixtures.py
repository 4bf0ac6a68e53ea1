"""The best mix of contexts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax

from tgsh.analysis.mixtures import fit_mixture, halves, mixed_classes, score

TASKS, CLASSES = 5, 4


def problem(images: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels drawn by the softmax of 0.7 of the first context and 0.3 of the third."""
    rng = np.random.default_rng(0)
    logits = 4 * rng.standard_normal((images, TASKS, CLASSES))
    p = np.exp(log_softmax(0.7 * logits[:, 0] + 0.3 * logits[:, 2], axis=1))
    return logits, np.array([rng.choice(CLASSES, p=row) for row in p])


def loss(weights: np.ndarray, logits: np.ndarray, labels: np.ndarray) -> float:
    mixed = np.einsum("t,ntk->nk", weights, logits)
    return float(-log_softmax(mixed, axis=1)[np.arange(len(labels)), labels].mean())


def test_weights_agree_with_scipy() -> None:
    logits, labels = problem()
    found = fit_mixture(logits, labels, TASKS)
    by_scipy = minimize(
        loss,
        np.full(TASKS, 1 / TASKS),
        (logits, labels),
        method="SLSQP",
        bounds=[(0, 1)] * TASKS,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1},
        options={"ftol": 1e-10},
    )
    weights = np.zeros(TASKS)
    weights[list(found.rows)] = found.weights
    assert found.loss == pytest.approx(by_scipy.fun, abs=1e-4)
    np.testing.assert_allclose(weights, by_scipy.x, atol=0.02)


def test_two_contexts_that_made_the_labels_are_found() -> None:
    found = fit_mixture(*problem(2_000), 2)
    assert found.rows == (0, 2)
    np.testing.assert_allclose(found.weights, [0.7, 0.3], atol=0.08)
    assert found.weights.sum() == pytest.approx(1)


def test_one_context_is_the_heaviest() -> None:
    logits, labels = problem()
    found = fit_mixture(logits, labels, 1)
    assert (found.rows, found.weights.tolist()) == ((0,), [1.0])
    assert found.loss == pytest.approx(loss(np.eye(TASKS)[0], logits, labels))
    np.testing.assert_array_equal(mixed_classes(logits, found), logits[:, 0].argmax(axis=1))


def test_nothing_to_mix() -> None:
    logits, labels = problem()
    with pytest.raises(ValueError, match="make no mix"):
        fit_mixture(logits[:0], labels[:0], 2)
    with pytest.raises(ValueError, match="make no mix"):
        fit_mixture(logits, labels, 0)


def test_intervals_of_accuracy() -> None:
    some = score(np.arange(100) < 80, seed=0)
    assert some.accuracy == 0.8
    assert some.low == pytest.approx(0.72, abs=0.02)
    assert some.high == pytest.approx(0.88, abs=0.02)
    all_right = score(np.ones(20, bool), seed=0)
    assert (all_right.accuracy, all_right.high) == (1, 1)
    assert all_right.low == pytest.approx(0.8316, abs=1e-3)  # Clopper and Pearson's
    assert score(np.zeros(20, bool), seed=0).high == pytest.approx(1 - 0.8316, abs=1e-3)


def test_halves_share_every_class() -> None:
    labels = np.repeat([0, 1, 2, 3], [10, 7, 2, 1])
    first, second = halves(labels, seed=3)
    assert sorted([*first, *second]) == list(range(20))
    assert set(labels[first]) == {0, 1, 2, 3}
    assert set(labels[second]) == {0, 1, 2}
    assert abs(len(first) - len(second)) <= 2
    np.testing.assert_array_equal(first, halves(labels, seed=3)[0])
    assert not np.array_equal(first, halves(labels, seed=4)[0])
