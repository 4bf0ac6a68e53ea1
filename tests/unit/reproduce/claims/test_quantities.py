"""The verdict rule: intervals against bounds, on values whose answer is known."""

from __future__ import annotations

import math

import pytest
import scipy

from tests.support.documents import circle, similarity
from tgsh.analysis.replicate_design import Replicates
from tgsh.reproduce.claims.accuracy import mean_within
from tgsh.reproduce.claims.base import ClaimFinding, find
from tgsh.reproduce.claims.quantities import Judgement, Quantity, estimate_quantities, judge_all, mean_of
from tgsh.reproduce.claims.similarity import adjacent
from tgsh.reproduce.record import QuantityResult

SEEDS = Replicates((0, 1, 2), (0, 0, 0))


@pytest.mark.parametrize(
    ("bounds", "interval", "judgement"),
    [
        ({"least": 0, "is_strict": True}, (0.1, 0.2), "holds"),
        ({"least": 0, "is_strict": True}, (0.0, 0.2), "undecided"),
        ({"least": 0}, (0.0, 0.2), "holds"),
        ({"least": 0}, (-0.2, 0.0), "undecided"),
        ({"least": 0, "is_strict": True}, (-0.2, 0.0), "does not hold"),
        ({"most": 0.05, "is_strict": True}, (0.01, 0.04), "holds"),
        ({"most": 0.05, "is_strict": True}, (0.05, 0.06), "does not hold"),
        ({"least": 0.9, "most": 1.1}, (0.95, 1.1), "holds"),
        ({"least": 0.9, "most": 1.1}, (0.8, 1.2), "undecided"),
        ({"least": 0.9, "most": 1.1}, (0.8, 0.89), "does not hold"),
        ({"least": 0.9, "most": 1.1}, (1.2, 1.3), "does not hold"),
        ({"least": 0}, (math.nan, math.nan), "undecided"),
    ],
)
def test_the_whole_interval_decides(
    bounds: dict[str, float], interval: tuple[float, float], judgement: Judgement
) -> None:
    quantity = Quantity("difference", sum(interval) / 2, **bounds)  # type: ignore[arg-type]
    assert quantity.judge(*interval) == judgement


def test_the_interval_is_that_of_t_and_is_cut_off_where_nothing_can_be() -> None:
    values = (0.7, 0.8, 0.9)
    (found,) = estimate_quantities([[Quantity("share", each, least=0.5)] for each in values], SEEDS)
    half = scipy.stats.t.ppf(0.975, 2) * 0.1 / math.sqrt(3)
    assert (found.low, found.high) == pytest.approx((0.8 - half, 0.8 + half))
    assert (found.mean, found.sd, found.judgement) == (pytest.approx(0.8), pytest.approx(0.1), "holds")
    assert found.interval_text == "0.552 to 1.048"
    possible = [[Quantity("share", each, least=0.5, possible=(0, 1))] for each in values]
    assert estimate_quantities(possible, SEEDS)[0].high == 1
    written = QuantityResult.of(found)
    assert (written.values, written.needed, written.judgement) == ([*values], "0.5 or more", "holds")


def test_one_run_is_judged_by_its_point_and_says_why_there_is_no_interval() -> None:
    (found,) = estimate_quantities([[Quantity("share", 0.6, least=0.5)]], Replicates((0,), (0,)))
    assert (found.judgement, found.interval_text) == ("holds", "")
    written = QuantityResult.of(found)
    assert (written.low, written.high, written.sd) == (None, None, None)
    assert written.reason is not None
    assert written.reason.startswith("one seed")


def test_a_replicate_without_a_value_leaves_no_interval() -> None:
    values = (0.7, math.nan, 0.9)
    (found,) = estimate_quantities([[Quantity("share", each, least=0.5)] for each in values], SEEDS)
    assert (found.judgement, found.reason) == ("undecided", "1 of 3 replicates have no value")
    assert QuantityResult.of(found).values == [0.7, None, 0.9]


def test_every_quantity_must_hold_and_one_that_does_not_is_enough() -> None:
    def judged(*means: float) -> Judgement:
        rows = [[Quantity("one", mean + away, least=0) for mean in means] for away in (-0.1, 0, 0.1)]
        return judge_all(estimate_quantities(rows, SEEDS))

    assert judged(1, 1) == "holds"
    assert judged(1, 0) == "undecided"
    assert judged(0, -1) == "does not hold"


def test_a_claim_is_decided_by_intervals_and_its_control_by_the_mean() -> None:
    def found(trained: tuple[float, ...], untrained: tuple[float, ...]) -> ClaimFinding:
        both = ([mean_within([each], 0.5) for each in values] for values in (trained, untrained))
        return find(*both, "untrained", SEEDS)

    chance = (0.0, 0.2, 0.4)
    assert found((0.7, 0.71, 0.72), chance).verdict == "holds"
    wide = found((0.5, 0.7, 0.9), chance)
    assert wide.verdict == "undecided", "its point would do"
    assert wide.summary.splitlines()[1:] == ["95%: mean 0.203 to 1.000", "untrained: 0.200 (0.200–0.200)"]
    assert wide.measured["untrained"]["mean"] == pytest.approx(0.2)
    assert (wide.replicates, wide.over) == (3, "seeds")
    assert found((0.1, 0.11, 0.12), chance).verdict == "does not hold"
    assert found((0.7, 0.71, 0.72), (0.4, 0.6, 0.8)).verdict == "not informative"
    assert found((0.1, 0.11, 0.12), (0.7, 0.7, 0.7)).verdict == "does not hold"


def test_counts_that_are_the_same_in_all_runs_need_no_spread() -> None:
    whole = [adjacent(similarity(circle(12))) for _ in range(3)]
    other = circle(12)
    other[3, 9] = other[9, 3] = 0.95
    assert find(whole, None, "", SEEDS).verdict == "holds"
    mixed = find([*whole[:2], adjacent(similarity(other))], None, "", SEEDS)
    assert mixed.verdict == "undecided"
    assert mixed.summary.startswith("11.3 of 12\n95%: neighbour nearest 8.5 to 12.0")


def test_documents_of_numbers_are_averaged_number_by_number() -> None:
    one, other = {"tasks": 4, "at": {"1": 1.0}, "pair": [1, 2], "unit": "°", "of": None}, {}
    other = {**one, "at": {"1": 3.0}, "pair": [2, 2]}
    assert mean_of([one, other]) == {**one, "at": {"1": 2.0}, "pair": [1.5, 2]}
    assert mean_of([[1, 2], [1]]) is None
