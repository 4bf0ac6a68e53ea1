"""Intervals over replicates: against SciPy, statsmodels' mixed model, and truths that are known."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import stats

from tgsh.analysis.replicate_design import Over, Replicates
from tgsh.analysis.replicates import ReplicateEstimate, estimate
from tgsh.rng import rng_for

DRAWS = 20_000
"""Simulated studies; the standard error of a coverage of 0.95 is 0.0015."""

CROSSED = Replicates.crossed(range(5), range(3))


def simulated(
    replicates: Replicates, sds: tuple[float, float, float], draws: int = DRAWS, name: str = ""
) -> np.ndarray:
    """Values [R, draws] with mean 0: random seeds, random bases and a residual of these sds."""
    rng = rng_for(16, "replicates", str(replicates), str(sds), name)
    values = sds[2] * rng.standard_normal((len(replicates), draws))
    for sd, levels in zip(sds, (replicates.seeds, replicates.base_seeds), strict=False):
        _, which = np.unique(levels, return_inverse=True)
        values += sd * rng.standard_normal((which.max() + 1, draws))[which]
    return values


def coverage(found: ReplicateEstimate, truth: float = 0.0) -> float:
    assert found.reason is None
    return float(((found.low <= truth) & (truth <= found.high)).mean())


@pytest.mark.parametrize(("name", "places"), [("seeds", (range(7), [3])), ("base_seeds", ([3], range(7)))])
def test_one_source_is_scipys_t_interval(name: Over, places: tuple[list[int], list[int]]) -> None:
    values = np.random.default_rng(1).normal(0.5, 0.1, (7, 4, 4))
    found = estimate(values, Replicates.crossed(*places), level=0.9)
    assert found.over == name
    low, high = stats.t.interval(0.9, 6, values.mean(axis=0), stats.sem(values, axis=0))
    np.testing.assert_allclose(found.low, low)
    np.testing.assert_allclose(found.high, high)
    np.testing.assert_allclose(found.sd, values.std(axis=0, ddof=1))
    np.testing.assert_allclose(found.p_values(0.4), stats.ttest_1samp(values, 0.4).pvalue)
    assert (found.counts == 7).all()


def test_over_seeds_of_given_bases_is_a_t_interval_of_each_seeds_mean() -> None:
    values = simulated(CROSSED, (1, 3, 1), 50)
    found = estimate(values, CROSSED, "seeds")
    means = values.reshape(3, 5, -1).mean(axis=0)
    np.testing.assert_allclose(found.degrees, 4)
    np.testing.assert_allclose(found.standard_error, stats.sem(means))
    np.testing.assert_allclose(estimate(values, CROSSED, "base_seeds").degrees, 2)


def test_components_are_those_of_the_analysis_of_variance_and_of_a_mixed_model() -> None:
    values = simulated(CROSSED, (1, 2, 0.7), 3)
    found = estimate(values, CROSSED)
    table = values.reshape(3, 5, 3)  # bases, seeds
    seeds, bases, mean = table.mean(axis=0), table.mean(axis=1), table.mean(axis=(0, 1))
    of_seeds = 3 * ((seeds - mean) ** 2).sum(axis=0) / 4
    of_bases = 5 * ((bases - mean) ** 2).sum(axis=0) / 2
    of_residual = ((table - seeds - bases[:, None] + mean) ** 2).sum(axis=(0, 1)) / 8
    np.testing.assert_allclose(found.residual_variance, of_residual)
    np.testing.assert_allclose(found.seed_variance, (of_seeds - of_residual) / 3)
    np.testing.assert_allclose(found.base_variance, (of_bases - of_residual) / 5)
    of_mean = of_seeds + of_bases - of_residual
    np.testing.assert_allclose(found.standard_error, np.sqrt(of_mean / 15))
    satterthwaite = of_mean**2 / (of_seeds**2 / 4 + of_bases**2 / 2 + of_residual**2 / 8)
    np.testing.assert_allclose(found.degrees, np.maximum(satterthwaite, 2))

    pytest.importorskip("statsmodels")
    import pandas as pd
    from statsmodels.regression.mixed_linear_model import MixedLM

    frame = pd.DataFrame({"y": values[:, 0], "s": CROSSED.seeds, "b": CROSSED.base_seeds, "one": 1})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its optimiser
        model = MixedLM.from_formula(
            "y ~ 1", groups="one", re_formula="0", vc_formula={"b": "0 + C(b)", "s": "0 + C(s)"}, data=frame
        )
        fit = model.fit(reml=True)
    components = dict(zip(model.exog_vc.names, fit.vcomp, strict=True))
    assert found.seed_variance[0] == pytest.approx(components["s"], rel=1e-3)
    assert found.base_variance[0] == pytest.approx(components["b"], rel=1e-3)
    assert found.residual_variance[0] == pytest.approx(fit.scale, rel=1e-3)
    assert found.standard_error[0] == pytest.approx(fit.bse["Intercept"], rel=1e-3)


MISSING = CROSSED.chosen([0, 1, 2, 4, 5, 7, 8, 9, 11, 12, 13])  # 11 of 15

EXACT = [
    (Replicates.crossed(range(5), [0]), (3, 0, 0), "seeds"),
    (Replicates.crossed(range(2), [0]), (3, 0, 0), "seeds"),
    (Replicates.crossed([0], range(3)), (0, 3, 0), "base_seeds"),
    (CROSSED, (0.003, 0, 0.004), "seeds"),
    (CROSSED, (0, 0.01, 0.004), "base_seeds"),
    (CROSSED, (0.003, 0.01, 0.004), "both"),  # the sds of a similarity over seeds and over bases
    (CROSSED, (0, 10, 1), "both"),
    (CROSSED, (10, 0, 1), "both"),
    (Replicates.crossed(range(10), range(5)), (1, 1, 1), "both"),
    (MISSING, (0.003, 0.01, 0.004), "both"),
    (MISSING, (0, 0.01, 0.004), "base_seeds"),
    (Replicates(tuple(range(5)), tuple(range(5))), (3, 10, 4), "both"),  # seed k with base k
    (Replicates((0, 1, 2, 3, 4, 5), (0, 0, 1, 1, 2, 2)), (3, 10, 4), "both"),  # seeds within bases
]


@pytest.mark.parametrize(("replicates", "sds", "over"), EXACT)
def test_intervals_cover_what_is_true_as_often_as_they_say(
    replicates: Replicates, sds: tuple[float, float, float], over: Over
) -> None:
    found = estimate(simulated(replicates, sds), replicates, over)
    assert coverage(found) == pytest.approx(0.95, abs=0.01)
    assert (found.p_values() < 0.05).mean() == pytest.approx(0.05, abs=0.01)


WIDE = [
    (CROSSED, (1, 1, 1)),
    (CROSSED, (0, 0, 1)),
    (Replicates.crossed(range(2), range(2)), (3, 10, 4)),
    (Replicates.crossed(range(3), range(3)), (10, 3, 4)),
    (Replicates.crossed(range(5), range(2)), (3, 10, 4)),
    (Replicates((0, 0, 1), (0, 1, 0)), (3, 10, 4)),  # three of four: no residual is left
    (MISSING, (3, 1, 4)),
]


@pytest.mark.parametrize(("replicates", "sds"), WIDE)
def test_where_few_replicates_say_little_of_two_sources_intervals_err_to_the_wide_side(
    replicates: Replicates, sds: tuple[float, float, float]
) -> None:
    assert coverage(estimate(simulated(replicates, sds), replicates)) > 0.94


@pytest.mark.parametrize("which", [0, 3, 5, 11])
def test_p_values_are_uniform_where_nothing_differs(which: int) -> None:
    replicates, sds, over = EXACT[which]
    p_values = estimate(simulated(replicates, sds, 3_000, "p"), replicates, over).p_values()
    if which == 5:  # Satterthwaite's is an approximation: the end of the scale that decides is what counts
        assert (p_values < 0.01).mean() == pytest.approx(0.01, abs=0.006)
        assert (
            abs(stats.ecdf(p_values).cdf.evaluate(np.linspace(0, 1, 21)) - np.linspace(0, 1, 21)).max() < 0.04
        )
    else:
        assert stats.kstest(p_values, "uniform").pvalue > 0.01


@pytest.mark.parametrize("replicates", [CROSSED, MISSING])
def test_components_are_unbiased_where_they_are_not_near_zero(replicates: Replicates) -> None:
    found = estimate(simulated(replicates, (3, 4, 1)), replicates)
    assert found.seed_variance.mean() == pytest.approx(9, rel=0.03)
    assert found.base_variance.mean() == pytest.approx(16, rel=0.03)
    assert found.residual_variance.mean() == pytest.approx(1, rel=0.03)
    assert (found.sd**2).mean() == pytest.approx(26, rel=0.03)


def test_what_a_lost_replicate_leaves_is_estimated_column_by_column() -> None:
    values = simulated(CROSSED, (3, 10, 4), 40)
    values[[3, 6, 10, 14], :20] = np.nan
    values[:, 39] = np.nan
    found = estimate(values, CROSSED)
    alone = estimate(values[[0, 1, 2, 4, 5, 7, 8, 9, 11, 12, 13], :20], MISSING)
    np.testing.assert_array_equal(found.low[:20], alone.low)
    np.testing.assert_allclose(found.high[20:39], estimate(values[:, 20:39], CROSSED).high)
    assert np.isnan(found.mean[39])
    assert found.counts.tolist() == [11] * 20 + [15] * 19 + [0]
    assert found.reason == "no replicate has a value"
    # A base that lacks seeds does not count less: the additive model fills them in.
    seeds, bases = np.arange(5.0), np.array([0.0, 10, 40])
    additive = (bases[:, None] + seeds).reshape(15, 1)
    additive[[3, 6, 10, 14]] = np.nan
    assert estimate(additive, CROSSED).mean[0] == pytest.approx(seeds.mean() + bases.mean())


@pytest.mark.parametrize(
    ("replicates", "over", "reason"),
    [
        (Replicates((1,), (1,)), None, "one seed"),
        (Replicates((1,), (1,)), "both", "one seed"),
        (Replicates.crossed(range(5), [1]), "both", "one base seed"),
        (Replicates.crossed(range(5), [1]), "base_seeds", "one base seed"),
        (Replicates((0, 1, 2), (0, 1, 2)), "seeds", "no random base has two seeds"),
    ],
)
def test_where_nothing_can_be_said_the_reason_is(
    replicates: Replicates, over: Over | None, reason: str
) -> None:
    values = np.arange(len(replicates), dtype=float)
    found = estimate(values, replicates, over)
    assert found.mean == values.mean()
    assert np.isnan([found.low, found.high, found.sd, found.standard_error, found.p_values()]).all()
    assert found.reason is not None
    assert found.reason.startswith(reason)


def test_two_replicates_have_an_interval_that_is_honest() -> None:
    found = estimate(np.array([0.70, 0.71]), Replicates((0, 1), (0, 0)))
    assert (found.low, found.high) == (
        pytest.approx(0.705 - 0.0635, abs=1e-4),
        pytest.approx(0.7685, abs=1e-4),
    )
    wide = estimate(np.array([0.2, 0.9]), Replicates((0, 1), (0, 0)), bounds=(-1, 1))
    assert (wide.low, wide.high) == (-1, 1)


def test_replicates_that_are_equal_have_no_spread_and_prove_nothing() -> None:
    found = estimate(np.full((15, 2), [0.1, 0.0]), CROSSED)
    np.testing.assert_array_equal(found.low, [0.1, 0])
    np.testing.assert_array_equal(found.sd, 0)
    np.testing.assert_array_equal(found.p_values(), [np.nan, 1])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="they are one"):
        Replicates((1, 1), (2, 2))
    with pytest.raises(ValueError, match="do not fit"):
        Replicates((1,), (2, 2))
    for values in (np.zeros(3), np.zeros(())):
        with pytest.raises(ValueError, match="not those of 15"):
            estimate(values, CROSSED)
    with pytest.raises(ValueError, match="infinite"):
        estimate(np.full(15, np.inf), CROSSED)
    with pytest.raises(ValueError, match="level"):
        estimate(np.zeros(15), CROSSED, level=95)
