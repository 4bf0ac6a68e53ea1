"""What counts as lost, and what is no record."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from importlib import resources
from io import StringIO
from pathlib import Path
from typing import Any, get_args

import pytest
from rich.console import Console

from tgsh.errors import InvalidSpec
from tgsh.reproduce.claims import paper_claims
from tgsh.reproduce.plan import DatasetChoice, planned_experiments
from tgsh.reproduce.record import (
    EARLIER,
    SHIPPED,
    ClaimResult,
    ExperimentResult,
    ReproductionRecord,
    Verdict,
    changes,
    joined_versions,
    read_record,
    shipped_record,
)
from tgsh.reproduce.report import print_report

DATASETS: tuple[DatasetChoice, ...] = get_args(DatasetChoice)


def claim(verdict: Verdict = "holds", id: str = "adjacent.rotation", **more: Any) -> ClaimResult:
    about = {"text": "Adjacent tasks", "where": "Fig. 9", "criterion": "all", "expected": "all"}
    names = {"subject": "rotation", "experiments": ["rotation"], "ids": ["1"], "digests": ["2"]}
    return ClaimResult.model_validate({**about, **names, "id": id, "verdict": verdict, **more})


def experiment(**more: Any) -> ExperimentResult:
    about = {"name": "rotation", "subject": "flynet, rotation", "digest": "2", "spec": {}, "epochs": 3}
    return ExperimentResult.model_validate({**about, **more})


def record(*claims: ClaimResult, experiments: tuple[ExperimentResult, ...] = ()) -> ReproductionRecord:
    return ReproductionRecord(
        dataset="mnist5k",
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
        machine={},
        versions={},
        seconds=1.0,
        experiments=list(experiments),
        claims=list(claims),
    )


@pytest.mark.parametrize(
    ("now", "was", "lost"),
    [
        ("holds", "holds", False),
        ("holds", "does not hold", False),
        ("does not hold", "does not hold", False),
        ("does not hold", "not measured", False),
        ("does not hold", "holds", True),
        ("not measured", "holds", True),
        ("not informative", "holds", False),
        ("does not hold", "not informative", False),
        ("undecided", "holds", False),
        ("does not hold", "undecided", False),
    ],
)
def test_a_claim_is_lost_that_held_and_does_not(now: Verdict, was: Verdict, lost: bool) -> None:
    found = claim(now).compared_with({EARLIER: record(claim(was))})
    assert found.lost is lost
    assert found.before == {EARLIER: was}
    assert record(found).passed is (not lost and now != "not measured")


def test_either_record_may_say_that_it_held() -> None:
    records = {EARLIER: record(claim("does not hold")), SHIPPED: record(claim("holds"))}
    assert claim("does not hold").compared_with(records).lost
    assert not claim("does not hold", id="new").compared_with(records).lost
    found = record(claim("does not hold").compared_with(records))
    assert [(change.record, change.previous) for change in changes(found)] == [(SHIPPED, "holds")]


def test_a_claim_that_is_not_measured_is_not_good() -> None:
    assert not record(claim("not measured")).passed
    assert record(claim("holds"), claim("does not hold", id="other")).passed


def test_a_record_survives_its_file(tmp_path: Path) -> None:
    made = record(claim(measured={"neighbours": 3}), experiments=(experiment(seconds=1.5),))
    (tmp_path / "claims.json").write_text(made.model_dump_json(indent=2), encoding="utf-8")
    assert read_record(tmp_path / "claims.json", "mnist5k") == made


def test_a_record_of_the_first_version_is_compared_with(tmp_path: Path) -> None:
    first = json.loads(record(claim("holds")).model_dump_json(exclude={"claims": {0: {"decided_by", "why"}}}))
    (tmp_path / "claims.json").write_text(json.dumps({**first, "schema_version": 1}), encoding="utf-8")
    old = read_record(tmp_path / "claims.json", "mnist5k")
    assert (old.claims[0].decided_by, old.claims[0].why) == ("", "")
    found = record(claim("not informative", why="Because.").compared_with({EARLIER: old}))
    assert [(change.claim.verdict, change.previous) for change in changes(found)] == [
        ("not informative", "holds")
    ]
    assert found.passed


@pytest.mark.parametrize(
    ("text", "dataset", "complaint"),
    [
        ("{", "mnist5k", "no record of `tgsh reproduce`: the file: is no JSON"),
        ("{}", "mnist5k", "no record of `tgsh reproduce`: dataset: is missing"),
        (json.dumps({"schema_version": 4}), "mnist5k", "schema_version"),
        (record(claim()).model_dump_json(), "mnist", "a record of mnist5k, not of mnist"),
    ],
)
def test_what_is_no_record_is_refused(tmp_path: Path, text: str, dataset: str, complaint: str) -> None:
    (tmp_path / "claims.json").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidSpec, match=complaint):
        read_record(tmp_path / "claims.json", dataset)
    with pytest.raises(InvalidSpec, match="cannot be read"):
        read_record(tmp_path / "nothing.json", dataset)


@pytest.mark.parametrize("dataset", DATASETS)
def test_what_is_shipped_is_a_record_of_todays_claims(dataset: DatasetChoice) -> None:
    shipped = shipped_record(dataset)
    assert shipped is not None
    assert shipped.dataset == dataset
    claims, experiments = paper_claims(dataset), planned_experiments(dataset)
    assert list(shipped.verdicts()) == [claim.id for claim in claims]
    assert {each.name for each in shipped.experiments} == {each.name for each in experiments}
    assert all(claim.decided_by and claim.why for claim in shipped.claims if claim.verdict != "not measured")
    verdicts = {claim.verdict for claim in shipped.claims}
    assert (
        {"holds", "does not hold", "not informative"} <= verdicts <= {*get_args(Verdict)} - {"not measured"}
    )
    for each in shipped.claims:
        assert (each.replicates > 1) == any(found.sd is not None for found in each.quantities)


@pytest.mark.parametrize("dataset", DATASETS)
def test_what_was_shipped_before_is_kept_to_compare_with(dataset: DatasetChoice) -> None:
    folder = Path(str(resources.files("tgsh.reproduce") / "records" / "earlier"))
    earlier = read_record(folder / f"{dataset}-0.3.0.json", dataset)
    assert {claim.verdict for claim in earlier.claims} == {"holds", "does not hold"}
    shipped = shipped_record(dataset)
    assert shipped is not None
    both = set(earlier.verdicts()) & set(shipped.verdicts())
    assert any(shipped.verdicts()[id] == "not informative" for id in both)


def test_nothing_is_shipped_of_an_unknown_dataset() -> None:
    assert shipped_record("kmnist") is None


def test_versions_that_differ_are_all_told() -> None:
    every = [experiment(versions={"torch": "2.9", "numpy": "2"}), experiment(versions={"torch": "2.14"})]
    assert joined_versions([*every, experiment()]) == {"torch": "2.9 / 2.14", "numpy": "2"}


def test_the_report_fits_a_hundred_columns_and_names_what_changed() -> None:
    held = {EARLIER: record(claim("holds"))}
    found = record(
        claim(
            "does not hold", shown="3 of 36", earlier=True, decided_by="the start", why="So it is."
        ).compared_with(held),
        claim("not measured", id="other", reason="it has no score"),
        claim("not measured", id="third", reason="bad: images are missing", experiments=["bad"]),
        experiments=(
            experiment(earlier=True, id="1", status="completed", mean_accuracy=0.5, seconds=2.0),
            experiment(name="bad", status="failed", reason="images are missing"),
        ),
    )
    console = Console(file=StringIO(), width=100)
    print_report(found, console)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, said.splitlines())) <= 100
    assert said.count("Adjacent tasks") == 1, "one claim about several experiments"
    assert said.count("images are missing") == 1, "a reason is told once"
    for words in (
        "Fig. 9",
        "3 of 36",
        "it has no score",
        "bad has no results: images are missing",
        "* trained by an earlier run",
        "0.500",
        "not measured: 2",
        "does not hold: So it is. Decided by the start.",
    ):
        assert words in said
    assert "adjacent.rotation: does not hold, but holds in the earlier run" in " ".join(said.split())
