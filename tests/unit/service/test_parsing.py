"""Which tasks a caller means."""

from __future__ import annotations

import pytest

from service.parsing import parse_indices
from tgsh.errors import InvalidSpec


@pytest.mark.parametrize(
    ("text", "expected"),
    [(None, [0, 2, 4, 5]), ("4", [4]), ("5, 0", [5, 0]), ("4-5", [4, 5]), ("0,4-5,0", [0, 4, 5])],
)
def test_numbers_and_ranges(text: str | None, expected: list[int]) -> None:
    assert parse_indices(text, (0, 2, 4, 5), "tasks") == expected


@pytest.mark.parametrize("text", ["", "x", "1-", "-1", "0,,4", "3", "0-5", "0-999999", "1e3", "²"])
def test_what_is_not_there_is_named(text: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        parse_indices(text, (0, 2, 4, 5), "tasks")
    assert caught.value.field == "tasks"


def test_before_there_is_anything() -> None:
    assert parse_indices(None, (), "tasks") == []
    with pytest.raises(InvalidSpec, match="yet"):
        parse_indices("0", (), "tasks")


def test_all_tasks_again_and_again_are_refused() -> None:
    everything = tuple(range(10_000))
    assert parse_indices("0-9999," * 150 + "0", everything, "tasks") == list(everything)
    with pytest.raises(InvalidSpec, match="ranges"):
        parse_indices("0-9999," * 250 + "0", everything, "tasks")
