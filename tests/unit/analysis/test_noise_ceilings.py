"""Noise ceilings against rsatoolbox and their definition; studies against replicates drawn alike."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import stats

from tgsh.analysis.comparison import Correlation, correlations, entries_above
from tgsh.analysis.noise_ceilings import common_tasks, noise_ceiling, study_agreement
from tgsh.analysis.replicate_design import Replicates
from tgsh.rng import rng_for

CROSSED = Replicates.crossed(range(5), range(3))
SIX = Replicates.crossed(range(6), [0])
METHODS: dict[Correlation, str] = {
    "pearson": "corr",
    "spearman": "spearman",
    "cosine": "cosine",
    "kendall": "kendall",
}


def symmetric(rng: np.random.Generator, count: int, tasks: int) -> np.ndarray:
    values = rng.standard_normal((count, tasks, tasks))
    values = (values + values.transpose(0, 2, 1)) / 2
    values[:, np.arange(tasks), np.arange(tasks)] = 1
    return values


def noisy(
    rng: np.random.Generator, truth: np.ndarray, replicates: Replicates, sds: tuple[float, float, float]
) -> np.ndarray:
    """Matrices [R, T, T]: a truth with what seeds, bases and both together do to it."""
    values = truth + sds[2] * symmetric(rng, len(replicates), len(truth))
    for sd, levels in zip(sds, (replicates.seeds, replicates.base_seeds), strict=False):
        _, which = np.unique(levels, return_inverse=True)
        values = values + sd * symmetric(rng, which.max() + 1, len(truth))[which]
    return values


@pytest.mark.parametrize("correlation", METHODS)
def test_the_ceiling_is_rsatoolboxes(correlation: Correlation) -> None:
    rsatoolbox = pytest.importorskip("rsatoolbox")
    rng = np.random.default_rng(1)
    matrices = noisy(rng, np.abs(symmetric(rng, 1, 8)[0]), SIX, (0.4, 0, 0))
    found = noise_ceiling(matrices, SIX, correlation=correlation)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that Kendall's is of averaged ranks
        expected = rsatoolbox.inference.boot_noise_ceiling(
            rsatoolbox.rdm.RDMs(entries_above(matrices)), method=METHODS[correlation]
        )
    assert (found.lower, found.upper) == pytest.approx(tuple(float(end) for end in expected))
    assert (found.over, found.replicates, found.tasks, found.reason) == ("seeds", 6, 8, None)


def test_the_ceiling_is_what_its_definition_says() -> None:
    rng = np.random.default_rng(2)
    matrices = noisy(rng, symmetric(rng, 1, 6)[0], CROSSED, (0.2, 0.5, 0.1))
    rows = entries_above(matrices)
    scores = stats.zscore(rows, axis=1)
    seeds, bases = np.array(CROSSED.seeds), np.array(CROSSED.base_seeds)
    expected = {}
    for over in ("seeds", "base_seeds", "both"):
        lower, upper, between = [], [], []
        for r in range(15):
            group = {"seeds": bases == bases[r], "base_seeds": seeds == seeds[r], "both": bases >= 0}[over]
            others = group & (np.arange(15) != r)
            if over == "both":
                others = (bases != bases[r]) & (seeds != seeds[r])
            lower.append(np.corrcoef(scores[others].mean(axis=0), rows[r])[0, 1])
            upper.append(np.corrcoef(scores[group].mean(axis=0), rows[r])[0, 1])
            between += [np.corrcoef(rows[r], rows[o])[0, 1] for o in np.flatnonzero(others)]
        expected[over] = [np.mean(lower), np.mean(upper), np.mean(between)]
        found = noise_ceiling(matrices, CROSSED, over)  # type: ignore[arg-type]
        assert [found.lower, found.upper, found.between] == pytest.approx(expected[over])
    assert expected["seeds"][0] > expected["base_seeds"][0]  # bases differ more than seeds


def test_correlations_are_scipys() -> None:
    rng = np.random.default_rng(3)
    ones, others = rng.integers(0, 5, (2, 20)).astype(float), rng.standard_normal((3, 20))
    by_scipy = {"pearson": stats.pearsonr, "spearman": stats.spearmanr, "kendall": stats.kendalltau}
    for name, function in by_scipy.items():
        expected = [[function(one, other).statistic for other in others] for one in ones]
        np.testing.assert_allclose(correlations(ones, others, name), expected, atol=1e-12)  # type: ignore[arg-type]
    lengths = np.linalg.norm(ones, axis=1)[:, None] * np.linalg.norm(others, axis=1)
    np.testing.assert_allclose(correlations(ones, others, "cosine"), ones @ others.T / lengths)
    for name in METHODS:
        assert np.isnan(correlations(np.zeros((1, 20)), others, name)).all()


def test_where_there_is_no_ceiling_the_reason_is_given() -> None:
    rng = np.random.default_rng(4)
    matrices = symmetric(rng, 15, 5)
    cases = [
        (matrices[:1], Replicates((1,), (1,)), "seeds", "no two replicates differ in the seed only"),
        (matrices[:5], Replicates.crossed(range(5), [0]), "both", "differ in both seed and base"),
        (matrices[:5], Replicates.crossed(range(5), [0]), "base_seeds", "differ in the base only"),
        (matrices[:, :2, :2], CROSSED, "both", "fewer than 3 tasks"),
        (np.ones((15, 4, 4)), CROSSED, "both", "all equal"),
    ]
    for values, replicates, over, reason in cases:
        found = noise_ceiling(values, replicates, over)  # type: ignore[arg-type]
        assert (found.lower, found.upper, found.between) == (None, None, None)
        assert found.reason is not None
        assert reason in found.reason
    with pytest.raises(ValueError, match="not those of 15"):
        noise_ceiling(matrices[:4], CROSSED)
    two = noise_ceiling(matrices[:2], Replicates((0, 1), (0, 0)))
    assert two.lower == pytest.approx(two.between)


def test_tasks_that_some_replicates_lack_are_left_out() -> None:
    matrices = symmetric(np.random.default_rng(5), 6, 7)
    matrices[2, 4] = matrices[2, :, 4] = np.nan
    assert common_tasks(matrices) == [0, 1, 2, 3, 5, 6]
    kept = [0, 1, 2, 3, 5, 6]
    assert noise_ceiling(matrices, SIX) == noise_ceiling(matrices[:, kept][:, :, kept], SIX)
    assert common_tasks(np.full((1, 2, 2), np.nan)) == []


def test_studies_of_one_truth_are_as_alike_as_replicates_and_others_are_not() -> None:
    rng = np.random.default_rng(6)
    truths = symmetric(rng, 2, 8)
    other = Replicates.crossed(range(5), range(10, 13))
    five = Replicates.crossed(range(5), range(20, 25))
    one = noisy(rng, truths[0], five, (0.05, 0.3, 0.05))
    same = noisy(rng, truths[0], Replicates.crossed(range(5), range(5)), (0.05, 0.3, 0.05))
    apart = noisy(rng, truths[0] + 0.5 * truths[1], Replicates.crossed(range(5), range(5)), (0.05, 0.3, 0.05))
    pair = (five, Replicates.crossed(range(5), range(5)))
    alike, unlike = study_agreement(one, same, pair), study_agreement(one, apart, pair)
    assert (alike.as_alike, unlike.as_alike) == (True, False)
    assert alike.permutations == 251  # ways to halve ten bases
    assert unlike.p == pytest.approx(2 / 252)
    assert alike.agreement is not None
    assert unlike.agreement is not None
    assert alike.agreement > unlike.agreement
    assert unlike.one_by_other is not None
    assert unlike.ceilings[0].lower is not None
    assert unlike.one_by_other < unlike.ceilings[0].lower
    few = study_agreement(one[:15], noisy(rng, truths[0], other, (0.05, 0.3, 0.05)), (CROSSED, other))
    assert (few.as_alike, few.least_p) == (None, pytest.approx(0.1))
    assert few.reason == "so few replicates cannot give a p below 0.1"


@pytest.mark.parametrize("shared", [0, 3, 6])
def test_p_of_studies_of_one_truth_is_uniform(shared: int) -> None:
    rng = rng_for(16, "two studies", shared)
    truth, p_values = symmetric(rng, 1, 6)[0], []
    bases = np.arange(12 - shared)
    replicates = tuple(Replicates((0,) * 6, tuple(own.tolist())) for own in (bases[:6], bases[-6:]))
    for number in range(200):
        effects = 0.5 * symmetric(rng, len(bases), 6)  # of a base, in both studies
        ones, others = (
            truth + effects[places] + 0.2 * symmetric(rng, 6, 6)
            for places in (np.arange(6), np.arange(-6, 0))
        )
        found = study_agreement(ones, others, (replicates[0], replicates[1]), "pearson", 199, seed=number)
        assert found.p is not None
        assert found.least_p is not None
        p_values.append(found.p - rng.random() * found.least_p)  # ties would hurt the test otherwise
    assert stats.kstest(p_values, "uniform").pvalue > 0.01
    assert np.mean(np.array(p_values) <= 0.05) <= 0.09


def test_studies_without_replicates_or_tasks_in_common_say_so() -> None:
    matrices = symmetric(np.random.default_rng(7), 2, 5)
    lone = (Replicates((1,), (1,)), Replicates((1,), (1,)))
    found = study_agreement(matrices[:1], matrices[1:], lone)
    assert found.agreement == pytest.approx(
        np.corrcoef(entries_above(matrices[0]), entries_above(matrices[1]))[0, 1]
    )
    assert (found.p, found.as_alike) == (None, None)
    assert found.reason is not None
    assert found.reason.startswith("one seed in each study")
    lacking = matrices[1:].copy()
    lacking[:, :3] = lacking[:, :, :3] = np.nan
    found = study_agreement(matrices[:1], lacking, lone)
    assert (found.agreement, found.tasks) == (None, 2)
    flat = study_agreement(matrices[:1], np.ones((1, 5, 5)), lone)
    assert flat.reason == "a replicate has similarities that are all equal"
    with pytest.raises(ValueError, match="same tasks"):
        study_agreement(matrices[:1], matrices[1:, :4, :4], lone)
