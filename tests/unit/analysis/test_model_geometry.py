"""Stated geometries: formulas by hand, correlations against SciPy and rsatoolbox, p by brute force."""

from __future__ import annotations

import itertools
import warnings
from typing import get_args

import numpy as np
import pytest
from scipy import stats

from tgsh.analysis.comparison import Alternative, Correlation, agreement, entries_above
from tgsh.analysis.model_geometry import (
    GeometryAgreement,
    GeometryFormula,
    formula_geometry,
    geometry_agreement,
    parse_formula,
)
from tgsh.analysis.replicate_design import Replicates
from tgsh.rng import rng_for

ONE = Replicates((1,), (1,))
FIVE = Replicates.crossed(range(5), [0])


def symmetric(rng: np.random.Generator, count: int, tasks: int) -> np.ndarray:
    values = rng.standard_normal((count, tasks, tasks))
    values = (values + values.transpose(0, 2, 1)) / 2
    values[:, np.arange(tasks), np.arange(tasks)] = 1
    return values


def p_of(found: GeometryAgreement) -> float:
    assert found.p is not None, found.reason
    return found.p


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        ("circular(angle)", GeometryFormula("circular", "angle", None)),
        ("  circular ( hour_of-day.x , 24 ) ", GeometryFormula("circular", "hour_of-day.x", 24)),
        ("circular(angle,0.5)", GeometryFormula("circular", "angle", 0.5)),
        ("abs(shift)", GeometryFormula("abs", "shift", None)),
        ("same(group)", GeometryFormula("same", "group", None)),
    ],
)
def test_a_formula_is_read(text: str, formula: GeometryFormula) -> None:
    assert parse_formula(text) == formula


@pytest.mark.parametrize(
    "text",
    [
        "",
        "angle",
        "circular",
        "circular()",
        "exp(angle)",
        "abs(shift, 3)",
        "circular(angle, 0)",
        "circular(angle, -3)",
        "circular(angle, 1e400)",
        "circular(angle); abs(shift)",
        "__import__('os').system('id')",
        "abs(shift.__class__())",
        "abs(" + "a" * 300 + ")",
        "circular(" * 50,
    ],
)
def test_what_is_no_formula_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no formula|period"):
        parse_formula(text)


def test_formulas_state_what_they_say() -> None:
    parameters = {"angle": [0, 90, 350, 720], "shift": [0, 1, 4, None], "group": ["a", "b", "a", None]}
    found = formula_geometry(parse_formula("circular(angle)"), parameters, {"angle": 360})
    np.testing.assert_allclose(found[0], [1, 0.5, 1 - 10 / 180, 1])
    np.testing.assert_allclose(found, found.T)
    found = formula_geometry(parse_formula("circular(angle, 180)"), parameters, {"angle": 360})
    np.testing.assert_allclose(found[0], [1, 0, 1 - 10 / 90, 1])
    found = formula_geometry(parse_formula("abs(shift)"), parameters)
    np.testing.assert_allclose(
        found, [[1, 0.75, 0, np.nan], [0.75, 1, 0.25, np.nan], [0, 0.25, 1, np.nan], [np.nan] * 4]
    )
    found = formula_geometry(parse_formula("same(group)"), parameters)
    np.testing.assert_array_equal(found[0], [1, 0, 1, np.nan])
    np.testing.assert_array_equal(found[3], [np.nan] * 4)
    same_number = formula_geometry(parse_formula("same(shift)"), {"shift": [1, 1.0, float("nan")]})
    assert same_number[0, 1] == 1
    assert np.isnan(same_number[2]).all()
    np.testing.assert_array_equal(
        formula_geometry(parse_formula("abs(shift)"), {"shift": [2, 2]}), np.ones((2, 2))
    )
    assert formula_geometry(parse_formula("same(shift)"), {"shift": []}).shape == (0, 0)
    for text, message in (
        ("abs(angel)", "no parameter 'angel'; they have: angle, group, shift"),
        ("circular(angle)", "the period of angle is not known"),
        ("abs(group)", r"same\(group\) compares it"),
    ):
        with pytest.raises(ValueError, match=message):
            formula_geometry(parse_formula(text), parameters)


