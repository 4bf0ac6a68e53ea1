"""Consensus of replicates: symmetric means, support of groups, and Procrustes against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.distance import pdist

from tgsh.analysis.clustering import newick
from tgsh.analysis.consensus import (
    Resampling,
    consensus_map,
    consensus_matrix,
    mean_similarity,
    superimposed,
    supported_tree,
)
from tgsh.analysis.replicate_design import Replicates
from tgsh.analysis.similarity import SimilarityMatrix, similarity

FIVE = Replicates.crossed(range(5), [0])


def matrices_of(rng: np.random.Generator, replicates: int, centres: np.ndarray, sd: float) -> np.ndarray:
    """Cosines of centres [T, H] with noise."""
    noise = rng.normal(0, sd, (replicates, *centres.shape))
    tasks = range(len(centres))
    return np.stack([similarity(centres + each, [""] * len(tasks), tasks).values for each in noise])


def of(values: np.ndarray) -> SimilarityMatrix:
    return SimilarityMatrix(
        values.copy(), tuple(map(str, range(len(values)))), tuple(range(len(values))), "cosine"
    )


def circle(tasks: int, width: int = 8) -> np.ndarray:
    angles = np.arange(tasks) * 2 * np.pi / tasks
    return np.stack([np.cos(angles), np.sin(angles), *[np.ones(tasks)] * (width - 2)], axis=1)


def test_the_mean_matrix_is_symmetric_with_t_intervals_and_certain_of_itself() -> None:
    matrices = matrices_of(np.random.default_rng(1), 5, circle(6), 0.1)
    found = mean_similarity(matrices, FIVE)
    for array in (found.mean, found.sd, found.low, found.high):
        np.testing.assert_array_equal(array, array.T)
    low, high = stats.t.interval(0.95, 4, matrices[:, 0, 3].mean(), stats.sem(matrices[:, 0, 3]))
    assert (found.low[0, 3], found.high[0, 3]) == (pytest.approx(low), pytest.approx(high))
    for array, value in ((found.mean, 1), (found.low, 1), (found.high, 1), (found.sd, 0)):
        np.testing.assert_array_equal(np.diagonal(array), value)
    assert found.high.max() <= 1


def test_a_study_of_one_task_or_with_a_task_that_some_lack_has_a_mean() -> None:
    one = mean_similarity(np.ones((5, 1, 1)), FIVE)
    assert (one.mean.tolist(), one.low.tolist()) == ([[1]], [[1]])
    matrices = matrices_of(np.random.default_rng(2), 5, circle(4), 0.1)
    matrices[:2, 3] = matrices[:2, :, 3] = np.nan
    found = mean_similarity(matrices, FIVE)
    assert found.counts.tolist() == [[5, 5, 5, 3]] * 3 + [[3, 3, 3, 3]]
    assert found.mean[0, 3] == pytest.approx(matrices[2:, 0, 3].mean())
    matrices[:, 3] = matrices[:, :, 3] = np.nan
    kept, places = consensus_matrix(mean_similarity(matrices, FIVE).mean, "abcd", range(4), "cosine")
    assert (places, kept.labels) == ([0, 1, 2], ("a", "b", "c"))


@pytest.mark.parametrize(
    ("seeds", "base_seeds"), [(range(4), range(4)), (range(4), [0] * 4), ([0, 1, 2, 3], [0, 0, 1, 1])]
)
def test_replicates_that_are_not_crossed_are_drawn_by_what_they_share(
    seeds: list[int], base_seeds: list[int]
) -> None:
    matrices = matrices_of(np.random.default_rng(10), 4, circle(5), 0.05)
    replicates = Replicates(tuple(seeds), tuple(base_seeds))
    found = supported_tree(matrices, of(matrices.mean(axis=0)), replicates, "average", "bootstrap", 50)
    assert found.trees == 50


@pytest.mark.parametrize("resampling", ["replicates", "jackknife", "bootstrap"])
def test_groups_that_are_there_have_support_and_those_of_chance_have_not(resampling: Resampling) -> None:
    rng = np.random.default_rng(3)
    centres = np.repeat(rng.standard_normal((2, 30)), 4, axis=0)  # two groups of four that are all alike
    matrices = matrices_of(rng, 15, centres, 0.5)
    crossed = Replicates.crossed(range(5), range(3))
    mean = of(mean_similarity(matrices, crossed).mean)
    found = supported_tree(matrices, mean, crossed, resampling=resampling, resamples=200, seed=4)
    assert found.support[-1] == 1
    groups = [s for row, s in zip(found.tree.linkage, found.support, strict=True) if row[3] == 4]
    assert groups[-2:] == [1, 1]
    if resampling != "jackknife":  # which leaves means that hardly differ
        assert found.support[0] is not None
        assert found.support[0] < 0.7
    assert found.trees == {"replicates": 15, "jackknife": 15, "bootstrap": 200}[resampling]
    again = supported_tree(matrices, mean, crossed, resampling=resampling, resamples=200, seed=4)
    assert again.support == found.support


def test_support_is_the_share_of_replicates_counted_by_hand() -> None:
    pairs = [((0, 1), (2, 3)), ((0, 1), (2, 3)), ((0, 2), (1, 3))]
    matrices = np.full((3, 4, 4), 0.1) + 0.9 * np.eye(4)
    for matrix, joined in zip(matrices, pairs, strict=True):
        for number, (i, j) in enumerate(joined):
            matrix[i, j] = matrix[j, i] = 0.9 - 0.1 * number
    found = supported_tree(matrices, of(matrices.mean(axis=0)), Replicates.crossed(range(3), [0]))
    assert found.support == (2 / 3, 2 / 3, 1)
    lacking = matrices.copy()
    lacking[2, 3] = lacking[2, :, 3] = np.nan  # says nothing of {2, 3}, and still not {0, 1}
    found = supported_tree(lacking, of(matrices[:2].mean(axis=0)), Replicates.crossed(range(3), [0]))
    assert found.support == (2 / 3, 1, 1)


def test_groups_that_only_ties_make_have_no_support() -> None:
    equal = np.full((3, 4, 4), 0.5) + 0.5 * np.eye(4)
    found = supported_tree(equal, of(equal[0]), Replicates.crossed(range(3), [0]))
    assert found.support == (0, 0, 1)
    equal[:, 0, 1] = equal[:, 1, 0] = 0.6  # and {0, 1} is one
    found = supported_tree(equal, of(equal[0]), Replicates.crossed(range(3), [0]))
    assert found.support == (1, 0, 1)


def test_one_replicate_supports_nothing_and_newick_carries_what_does() -> None:
    matrices = matrices_of(np.random.default_rng(5), 5, circle(3), 0.1)
    alone = supported_tree(matrices[:1], of(matrices[0]), Replicates((1,), (1,)))
    assert alone.support == (None, None)
    assert alone.reason is not None
    found = supported_tree(matrices, of(matrices.mean(axis=0)), FIVE)
    text = newick(found.tree, found.support)
    assert text.endswith(")1;")
    assert f"){found.support[0]:.3g}:" in text
    assert newick(found.tree, alone.support) == newick(found.tree)


def test_turned_mirrored_and_moved_copies_lie_upon_each_other() -> None:
    rng = np.random.default_rng(6)
    points = rng.standard_normal((9, 3)) * [5, 2, 1]
    turns = [np.linalg.qr(rng.standard_normal((3, 3)))[0] for _ in range(4)]
    found = superimposed(np.stack([points @ turn + rng.standard_normal(3) for turn in turns]), 3)
    np.testing.assert_allclose(found.spread, 0, atol=1e-9)
    np.testing.assert_allclose(pdist(found.points), pdist(points))  # not scaled
    np.testing.assert_allclose(found.points.mean(axis=0), 0, atol=1e-12)
    gram = found.points.T @ found.points
    np.testing.assert_allclose(gram, np.diag(np.diagonal(gram)), atol=1e-9)
    assert (np.diff(np.diagonal(gram)) < 0).all()


def test_each_replicate_lies_as_scipy_would_lay_it_on_the_mean() -> None:
    rng = np.random.default_rng(7)
    points = rng.standard_normal((9, 2)) + 0.3 * rng.standard_normal((6, 9, 2))
    found = superimposed(points, 2)
    np.testing.assert_allclose(found.replicates.mean(axis=0), found.points, atol=1e-12)
    for each, own in zip(points, found.replicates, strict=True):
        turn, _ = orthogonal_procrustes(each - each.mean(axis=0), found.points)
        np.testing.assert_allclose((each - each.mean(axis=0)) @ turn, own, atol=1e-6)
    np.testing.assert_allclose(found.covariances[2], np.cov(found.replicates[:, 2].T))
    np.testing.assert_allclose(found.spread[2], np.sqrt(np.trace(np.cov(found.replicates[:, 2].T))))


def test_the_map_of_a_circle_is_a_circle_and_spreads_with_the_noise() -> None:
    spreads = []
    for sd in (0.01, 0.1):
        found = consensus_map(matrices_of(np.random.default_rng(8), 8, circle(12), sd))
        radii = np.linalg.norm(found.points, axis=1)
        assert radii.std() / radii.mean() < 0.1
        spreads.append(found.spread.mean())
    assert 5 < spreads[1] / spreads[0] < 20


def test_a_task_that_replicates_lack_has_the_spread_of_the_others() -> None:
    matrices = matrices_of(np.random.default_rng(9), 4, circle(6), 0.05)
    matrices[1, 2] = matrices[1, :, 2] = np.nan
    found = consensus_map(matrices)
    assert np.isfinite(found.points).all()
    assert np.isnan(found.replicates[1, 2]).all()
    np.testing.assert_allclose(found.covariances[2], np.cov(found.replicates[[0, 2, 3], 2].T))
    alone = consensus_map(matrices[:1])
    assert np.isnan(alone.spread).all()
    assert alone.reason is not None
    for tasks in (1, 2):
        assert np.isfinite(consensus_map(np.ones((3, tasks, tasks))).points).all()
    matrices[:, 2] = matrices[:, :, 2] = np.nan
    with pytest.raises(ValueError, match="some task"):
        consensus_map(matrices)
