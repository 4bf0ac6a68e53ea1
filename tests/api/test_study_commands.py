"""`tgsh study` and `tgsh studies`, against the application in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import Result
from fastapi import FastAPI
from typer.testing import CliRunner

from service.dependencies import Services
from tests.api.conftest import SPEC
from tests.api.test_study_results import SUITE, learn
from tests.support.serving import serving
from tgsh.cli.application import app as application
from tgsh.cli.studies import parse_grid, parse_seeds
from tgsh.errors import InvalidSpec

Tgsh = Callable[..., Result]


@pytest.fixture
def tgsh(
    app: FastAPI, client: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Tgsh]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "140")
    (tmp_path / "spec.json").write_text(json.dumps({**SPEC, "suite": SUITE}), "utf-8")
    with serving(app) as http:
        monkeypatch.setenv("TGSH_URL", str(http.base_url))

        def run(*arguments: str) -> Result:
            return CliRunner().invoke(application, list(arguments))

        yield run


def test_a_study_from_submission_to_files(tgsh: Tgsh, app: FastAPI, tmp_path: Path) -> None:
    services: Services = app.state.services
    grid = ("--grid", "training.learning_rate=0.01,0.02", "--seeds", "2", "--base-seeds", "3,4")
    told = tgsh("study", "spec.json", *grid, "--dry-run").stdout
    assert "8 experiments" in told
    assert "40 tasks to train" in told
    assert "No studies yet" in tgsh("studies", "list").stdout
    told = tgsh("study", "spec.json", *grid, "--name", "mine").stdout
    assert "mine, 8 experiments" in told
    id = json.loads(tgsh("studies", "list", "--json").stdout)[0]["id"]
    study = json.loads(tgsh("studies", "show", id[:8], "--json").stdout)
    for each in study["members"]:
        learn(services, each["experiment"], each["seed"], each["base_seed"])
    watched = tgsh("studies", "watch", id)
    assert (watched.exit_code, "Completed" in watched.stdout) == (0, True)
    assert tgsh("submit", "spec.json", "--anew").exit_code == 0
    listed = json.loads(tgsh("list", "--study", id[:8], "--json").stdout)
    assert {each["id"] for each in listed} == {each["experiment"] for each in study["members"]}
    missing = tgsh("list", "--study", "zz")
    assert (missing.exit_code, "no study's id begins with 'zz'" in missing.output) == (4, True)
    shown = tgsh("studies", "show", id).stdout
    assert all(each["experiment"] in shown for each in study["members"])
    assert "training.learning_rate=0.02" in shown
    assert "mine" in tgsh("studies", "list").stdout
    assert "No study fits" in tgsh("studies", "list", "-q", "other").stdout
    told = tgsh("studies", "differences", id, "0-1:3-4,0-2:0-4").stdout
    assert "0° and 10° less 30° and 40°" in told
    assert "4 replicates, over both" in told
    for name, answer, magic in (
        ("s.png", ("similarity", "--statistic", "sd"), b"\x89PNG"),
        ("e.csv", ("effects",), b"cell,"),
        ("t.nwk", ("dendrogram",), b"("),
        ("d.json", ("differences", "--pairs", "0-1:3-4"), b"{"),
    ):
        assert tgsh("studies", "fetch", id, *answer, "-o", name).exit_code == 0
        assert (tmp_path / name).read_bytes().startswith(magic)
    again = tgsh("study", "spec.json", *grid).stdout
    assert "8 computed before" in again


def test_control(tgsh: Tgsh) -> None:
    id = json.loads(tgsh("study", "spec.json", "--seeds", "0,5", "--json").stdout)["id"]
    assert "Cancelling" in tgsh("studies", "cancel", id).stdout
    watched = tgsh("studies", "watch", id, "--json")
    assert (watched.exit_code, json.loads(watched.stdout)["status"]) == (1, "cancelled")
    assert "Resumed" in tgsh("studies", "resume", id).stdout
    assert "3 experiments" in tgsh("studies", "extend", id, "--seeds", "7,").stdout
    assert "everybody" in tgsh("studies", "share", id).stdout
    assert tgsh("studies", "share", id, "--off", "--json").exit_code == 0
    assert f"undelete {id}" in tgsh("studies", "delete", id, "--members", "--yes").stdout
    assert "is back" in tgsh("studies", "undelete", id).stdout
    assert json.loads(tgsh("studies", "delete", id, "--members", "--yes", "--json").stdout)["deleted"]
    assert tgsh("studies", "show", id).exit_code == 4
    assert json.loads(tgsh("list", "--json").stdout) == []
    wrong = tgsh("study", "spec.json", "--grid", "training.epochs=0")
    assert (wrong.exit_code, "grid.training.epochs" in wrong.stderr) == (2, True)
    assert tgsh("study", "spec.json", "--seeds", "x").exit_code == 2


def test_seeds_and_grids() -> None:
    assert [parse_seeds(text, "--seeds") for text in (None, "5", "0,1, 7", "7,")] == [None, 5, [0, 1, 7], [7]]
    options = ["training.epochs=1,3", "network.kind=flynet,gsh", 'network={"kind":"flynet","fan_in":5}']
    assert parse_grid(options) == {
        "training.epochs": [1, 3],
        "network.kind": ["flynet", "gsh"],
        "network": [{"kind": "flynet", "fan_in": 5}],
    }
    assert parse_grid(["a=null,true,x"]) == {"a": [None, True, "x"]}
    assert parse_grid([]) is None
    for options in (["a"], ["=1"], ["a="], ["a=1", "a=2"]):
        with pytest.raises(InvalidSpec, match="--grid"):
            parse_grid(options)
    for text in ("", "x", "1,,2", "-1"):
        with pytest.raises(InvalidSpec, match="--seeds"):
            parse_seeds(text, "--seeds")
