"""Names of tasks of one label: told apart by number, whole or shortened; names that are unique stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgsh.task_names import MAX_NAME, shortened, told_apart

LONG = "turned by ten degrees and then "


def test_labels_of_one_task_each_stay() -> None:
    labels = ["0°", "10°", LONG + "mirrored", "#3"]
    assert told_apart(labels, range(4)) == labels
    assert told_apart(labels, range(4), MAX_NAME) == labels  # who draws them shortens them


def test_equal_labels_have_the_numbers_of_their_tasks() -> None:
    assert told_apart(["same", "other", "same"], [4, 2, 0]) == ["same #4", "other", "same #0"]
    assert told_apart(["", "a"], [7, 8]) == ["#7", "a"]


def test_labels_that_are_equal_as_they_are_shown_are_told_apart() -> None:
    labels = [LONG + "mirrored", LONG + "inverted", "as it is"]
    assert told_apart(labels, range(3)) == labels
    names = told_apart(labels, range(3), MAX_NAME)
    assert names == ["turned by ten degree… #0", "turned by ten degree… #1", "as it is"]
    assert len({shortened(name) for name in names}) == 3


@pytest.mark.parametrize("labels", [["a", "a", "a #1"], ["a #0", "a", "a"], ["a #1 #2", "a", "a", "a #1"]])
def test_a_label_that_looks_like_a_number_is_no_other_task(labels: list[str]) -> None:
    names = told_apart(labels, range(len(labels)))
    assert len(set(names)) == len(names)


@given(st.lists(st.text("a #1°", max_size=30), max_size=12), st.sampled_from([None, MAX_NAME]))
def test_no_two_names_are_equal(labels: list[str], longest: int | None) -> None:
    names = told_apart(labels, range(len(labels)), longest)
    seen = names if longest is None else [shortened(name, longest) for name in names]
    assert len(set(seen)) == len(labels)
