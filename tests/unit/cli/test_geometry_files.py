"""Geometries on the command line, and how an agreement is printed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tgsh.cli import tables
from tgsh.cli.options import read_geometry
from tgsh.errors import InvalidSpec
from tgsh.schemas import Agreement


def test_formulas_experiments_and_matrices(tmp_path: Path) -> None:
    assert read_geometry("circular(angle)") == "circular(angle)"
    assert read_geometry("4734") == {"experiment": "4734"}
    matrix = np.array([[1, 0.5], [0.5, np.nan]])
    np.save(tmp_path / "model.npy", matrix)
    (tmp_path / "model.csv").write_text("1,0.5\n0.5,\n")
    (tmp_path / "labels.csv").write_text(",0°,10°\n0°,1,0.5\n10°,0.5,\n")
    for name in ("model.npy", "model.csv", "labels.csv"):
        np.testing.assert_array_equal(read_geometry(str(tmp_path / name)), matrix)


@pytest.mark.parametrize("text", ["a,b\nc,d\n", "1,2\n3\n"])
def test_what_is_no_matrix_names_the_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "model.csv"
    path.write_text(text)
    with pytest.raises(InvalidSpec, match=r"model\.csv"):
        read_geometry(str(path))
    for missing in ("no.csv", "no.npy"):
        with pytest.raises(InvalidSpec, match=missing):
            read_geometry(str(tmp_path / missing))


def test_an_agreement_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    example = Agreement.model_config["json_schema_extra"]["examples"][0]  # type: ignore[index,call-overload]
    tables.print_agreement(Agreement.model_validate({**example, "partial": 0.5}))
    printed = capsys.readouterr().out
    for words in ("pearson", "0.870", "partial", "0.500", "4 tasks", "23 other orders", "Missing numbers"):
        assert words in printed
