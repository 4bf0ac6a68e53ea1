"""Words of the demo: what a matrix says, how two runs compare, lines that fit."""

from __future__ import annotations

import pytest

from tgsh.cli.demo import _Comparison, _Findings, wrap
from tgsh.schemas import Experiment, Similarity
from tgsh.schemas.examples import EXPERIMENT

FOUND: Experiment = Experiment.model_validate(EXPERIMENT | {"mean_accuracy": 0.5})


def matrix(rows: list[list[float]]) -> Similarity:
    labels = [f"{360 // len(rows) * index}°" for index in range(len(rows))]
    return Similarity.model_validate(
        {"experiment_id": "", "base_id": "", "stage": "after", "measure": "cosine", "order": "task"}
        | {"complete": True, "tasks": list(range(len(rows))), "labels": labels, "values": rows}
    )


def test_neighbours_are_counted_around_the_circle_and_exceptions_named() -> None:
    rows = [[1.0, 0.1, 0.2, 0.9], [0.9, 1.0, 0.2, 0.1], [0.9, 0.2, 1.0, 0.3], [0.9, 0.1, 0.2, 1.0]]
    findings = _Findings.of(matrix(rows))
    assert (findings.neighbours, findings.others) == (3, {"180°": "0°"})
    assert findings.nearby == pytest.approx((0.1 + 0.2 + 0.3 + 0.9) / 4)
    first, _, last = findings.paragraphs(FOUND)
    assert first == (
        "Found: 3 of 4 rotations are most like a neighbour, 90° away. These are not: 180° (most like 0°)."
    )
    assert "50.0% of the test digits" in last


def test_rotations_a_quarter_turn_apart_are_not_neighbours() -> None:
    count = 8
    rows = [
        [{0: 1.0, 1: 0.6, 2: 0.25}.get(min((i - j) % count, (j - i) % count), 0.0) for j in range(count)]
        for i in range(count)
    ]
    findings = _Findings.of(matrix(rows))
    first, second, _ = findings.paragraphs(FOUND)
    assert first == "Found: each of 8 rotations is most like its neighbours, 45° away: 8 of 8."
    assert "neighbours 0.60, rotations 90° apart 0.25" in second


def test_a_second_run_says_same_bytes_only_where_they_are() -> None:
    same = _Comparison(FOUND, "5" * 64, True, {})
    other = _Comparison(FOUND, "5" * 64, False, {"numpy": ("2.1", "2.4")})
    unexplained = _Comparison(FOUND, "5" * 64, False, {})
    assert "the same to the last bit" in same.paragraph()
    assert "numpy: 2.1, now 2.4" in other.paragraph()
    assert "report" in unexplained.paragraph()
    for comparison in (other, unexplained):
        assert "not the same bytes" in comparison.paragraph()
        assert "last bit" not in comparison.paragraph()


def test_sentences_are_wrapped_and_paths_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"  /{'a long folder/' * 20}"
    for columns in ("60", "80", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        *lines, last = wrap(f"{'word ' * 60}\n{path}").splitlines()
        assert last == path
        assert max(map(len, lines)) <= min(80, int(columns))