@pytest.mark.parametrize("correlation", get_args(Correlation))
def test_the_agreement_is_rsatoolboxes_mean_over_replicates(correlation: Correlation) -> None:
    rng = np.random.default_rng(1)
    matrices, geometry = symmetric(rng, 5, 7), np.round(symmetric(rng, 1, 7)[0])  # with ties
    found = geometry_agreement(matrices, geometry, FIVE, correlation=correlation, permutations=19)
    pairs = [(entries_above(each), entries_above(geometry)) for each in matrices]
    expected = {
        "pearson": [stats.pearsonr(*pair).statistic for pair in pairs],
        "spearman": [stats.spearmanr(*pair).statistic for pair in pairs],
        "kendall": [stats.kendalltau(*pair).statistic for pair in pairs],
        "cosine": [one @ other / np.linalg.norm(one) / np.linalg.norm(other) for one, other in pairs],
    }[correlation]
    assert found.values == pytest.approx(expected)
    assert found.agreement == pytest.approx(np.mean(expected))
    assert (found.low, found.high) == pytest.approx(
        stats.t.interval(0.95, 4, np.mean(expected), stats.sem(expected))
    )
    assert found.ceiling.lower is not None
    assert found.within_ceiling == (np.mean(expected) >= found.ceiling.lower)
    rsatoolbox = pytest.importorskip("rsatoolbox")
    method = {"pearson": "corr", "kendall": "kendall"}.get(correlation, correlation)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        by_rsatoolbox = rsatoolbox.rdm.compare(
            rsatoolbox.rdm.RDMs(entries_above(geometry)[None]),
            rsatoolbox.rdm.RDMs(entries_above(matrices)),
            method,
        )
    np.testing.assert_allclose(by_rsatoolbox.mean(), found.agreement, rtol=1e-6)


@pytest.mark.parametrize("correlation", ["pearson", "spearman", "cosine"])
def test_the_partial_correlation_is_that_of_residuals(correlation: Correlation) -> None:
    rng = np.random.default_rng(2)
    matrices, geometries = symmetric(rng, 5, 6), symmetric(rng, 2, 6)
    geometries[1] += geometries[0]
    found = geometry_agreement(
        matrices, geometries[0], FIVE, other=geometries[1], correlation=correlation, permutations=19
    )
    rows = [entries_above(each).astype(float) for each in (*matrices, *geometries)]
    if correlation == "spearman":
        rows = [stats.rankdata(row) for row in rows]
    constant = np.zeros(15) if correlation == "cosine" else np.ones(15)
    design = np.stack([rows[-1], constant], axis=1)
    left = [row - design @ np.linalg.lstsq(design, row)[0] for row in rows]
    expected = [r @ left[-2] / np.linalg.norm(r) / np.linalg.norm(left[-2]) for r in left[:-2]]
    assert found.values == pytest.approx(expected)
    assert found.partial == pytest.approx(np.mean(expected))
    assert found.agreement != pytest.approx(found.partial)


@pytest.mark.parametrize("alternative", get_args(Alternative))
@pytest.mark.parametrize("correlation", get_args(Correlation))
def test_few_tasks_are_tested_in_all_orders(correlation: Correlation, alternative: Alternative) -> None:
    rng = np.random.default_rng(3)
    matrix, geometry = symmetric(rng, 1, 5), symmetric(rng, 1, 5)[0].round(1)
    found = geometry_agreement(matrix, geometry, ONE, correlation=correlation, alternative=alternative)
    assert found.permutations == 119
    functions = {
        "pearson": lambda a, b: np.corrcoef(a, b)[0, 1],
        "spearman": lambda a, b: stats.spearmanr(a, b).statistic,
        "kendall": lambda a, b: stats.kendalltau(a, b).statistic,
        "cosine": lambda a, b: a @ b / np.linalg.norm(a) / np.linalg.norm(b),
    }
    values = np.array(
        [
            functions[correlation](entries_above(matrix[0]), entries_above(geometry[np.ix_(order, order)]))
            for order in itertools.permutations(range(5))
        ]
    ).round(10)
    greater, less = (values >= values[0]).mean(), (values <= values[0]).mean()
    expected = {"greater": greater, "less": less, "two-sided": min(1, 2 * min(greater, less))}[alternative]
    assert found.p == pytest.approx(expected)
    if correlation == "pearson":  # Mantel's test
        mantel = agreement(matrix[0], geometry, 999, alternative, 1).mantel
        assert mantel is not None
        assert found.p == pytest.approx(mantel.p_value)


