"""Claims about AugmentMNIST, on matrices whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.documents import similarity, trajectories, tree
from tgsh.analysis import similarity as analysis
from tgsh.reproduce.claims.augment import (
    additive,
    joins_last,
    nearer,
    negative_to_all,
    one_cluster,
    sign_changes,
    untrained_sign_changes,
)
from tgsh.reproduce.claims.base import NotMeasured

RANDOM = np.random.default_rng(0).standard_normal((8, 7840))
UNTRAINED = analysis.similarity(RANDOM, [""] * 8, range(8), "cosine").values
CHANCE, CHANCE_TREE = similarity(UNTRAINED), tree(UNTRAINED)


def paper() -> np.ndarray:
    """As the paper has it: {T1, T4, T5, T6} together, T7 against all, least against T1."""
    values = np.full((8, 8), 0.2)
    for one in (0, 3, 4, 5):
        for other in (0, 3, 4, 5):
            values[one, other] = 0.6
    values[6, :] = values[:, 6] = -0.2
    values[6, 0] = values[0, 6] = -0.1
    np.fill_diagonal(values, 1)
    return values


def changed(one: int, other: int, value: float) -> np.ndarray:
    values = paper()
    values[one, other] = values[other, one] = value
    return values


def test_the_paper_holds() -> None:
    matrix, joined = similarity(paper()), tree(paper())
    findings = (
        one_cluster(joined),
        joins_last(joined, CHANCE_TREE),
        nearer(matrix, CHANCE),
        negative_to_all(matrix),
    )
    assert all(finding.holds for finding in findings)
    assert findings[0].measured["smallest_group_with_them"] == [0, 3, 4, 5]
    assert findings[1].summary == "T7"
    assert findings[2].summary == "−0.10 and −0.20"
    assert findings[3].summary == "negative to 7 of 7 (−0.20 to −0.10)"


def test_a_stranger_inside_is_no_cluster() -> None:
    found = one_cluster(tree(changed(0, 7, 0.9)))  # T8 joins T1 before the others do
    assert not found.holds
    assert found.summary == "they are joined as T1, T4, T5, T6, T8"


def test_the_last_to_join_by_chance_is_no_finding() -> None:
    values = 0.02 + 0 * paper()
    values[6, :] = values[:, 6] = 0.019  # last by a hair
    np.fill_diagonal(values, 1)
    found = joins_last(tree(values), CHANCE_TREE)
    assert (found.holds, found.summary) == (False, "T7, as far as the join before")
    assert not joins_last(CHANCE_TREE, CHANCE_TREE).holds


def test_another_task_joins_last() -> None:
    values = paper()
    values[2, :] = values[:, 2] = -0.9
    values[2, 2] = 1
    found = joins_last(tree(values), CHANCE_TREE)
    assert (found.holds, found.measured["last_to_join"]) == (False, [2])


def test_a_pair_that_joins_last_is_not_t7_alone() -> None:
    found = joins_last(tree(changed(6, 7, 0.9)), CHANCE_TREE)
    assert (found.holds, found.summary) == (False, "T7, T8")


def test_nearer_to_the_flip() -> None:
    assert not nearer(similarity(changed(6, 1, 0.0)), CHANCE).holds


def test_nearer_by_no_more_than_chance_is_no_finding() -> None:
    spread = np.array(CHANCE.values)
    largest = np.ptp(spread[~np.eye(8, dtype=bool)])
    found = nearer(similarity(changed(6, 1, -0.1 - 0.1 * largest)), CHANCE)
    assert not found.holds
    assert found.measured["by_chance"] > 0.1 * largest
    assert nearer(similarity(changed(6, 1, -0.1 - largest)), CHANCE).holds
    alike = similarity(np.ones((8, 8)))  # contexts that start equal
    assert nearer(alike, alike).measured["by_chance"] == 0
    assert not nearer(alike, alike).holds


def test_one_positive_similarity_is_enough() -> None:
    found = negative_to_all(similarity(changed(6, 4, 0.01)))
    assert (found.holds, found.measured["T5"]) == (False, 0.01)
    assert found.summary.startswith("negative to 6 of 7")
    assert negative_to_all(similarity(changed(6, 4, 0.0))).holds is False


def test_the_course_is_read_after_the_epochs_named() -> None:
    values: list[float | None] = [0.5, -0.26, 0.01, 0.15, 0.2, 0.3]
    found = sign_changes(trajectories(values), (1, 2, 5))
    assert found.holds
    assert found.measured["similarity_after_epoch"] == {"1": -0.26, "2": 0.01, "5": 0.3}
    assert found.summary == "−0.26, 0.01, 0.30"
    assert not sign_changes(trajectories(values), (2, 5)).holds, "positive from the start"
    assert not sign_changes(trajectories([0, -0.2, -0.001]), (1, 2)).holds
    assert not untrained_sign_changes(trajectories(values), (1, 2, 5)).holds
    for short in ([0.5, -0.26], [0.5, -0.26, None]):
        with pytest.raises(NotMeasured, match="ends before epoch 2"):
            sign_changes(trajectories(short), (1, 2))


def test_effects_add_up_or_do_not() -> None:
    values = np.eye(4)
    for (one, other), distance in {(0, 1): 0.3, (0, 2): 0.4, (0, 3): 0.66, (1, 2): 0.7, (2, 3): 0.3}.items():
        values[one, other] = values[other, one] = 1 - distance
    found = additive(similarity(values))
    assert (found.holds, found.summary) == (True, "0.660 instead of 0.300 + 0.400")
    assert found.measured["flip, invert"] == pytest.approx(0.7)
    values[0, 3] = values[3, 0] = 0.5
    assert not additive(similarity(values)).holds
    assert not additive(similarity(np.eye(4))).holds, "unrelated vectors are at a distance of 1, not of 2"
