"""Mantel's test against all orders of the tasks, by brute force, and against what chance makes of it."""

from __future__ import annotations

import itertools
from typing import get_args

import numpy as np
import pytest
from scipy import stats

from tgsh.analysis import reconstruction
from tgsh.analysis.comparison import Alternative, agreement, alignable, aligned, correlated, row_similarities
from tgsh.analysis.similarity import SimilarityMatrix, similarity
from tgsh.analysis.transfer import transfer

SEED = 5


def matrix_of(rng: np.random.Generator, tasks: int) -> np.ndarray:
    return similarity(rng.standard_normal((tasks, 6)), [""] * tasks, range(tasks)).values


def brute_force(one: np.ndarray, other: np.ndarray, alternative: Alternative) -> float:
    """The share of all orders, the given one among them, that are as extreme."""
    above = np.triu_indices(len(one), 1)
    orders = [list(order) for order in itertools.permutations(range(len(one)))]
    found = [np.corrcoef(one[above], other[np.ix_(order, order)][above])[0, 1] for order in orders]
    greater = float(np.mean([value >= found[0] - 1e-12 for value in found]))
    less = float(np.mean([value <= found[0] + 1e-12 for value in found]))
    return {"greater": greater, "less": less, "two-sided": min(1.0, 2 * min(greater, less))}[alternative]


@pytest.mark.parametrize("alternative", get_args(Alternative))
@pytest.mark.parametrize("tasks", [3, 4, 5])
def test_few_tasks_are_tested_exactly(tasks: int, alternative: Alternative) -> None:
    rng = np.random.default_rng(tasks)
    seen = set()
    for _ in range(8):
        one, other = matrix_of(rng, tasks), matrix_of(rng, tasks)
        found = agreement(one, other, 999, alternative, SEED).mantel
        assert found is not None
        assert found.p_value == pytest.approx(brute_force(one, other, alternative))
        assert found.permutations == [5, 23, 119][tasks - 3]
        count = found.p_value * (1 + found.permutations) - 1  # the formula that the API states
        if alternative != "two-sided":
            assert count == pytest.approx(round(count))
        seen.add(found.p_value)
    assert len(seen) > 1


def test_many_are_sampled_near_what_all_orders_say_and_by_the_seed_alone() -> None:
    rng = np.random.default_rng(1)
    one, other = matrix_of(rng, 6), matrix_of(rng, 6)
    found = [agreement(one, other, 700, "greater", seed).mantel for seed in range(4)]
    assert found[0] == agreement(one, other, 700, "greater", 0).mantel
    p_values = [each.p_value for each in found if each is not None]
    assert len(set(p_values)) > 1
    assert np.mean(p_values) == pytest.approx(brute_force(one, other, "greater"), abs=0.04)
    assert all((p * 701) == pytest.approx(round(p * 701)) for p in p_values)


def test_correlations_are_scipys_of_the_entries_above_the_diagonal() -> None:
    rng = np.random.default_rng(2)
    one, other = matrix_of(rng, 9), matrix_of(rng, 9)
    above = np.triu_indices(9, 1)
    found = agreement(one, other, 99, "greater", SEED)
    assert found.pearson == pytest.approx(stats.pearsonr(one[above], other[above]).statistic)
    assert found.spearman == pytest.approx(stats.spearmanr(one[above], other[above]).statistic)
    assert found.mantel is not None
    assert found.mantel.statistic == pytest.approx(found.pearson)


def test_p_values_of_unrelated_matrices_are_uniform_and_of_alike_ones_small() -> None:
    rng = np.random.default_rng(3)
    p_values = []
    for _ in range(200):
        found = agreement(matrix_of(rng, 12), matrix_of(rng, 12), 99, "greater", int(rng.integers(2**31)))
        assert found.mantel is not None
        p_values.append(found.mantel.p_value)
    # One that is a hundredth too small or too large at random: otherwise ties would hurt the test.
    assert stats.kstest(np.array(p_values) - rng.random(200) / 100, "uniform").pvalue > 0.01
    one = matrix_of(rng, 12)
    noisy = one + np.abs(one).mean() * 0.1 * matrix_of(rng, 12)
    alike = agreement(one, noisy, 999, "greater", SEED).mantel
    assert alike is not None
    assert alike.p_value == 1 / 1000


