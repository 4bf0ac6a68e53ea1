"""Claims about matrices, on matrices whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.documents import circle, similarity
from tgsh.reproduce.claims.base import NotMeasured
from tgsh.reproduce.claims.similarity import adjacent, every_second, half_turn, near_zero


def test_adjacent_counts_around_the_closed_circle() -> None:
    found = adjacent(similarity(circle(12)))
    assert (found.holds, found.measured) == (True, {"neighbours": 12, "tasks": 12})
    other = circle(12)
    other[3, 9] = other[9, 3] = 0.95
    found = adjacent(similarity(other))
    assert (found.holds, found.measured["neighbours"], found.summary) == (False, 10, "10 of 12")


def test_an_open_line_is_no_circle() -> None:
    values = circle(12)
    values[0, 11] = values[11, 0] = -1  # its ends still have a neighbour on the other side
    assert adjacent(similarity(values)).holds
    values[0, 1] = values[1, 0] = -1  # now the first has none
    assert adjacent(similarity(values)).measured["neighbours"] == 11


@pytest.mark.parametrize(("value", "holds"), [(0.049, True), (-0.049, True), (0.05, False), (-0.06, False)])
def test_near_zero_looks_at_magnitudes_off_the_diagonal(value: float, holds: bool) -> None:
    values = np.eye(5)
    values[1, 4] = values[4, 1] = value
    found = near_zero(similarity(values))
    assert found.holds is holds
    assert found.measured["largest"] == pytest.approx(abs(value))
    assert found.measured["root_mean_square"] == pytest.approx(abs(value) / np.sqrt(10))


def test_half_turn_compares_the_lags_of_a_half_and_a_quarter() -> None:
    flat, bump = half_turn(similarity(circle(36))), half_turn(similarity(circle(36, bump=0.2)))
    assert (flat.holds, bump.holds) == (False, True)
    means = bump.measured["mean_at_lag"]
    assert list(means) == ["1", "2", "9", "18"]
    assert means["9"] == pytest.approx(0.9 * np.exp(-3))
    assert means["18"] == pytest.approx(0.9 * np.exp(-6) + 0.2)
    assert bump.summary.count(" / ") == 3


def test_half_turn_does_not_take_chance_for_a_difference() -> None:
    values = np.eye(36)
    rows = np.arange(36)
    values[rows, (rows + 9) % 36] = values[(rows + 9) % 36, rows] = np.tile([-0.1, 0.1], 18)
    values[rows, (rows + 18) % 36] = np.tile(np.tile([-0.1, 0.12], 9), 2)
    found = half_turn(similarity(values))
    assert found.measured["mean_at_lag"]["18"] == pytest.approx(0.01)
    assert found.measured["standard_error"] == pytest.approx(0.031, abs=0.002)
    assert not found.holds


def test_every_second_task_is_compared_off_the_diagonal() -> None:
    fine = similarity(circle(28, seed=0, noise=0.001))
    alike = every_second(fine, similarity(circle(14, seed=1, noise=0.001)))
    assert alike.holds
    assert alike.measured["correlation"] > 0.99
    other = every_second(fine, similarity(circle(14, seed=1, noise=0.5)))
    assert not other.holds, "the diagonals alone would correlate"
    assert other.measured["largest_difference"] > 0.3
    with pytest.raises(NotMeasured, match="13 tasks are not half of 28"):
        every_second(fine, similarity(circle(13)))
