"""Claims about accuracies, on documents whose answer is known."""

from __future__ import annotations

import pytest

from tests.reproduce.documents import accuracy
from tgsh.reproduce.claims.accuracy import mean_within, nothing_forgotten
from tgsh.reproduce.claims.base import NotMeasured


def test_the_mean_is_what_counts() -> None:
    found = mean_within(accuracy(0.93, 0.96), 0.937, 0.950)
    assert (found.holds, found.shown) == (True, "0.945 (0.930–0.960)")
    assert not mean_within(accuracy(0.93, 0.93), 0.937, 0.950).holds
    assert not mean_within(accuracy(0.96, 0.96), 0.937, 0.950).holds
    assert mean_within(accuracy(0.96, 0.96), 0.93).holds
    with pytest.raises(NotMeasured, match="no task"):
        mean_within(accuracy(), 0.9)


def test_forgetting_must_be_exactly_zero() -> None:
    found = nothing_forgotten({"forgetting": [0.0, 0.0], "forward_transfer": 0.25})
    assert found.holds
    assert found.shown == "exactly 0 for 2 of 2\nforward transfer +0.250"
    found = nothing_forgotten({"forgetting": [0.0, -1e-4, 1e-5]})
    assert (found.holds, found.measured["largest_forgetting"]) == (False, -1e-4)
    assert found.shown == "exactly 0 for 1 of 3"


@pytest.mark.parametrize("matrix", [None, {"forgetting": []}])
def test_no_matrix_is_not_no_forgetting(matrix: dict[str, list[float]] | None) -> None:
    with pytest.raises(NotMeasured):
        nothing_forgotten(matrix)
