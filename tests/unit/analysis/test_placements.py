"""Ranking, intervals, percentile and novelty, against SciPy, and on made cosines with known answers."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.spatial.distance
import scipy.stats

from tgsh.analysis.embedding import classical_mds
from tgsh.analysis.placements import (
    cosines_between,
    interpolated_parameter,
    interpolated_point,
    place,
    standard_error,
)
from tgsh.analysis.similarity import similarity

RNG = np.random.default_rng(0)
TASKS = np.array([[1.0, 0.8, 0.1, 0.0], [0.8, 1.0, 0.1, 0.1], [0.1, 0.1, 1.0, 0.7], [0.0, 0.1, 0.7, 1.0]])


def test_cosines_are_scipys_and_of_nothing_zero() -> None:
    one, other = RNG.normal(size=(3, 50)).astype(np.float32), RNG.normal(size=(600, 50)).astype(np.float32)
    expected = 1 - scipy.spatial.distance.cdist(one, other, "cosine")
    assert np.allclose(cosines_between(one, other), expected, atol=1e-12)
    assert cosines_between(np.zeros((1, 5), np.float32), np.ones((2, 5), np.float32)).tolist() == [[0.0, 0.0]]
    assert cosines_between(one, one)[0, 0] == pytest.approx(1.0)


def test_the_interval_is_students_where_draws_are_independent() -> None:
    cosines = RNG.normal(0.4, 0.05, (6, 4))
    found = place(cosines, np.zeros((0, 4)), np.zeros(0), TASKS, drawn=10, images=100_000)
    assert found.half_width is not None
    for task in range(4):
        mean, error = cosines[:, task].mean(), scipy.stats.sem(cosines[:, task])
        low, high = scipy.stats.t.interval(0.95, 5, mean, error)
        assert found.similarity[task] - found.half_width[task] == pytest.approx(low)
        assert found.similarity[task] + found.half_width[task] == pytest.approx(high)
    assert found.order.tolist() == np.argsort(-cosines.mean(axis=0)).tolist()


def test_overlapping_draws_are_less_certain_and_the_interval_holds_what_it_says() -> None:
    """Means of subsamples of 40 of 50 numbers: the interval of R of them holds the truth about so often."""
    held = 0
    for _ in range(400):
        sample = RNG.normal(0.0, 1.0, 50)
        draws = np.array([RNG.permutation(sample)[:40].mean() for _ in range(5)])
        error = float(standard_error(draws[:, None], 40, 50)[0])
        held += abs(draws.mean()) <= scipy.stats.t.ppf(0.975, 4) * error
    assert 0.88 <= held / 400 <= 0.99
    naive = np.array([1.0, 2.0, 3.0])[:, None]
    assert standard_error(naive, 40, 50)[0] == pytest.approx(2.0)
    assert standard_error(naive, 1, 10**9)[0] == pytest.approx(1 / np.sqrt(3))


def test_one_replicate_has_no_interval() -> None:
    found = place(np.full((1, 4), 0.5), np.zeros((0, 4)), np.zeros(0), TASKS, 5, 10)
    assert found.half_width is None


def ranked(best: float, dealt: float = 0.05, known: float = 0.5, ways: int = 19) -> object:
    cosines = np.tile([best, best / 2, 0.0, 0.0], (3, 1))
    return place(cosines, np.full((ways, 4), dealt), np.full(5, known), TASKS, 10, 100)


@pytest.mark.parametrize(
    ("best", "dealt", "known", "novel"),
    [
        (0.4, 0.05, 0.5, False),  # corrected 0.8
        (0.2, 0.05, 0.5, False),  # corrected 0.4, above half of 0.7
        (0.15, 0.05, 0.5, True),  # corrected 0.3
        (0.15, 0.05, 0.2, False),  # the same of fewer images: corrected 0.75
        (0.4, 0.45, 0.5, True),  # classes at random do better
        (0.4, 0.4, 0.5, True),  # or as well
    ],
)
def test_novel_by_the_rule_of_the_guide(best: float, dealt: float, known: float, novel: bool) -> None:
    found = ranked(best, dealt, known)
    assert found.novel is novel  # type: ignore[attr-defined]
    assert found.threshold == pytest.approx(0.35)  # type: ignore[attr-defined]
    assert found.corrected == pytest.approx(best / known)  # type: ignore[attr-defined]


def test_percentile_is_of_pairs_of_tasks() -> None:
    found = ranked(0.375)
    assert found.percentile == pytest.approx(10 / 12)  # type: ignore[attr-defined] # all but 0.8, both ways
    assert found.p == pytest.approx(1 / 20)  # type: ignore[attr-defined]


def test_what_cannot_be_known_is_not_said() -> None:
    few = ranked(0.4, ways=18)
    assert few.p is None  # type: ignore[attr-defined]
    alone = place(np.full((2, 1), 0.3), np.zeros((0, 1)), np.full(2, 0.5), np.ones((1, 1)), 5, 10)
    assert (alone.novel, alone.percentile, alone.threshold) == (None, None, None)
    unlearned = place(np.full((2, 4), 0.3), np.zeros((0, 4)), np.zeros(2), TASKS, 5, 10)
    assert (unlearned.expected, unlearned.corrected, unlearned.novel) == (0.0, None, None)


def test_a_permutation_test_errs_as_often_as_it_says() -> None:
    """Where the true way is one of equals, it is the best 1 time in 20."""
    known = [ranked_at_random() for _ in range(600)]
    assert 0.02 <= sum(p is not None and p <= 0.05 for p in known) / 600 <= 0.09


def ranked_at_random() -> float | None:
    ways = RNG.normal(0, 0.1, (20, 4))
    return place(ways[:1], ways[1:], np.zeros(0), TASKS, 5, 10).p


def test_a_point_of_the_map_falls_on_itself() -> None:
    vectors = RNG.normal(size=(6, 5)).astype(np.float32)
    matrix = similarity(vectors, list("abcdef"), list(range(6)))
    points = classical_mds(matrix, 5).points
    for task in range(6):
        found = interpolated_point(points, matrix.values, matrix.values[task])
        assert np.allclose(found, points[task], atol=1e-8)
    flat = classical_mds(similarity(np.ones((3, 4)), list("abc"), [0, 1, 2]), 2).points
    assert interpolated_point(flat, np.ones((3, 3)), np.ones(3)).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("true", [3.0, 47.0, 180.0, 356.0])
def test_an_angle_between_tasks_is_found_round_the_circle(true: float) -> None:
    angles = np.arange(0, 360, 10.0)
    away = (angles - true + 180) % 360 - 180
    found = interpolated_parameter(angles, np.exp(-((away / 25) ** 2)), 360.0)
    assert found is not None
    assert abs((found - true + 180) % 360 - 180) < 1.0


def test_at_the_end_of_a_scale_there_is_nothing_to_interpolate() -> None:
    values = np.array([0.9, 0.5, 0.1])
    assert interpolated_parameter(np.array([0.0, 1.0, 2.0]), values, None) is None
    assert interpolated_parameter(np.array([0.0, 1.0, 2.0]), values[[1, 0, 1]], None) == pytest.approx(1.0)
