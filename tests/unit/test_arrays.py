"""CSV: nothing in it runs in a spreadsheet, and every label comes back as it was."""

from __future__ import annotations

import csv
import io
import unicodedata

import numpy as np
import pytest

from tgsh.arrays import LabelledArray, csv_label, table_csv, to_csv

DANGEROUS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    '=HYPERLINK("http://evil.example";"look")',
    "=cmd|' /C calc'!A0",
    *(f"{sign}1+1" for sign in "＝＋－＠﹦﹢﹣﹫"),
    *(
        f"{hidden}{sign}1"
        for hidden in (" ", "  ", "\ufeff", "\u200b", "\u3000", "\u00a0 ")
        for sign in "=@＝"
    ),
    "\tplain",
    "\x0b=1",
]
HARMLESS = ["", "10°", "1-2", " 1", "\ufeffx", "'quoted'", "'", "''x", "a=b", 'say "x", then', "two\nlines"]


def rows(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


@pytest.mark.attacks
@pytest.mark.parametrize("label", [*DANGEROUS, *(f"'{label}" for label in DANGEROUS), *HARMLESS])
def test_labels_do_not_run_and_come_back(label: str) -> None:
    header, *body = rows(table_csv(["task", label], [(0, label), (1, -0.5)]))
    for cell in (header[1], body[0][1]):
        shown = unicodedata.normalize("NFKC", cell).lstrip().lstrip("\ufeff\u200b ")
        assert not shown.startswith(("=", "+", "-", "@"))
        assert not cell.startswith(("\t", "\r", "\n"))
        assert csv_label(cell) == label
    assert body[1] == ["1", "-0.5"], "a number is no formula"


@pytest.mark.attacks
def test_labels_of_arrays_do_not_run() -> None:
    labels = ["=1+1", "b"]
    array = LabelledArray(np.array([[1.0, -0.25], [-0.25, 1.0]]), [0, 1], labels, labels, {})
    assert rows(to_csv(array)) == [["", "'=1+1", "b"], ["'=1+1", "1.0", "-0.25"], ["b", "-0.25", "1.0"]]
