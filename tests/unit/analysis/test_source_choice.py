"""Sources that similarity chooses, and accuracies to expect of them."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from tgsh.analysis.source_choice import source_choices


def circle(tasks: int, noise: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Similarities of points on a circle, and accuracies that follow from them, but for noise."""
    rng = np.random.default_rng(seed)
    angles = 2 * np.pi * np.arange(tasks) / tasks
    similarity = np.exp(np.cos(angles[:, None] - angles) - 1) + 1e-4 * rng.standard_normal((tasks, tasks))
    similarity = (similarity + similarity.T) / 2
    accuracy = np.clip(0.1 + 0.85 * similarity**2 + noise * rng.standard_normal((tasks, tasks)), 0, 1)
    return similarity, accuracy


def test_correlations_are_those_of_ordered_pairs() -> None:
    similarity, accuracy = circle(8, noise=0.05)
    found = source_choices(similarity, accuracy)
    off = ~np.eye(8, dtype=bool)
    assert found.pearson == pytest.approx(scipy.stats.pearsonr(similarity[off], accuracy[off]).statistic)
    assert found.spearman == pytest.approx(scipy.stats.spearmanr(similarity[off], accuracy[off]).statistic)
    assert found.mantel is not None
    above = np.triu_indices(8, 1)
    both = ((accuracy + accuracy.T) / 2)[above]
    assert found.mantel.statistic == pytest.approx(scipy.stats.pearsonr(similarity[above], both).statistic)
    assert found.mantel.p_value < 0.01


def test_choices_never_take_the_task_itself() -> None:
    similarity, accuracy = circle(6, noise=0.02)
    for choice in source_choices(similarity, accuracy).choices:
        others = [task for task in range(6) if task != choice.task]
        assert choice.chosen == max(others, key=lambda other: similarity[other, choice.task])
        assert choice.best == max(others, key=lambda other: accuracy[other, choice.task])
        assert choice.accuracy == accuracy[choice.chosen, choice.task] <= choice.best_accuracy
        assert choice.random_accuracy == pytest.approx(np.mean(accuracy[others, choice.task]))
        assert choice.own_accuracy == accuracy[choice.task, choice.task]


def test_predictions_cover_as_often_as_they_say() -> None:
    found = source_choices(*circle(24, noise=0.03))
    assert found.fit is not None
    assert 0.88 < found.fit.coverage <= 0.99
    expected, low, high = found.fit.predict(0.9)
    assert low < expected < high
    assert expected == pytest.approx(0.1 + 0.85 * 0.81, abs=0.05)
    assert high - low == pytest.approx(2 * 1.96 * 0.03, rel=0.4)
    np.testing.assert_array_less(-1e-12, np.diff(found.fit.fitted))


def test_a_task_is_not_in_the_fit_that_predicts_it() -> None:
    similarity, accuracy = circle(10)
    before = source_choices(similarity, accuracy).choices[3]
    accuracy[:, 3] = 0.01  # as nobody could have expected
    after = source_choices(similarity, accuracy).choices[3]
    assert after.accuracy == 0.01
    assert after.expected == pytest.approx(before.expected)


def test_similarity_without_meaning_predicts_nothing() -> None:
    rng = np.random.default_rng(1)
    similarity = rng.random((12, 12))
    found = source_choices((similarity + similarity.T) / 2, rng.random((12, 12)))
    assert abs(found.pearson or 0) < 0.25
    assert found.fit is not None
    _, low, high = found.fit.predict(0.5)
    assert high - low > 0.7


def test_few_tasks_and_constants() -> None:
    two = source_choices(np.array([[1, 0.5], [0.5, 1]]), np.array([[0.9, 0.6], [0.7, 0.9]]))
    assert (two.mantel, two.fit, two.pearson) == (None, None, None)
    assert [choice.chosen for choice in two.choices] == [1, 0]
    assert two.choices[0].expected is None
    constant = source_choices(np.full((6, 6), 0.5), circle(6)[1])
    assert (constant.pearson, constant.spearman, constant.mantel) == (None, None, None)
    assert constant.fit is not None


def test_bad_matrices() -> None:
    similarity, accuracy = circle(6)
    for one, other in (
        (similarity[:1, :1], accuracy[:1, :1]),
        (similarity, accuracy[:5, :5]),
        (np.where(np.eye(6), np.nan, similarity), accuracy),
    ):
        with pytest.raises(ValueError, match=r"matrices of two|not finite"):
            source_choices(one, other)