def test_sampled_orders_come_near_all_of_them_and_follow_from_the_seed() -> None:
    rng = np.random.default_rng(4)
    matrix, geometry = symmetric(rng, 1, 7), symmetric(rng, 1, 7)[0]
    exact = geometry_agreement(matrix, geometry, ONE)
    assert exact.permutations == 5039
    sampled = [geometry_agreement(matrix, geometry, ONE, permutations=2_000, seed=seed) for seed in (1, 1, 2)]
    assert sampled[0] == sampled[1] != sampled[2]
    assert [found.p for found in sampled] == pytest.approx([exact.p] * 3, abs=0.035)


@pytest.mark.parametrize("correlation", ["pearson", "spearman"])
@pytest.mark.parametrize("partial", [False, True])
def test_p_is_uniform_where_the_geometry_says_nothing(correlation: Correlation, partial: bool) -> None:
    """With another geometry: that one, which the stated one resembles, explains the similarities."""
    rng = rng_for(16, "geometry", correlation, str(partial))
    p_values = []
    for number in range(250):
        other, geometry, noise = symmetric(rng, 3, 9)
        if partial:
            geometry = geometry + other
            noise = noise + other
        found = geometry_agreement(
            noise[None],
            geometry,
            ONE,
            other=other if partial else None,
            correlation=correlation,
            permutations=199,
            seed=number,
        )
        p_values.append(p_of(found) - rng.random() / 200)  # ties would hurt the test otherwise
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_a_true_geometry_is_found_and_one_that_only_resembles_it_is_not_once_it_is_partialled_out() -> None:
    rng = np.random.default_rng(5)
    angles = {"angle": np.arange(12) * 30.0, "place": np.arange(12.0)}
    circle = formula_geometry(parse_formula("circular(angle)"), angles, {"angle": 360})
    line = formula_geometry(parse_formula("abs(place)"), angles)
    matrices = circle + 0.1 * symmetric(rng, 5, 12)
    found = geometry_agreement(matrices, circle, FIVE, other=line)
    assert found.p == pytest.approx(1 / 10_000)
    assert found.within_ceiling
    wrong = geometry_agreement(matrices, line, FIVE)
    assert not wrong.within_ceiling
    assert p_of(geometry_agreement(matrices, line, FIVE, other=circle)) > 0.01


def test_where_nothing_can_be_said_the_reason_is_given() -> None:
    rng = np.random.default_rng(6)
    matrices, geometry = symmetric(rng, 5, 6), symmetric(rng, 1, 6)[0]
    lacking = geometry.copy()
    lacking[3] = lacking[:, 3] = np.nan
    found = geometry_agreement(matrices, lacking, FIVE, permutations=19)
    assert found.tasks == (0, 1, 2, 4, 5)
    kept = np.ix_([0, 1, 2, 4, 5], [0, 1, 2, 4, 5])
    assert (
        found.agreement == geometry_agreement(matrices[:, kept[0], kept[1]], geometry[kept], FIVE).agreement
    )
    single = geometry_agreement(matrices[:1], geometry, ONE, permutations=19)
    assert (single.low, single.within_ceiling) == (None, None)
    assert single.p is not None
    assert single.reason is not None
    assert single.reason.startswith("one seed")
    for values, stated, other, correlation, reason in (
        (matrices[:, :2, :2], geometry[:2, :2], None, "pearson", "fewer than 3 tasks"),
        (matrices, np.ones((6, 6)), None, "spearman", "the geometry has similarities that are all equal"),
        (np.ones((5, 6, 6)), geometry, None, "kendall", "a replicate has similarities that are all equal"),
        (matrices, geometry, geometry, "pearson", "the other geometry leaves nothing"),
        (matrices, geometry, geometry**2, "kendall", "no residuals to permute"),
    ):
        found = geometry_agreement(values, stated, FIVE, other=other, correlation=correlation)  # type: ignore[arg-type]
        assert found.p is None
        assert found.reason is not None
        assert reason in found.reason
    with pytest.raises(ValueError, match="do not fit"):
        geometry_agreement(matrices, geometry[:5, :5], FIVE)
