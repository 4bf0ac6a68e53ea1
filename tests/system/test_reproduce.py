"""A whole reproduction, small, on a real stack: run, run again, with an experiment that fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.system.test_stack import kin
from tgsh.cli.application import app
from tgsh.client import Client
from tgsh.datasets.downloads import FILES
from tgsh.reproduce.claims import accuracy, similarity
from tgsh.reproduce.claims.base import Claim, ExperimentRun
from tgsh.reproduce.execution import ReproductionPlan, reproduce
from tgsh.reproduce.plan import TAG, FigureRequest, PlannedExperiment, ReplicateCounts
from tgsh.reproduce.record import EARLIER, ReproductionRecord
from tgsh.schemas import Experiment, Study
from tgsh.specs import ExperimentSpec, FlyNetSpec, RotationSuite, TrainingSpec
from tgsh.stack.stack import Stack

RUN = [sys.executable, "-c", "import sys; from tgsh.cli import app; sys.exit(app())"]


def small(name: str, seed: int, dataset: str = "mnist5k", **more: object) -> PlannedExperiment:
    spec = ExperimentSpec.model_validate(
        {
            "dataset": dataset,
            "suite": RotationSuite(tasks=4, step_degrees=90),
            "network": FlyNetSpec(expansion=1),
            "training": TrainingSpec(epochs=2, train_limit=300),
            "seed": seed,
            "tags": (TAG,),
        }
    )
    return PlannedExperiment(name, spec, **more)  # type: ignore[arg-type]


def neighbours(about: str) -> Claim:
    measure = lambda documents: similarity.half_turn(documents.similarity())  # noqa: E731
    return Claim(f"turn.{about}", "Half turns", "here", "above", "more", (about,), measure, None, "chance")


def learned(about: str, least: float) -> Claim:
    measure = lambda documents: accuracy.mean_within(  # noqa: E731
        [task.accuracy for task in documents.accuracy().tasks], least
    )
    control = lambda documents: accuracy.mean_within(documents.untrained_accuracies(), least)  # noqa: E731
    text, decided_by = "Tasks are learned", "training.epochs"
    return Claim(f"learned.{about}", text, "here", f"{least}", "", (about,), measure, control, decided_by)


FIGURES = (
    FigureRequest("dendrogram"),
    FigureRequest("early", "similarity", {"stage": "1"}),
    FigureRequest("no-such-figure"),
)
PLAN = ReproductionPlan(
    "mnist5k",
    (small("good", 0, figures=FIGURES), small("other", 1, stage=1), small("bad", 0, dataset="mnist")),
    (
        learned("good", 0.3),
        learned("other", 1.0),
        replace(learned("good", 0.0), id="easy.good"),
        neighbours("good"),
        Claim(
            id="both",
            text="Two together",
            where="here",
            criterion="the same",
            expected="",
            about=("good", "bad"),
            measure=lambda good, bad: similarity.every_second(good.similarity(), bad.similarity()),
            control=None,
            decided_by="nothing",
        ),
    ),
)


def quietly(client: Client, subject: Experiment | Study) -> None:
    if isinstance(subject, Experiment):
        client.wait(subject.id)
    else:
        client.wait_study(subject.id)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("reproduce")
    raw = folder / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in FILES:
        (raw / file).write_text("MNIST is here, and cannot be read")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TGSH_DATA_DIR", str(folder / "data"))
        with Stack(folder / "home") as running:
            yield running


@pytest.fixture(scope="module")
def first(stack: Stack) -> tuple[ReproductionRecord, list[ExperimentRun]]:
    """A run on an empty home, of which one experiment had been submitted by a run that was stopped."""
    with Client(stack.url) as client:
        left = client.submit(PLAN.experiments[1].spec)
        found = reproduce(client, PLAN, {}, quietly)
        assert found[1][1].experiment is not None
        assert found[1][1].experiment.id == left.id
        assert found[1][1].initial_state in {"unfinished", "completed"}
        return found


def test_claims_are_judged_and_a_failed_experiment_has_a_reason(
    first: tuple[ReproductionRecord, list[ExperimentRun]],
) -> None:
    record, runs = first
    good, other, low, turn, both = record.claims
    assert (good.verdict, other.verdict, both.verdict) == ("holds", "does not hold", "not measured")
    assert (low.verdict, low.decided_by) == ("not informative", "training.epochs"), (
        "untrained ones meet it too"
    )
    assert low.why.startswith("Untrained contexts meet the criterion as well")
    assert 0 <= good.measured["untrained"]["mean"] < 0.3
    assert turn.verdict in {"holds", "does not hold"}
    assert good.measured["mean"] == pytest.approx(record.experiments[0].mean_accuracy)
    assert good.measured["mean"] > 0.3
    assert both.reason is not None
    assert both.reason.startswith("bad: ")
    assert "MNIST" in both.reason
    assert [run.completed for run in runs] == [True, True, False]
    assert not record.passed


def test_a_record_says_what_it_rests_on(first: tuple[ReproductionRecord, list[ExperimentRun]]) -> None:
    record, _ = first
    good, _, bad = record.experiments
    assert good.digest == PLAN.experiments[0].spec.digest() == record.claims[0].digests[0]
    assert good.id == record.claims[0].ids[0]
    assert (good.status, bad.status) == ("completed", "failed")
    assert {"tgsh", "torch", "numpy"} <= set(record.versions)
    assert good.compute
    assert good.compute[0].startswith(("cpu", "cuda"))
    assert good.seconds is not None
    assert record.seconds >= good.seconds > 0


def test_a_second_run_trains_nothing_anew(
    stack: Stack, first: tuple[ReproductionRecord, list[ExperimentRun]]
) -> None:
    lines: list[str] = []
    with Client(stack.url) as client:
        before = {each.id for each in client.experiments(tag=TAG)}
        record, runs = reproduce(client, PLAN, {EARLIER: first[0]}, quietly, lines.append)
        assert {each.id for each in client.experiments(tag=TAG)} == before
    assert [run.initial_state for run in runs] == ["completed", "completed", "unfinished"]
    assert [claim.measured for claim in record.claims] == [claim.measured for claim in first[0].claims]
    assert [claim.earlier for claim in record.claims] == [True, True, True, True, True]
    assert not any(claim.lost for claim in record.claims)
    assert lines[0].startswith("1 of 3: good was completed by an earlier run")
    assert record.experiments[2].status == "failed", "it was tried again"


def test_replicates_are_studies_that_take_what_single_runs_trained(
    stack: Stack, first: tuple[ReproductionRecord, list[ExperimentRun]]
) -> None:
    claims = (learned("good", 0.3), learned("other", 1.0), replace(learned("good", 0.0), id="easy.good"))
    other = replace(PLAN.experiments[1], block=1)
    plan = ReproductionPlan("mnist5k", (PLAN.experiments[0], other), claims, ReplicateCounts(2, 2))
    lines: list[str] = []
    with Client(stack.url) as client:
        record, runs = reproduce(client, plan, {}, quietly)
        again, runs_again = reproduce(client, plan, {EARLIER: record}, quietly, lines.append)
        assert [len(list(client.studies(tag=TAG)))] == [2]
        study = client.get_study(record.experiments[0].study or "")
    assert [claim.verdict for claim in record.claims] == ["holds", "does not hold", "not informative"]
    good = record.claims[0]
    assert (good.replicates, good.over, good.level) == (4, "both", 0.95)
    (quantity,), (untrained,) = good.quantities, good.control
    values = [each.mean_accuracy for each in record.experiments[0].replicates]
    assert quantity.values == pytest.approx(values)
    assert len({*values}) == 4
    assert quantity.low is not None
    assert quantity.high is not None
    assert 0.3 <= quantity.low < (quantity.mean or 0) < quantity.high
    assert untrained.mean is not None
    assert untrained.mean < 0.3
    assert study.members[0].experiment == first[0].experiments[0].id, "what the single run trained"
    assert [(each.seed, each.base_seed) for each in record.experiments[1].replicates] == [
        (2, 2),
        (3, 2),
        (2, 3),
        (3, 3),
    ]
    assert [run.initial_state for run in runs_again] == ["completed", "completed"]
    assert [claim.quantities for claim in again.claims] == [claim.quantities for claim in record.claims]
    assert lines[0].startswith("1 of 2: good was completed by an earlier run (4 replicates, study ")
    assert ReproductionRecord.model_validate_json(record.model_dump_json()) == record
    assert runs[0].experiment is not None


def test_the_command(
    stack: Stack,
    first: tuple[ReproductionRecord, list[ExperimentRun]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    good = ReproductionPlan(PLAN.dataset, PLAN.experiments[:1], PLAN.claims[:1])
    monkeypatch.setattr("tgsh.reproduce.execution.paper_plan", lambda dataset, replicates: good)
    monkeypatch.setattr("tgsh.reproduce.record.shipped_record", lambda dataset: None)
    command = ["reproduce", "--url", stack.url, "-o", str(tmp_path / "out")]
    ended = CliRunner().invoke(app, command)
    assert ended.exit_code == 0, ended.output
    assert (
        "1 claims on mnist5k. holds: 1, does not hold: 0, undecided: 0, not informative: 0, not measured: 0"
        in ended.stdout
    )
    assert "good-no-such-figure.png is left out: there is no figure" in ended.stderr
    names = ["claims.json", "good-dendrogram.png", "good-early.png"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert (tmp_path / "out" / "good-early.png").read_bytes().startswith(b"\x89PNG")

    lost = ReproductionPlan(PLAN.dataset, PLAN.experiments[:1], (learned("good", 1.0),))
    monkeypatch.setattr("tgsh.reproduce.execution.paper_plan", lambda dataset, replicates: lost)
    ended = CliRunner().invoke(app, [*command, "--json"])
    assert ended.exit_code == 1
    written = ReproductionRecord.model_validate_json((tmp_path / "out" / "claims.json").read_bytes())
    assert ReproductionRecord.model_validate(json.loads(ended.stdout)) == written
    assert written.claims[0].before == {EARLIER: "holds"}
    ended = CliRunner().invoke(app, command)
    assert ended.exit_code == 0, "it did not hold in the run before, either"

    monkeypatch.setattr("tgsh.reproduce.execution.paper_plan", lambda dataset, replicates: PLAN)
    ended = CliRunner().invoke(app, command)
    assert ended.exit_code == 1, "one could not be measured"


def test_wrong_options_name_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "claims.json").write_text("{}")
    for options, complaint in (
        (["--dataset", "cifar"], "cifar is none of mnist5k, mnist"),
        (["--figures-format", "gif"], "gif is none of png, svg, pdf"),
        (["-o", str(tmp_path)], "is no record of `tgsh reproduce`"),
        (["--against", str(tmp_path / "missing.json")], "cannot be read"),
    ):
        ended = CliRunner().invoke(app, ["reproduce", "--home", str(tmp_path / "home"), *options])
        assert ended.exit_code == 2, ended.output
        assert complaint in " ".join(ended.stderr.split())
    assert not (tmp_path / "home").exists()


def test_ctrl_c_leaves_no_process_and_the_next_run_goes_on(tmp_path: Path) -> None:
    for expected in ("1 of 13: rotation-flynet (", "rotation-flynet goes on from"):
        running = subprocess.Popen(
            [*RUN, "reproduce", "--quick", "--home", str(tmp_path / "home"), "--workers", "1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=tmp_path,
            env=dict(os.environ) | {"PYTHONUNBUFFERED": "1"},
        )
        assert running.stdout
        assert any(expected in line for line in running.stdout)
        running.send_signal(signal.SIGINT)
        said, _ = running.communicate(timeout=60)
        assert kin(tmp_path / "home") == []
        assert running.returncode == 130
        assert "Traceback" not in said
    assert not (tmp_path / "reproduce-mnist5k").exists()
