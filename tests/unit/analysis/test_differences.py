"""Differences of pairs and cells: Holm against statsmodels, and error rates against a known null."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tgsh.analysis.differences import NO_SPREAD, cell_effects, holm, pair_differences
from tgsh.analysis.replicate_design import Replicates
from tgsh.analysis.replicates import estimate
from tgsh.rng import rng_for

CROSSED = Replicates.crossed(range(5), range(3))


def matrices_of(rng: np.random.Generator, replicates: int, tasks: int, sd: float = 0.01) -> np.ndarray:
    noise = rng.normal(0, sd, (replicates, tasks, tasks))
    matrices = 0.5 + (noise + noise.transpose(0, 2, 1)) / 2
    matrices[:, np.arange(tasks), np.arange(tasks)] = 1
    return matrices


def test_holms_correction_is_that_of_statsmodels() -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    rng = np.random.default_rng(1)
    for count in (1, 2, 20):
        p_values = rng.random(count) ** 3
        np.testing.assert_allclose(holm(p_values), multitest.multipletests(p_values, method="holm")[1])


def test_holms_correction_is_what_is_written_and_leaves_out_what_was_not_tested() -> None:
    np.testing.assert_allclose(holm(np.array([0.01, np.nan, 0.04, 0.03])), [0.03, np.nan, 0.06, 0.06])
    np.testing.assert_array_equal(holm(np.array([0.9, 0.8])), [1, 1])
    assert holm(np.zeros(0)).shape == (0,)


def test_a_difference_is_a_paired_t_test() -> None:
    matrices = matrices_of(np.random.default_rng(2), 6, 5)
    matrices[:, 0, 1] += 0.1 + np.arange(6) / 10  # what a seed does to both pairs does not count
    matrices[:, 2, 3] += np.arange(6) / 10
    asked = [((0, 1), (2, 3)), ((0, 2), (1, 3)), ((4, 4), (4, 3))]
    found = pair_differences(matrices, asked, Replicates.crossed(range(6), [0]))
    p_values = [stats.ttest_rel(matrices[:, i, j], matrices[:, k, m]).pvalue for (i, j), (k, m) in asked]
    assert [each.pairs for each in found] == asked
    assert [each.result.p for each in found] == pytest.approx(p_values)
    assert [each.result.p_holm for each in found] == pytest.approx(holm(np.array(p_values)).tolist())
    assert [each.result.distinguishable for each in found] == [True, False, True]
    first = found[0].result
    assert (first.low, first.high) == pytest.approx(
        tuple(stats.ttest_rel(matrices[:, 0, 1], matrices[:, 2, 3]).confidence_interval(0.95))
    )


@pytest.mark.parametrize("replicates", [Replicates.crossed(range(4), [0]), CROSSED])
def test_all_differences_together_keep_the_error_rate(replicates: Replicates) -> None:
    """20 differences of 21 pairs that are alike, the first pair in all of them: as dependent as can be."""
    rng = rng_for(16, "family-wise", len(replicates))
    draws, differences = 4_000, 20
    values = rng.normal(0, 0.01, (len(replicates), draws, differences + 1))
    _, seeds = np.unique(replicates.seeds, return_inverse=True)
    _, bases = np.unique(replicates.base_seeds, return_inverse=True)
    values += rng.normal(0, 0.01, (seeds.max() + 1, draws, differences + 1))[seeds]
    if bases.max():
        values += rng.normal(0, 0.03, (bases.max() + 1, draws, differences + 1))[bases]
    p_values = estimate(values[..., :1] - values[..., 1:], replicates).p_values()
    wrong = np.array([holm(each).min() <= 0.05 for each in p_values])
    assert wrong.mean() <= 0.06
    assert (p_values <= 0.05).any(axis=1).mean() > 0.2  # without the correction it would not


def test_power_the_difference_that_there_is_is_found() -> None:
    matrices = matrices_of(np.random.default_rng(3), 15, 4)
    matrices[:, [0, 1], [1, 0]] += 0.1
    others = [((0, 1), pair) for pair in ((0, 2), (0, 3), (1, 2), (1, 3), (2, 3))]
    found = pair_differences(matrices, [*others, ((0, 2), (1, 3))], CROSSED)
    assert [each.result.distinguishable for each in found] == [True] * 5 + [False]
    assert found[0].result.difference == pytest.approx(0.1, abs=0.01)


def test_where_nothing_can_be_tested_the_reason_is_given() -> None:
    one = matrices_of(np.random.default_rng(4), 1, 3)
    result = pair_differences(one, [((0, 1), (1, 2))], Replicates((1,), (1,)))[0].result
    assert (result.low, result.p, result.p_holm, result.distinguishable) == (None,) * 4
    assert result.difference == pytest.approx(one[0, 0, 1] - one[0, 1, 2])
    assert result.reason is not None
    assert result.reason.startswith("one seed")
    same = np.broadcast_to(one, (3, 3, 3))
    found = pair_differences(same, [((0, 1), (1, 2)), ((0, 1), (1, 0))], Replicates.crossed(range(3), [0]))
    assert (found[0].result.p, found[0].result.reason) == (None, NO_SPREAD)
    assert (found[1].result.p, found[1].result.distinguishable) == (1, False)  # a pair is itself
    assert pair_differences(same, [], Replicates.crossed(range(3), [0])) == []
    lacking = matrices_of(np.random.default_rng(6), 3, 3)
    lacking[:, 2] = lacking[:, :, 2] = np.nan
    result = pair_differences(lacking, [((0, 1), (1, 2))], Replicates.crossed(range(3), [0]))[0].result
    assert (result.difference, result.replicates, result.reason) == (None, 0, "no replicate has a value")
    with pytest.raises(ValueError, match="not one of 3"):
        pair_differences(same, [((0, 3), (1, 2))], Replicates.crossed(range(3), [0]))


def test_effects_are_paired_by_replicate_and_corrected_together() -> None:
    rng = np.random.default_rng(5)
    replicates = Replicates.crossed(range(6), [0])
    shared = rng.normal(0, 1, (6, 2))  # of a replicate, in all cells
    values = shared + rng.normal(0, 0.01, (3, 6, 2)) + np.array([0, 0.1, 0])[:, None, None]
    values[1, 5, 1] = np.nan
    rows = cell_effects(values, replicates, reference=0)
    assert [(row.cell, row.quantity) for row in rows] == [(1, 0), (1, 1), (2, 0), (2, 1)]
    tests = [
        stats.ttest_rel(values[c, :, q], values[0, :, q], nan_policy="omit") for c in (1, 2) for q in (0, 1)
    ]
    assert [row.result.p for row in rows] == pytest.approx([float(test.pvalue) for test in tests])
    assert [row.result.distinguishable for row in rows] == [True, True, False, False]
    assert [row.result.replicates for row in rows] == [6, 5, 6, 6]
    corrected = holm(np.array([float(test.pvalue) for test in tests]))
    assert [row.result.p_holm for row in rows] == pytest.approx(corrected.tolist())
    assert [row.cell for row in cell_effects(values[..., 0], replicates, reference=2)] == [0, 1]
    assert cell_effects(values[:1], replicates) == []
    with pytest.raises(ValueError, match="not one of 3 cells"):
        cell_effects(values, replicates, reference=3)
    with pytest.raises(ValueError, match="not cells of 6"):
        cell_effects(values[:, :5], replicates)
