"""Claims about accuracies, on numbers whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.documents import circle
from tgsh.reproduce.claims.accuracy import degrades_with_distance, mean_within, nothing_forgotten
from tgsh.reproduce.claims.base import NotMeasured


def test_the_mean_is_what_counts() -> None:
    found = mean_within([0.93, 0.96], 0.937, 0.950)
    assert (found.holds, found.summary) == (True, "0.945 (0.930–0.960)")
    assert not mean_within([0.93, 0.93], 0.937, 0.950).holds
    assert not mean_within([0.96, 0.96], 0.937, 0.950).holds
    assert mean_within([0.96, 0.96], 0.93).holds
    with pytest.raises(NotMeasured, match="no task"):
        mean_within([], 0.9)


def test_forgetting_must_be_exactly_zero() -> None:
    found = nothing_forgotten([0.0, 0.0], 0.25)
    assert found.holds
    assert found.summary == "exactly 0 for 2 of 2\nforward transfer +0.250"
    found = nothing_forgotten([0.0, -1e-4, 1e-5])
    assert (found.holds, found.measured["largest_forgetting"]) == (False, -1e-4)
    assert found.summary == "exactly 0 for 1 of 3"
    with pytest.raises(NotMeasured):
        nothing_forgotten([])


def test_accuracy_must_fall_with_the_distance_and_neighbours_be_the_best() -> None:
    falling = circle(12)
    found = degrades_with_distance(falling)
    assert (found.holds, found.measured["best_is_neighbour"]) == (True, 12)
    assert found.measured["mean_at_lag"]["1"] == pytest.approx(0.9 * np.exp(-1))
    assert found.measured["mean_at_lag"]["quarter"] == pytest.approx(0.9 * np.exp(-3))
    assert found.summary == "1.000 / 0.331 / 0.122 / 0.045, 12 of 12"
    other = falling.copy()
    other[9, 3] = 0.5  # the context of 9 serves task 3 best; that of 3 is no better for task 9
    assert degrades_with_distance(other).measured["best_is_neighbour"] == 11
    assert not degrades_with_distance(other).holds
    assert not degrades_with_distance(np.full((12, 12), 0.1)).holds, "chance is the same at every distance"
