"""Claims about representations, on documents whose answer is known."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.documents import geometry, reconstructions, stage
from tgsh.analysis.replicate_design import Replicates
from tgsh.reproduce.claims.base import NotMeasured, find
from tgsh.reproduce.claims.representations import (
    intra_above_inter,
    neighbours_closer,
    parameter_read,
    seen_in_reconstructions,
)
from tgsh.schemas import GeometryStage


def of(**numbers: Any) -> GeometryStage:
    return geometry(stage(0, 0), stage(numbers.pop("intra", 0.4), numbers.pop("inter", 0.1), **numbers)).after


def test_definition_1_says_nothing_where_untrained_contexts_meet_it_as_well() -> None:
    trained, untrained, opposite = (
        intra_above_inter(of(intra=intra, inter=inter))
        for intra, inter in ((0.36, 0.08), (0.42, 0), (0.1, 0.3))
    )
    assert trained.measured == {"intra": 0.36, "inter": 0.08, "p_intra_greater": 0.9}
    alone = Replicates((0,), (0,))
    found = find([trained], [untrained], "untrained", alone)
    assert found.verdict == "not informative"
    assert found.summary == "0.36 / 0.08, 0.90\nuntrained: 0.42 / 0.00, 0.90"
    assert found.measured["untrained"]["intra"] == 0.42
    assert find([trained], [opposite], "untrained", alone).verdict == "holds"
    found = find([opposite], [untrained], "untrained", alone)
    assert found.verdict == "does not hold", "whatever untrained ones do"
    with pytest.raises(NotMeasured, match="no pairs"):
        intra_above_inter(of(inter=None))


def test_neighbours_must_be_closer_than_all() -> None:
    assert neighbours_closer(of(inter=0.08, neighbours=0.4)).summary == "0.40 / 0.08"
    assert neighbours_closer(of(inter=0.08, neighbours=0.4)).holds
    assert not neighbours_closer(of(inter=0.9, neighbours=0.95)).holds
    with pytest.raises(NotMeasured, match="anew"):
        neighbours_closer(of())


@pytest.mark.parametrize(("r2", "holds"), [(0.985, True), (0.5, True), (0.49, False), (-0.4, False)])
def test_more_than_half_of_a_parameter_left_out_must_be_read(r2: float, holds: bool) -> None:
    found = parameter_read(of(r2=r2))
    assert found.holds is holds
    assert (found.measured["r2"], found.measured["median_error"]) == (r2, 2.0)
    assert found.summary.endswith(", 2.0 degrees")


def test_experiments_that_did_not_measure_it_say_how_to() -> None:
    with pytest.raises(NotMeasured, match="--anew"):
        parameter_read(of())


@pytest.mark.parametrize(
    ("right_class", "right_task", "holds"),
    [(1.0, 0.73, True), (1.0, 0.65, True), (1.0, 0.64, False), (0.99, 0.9, False)],
)
def test_reconstructions_show_class_and_task(right_class: float, right_task: float, holds: bool) -> None:
    score = {"correlation": 0.3, "right_class": right_class, "right_task": right_task}
    found = seen_in_reconstructions(reconstructions(score))
    assert found.holds is holds
    assert found.measured == score
    assert found.summary.startswith("0.30, ")


def test_reconstructions_without_a_score() -> None:
    for score in (None, {"correlation": 0.3, "right_class": 1.0, "right_task": None}):
        with pytest.raises(NotMeasured, match="no score"):
            seen_in_reconstructions(reconstructions(score))
