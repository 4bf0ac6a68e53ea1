"""What misleads is said on standard error, whatever format a result is fetched in."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from tgsh.cli.output import print_warnings
from tgsh.cli.results import _warnings
from tgsh.client import Client

CLIENT = cast(
    "Client",
    SimpleNamespace(
        get=lambda _: SimpleNamespace(warnings=["no base"]),
        accuracy=lambda _: SimpleNamespace(warnings=["no better than chance"]),
    ),
)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ("similarity", ["no base"]),
        ("similarity/nearest", ["no base"]),
        ("dendrogram", ["no base"]),
        ("embedding", ["no base"]),
        ("geometry", ["no base"]),
        ("accuracy", ["no better than chance"]),
        ("tasks/3/confusion", ["no better than chance"]),
        ("samples", []),
        ("accuracy/matrix", []),
    ],
)
def test_each_result_has_the_warnings_that_it_is_about(result: str, expected: list[str]) -> None:
    assert _warnings(CLIENT, "id", result) == expected


def test_they_are_apart_from_the_output(capsys: Any) -> None:
    print_warnings(["no base"])
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "Warning: no base\n")
