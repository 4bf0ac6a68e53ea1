"""Forgetting and forward transfer, by hand and by their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from tgsh.analysis.transfer import transfer

MATRIX = np.array([[0.9, 0.6, 0.1], [0.5, 0.8, 0.4], [0.2, 0.3, 0.7]])


def test_by_hand() -> None:
    found = transfer(np.array([0.9, 0.85, 0.9]), MATRIX, np.array([0.7, 0.1, 0.2]))
    np.testing.assert_allclose(found.forgetting, [0, 0.05, 0.2])
    assert found.mean_forgetting == pytest.approx(0.25 / 3)
    assert found.forward == pytest.approx(((0.6 - 0.1) + (0.4 - 0.2)) / 2)


def test_what_is_unchanged_is_forgotten_exactly_not_at_all() -> None:
    accuracies = np.random.default_rng(0).random((5, 5))
    found = transfer(np.diagonal(accuracies).copy(), accuracies, np.zeros(5))
    assert found.forgetting.tolist() == [0.0] * 5
    assert found.mean_forgetting == 0
    assert found.forward == pytest.approx(np.mean([accuracies[i - 1, i] for i in range(1, 5)]))


def test_one_task_transfers_nothing() -> None:
    found = transfer(np.array([0.5]), np.array([[0.25]]), np.array([0.1]))
    assert (found.forgetting.tolist(), found.forward) == ([0.25], None)


def test_its_values_are_frozen() -> None:
    found = transfer(np.array([0.5]), np.array([[0.25]]), np.array([0.1]))
    with pytest.raises(ValueError, match="read-only"):
        found.forgetting[0] = 1


@pytest.mark.parametrize(
    ("learned", "matrix", "untrained"), [(2, (3, 3), 3), (3, (3, 2), 3), (3, (3, 3), 2), (0, (0, 0), 0)]
)
def test_shapes_that_do_not_fit(learned: int, matrix: tuple[int, int], untrained: int) -> None:
    with pytest.raises(ValueError, match="do not fit together"):
        transfer(np.zeros(learned), np.zeros(matrix), np.zeros(untrained))