def test_shuffled_tasks_are_no_agreement_and_constant_matrices_have_none() -> None:
    rng = np.random.default_rng(4)
    one = matrix_of(rng, 20)
    order = rng.permutation(20)
    shuffled = agreement(one, one[np.ix_(order, order)], 199, "greater", SEED)
    assert shuffled.pearson is not None
    assert abs(shuffled.pearson) < 0.5
    same = agreement(one, one, 199, "less", SEED)
    assert (same.pearson, same.spearman) == (pytest.approx(1), pytest.approx(1))
    assert same.mantel is not None
    assert same.mantel.p_value == 1.0
    constant = agreement(one, np.eye(20), 199, "greater", SEED)
    assert (constant.pearson, constant.spearman, constant.mantel) == (None, None, None)
    for other in (one[:19, :19], one[:, :19]):
        with pytest.raises(ValueError, match="not matrices"):
            agreement(one, other, 99, "greater", SEED)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_not_finite_is_refused(value: float) -> None:
    one, other = np.eye(4), np.eye(4)
    other[1, 2] = other[2, 1] = value
    for pair in ((one, other), (other, one)):
        with pytest.raises(ValueError, match="not finite"):
            agreement(*pair, 99, "greater", SEED)
        with pytest.raises(ValueError, match="not finite"):
            row_similarities(*pair, "cosine")
    with pytest.raises(ValueError, match="not finite"):
        SimilarityMatrix(other, ("",) * 4, tuple(range(4)), "cosine")
    with pytest.raises(ValueError, match="not finite"):
        reconstruction.agreement(other[None], one[None])
    with pytest.raises(ValueError, match="not finite"):
        transfer(np.zeros(4), other, np.zeros(4))


def test_tasks_are_aligned_by_name_in_the_first_ones_order() -> None:
    common, places = aligned([["a", "b", "c", "b"], ["b", "x", "b", "c", "b"]])
    assert common == ["b", "c", "b"]
    assert places == [[1, 2, 3], [0, 3, 2]]
    assert aligned([["a"], ["b"]]) == ([], [[], []])


@pytest.mark.parametrize("measure", ["cosine", "correlation"])
def test_rows_are_compared_as_in_a_matrix(measure: str) -> None:
    rng = np.random.default_rng(6)
    ones, others = rng.standard_normal((2, 4, 30)).astype(np.float32)
    others[2] = 0
    whole = similarity(np.vstack([ones, others]), [""] * 8, range(8), measure).values  # type: ignore[arg-type]
    found = row_similarities(ones, others, measure)  # type: ignore[arg-type]
    np.testing.assert_allclose(found, np.diagonal(whole[:4, 4:]), atol=1e-12)
    assert found[2] == 0


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (["abcd", "abcd"], [0, 1]),
        (["abcd", "xyz", "bcda"], [0, 2]),
        (["xyz", "abcd", "bcda"], [1, 2]),
        (["abc", "abc", "xyz", "xyz"], [0, 1]),
        (["abcdef", "abc", "def", "abcdef"], [0, 1, 3]),
        (["ab", "ab"], []),
        (["abc", ""], []),
        (["aaab", "aaa"], [0, 1]),
        (["abc"], []),
        ([], []),
    ],
)
def test_as_few_as_possible_are_left_out(names: list[str], kept: list[int]) -> None:
    assert alignable(names) == kept


def test_a_correlation_without_a_test_is_that_of_the_test() -> None:
    rng = np.random.default_rng(8)
    one, other = (values + values.T for values in rng.standard_normal((2, 5, 5)))
    tested, untested = agreement(one, other, 99, "greater", 0), correlated(one, other)
    assert (untested.pearson, untested.spearman) == (tested.pearson, tested.spearman)
    assert untested.mantel is None
    with pytest.raises(ValueError, match="not finite"):
        correlated(one, np.full((5, 5), np.nan))
