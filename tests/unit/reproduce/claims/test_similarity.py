"""Claims about matrices, on matrices whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.documents import circle, similarity, trajectories, tree
from tgsh.reproduce.claims.base import NotMeasured
from tgsh.reproduce.claims.similarity import (
    adjacent,
    every_second,
    half_turn,
    joins_last,
    near_zero,
    nearer,
    negative_to_all,
    one_cluster,
    sign_changes,
)


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


def paper() -> np.ndarray:
    """As the paper has it: {T1, T4, T5, T6} together, T7 against all, least against T1."""
    values = np.full((8, 8), 0.2)
    for one in (0, 3, 4, 5):
        for other in (0, 3, 4, 5):
            values[one, other] = 0.6
    values[6, :] = values[:, 6] = -0.2
    values[6, 0] = values[0, 6] = -0.1
    np.fill_diagonal(values, 1)
    return values


def changed(one: int, other: int, value: float) -> np.ndarray:
    values = paper()
    values[one, other] = values[other, one] = value
    return values


def test_the_paper_holds() -> None:
    matrix, joined = similarity(paper()), tree(paper())
    findings = (one_cluster(joined), joins_last(joined), nearer(matrix), negative_to_all(matrix))
    assert all(finding.holds for finding in findings)
    assert findings[0].measured["smallest_group_with_them"] == [0, 3, 4, 5]
    assert findings[1].summary == "T7"
    assert findings[2].summary == "−0.10 and −0.20"
    assert findings[3].summary == "negative to 7 of 7 (−0.20 to −0.10)"


def test_a_stranger_inside_is_no_cluster() -> None:
    found = one_cluster(tree(changed(0, 7, 0.9)))  # T8 joins T1 before the others do
    assert not found.holds
    assert found.summary == "they are joined as T1, T4, T5, T6, T8"


def test_another_task_joins_last() -> None:
    values = paper()
    values[2, :] = values[:, 2] = -0.9
    values[2, 2] = 1
    found = joins_last(tree(values))
    assert (found.holds, found.measured["last_to_join"]) == (False, [2])


def test_a_pair_that_joins_last_is_not_t7_alone() -> None:
    found = joins_last(tree(changed(6, 7, 0.9)))
    assert (found.holds, found.summary) == (False, "T7, T8")


def test_nearer_to_the_flip() -> None:
    assert not nearer(similarity(changed(6, 1, 0.0))).holds


def test_one_positive_similarity_is_enough() -> None:
    found = negative_to_all(similarity(changed(6, 4, 0.01)))
    assert (found.holds, found.measured["T5"]) == (False, 0.01)
    assert found.summary.startswith("negative to 6 of 7")
    assert negative_to_all(similarity(changed(6, 4, 0.0))).holds is False


def test_the_course_is_read_after_the_epochs_named() -> None:
    values: list[float | None] = [0.5, -0.26, 0.01, 0.15, 0.2, 0.3]
    found = sign_changes(trajectories(values), (1, 2, 5))
    assert found.holds
    assert found.measured["similarity_after_epoch"] == {"1": -0.26, "2": 0.01, "5": 0.3}
    assert found.summary == "−0.26, 0.01, 0.30"
    assert not sign_changes(trajectories(values), (2, 5)).holds, "positive from the start"
    assert not sign_changes(trajectories([0, -0.2, -0.001]), (1, 2)).holds
    for short in ([0.5, -0.26], [0.5, -0.26, None]):
        with pytest.raises(NotMeasured, match="ends before epoch 2"):
            sign_changes(trajectories(short), (1, 2))
