"""Claims about accuracies, on documents whose answer is known."""

from __future__ import annotations

import pytest

from tests.support.documents import accuracy, geometry, reconstructions, stage
from tgsh.reproduce.claims.accuracy import (
    intra_above_inter,
    mean_within,
    nothing_forgotten,
    parameter_read,
    seen_in_reconstructions,
)
from tgsh.reproduce.claims.base import NotMeasured


def test_the_mean_is_what_counts() -> None:
    found = mean_within(accuracy(0.93, 0.96), 0.937, 0.950)
    assert (found.holds, found.summary) == (True, "0.945 (0.930–0.960)")
    assert not mean_within(accuracy(0.93, 0.93), 0.937, 0.950).holds
    assert not mean_within(accuracy(0.96, 0.96), 0.937, 0.950).holds
    assert mean_within(accuracy(0.96, 0.96), 0.93).holds
    with pytest.raises(NotMeasured, match="no task"):
        mean_within(accuracy(), 0.9)


def test_forgetting_must_be_exactly_zero() -> None:
    found = nothing_forgotten({"forgetting": [0.0, 0.0], "forward_transfer": 0.25})
    assert found.holds
    assert found.summary == "exactly 0 for 2 of 2\nforward transfer +0.250"
    found = nothing_forgotten({"forgetting": [0.0, -1e-4, 1e-5]})
    assert (found.holds, found.measured["largest_forgetting"]) == (False, -1e-4)
    assert found.summary == "exactly 0 for 1 of 3"


@pytest.mark.parametrize("matrix", [None, {"forgetting": []}])
def test_no_matrix_is_not_no_forgetting(matrix: dict[str, list[float]] | None) -> None:
    with pytest.raises(NotMeasured):
        nothing_forgotten(matrix)


def test_definition_1_is_about_trained_contexts() -> None:
    low, high = stage(0.1, 0.3), stage(0.36, 0.08)
    found = intra_above_inter(geometry(before=low, after=high))
    assert found.holds
    assert found.measured["after"] == {"intra": 0.36, "inter": 0.08, "p_intra_greater": 0.9}
    assert found.summary == "0.36 / 0.08, 0.90\nuntrained 0.10 / 0.30, 0.90"
    assert not intra_above_inter(geometry(before=high, after=low)).holds
    with pytest.raises(NotMeasured, match="no pairs"):
        intra_above_inter(geometry(before=low, after=stage(0.4, None)))


@pytest.mark.parametrize(
    ("before", "after", "task", "holds"),
    [(0.83, 0.98, 1.0, True), (0.98, 0.83, 1.0, False), (0.9, 0.9, 1.0, False), (0.83, 0.98, 0.25, False)],
)
def test_a_linear_map_must_read_more_after_training(
    before: float, after: float, task: float, holds: bool
) -> None:
    document = geometry(before=stage(0, 0, before), after=stage(0, 0, after, task), tasks=4)
    found = parameter_read(document)
    assert found.holds is holds
    assert found.measured["chance"] == 0.25
    assert found.measured["r2"] == {"before": before, "after": after}


def test_tasks_without_a_parameter() -> None:
    with pytest.raises(NotMeasured, match="no parameter"):
        parameter_read(geometry(before=stage(0, 0), after=stage(0, 0)))


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
